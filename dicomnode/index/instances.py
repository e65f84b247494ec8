"""Instances that came: added with everything above them, in one transaction, whatever else comes at the same moment."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from dicomnode.dicom.instance import Finding, ReceivedInstance, Severity, State
from dicomnode.index.availability import Notify, owe_notifications
from dicomnode.index.database import Connections
from dicomnode.index.events import EventKind, record
from dicomnode.index.hierarchy import Leaver, Newcomer, link, place_of, unlink
from dicomnode.index.identities import is_patient
from dicomnode.index.keys import location_key, microseconds
from dicomnode.index.schema.hierarchy import ACCEPTED, NULL, QUARANTINED, Instance, Patient, Series, Study
from dicomnode.index.schema.statements import bound, compiled, insert_places
from dicomnode.index.settled import Settled
from dicomnode.index.texts import findings_of, findings_text, level_of, level_text, levels_text
from dicomnode.index.writer import Writer

_INSTANCE_NUMBER: Final = 0x00200013


class Outcome(Enum):
    """What became of an instance that was added."""

    STORED = auto()
    QUARANTINED = auto()
    SAME_CONTENT = auto()
    """Its UID is here, accepted or in quarantine, with the same digest: nothing was written."""
    OTHER_CONTENT = auto()
    """Its UID is here with another digest, and the caller asked to be told: nothing was written."""


@dataclass(frozen=True, slots=True)
class Existing:
    """The row that an instance met."""

    state: State
    location: str
    dataset_offset: int
    dataset_size_bytes: int
    digest: bytes
    transfer_syntax_uid: str
    findings: tuple[Finding, ...]
    received_digest: bytes | None = None

    def came_as(self, digest: bytes) -> bool:
        """Whether this is what an instance with ``digest`` is here: as it came, or changed since."""
        return digest in (self.digest, self.received_digest)


@dataclass(frozen=True, slots=True)
class Added:
    """What became of an instance, with all that was found of it; of one that is here already, what was found the first time."""

    outcome: Outcome
    findings: tuple[Finding, ...]
    existing: Existing | None = None


@dataclass(frozen=True, slots=True)
class OnConflict:
    """What to do when an instance meets what is here already; found out, and done, inside the transaction.

    Attributes:
        other_patient: its study is under another patient: the finding that quarantines it. None accepts it under the patient
            that the study has.
        other_content: its UID is here with another digest: the finding that quarantines it, or with ``replaces`` the old one. None
            only reports it.
        replaces: the digest of the accepted instance that it shall take the place of; if that is another one by then, it is
            reported again.
        compared_with: the digest of the accepted instance that ``other_content`` was found against; the same holds.
    """

    other_patient: Finding | None = None
    other_content: Finding | None = None
    replaces: bytes | None = None
    compared_with: bytes | None = None


_COLUMNS: Final = (
    Instance.id,
    Instance.state,
    Instance.location,
    Instance.dataset_offset,
    Instance.dataset_size_bytes,
    Instance.digest,
    Instance.transfer_syntax_uid,
    Instance.findings,
    Instance.received_digest,
)
_KNOWN: Final = compiled(
    Instance.select(*_COLUMNS).where(Instance.sop_instance_uid == bound("uid"), Instance.state == ACCEPTED)
)
_MET: Final = compiled(
    Instance.select(*_COLUMNS).where(
        ((Instance.sop_instance_uid == bound("uid")) & (Instance.state == ACCEPTED))
        | (
            (Instance.sop_instance_uid == bound("uid"))
            & (Instance.digest == bound("digest"))
            & (Instance.state == QUARANTINED)
        )
        | (
            (Instance.sop_instance_uid == bound("uid"))
            & (Instance.received_digest == bound("digest"))
            & (Instance.state == QUARANTINED)
        )
    )
)
# two, because SQLite would look through all rows of the UID for one with an OR
_HELD: Final = compiled(
    Instance.select(*_COLUMNS).where(
        Instance.sop_instance_uid == bound("uid"), Instance.digest == bound("digest"), Instance.state == QUARANTINED
    )
)
_HELD_AMENDED: Final = compiled(
    Instance.select(*_COLUMNS).where(
        Instance.sop_instance_uid == bound("uid"),
        Instance.received_digest == bound("digest"),
        Instance.state == QUARANTINED,
    )
)
_AT: Final = compiled(
    Instance.select(*_COLUMNS).where(
        Instance.location_key == bound("key"),
        Instance.location == bound("location"),
        (Instance.state == ACCEPTED) | (Instance.state == QUARANTINED),
    )
)
_WITH_HIERARCHY: Final = compiled(
    Instance.select(
        Instance.series,
        Instance.sop_class_uid,
        Instance.dataset_size_bytes,
        Instance.findings,
        Study.study_instance_uid,
        Series.series_instance_uid,
        Patient.attributes,
        Study.attributes,
        Series.attributes,
    )
    .join(Series)
    .join(Study)
    .join(Patient)
    .where(Instance.id == bound("id"))
)
COLUMNS_OF_ALL: Final = (
    "sop_instance_uid",
    "sop_class_uid",
    "transfer_syntax_uid",
    "instance_number",
    "location",
    "location_key",
    "dataset_offset",
    "dataset_size_bytes",
    "digest",
    "digest_algorithm",
    "received_at",
    "calling_ae_title",
    "called_ae_title",
    "address",
    "peer",
    "rule_set",
    "attributes",
    "received_digest",
)
_COLUMNS_IN_QUARANTINE: Final = ("study_instance_uid", "series_instance_uid", "findings", "higher_attributes")
_SET_ASIDE: Final = compiled(
    Instance.update(
        {
            Instance.state: QUARANTINED,
            Instance.series: NULL,
            **{column: bound(column) for column in _COLUMNS_IN_QUARANTINE},
        }
    ).where(Instance.id == bound("id"))
)
_NEW_ACCEPTED: Final = insert_places(Instance, (*COLUMNS_OF_ALL, "series", "findings"), {"state": "'accepted'"})
_NEW_QUARANTINED: Final = insert_places(
    Instance, (*COLUMNS_OF_ALL, *_COLUMNS_IN_QUARANTINE), {"state": "'quarantined'"}
)


_RELOCATE = """
UPDATE instance SET location = :location, location_key = :key, dataset_offset = :offset, digest = :new_digest
WHERE location_key = :lost_key AND location = :lost AND digest = :digest AND state IN ('accepted', 'quarantined')
"""


class Instances:
    """Adds instances, and finds what is known of one."""

    def __init__(self, connections: Connections, writer: Writer, notify: Notify) -> None:
        self._connections = connections
        self._writer = writer
        self._notify = notify
        self._settled = Settled()

    def known(self, sop_instance_uid: str) -> Existing | None:
        """The accepted instance of this UID, as any process committed it; maybe not on the disk yet (`Index.sync`).

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        with self._connections.reading() as connection:
            row = connection.execute(_KNOWN, {"uid": sop_instance_uid}).fetchone()
        return _existing(row) if row else None

    def held(self, sop_instance_uid: str, digest: bytes) -> Existing | None:
        """The instance in quarantine of this UID that has this digest, or came with it; maybe not on the disk yet (`Index.sync`).

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        with self._connections.reading() as connection:
            key = {"uid": sop_instance_uid, "digest": digest}
            row = connection.execute(_HELD, key).fetchone() or connection.execute(_HELD_AMENDED, key).fetchone()
        return _existing(row) if row else None

    def at(self, location: str) -> Existing | None:
        """The instance, accepted or in quarantine, whose file this is.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        with self._connections.reading() as connection:
            row = connection.execute(_AT, {"key": location_key(location), "location": location}).fetchone()
        return _existing(row) if row else None

    def has_location(self, location: str) -> bool:
        """Whether an instance that the node holds, accepted or in quarantine, has this file.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        return self.at(location) is not None

    def add(self, received: ReceivedInstance, on_conflict: OnConflict) -> Added:
        """Take an instance in; returns once it is committed and, with full durability, on the disk.

        An instance that the verdict quarantines, or whose UID and digest are in quarantine already, stays there until a person
        releases it, whatever a newer verdict says: a retry is answered as the first time, and makes no second row.

        Raises:
            IndexUnavailableError: it could not be written; ``rolled_back`` says whether it is certainly not there.
        """
        return self._writer.run(_Addition(received, on_conflict, self._notify, self._settled).run)

    def relocate(self, lost: Existing, received: ReceivedInstance) -> bool:
        """Point the row whose file is gone to the file of the same content and size that has come; whether that row was still so.

        Raises:
            IndexUnavailableError: it could not be written; ``rolled_back`` says whether it is certainly unchanged.
        """
        row = {
            "lost": lost.location,
            "lost_key": location_key(lost.location),
            "digest": lost.digest,
            "new_digest": received.digest,
            "location": received.location,
            "key": location_key(received.location),
            "offset": received.dataset_offset,
        }
        return self._writer.run(lambda connection: connection.execute(_RELOCATE, row).rowcount == 1)


class _Addition:
    """One instance on its way in; what needs no lock is made before."""

    __slots__ = ("_newcomer", "_notify", "_on_conflict", "_received", "_row", "_settled")

    def __init__(self, received: ReceivedInstance, on_conflict: OnConflict, notify: Notify, settled: Settled) -> None:
        self._received = received
        self._on_conflict = on_conflict
        self._notify = notify
        self._settled = settled
        self._newcomer = newcomer = Newcomer(
            received.study_instance_uid,
            received.series_instance_uid,
            received.sop_class_uid,
            received.attributes,
            received.dataset_size_bytes,
            microseconds(received.received_at),
            received.sender.calling_ae_title,
        )
        self._row = row_of(received, newcomer.received_at)

    def run(self, connection: sqlite3.Connection) -> Added:
        """Within the writer's transaction."""
        received = self._received
        digest = received.received_digest or received.digest
        if received.verdict.severity < Severity.QUARANTINE:
            series = self._settled.count_in(connection, self._newcomer, received.sop_instance_uid, digest)
            if series is not None:
                return self._accepted(connection, series)
        return self._judged(connection, digest)

    def _judged(self, connection: sqlite3.Connection, digest: bytes) -> Added:
        """What becomes of it beside what is here."""
        received, on_conflict = self._received, self._on_conflict
        key = {"uid": received.sop_instance_uid, "digest": digest}
        met = [(row[0], _existing(row)) for row in connection.execute(_MET, key).fetchall()]
        if same := next((one for _, one in met if one.came_as(digest)), None):
            return Added(Outcome.SAME_CONTENT, same.findings, same)
        if received.verdict.severity >= Severity.QUARANTINE:
            return self._quarantine(connection)
        if not met:
            return self._accept(connection, None)
        [(accepted, here)] = met  # what is in quarantine has been told above
        expected = on_conflict.replaces or on_conflict.compared_with or here.digest
        if on_conflict.other_content is None or expected != here.digest:
            return Added(Outcome.OTHER_CONTENT, received.verdict.findings, here)
        if on_conflict.replaces is None:
            return self._quarantine(connection, on_conflict.other_content)
        return self._accept(connection, accepted)

    def _accept(self, connection: sqlite3.Connection, replaced: int | None) -> Added:
        """Hang it below its series, in the place of the row ``replaced``; unless its study is under another patient."""
        received, on_conflict = self._received, self._on_conflict
        place = place_of(connection, received.study_instance_uid, received.series_instance_uid)
        if (
            on_conflict.other_patient is not None
            and place
            and not is_patient(connection, place.identity, self._newcomer.identity)
        ):
            return self._quarantine(connection, on_conflict.other_patient)
        left = None
        if replaced is not None and on_conflict.other_content is not None:
            left = set_aside(connection, replaced, on_conflict.other_content, by=received.sender.calling_ae_title)
        series = link(connection, self._newcomer, place)
        if place is not None:
            self._settled.remember(self._newcomer, place)
        added = self._accepted(connection, series)
        if left is not None:
            unlink(connection, [left])  # last, so that a study does not go and come back
        return added

    def _accepted(self, connection: sqlite3.Connection, series: int) -> Added:
        """Add its row, below the series that it is counted in already."""
        received = self._received
        findings = received.verdict.findings
        connection.execute(_NEW_ACCEPTED, (*self._row, series, findings_text(findings)))
        if self._notify.destinations:
            owe_notifications(connection, self._notify, received.study_instance_uid)
        return Added(Outcome.STORED, findings)

    def _quarantine(self, connection: sqlite3.Connection, *more: Finding) -> Added:
        received = self._received
        findings = (*received.verdict.findings, *more)
        levels = received.attributes.patient, received.attributes.study, received.attributes.series
        where = received.study_instance_uid, received.series_instance_uid
        connection.execute(_NEW_QUARANTINED, (*self._row, *where, findings_text(findings), levels_text(levels)))
        return Added(Outcome.QUARANTINED, findings)


