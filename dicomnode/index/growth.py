"""How a study grows until it is complete: within the transactions of whoever announces instances, or looks.

What says that it is complete is, in this order: its performed procedure steps, when none is in progress and all that they made is
here; a commitment request that lists all that is here; silence for a while. What is announced and never comes is given up after a
longer one. Reception knows nothing of this: whoever looks reads on from the instance that the last one ended with, and the open
studies. A completion is recorded once for each time that the study grew, with what is owed for it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from dicomnode.index.keys import microseconds
from dicomnode.index.outbox import HERE, Owed, owe

STUDY_COMPLETE: Final = "study-complete"
"""The kind of what is owed when a study is complete; its payload is the `CompleteStudy`."""
ABANDONED_AFTER: Final = timedelta(days=1)
"""A performed step in progress that nothing was heard of for so long keeps no study open: its modality has failed."""
_LOOKED_AT: Final = 20_000
"""Instances of one look."""


class Source(StrEnum):
    """What said that a study is complete."""

    PERFORMED_STEP = "performed-step"
    COMMITMENT = "commitment"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class CompleteStudy:
    """A study that is complete now.

    Attributes:
        round: 1 the first time.
        instances: how many are here, those in quarantine too.
        missing: how many were announced and given up.
    """

    study_instance_uid: str
    round: int
    source: Source
    instances: int
    missing: int = 0


_LAST: Final = "SELECT max(id) FROM instance"
_MARK: Final = "SELECT last_instance FROM growth_mark"
_GROW: Final = """
INSERT INTO study_growth (study_instance_uid, last_received_at, heard_at, source, announced, is_given_up)
SELECT study_instance_uid, max(received_at), max(received_at), '', 0, 0 FROM (
    SELECT coalesce(instance.study_instance_uid, study.study_instance_uid) AS study_instance_uid, instance.received_at
    FROM instance LEFT JOIN series ON series.id = instance.series LEFT JOIN study ON study.id = series.study
    WHERE instance.id > :mark AND instance.id <= :last AND instance.state IN ('accepted', 'quarantined')
) WHERE study_instance_uid <> '' GROUP BY study_instance_uid
ON CONFLICT DO UPDATE SET last_received_at = max(last_received_at, excluded.last_received_at),
    heard_at = max(heard_at, excluded.heard_at), is_given_up = 0
"""
_ARRIVED: Final = """
DELETE FROM awaited_instance WHERE sop_instance_uid IN (
    SELECT sop_instance_uid FROM instance WHERE id > :mark AND id <= :last AND state IN ('accepted', 'quarantined')
)
"""
_HELD: Final = """
(EXISTS (SELECT 1 FROM instance WHERE sop_instance_uid = {0} AND state = 'accepted')
    OR EXISTS (SELECT 1 FROM instance WHERE sop_instance_uid = {0} AND state = 'quarantined'))
"""
_MISSING: Final = f"SELECT value FROM json_each(?) WHERE NOT {_HELD.format('value')}"  # noqa: S608 - spelled out above
_AWAIT: Final = """
INSERT OR IGNORE INTO awaited_instance (study_instance_uid, sop_instance_uid) SELECT ?, value FROM json_each(?)
"""
_ANNOUNCE: Final = """
INSERT INTO study_growth (study_instance_uid, last_received_at, heard_at, source, announced, is_given_up)
VALUES (:study, 0, :now, :source, :announced, 0)
ON CONFLICT DO UPDATE SET heard_at = excluded.heard_at, source = excluded.source,
    announced = announced + excluded.announced, is_given_up = 0
