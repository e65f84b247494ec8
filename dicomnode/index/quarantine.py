"""Instances that are held back, and what people decide about them; every decision is recorded."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from dicomnode.dicom.instance import Attributes, Finding
from dicomnode.errors import UnknownInstanceError
from dicomnode.index.instances import findings_of, link, microseconds
from dicomnode.index.writer import Writer


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


_ENTRY = (
    "SELECT id, sop_instance_uid, sop_class_uid, study_instance_uid, series_instance_uid, received_at, calling_ae_title, peer,"
    " location, dataset_size_bytes, findings FROM instance WHERE state = 'quarantined'"
)


class Quarantine:
    """The work list of what was held back."""

    def __init__(self, reader: Callable[[], sqlite3.Connection], writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    def list(self) -> Iterator[QuarantineEntry]:
        """All entries, the oldest first."""
        last = 0
        while rows := self._reader().execute(f"{_ENTRY} AND id > ? ORDER BY id LIMIT 500", (last,)).fetchall():
            for row in rows:
                yield _entry(row)
            last = rows[-1][0]

    def get(self, entry: int) -> QuarantineEntry:
        """One entry.

        Raises:
            UnknownInstanceError: there is none.
        """
        return _get(self._reader(), entry)

    def release(self, entry: int, *, reason: str, by: str) -> QuarantineEntry:
        """Put the instance among the accepted ones; recorded.

        Raises:
            UnknownInstanceError: there is no such entry, or an accepted instance has its UID.
        """

        def work(connection: sqlite3.Connection) -> QuarantineEntry:
            released = _get(connection, entry)
            if connection.execute(
                "SELECT 1 FROM instance WHERE sop_instance_uid = ? AND state = 'accepted'", (released.sop_instance_uid,)
            ).fetchone():
                raise UnknownInstanceError(
                    "an accepted instance has this SOP Instance UID already: discard one of them"
                )
            text = connection.execute("SELECT attributes FROM instance WHERE id = ?", (entry,)).fetchone()[0]
            attributes = _attributes(text)
            series = link(connection, released.study_instance_uid, released.series_instance_uid, attributes)
            connection.execute("UPDATE instance SET state = 'accepted', series_id = ? WHERE id = ?", (series, entry))
            _record(connection, "released", entry, by, reason)
            return released

        return self._writer.run(work)

    def discard(self, entry: int, *, reason: str, by: str) -> QuarantineEntry:
        """Decide against the instance; its row stays as the record, the caller removes its file.

        Raises:
            UnknownInstanceError: there is no such entry.
        """

        def work(connection: sqlite3.Connection) -> QuarantineEntry:
            discarded = _get(connection, entry)
            connection.execute("UPDATE instance SET state = 'discarded' WHERE id = ?", (entry,))
            _record(connection, "discarded", entry, by, reason)
            return discarded

        return self._writer.run(work)


def _get(connection: sqlite3.Connection, entry: int) -> QuarantineEntry:
    row = connection.execute(f"{_ENTRY} AND id = ?", (entry,)).fetchone()
    if row is None:
        raise UnknownInstanceError(f"no entry {entry} in quarantine")
    return _entry(row)


def _entry(row: tuple[int, str, str, str, str, int, str, str | None, str, int, str]) -> QuarantineEntry:
    number, instance, sop_class, study, series, received, calling, peer, location, size, findings = row
    return QuarantineEntry(
        number,
        instance,
        sop_class,
        study,
        series,
        datetime.fromtimestamp(received / 1_000_000, UTC),
        calling,
        peer,
        location,
        size,
        findings_of(findings),
    )


def _attributes(text: str) -> Attributes:
    levels = [{int(tag, 16): value for tag, value in level.items()} for level in json.loads(text)]
    return Attributes(*levels)


def _record(connection: sqlite3.Connection, kind: str, entry: int, by: str, reason: str) -> None:
    connection.execute(
        'INSERT INTO event (at, kind, instance_id, "by", reason) VALUES (?, ?, ?, ?, ?)',
        (microseconds(datetime.now(UTC)), kind, entry, by, reason),
    )