def accepted_with(connection: sqlite3.Connection, sop_instance_uid: str) -> int | None:
    """The row of the accepted instance with this UID."""
    row = connection.execute(_KNOWN, {"uid": sop_instance_uid}).fetchone()
    return row[0] if row else None


def set_aside(connection: sqlite3.Connection, instance: int, finding: Finding, *, by: str) -> Leaver:
    """Move an accepted instance to quarantine with ``finding``, because another one takes its place; recorded.

    It takes along what its patient, study and series are known by: a release needs that.

    Returns:
        What is still to be counted out, by `unlink`, when the other one is in.
    """
    series, sop_class, size_bytes, findings, study_uid, series_uid, *levels = connection.execute(
        _WITH_HIERARCHY, {"id": instance}
    ).fetchone()
    row = {
        "id": instance,
        "study_instance_uid": study_uid,
        "series_instance_uid": series_uid,
        "findings": findings_text((*findings_of(findings), finding)),
        "higher_attributes": levels_text(tuple(level_of(level) for level in levels)),
    }
    connection.execute(_SET_ASIDE, row)
    record(connection, EventKind.REPLACED, instance, by=by, reason=finding.rule)
    return Leaver(series, sop_class, size_bytes)


def row_of(received: ReceivedInstance, received_at: int) -> tuple[str | int | bytes | None, ...]:
    """What an instance's row holds whatever becomes of the instance, in the order of `COLUMNS_OF_ALL`."""
    sender, attributes = received.sender, received.attributes.instance
    return (
        received.sop_instance_uid,
        received.sop_class_uid,
        received.transfer_syntax_uid,
        attributes.get(_INSTANCE_NUMBER, ""),
        received.location,
        location_key(received.location),
        received.dataset_offset,
        received.dataset_size_bytes,
        received.digest,
        received.digest_algorithm,
        received_at,
        sender.calling_ae_title,
        sender.called_ae_title,
        sender.address,
        sender.peer,
        received.verdict.rule_set,
        level_text(attributes),
        received.received_digest,
    )


def _existing(row: tuple[int, str, str, int, int, bytes, str, str, bytes | None]) -> Existing:
    _, state, location, offset, size, digest, transfer_syntax, findings, came = row
    return Existing(State(state), location, offset, size, digest, transfer_syntax, findings_of(findings), came)
