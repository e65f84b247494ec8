"""Instances that are held back, and what people decide about them; every decision is recorded."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from peewee import Tuple

from dicomnode.dicom.instance import Attributes, Finding
from dicomnode.errors import UnknownInstanceError
from dicomnode.index.database import Connections
from dicomnode.index.events import EventKind, record
from dicomnode.index.hierarchy import Newcomer, link, place_of, unlink
from dicomnode.index.instances import accepted_with, set_aside
from dicomnode.index.keys import instant
from dicomnode.index.schema import ACCEPTED, DISCARDED, NULL, QUARANTINED, WITHOUT_SERIES, Instance, bound, compiled
from dicomnode.index.texts import findings_of, level_of, levels_of
from dicomnode.index.writer import Writer

_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class QuarantineEntry:
    """One instance that is held back."""

    id: int
    sop_instance_uid: str
    sop_class_uid: str
    study_instance_uid: str
    series_instance_uid: str
    received_at: datetime
    calling_ae_title: str
    peer: str | None
    location: str
    dataset_size_bytes: int
    findings: tuple[Finding, ...]


_ENTRIES: Final = Instance.select(
    Instance.id,
    Instance.sop_instance_uid,
    Instance.sop_class_uid,
    Instance.study_instance_uid,
    Instance.series_instance_uid,
    Instance.received_at,
    Instance.calling_ae_title,
    Instance.peer,
    Instance.location,
    Instance.dataset_size_bytes,
    Instance.findings,
).where(Instance.state == QUARANTINED, WITHOUT_SERIES)
_PAGE_OF_ENTRIES: Final = compiled(
    _ENTRIES.where(Tuple(Instance.received_at, Instance.id) > Tuple(bound("received_at"), bound("id")))
    .order_by(Instance.received_at, Instance.id)
    .limit(bound("limit"))
)
_ENTRY: Final = compiled(_ENTRIES.where(Instance.id == bound("id")))
_ATTRIBUTES: Final = compiled(
    Instance.select(Instance.higher_attributes, Instance.attributes).where(Instance.id == bound("id"))
)
_RELEASED: Final = compiled(
    Instance.update(
        {
            Instance.state: ACCEPTED,
            Instance.series: bound("series"),
            Instance.study_instance_uid: NULL,
            Instance.series_instance_uid: NULL,
            Instance.higher_attributes: NULL,
        }
    ).where(Instance.id == bound("id"))
)
_DISCARDED: Final = compiled(
    Instance.update({Instance.state: DISCARDED, Instance.location_key: NULL}).where(Instance.id == bound("id"))
)


class Quarantine:
    """The work list of what was held back."""

    def __init__(self, connections: Connections, writer: Writer) -> None:
        self._connections = connections
        self._writer = writer

    def list(self) -> Iterator[QuarantineEntry]:
        """All entries, the oldest first; a page at a time, so that a slow reader keeps no transaction open.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        page = {"received_at": -1 << 62, "id": 0, "limit": _PAGE}
        while True:
            with self._connections.reading() as connection:
                rows = connection.execute(_PAGE_OF_ENTRIES, page).fetchall()
            for row in rows:
                yield _entry(row)
            if len(rows) < _PAGE:
                return
            page |= {"id": rows[-1][0], "received_at": rows[-1][5]}

    def get(self, entry: int) -> QuarantineEntry:
        """One entry.

        Raises:
            UnknownInstanceError: there is none.
            IndexUnavailableError: the index cannot be read.
        """
        with self._connections.reading() as connection:
            return _get(connection, entry)

    def release(self, entry: int, *, reason: str, by: str, replaces: Finding | None = None) -> QuarantineEntry:
        """Put the instance among the accepted ones, below the study that it names, whoever that study's patient is; recorded.

        Args:
            by: the person's user name.
            replaces: if another instance with its UID was accepted, that one goes to quarantine with this finding.

        Raises:
            UnknownInstanceError: there is no such entry, or without ``replaces`` an accepted instance has its UID.
            IndexUnavailableError: the index cannot be written now.
        """

        def work(connection: sqlite3.Connection) -> QuarantineEntry:
            released = _get(connection, entry)
            other = accepted_with(connection, released.sop_instance_uid)
            if other is not None and replaces is None:
                raise UnknownInstanceError("another instance with this SOP Instance UID is accepted: discard this one")
            left = None if other is None or replaces is None else set_aside(connection, other, replaces, by=by)
            place = place_of(connection, released.study_instance_uid, released.series_instance_uid)
            series = link(connection, _newcomer(connection, released), place)
            connection.execute(_RELEASED, {"id": entry, "series": series})
            if left is not None:
                unlink(connection, [left])
            record(connection, EventKind.RELEASED, entry, by=by, reason=reason)
            return released

        return self._writer.run(work)

    def discard(self, entry: int, *, reason: str, by: str) -> QuarantineEntry:
        """Decide against the instance; its row stays as the record, and the caller may remove the file at its location.

        Args:
            by: the person's user name.

        Raises:
            UnknownInstanceError: there is no such entry.
            IndexUnavailableError: the index cannot be written now.
        """

        def work(connection: sqlite3.Connection) -> QuarantineEntry:
            discarded = _get(connection, entry)
            connection.execute(_DISCARDED, {"id": entry})
            record(connection, EventKind.DISCARDED, entry, by=by, reason=reason)
            return discarded

        return self._writer.run(work)


def _get(connection: sqlite3.Connection, entry: int) -> QuarantineEntry:
    row = connection.execute(_ENTRY, {"id": entry}).fetchone()
    if row is None:
        raise UnknownInstanceError(f"no entry {entry} in quarantine")
    return _entry(row)


def _entry(row: tuple[int, str, str, str, str, int, str, str | None, str, int, str]) -> QuarantineEntry:
    key, instance, sop_class, study, series, received_at, calling, peer, location, size_bytes, findings = row
    return QuarantineEntry(
        key,
        instance,
        sop_class,
        study,
        series,
        instant(received_at),
        calling,
        peer,
        location,
        size_bytes,
        findings_of(findings),
    )


def _newcomer(connection: sqlite3.Connection, entry: QuarantineEntry) -> Newcomer:
    higher, own = connection.execute(_ATTRIBUTES, {"id": entry.id}).fetchone()
    patient, study, series = levels_of(higher)
    (received_at,) = connection.execute("SELECT received_at FROM instance WHERE id = ?", (entry.id,)).fetchone()
    return Newcomer(
        entry.study_instance_uid,
        entry.series_instance_uid,
        entry.sop_class_uid,
        Attributes(patient, study, series, level_of(own)),
        entry.dataset_size_bytes,
        received_at,
        entry.calling_ae_title,
    )