"""
_IS_GROWING: Final = "SELECT source FROM study_growth WHERE study_instance_uid = ?"
IN_PROGRESS: Final = """
EXISTS (
    SELECT 1 FROM performed_step_study JOIN performed_step ON performed_step.id = performed_step_study.step
    WHERE performed_step_study.study_instance_uid = study_growth.study_instance_uid
        AND performed_step.status = 'IN PROGRESS' AND performed_step.changed_at > :abandoned
)
"""
_DUE: Final = f"""
SELECT study_instance_uid, source FROM study_growth
WHERE is_given_up = 0 AND NOT {IN_PROGRESS} AND CASE
    WHEN EXISTS (SELECT 1 FROM awaited_instance WHERE study_instance_uid = study_growth.study_instance_uid)
        THEN last_received_at > 0 AND heard_at <= :given_up
    ELSE source <> '' OR last_received_at <= :silent END
"""  # noqa: S608 - spelled out above
_DUE_OF_STUDY: Final = f"{_DUE} AND study_instance_uid = :study"
_COUNT: Final = """
SELECT coalesce((SELECT instance_count FROM study WHERE study_instance_uid = :study), 0)
    + (SELECT count(*) FROM instance WHERE study_instance_uid = :study AND state = 'quarantined')
"""
_COMPLETE: Final = """
INSERT INTO study_completion (study_instance_uid, round, at, source, instances, missing)
SELECT :study, coalesce(max(round), 0) + 1, :at, :source, :instances, :missing FROM study_completion
WHERE study_instance_uid = :study RETURNING round
"""
_CLOSE: Final = "DELETE FROM study_growth WHERE study_instance_uid = ?"
_GIVE_UP: Final = "UPDATE study_growth SET is_given_up = 1 WHERE study_instance_uid = ?"
COUNT_AWAITED: Final = "SELECT count(*) FROM awaited_instance WHERE study_instance_uid = ?"
_STUDIES_OF: Final = """
SELECT DISTINCT coalesce(instance.study_instance_uid, study.study_instance_uid)
FROM json_each(?) AS listed
JOIN instance ON instance.sop_instance_uid = listed.value AND instance.state = {}
LEFT JOIN series ON series.id = instance.series LEFT JOIN study ON study.id = series.study
"""
_UNLISTED: Final = """
SELECT 1 FROM (
    SELECT sop_instance_uid FROM instance JOIN series ON series.id = instance.series JOIN study ON study.id = series.study
    WHERE study.study_instance_uid = :study
    UNION ALL SELECT sop_instance_uid FROM instance WHERE study_instance_uid = :study AND state = 'quarantined'
) WHERE sop_instance_uid NOT IN (SELECT value FROM json_each(:listed)) LIMIT 1
"""


def grow(connection: sqlite3.Connection) -> bool:
    """Take note of what came since the last time; whether that was all of it."""
    mark, last = ends(connection)
    if mark == last:
        return True
    places = {"mark": mark, "last": min(last, mark + _LOOKED_AT)}
    connection.execute(_GROW, places)
    connection.execute(_ARRIVED, places)
    connection.execute("UPDATE growth_mark SET last_instance = :last", places)
    return places["last"] == last


def announce_performed(
    connection: sqlite3.Connection, study_instance_uids: Iterable[str], sop_instance_uids: Collection[str]
) -> list[CompleteStudy]:
    """A performed step of these studies is final, and made these instances; which of the studies are complete by that.

    To be called when the step is written as final.
    """
    is_up_to_date = grow(connection)
    missing = _missing(connection, sop_instance_uids)
    complete: list[CompleteStudy] = []
    for study in study_instance_uids:
        _announce(connection, study, Source.PERFORMED_STEP, len(sop_instance_uids), missing)
        complete += _complete_now(connection, study) if is_up_to_date else ()
    return complete


def announce_committed(connection: sqlite3.Connection, sop_instance_uids: Collection[str]) -> list[CompleteStudy]:
    """A commitment request lists these instances; which studies are complete by that.

    What is listed and is not here is awaited for the study of the others, if they have just one. It makes a study complete only
    when it lists all that is here of it: some devices ask series by series.
    """
    is_up_to_date = grow(connection)
    listed = json.dumps(list(sop_instance_uids))
    studies = {
        str(study)
        for state in ("'accepted'", "'quarantined'")
        for (study,) in connection.execute(_STUDIES_OF.format(state), (listed,))
        if study
    }
    missing = _missing(connection, sop_instance_uids) if len(studies) == 1 else []
    complete: list[CompleteStudy] = []
    for study in sorted(studies):
        known = connection.execute(_IS_GROWING, (study,)).fetchone()
        if known is not None and known[0] == Source.PERFORMED_STEP:
            continue
        is_whole = connection.execute(_UNLISTED, {"study": study, "listed": listed}).fetchone() is None
        _announce(connection, study, Source.COMMITMENT if is_whole else None, len(sop_instance_uids), missing)
        complete += _complete_now(connection, study) if is_up_to_date else ()
    return complete


def _announce(
    connection: sqlite3.Connection, study: str, source: Source | None, announced: int, missing: list[str]
) -> None:
    """Open the study for what is missing; one that was complete, and lacks nothing, stays so."""
    is_growing = connection.execute(_IS_GROWING, (study,)).fetchone() is not None
    if not announced or not (missing or is_growing):
        return
    now = microseconds(datetime.now(UTC))
    row = {"study": study, "source": source or "", "announced": announced, "now": now}
    connection.execute(_ANNOUNCE, row)
    if missing:
        connection.execute(_AWAIT, (study, json.dumps(missing)))


def _complete_now(connection: sqlite3.Connection, study: str) -> Iterator[CompleteStudy]:
    due = connection.execute(_DUE_OF_STUDY, {**moments(), "study": study}).fetchall()
    yield from completed(connection, due)


def due_studies(connection: sqlite3.Connection, silence: timedelta, give_up: timedelta) -> list[tuple[str, str]]:
    """The studies that are complete, with what said so; see `completed`."""
    return connection.execute(_DUE, moments(silence, give_up)).fetchall()


def completed(connection: sqlite3.Connection, due: list[tuple[str, str]]) -> Iterator[CompleteStudy]:
    """Record that these studies are complete, and owe what follows."""
    now = microseconds(datetime.now(UTC))
    for study, told in due:
        (instances,) = connection.execute(_COUNT, {"study": study}).fetchone()
        (missing,) = connection.execute(COUNT_AWAITED, (study,)).fetchone()
        connection.execute(_GIVE_UP if missing else _CLOSE, (study,))
        if not instances:  # its instances are here, but in another study; or were deleted
            continue
        source = Source.SILENCE if missing else Source(told or Source.SILENCE)
        row = {"study": study, "at": now, "source": source, "instances": instances, "missing": missing}
        (round_,) = connection.execute(_COMPLETE, row).fetchone()
        payload = {
            "study_instance_uid": study,
            "round": round_,
            "source": str(source),
            "instances": instances,
            "missing": missing,
        }
        owe(connection, Owed(kind=STUDY_COMPLETE, destination=HERE, key=study, payload=payload))
        yield CompleteStudy(study, round_, source, instances, missing)


def _missing(connection: sqlite3.Connection, sop_instance_uids: Collection[str]) -> list[str]:
    return [uid for (uid,) in connection.execute(_MISSING, (json.dumps(list(sop_instance_uids)),))]


def ends(connection: sqlite3.Connection) -> tuple[int, int]:
    """Up to which instance was looked, and the last one that there is."""
    (mark,) = connection.execute(_MARK).fetchone()
    (last,) = connection.execute(_LAST).fetchone()
    return mark, last or 0


def moments(silence: timedelta = timedelta.max, give_up: timedelta = timedelta.max) -> dict[str, int]:
    """Before which instant nothing may have come for it to be silence, or to be given up; the usual ones are never."""
    now = datetime.now(UTC)
    return {
        "silent": _before(now, silence),
        "given_up": _before(now, give_up),
        "abandoned": microseconds(now - ABANDONED_AFTER),
    }


def _before(now: datetime, age: timedelta) -> int:
    return -1 if age == timedelta.max else microseconds(now - age)
