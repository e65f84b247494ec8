"""Who is to be told that instances can be retrieved, and of which (Instance Availability Notification, PS3.4 Annex R).

An acceptance owes each of the configured peers one notification of the study, once in a quiet period, whatever comes in it: that
is one statement which mostly writes nothing. What there is to tell is looked up when the notification goes out.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dicomnode.index.database import Connections
from dicomnode.index.outbox import owe_once
from dicomnode.index.writer import Writer

NOTIFICATION_KIND: Final = "availability"
"""In the outbox: the key is the Study Instance UID."""


@dataclass(frozen=True, slots=True)
class Notify:
    """Whom acceptances are told to.

    Attributes:
        destinations: names of peers.
        quiet_s: how long more instances of the study are waited for.
    """

    destinations: tuple[str, ...] = ()
    quiet_s: float = 60.0


@dataclass(frozen=True, slots=True)
class AvailableInstance:
    """One instance that a peer has not been told of."""

    series_instance_uid: str
    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class Untold:
    """What a peer has not been told of a study.

    Attributes:
        instances: series by series.
        last_instance: how far it will have been told, then; so with ``last_event``.
        performed_step: the SOP Instance UID of the study's only performed procedure step; empty when there is none, or more.
    """

    instances: Sequence[AvailableInstance]
    last_instance: int
    last_event: int
    performed_step: str = ""


_TOLD: Final = "SELECT last_instance, last_event FROM notified WHERE destination = ? AND study_instance_uid = ?"
_LAST_EVENT: Final = "SELECT coalesce(max(id), 0) FROM event"
_UNTOLD: Final = """
SELECT instance.id, series.series_instance_uid, sop_class_uid, sop_instance_uid
FROM study JOIN series ON series.study = study.id JOIN instance ON instance.series = series.id
WHERE study.study_instance_uid = :study AND (
    instance.id > :last_instance
    OR instance.id IN (SELECT instance FROM event WHERE id > :last_event AND kind = 'released')
)
ORDER BY series.id, instance.id
"""
_STEPS: Final = """
SELECT sop_instance_uid FROM performed_step_study JOIN performed_step ON performed_step.id = step
WHERE study_instance_uid = ? LIMIT 2
"""
_TELL: Final = """
INSERT INTO notified (destination, study_instance_uid, last_instance, last_event) VALUES (?, ?, ?, ?)
ON CONFLICT (destination, study_instance_uid) DO UPDATE
SET last_instance = max(last_instance, excluded.last_instance), last_event = excluded.last_event
"""


def owe_notifications(connection: sqlite3.Connection, notify: Notify, study_instance_uid: str) -> None:
    """Owe everybody who wants it a notification of this study, in the transaction that accepts an instance of it."""
    now = int(time.time() * 1_000_000)
    due = now + int(notify.quiet_s * 1_000_000)
    for destination in notify.destinations:
        owe_once(connection, NOTIFICATION_KIND, destination, study_instance_uid, now=now, due=due)


class Availability:
    """What peers have been told, and what not yet."""

    def __init__(self, connections: Connections, writer: Writer) -> None:
        self._connections = connections
        self._writer = writer

    def untold(self, destination: str, study_instance_uid: str) -> Untold:
        """The accepted instances of the study that this peer was not told of.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        with self._connections.reading() as connection:
            told = connection.execute(_TOLD, (destination, study_instance_uid)).fetchone()
            last_instance, last_event = told or (0, 0)
            (latest,) = connection.execute(
                _LAST_EVENT
            ).fetchone()  # first: what is released meanwhile is told twice, not never
            places = {"study": study_instance_uid, "last_instance": last_instance, "last_event": last_event}
            rows = connection.execute(_UNTOLD, places).fetchall()
            steps = connection.execute(_STEPS, (study_instance_uid,)).fetchall()
        return Untold(
            instances=[AvailableInstance(*row[1:]) for row in rows],
            last_instance=max((row[0] for row in rows), default=0),
            last_event=latest,
            performed_step=steps[0][0] if len(steps) == 1 else "",
        )

    def told(self, destination: str, study_instance_uid: str, untold: Untold) -> None:
        """The peer was told of these.

        Raises:
            IndexUnavailableError: the index cannot be written now: it will be told again.
        """
        row = destination, study_instance_uid, untold.last_instance, untold.last_event
        self._writer.note(lambda connection: connection.execute(_TELL, row))
