"""Instances that are held back, and what people decide about them; every decision is recorded."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from peewee import fn

from dicomnode.dicom.instance import Attributes, Finding, ReceivedInstance
from dicomnode.dicom.tags import ISSUER_OF_PATIENT_ID, PATIENT_ID
from dicomnode.errors import NotReleasableError, UnknownInstanceError
from dicomnode.index.availability import Notify, owe_notifications
from dicomnode.index.database import Connections
from dicomnode.index.events import EventKind, record
from dicomnode.index.held import QuarantineEntry, read, read_page
from dicomnode.index.hierarchy import Newcomer, link, place_of, unlink
from dicomnode.index.identities import is_patient
from dicomnode.index.instances import COLUMNS_OF_ALL, OnConflict, accepted_with, row_of, set_aside
from dicomnode.index.keys import microseconds
from dicomnode.index.schema.hierarchy import ACCEPTED, DISCARDED, NULL, Instance
from dicomnode.index.schema.statements import bound, compiled
from dicomnode.index.texts import Level, findings_text, level_of, levels_of, levels_text
from dicomnode.index.writer import Writer


@dataclass(frozen=True, slots=True)
class Above:
    """What an entry, and the study that it names, say of patient and study: {tag: value} for each level."""

    held: tuple[Level, Level]
    known: tuple[Level, Level]


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
_AMENDED_COLUMNS: Final = (
    "sop_instance_uid",
    "sop_class_uid",
    "study_instance_uid",
    "series_instance_uid",
    "instance_number",
    "location",
    "location_key",
    "dataset_offset",
    "dataset_size_bytes",
    "digest",
    "digest_algorithm",
    "rule_set",
    "findings",
    "higher_attributes",
    "attributes",
)
_AMENDED: Final = compiled(
    Instance.update(
        {
            **{column: bound(column) for column in _AMENDED_COLUMNS},
            Instance.received_digest: fn.coalesce(Instance.received_digest, Instance.digest),
        }
    ).where(Instance.id == bound("id"))
)
_DISCARDED: Final = compiled(
    Instance.update({Instance.state: DISCARDED, Instance.location_key: NULL}).where(Instance.id == bound("id"))
)


class Quarantine:
    """The work list of what was held back."""

    def __init__(self, connections: Connections, writer: Writer, notify: Notify) -> None:
        self._connections = connections
        self._writer = writer
        self._notify = notify

    def list(self) -> Iterator[QuarantineEntry]:
        """All entries, the oldest first; a page at a time, so that a slow reader keeps no transaction open.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        last: QuarantineEntry | None = None
        while True:
            with self._connections.reading() as connection:
                page = read_page(connection, last)
            yield from page
            if not page:
                return
            last = page[-1]

    def get(self, entry: int) -> QuarantineEntry:
        """One entry.

        Raises:
            UnknownInstanceError: there is none.
            IndexUnavailableError: the index cannot be read.
        """
        with self._connections.reading() as connection:
            return read(connection, entry)

    def above(self, entry: QuarantineEntry) -> Above | None:
        """What is said of the entry's patient and study; None when no accepted instance has its study.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        with self._connections.reading() as connection:
            place = place_of(connection, entry.study_instance_uid, entry.series_instance_uid)
            if place is None:
                return None
            (higher, _) = connection.execute(_ATTRIBUTES, {"id": entry.id}).fetchone()
        patient, study, _series = levels_of(higher)
        return Above((patient, study), (level_of(place.patient_attributes), level_of(place.study_attributes)))

    def amend(
        self, was: QuarantineEntry, received: ReceivedInstance, on_conflict: OnConflict, *, reason: str, by: str
    ) -> QuarantineEntry:
        """Have an entry be what it has been changed to; it stays in quarantine, and its old file is the caller's to remove.

        Args:
            was: the entry that was changed.
            received: what it is now, with its new findings.
            on_conflict: what to find when it is under another patient's study, or beside an accepted one with its UID.

        Returns:
            The entry as it is now, with all findings.

        Raises:
            UnknownInstanceError: the entry is not any more what it was, or where it was, or another one has the same content.
            IndexUnavailableError: the index cannot be written now; ``rolled_back`` says whether it is certainly not changed.
        """
        values = row_of(received, microseconds(received.received_at))
        levels = received.attributes.patient, received.attributes.study, received.attributes.series

        def work(connection: sqlite3.Connection) -> QuarantineEntry:
            _check_unchanged(connection, was)
            same = {"uid": received.sop_instance_uid, "digest": received.digest}
            if connection.execute(_SAME_IN_QUARANTINE, same).fetchone():
                raise UnknownInstanceError("the same content is in quarantine already")
            findings = (*received.verdict.findings, *_met(connection, received, on_conflict))
            changed = dict(zip(COLUMNS_OF_ALL, values, strict=True)) | {
                "study_instance_uid": received.study_instance_uid,
                "series_instance_uid": received.series_instance_uid,
                "findings": findings_text(findings),
                "higher_attributes": levels_text(levels),
            }
            connection.execute(_AMENDED, {column: changed[column] for column in _AMENDED_COLUMNS} | {"id": was.id})
            digests = was.digest, received.digest
            record(connection, EventKind.AMENDED, was.id, by=by, reason=reason, digests=digests)
            return read(connection, was.id)

        return self._writer.run(work)

    def release(
        self,
        entry: int,
        *,
        reason: str,
        by: str,
        under_study_patient: bool = False,
        replaces: Finding | None = None,
    ) -> QuarantineEntry:
        """Put the instance among the accepted ones, below the study that it names; recorded.

        Args:
            by: the person's user name.
            under_study_patient: also when that study is another patient's: the instance is found as his from then on.
            replaces: if another instance with its UID was accepted, that one goes to quarantine with this finding.

        Raises:
            UnknownInstanceError: there is no such entry, or without ``replaces`` an accepted instance has its UID.
            NotReleasableError: its study is another patient's.
            IndexUnavailableError: the index cannot be written now.
        """

        def work(connection: sqlite3.Connection) -> QuarantineEntry:
            released = read(connection, entry)
            other = accepted_with(connection, released.sop_instance_uid)
            if other is not None and replaces is None:
                raise UnknownInstanceError("another instance with this SOP Instance UID is accepted: discard this one")
            left = None if other is None or replaces is None else set_aside(connection, other, replaces, by=by)
            place = place_of(connection, released.study_instance_uid, released.series_instance_uid)
            newcomer = _newcomer(connection, released)
            is_other = place is not None and not is_patient(connection, place.identity, newcomer.identity)
            if is_other and not under_study_patient:
                raise NotReleasableError("its study is already here under another Patient ID")
            series = link(connection, newcomer, place)
            connection.execute(_RELEASED, {"id": entry, "series": series})
            if left is not None:
                unlink(connection, [left])
            digests = released.digest, released.digest
            record(connection, EventKind.RELEASED, entry, by=by, reason=reason, digests=digests)
            owe_notifications(connection, self._notify, released.study_instance_uid)
            return released

        return self._writer.run(work)

    def discard(self, was: QuarantineEntry, *, reason: str, by: str) -> QuarantineEntry:
        """Decide against the instance; its row stays as the record, and its file is the caller's to remove.

        Args:
            was: the entry, as the caller knows it: its location is where that file is.
            by: the person's user name.

        Raises:
            UnknownInstanceError: there is no such entry any more, or it is not what it was, or not where it was.
            IndexUnavailableError: the index cannot be written now.
        """

        def work(connection: sqlite3.Connection) -> QuarantineEntry:
            _check_unchanged(connection, was)
            connection.execute(_DISCARDED, {"id": was.id})
            record(connection, EventKind.DISCARDED, was.id, by=by, reason=reason, digests=(was.digest, None))
            return was

        return self._writer.run(work)


def _check_unchanged(connection: sqlite3.Connection, was: QuarantineEntry) -> None:
    """Raise UnknownInstanceError when an entry was decided on or edited since, or its lost file was put back elsewhere."""
    now = read(connection, was.id)
    if (now.digest, now.location) != (was.digest, was.location):
        raise UnknownInstanceError(f"entry {was.id} was changed meanwhile")


_SAME_IN_QUARANTINE: Final = (
    "SELECT 1 FROM instance WHERE sop_instance_uid = :uid AND digest = :digest AND state = 'quarantined'"
)


def _met(connection: sqlite3.Connection, received: ReceivedInstance, on_conflict: OnConflict) -> Iterator[Finding]:
    """What is found of an instance only beside those that are here."""
    place = place_of(connection, received.study_instance_uid, received.series_instance_uid)
    patient = received.attributes.patient
    identity = patient.get(PATIENT_ID, ""), patient.get(ISSUER_OF_PATIENT_ID, "")
    if on_conflict.other_patient is not None and place and not is_patient(connection, place.identity, identity):
        yield on_conflict.other_patient
    if on_conflict.other_content is not None and accepted_with(connection, received.sop_instance_uid) is not None:
        yield on_conflict.other_content


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
