"""Instances that came: added with everything above them, in one transaction, whatever else comes at the same moment."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from dicomnode.dicom.instance import Attributes, Finding, ReceivedInstance, Severity, State, StoreRequest, Verdict
from dicomnode.index.writer import Writer

PATIENT_NAME, PATIENT_ID, ISSUER_OF_PATIENT_ID = 0x00100010, 0x00100020, 0x00100021
PATIENT_BIRTH_DATE, PATIENT_SEX = 0x00100030, 0x00100040
STUDY_DATE, STUDY_TIME, ACCESSION_NUMBER, STUDY_ID = 0x00080020, 0x00080030, 0x00080050, 0x00200010
REFERRING_PHYSICIAN_NAME, STUDY_DESCRIPTION = 0x00080090, 0x00081030
MODALITY, SERIES_NUMBER, SERIES_DESCRIPTION, INSTANCE_NUMBER = 0x00080060, 0x00200011, 0x0008103E, 0x00200013


class Outcome(Enum):
    """What became of an instance that was added."""

    STORED = auto()
    QUARANTINED = auto()
    SAME_CONTENT = auto()
    """Its UID is here with the same digest: nothing was written."""
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


@dataclass(frozen=True, slots=True)
class Added:
    """What became of an instance, with all that was found of it."""

    outcome: Outcome
    findings: tuple[Finding, ...]
    existing: Existing | None = None


@dataclass(frozen=True, slots=True)
class OnConflict:
    """What to do when an instance meets what is here already; constraints find it out, inside the transaction.

    Attributes:
        other_patient: its study is under another patient: the finding that quarantines it. None accepts it under the patient
            that the study has.
        other_content: its UID is here with another digest: the finding that goes with ``replace`` or quarantine. None only reports it.
        replaces: the digest of the row that it shall take the place of; with another one there now, it is reported again.
    """

    other_patient: Finding | None = None
    other_content: Finding | None = None
    replaces: bytes | None = None


_EXISTING = "SELECT id, state, location, dataset_offset, dataset_size_bytes, digest, transfer_syntax_uid, findings FROM instance"
_INSERT_INSTANCE = """
INSERT INTO instance (series_id, state, sop_instance_uid, sop_class_uid, study_instance_uid, series_instance_uid,
    transfer_syntax_uid, instance_number, location, dataset_offset, dataset_size_bytes, digest, digest_algorithm, received_at,
    calling_ae_title, called_ae_title, address, peer, rule_set, findings, attributes)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class Instances:
    """Adds instances, and finds what is known of one."""

    def __init__(self, reader: Callable[[], sqlite3.Connection], writer: Writer) -> None:
        self._reader = reader
        self._writer = writer

    def known(self, sop_instance_uid: str) -> Existing | None:
        """The accepted instance of this UID, as any process committed it; maybe not on the disk yet.

        Raises:
            IndexUnavailableError: it cannot be read.
        """
        return _existing(self._reader(), sop_instance_uid, State.ACCEPTED)

    def has_location(self, location: str) -> bool:
        """Whether a row speaks of this file."""
        return self._reader().execute("SELECT 1 FROM instance WHERE location = ?", (location,)).fetchone() is not None

    def add(self, received: ReceivedInstance, on_conflict: OnConflict) -> Added:
        """Take an instance in; returns once it is durable.

        Raises:
            IndexUnavailableError: it could not be written; ``rolled_back`` says whether it is certainly not there.
        """
        return self._writer.run(lambda connection: _Addition(connection, received, on_conflict).run())

    def refuse(
        self,
        request: StoreRequest,
        uids: tuple[str, str, str],
        verdict: Verdict,
        received_at: datetime,
    ) -> None:
        """Record an instance that was not kept; what fails is the log's matter, never the answer's.

        Args:
            uids: Study, Series and SOP Instance UID, as far as the data set has them.
        """
        study, series, instance = uids
        row = (
            None,
            State.REFUSED,
            instance or request.sop_instance_uid[:64],
            request.sop_class_uid[:64],
            study,
            series,
            request.transfer_syntax_uid,
            "",
            None,
            0,
            0,
            b"",
            "",
            microseconds(received_at),
            request.sender.calling_ae_title,
            request.sender.called_ae_title,
            request.sender.address,
            request.sender.peer,
            verdict.rule_set,
            findings_text(verdict.findings),
            "{}",
        )
        self._writer.run(lambda connection: connection.execute(_INSERT_INSTANCE, row).lastrowid)


class _Addition:
    """One instance being added, within the writer's transaction."""

    def __init__(self, connection: sqlite3.Connection, received: ReceivedInstance, on_conflict: OnConflict) -> None:
        self._connection = connection
        self._received = received
        self._on_conflict = on_conflict
        self._findings = received.verdict.findings

    def run(self) -> Added:
        received = self._received
        here = _existing(self._connection, received.sop_instance_uid, State.ACCEPTED)
        if here is not None and here.digest == received.digest:
            return Added(Outcome.SAME_CONTENT, here.findings, here)
        if received.verdict.severity is Severity.QUARANTINE:
            return self._quarantine()
        if here is not None:
            if self._on_conflict.other_content is None or (self._on_conflict.replaces not in (None, here.digest)):
                return Added(Outcome.OTHER_CONTENT, self._findings, here)
            if self._on_conflict.replaces is None:
                return self._quarantine(self._on_conflict.other_content)
            self._set_aside(here, self._on_conflict.other_content)
        if self._on_conflict.other_patient is not None and self._is_under_another_patient():
            return self._quarantine(self._on_conflict.other_patient)
        series = link(self._connection, received.study_instance_uid, received.series_instance_uid, received.attributes)
        self._insert(State.ACCEPTED, series)
        return Added(Outcome.STORED, self._findings)

    def _quarantine(self, finding: Finding | None = None) -> Added:
        if finding is not None:
            self._findings = (*self._findings, finding)
        row = self._connection.execute(
            f"{_EXISTING} WHERE sop_instance_uid = ? AND digest = ? AND state = ?",
            (self._received.sop_instance_uid, self._received.digest, State.QUARANTINED),
        ).fetchone()
        if row:
            here = existing(row)
            return Added(Outcome.SAME_CONTENT, here.findings, here)
        self._insert(State.QUARANTINED, None)
        return Added(Outcome.QUARANTINED, self._findings)

    def _set_aside(self, here: Existing, finding: Finding) -> None:
        self._connection.execute(
            "UPDATE instance SET state = ?, series_id = NULL, findings = ? WHERE sop_instance_uid = ? AND state = ?",
            (
                State.QUARANTINED,
                findings_text((*here.findings, finding)),
                self._received.sop_instance_uid,
                State.ACCEPTED,
            ),
        )

    def _is_under_another_patient(self) -> bool:
        patient = self._connection.execute(
            "SELECT pid, issuer FROM study JOIN patient ON patient.id = study.patient_id WHERE study_instance_uid = ?",
            (self._received.study_instance_uid,),
        ).fetchone()
        return patient is not None and patient != _identity(self._received.attributes)

    def _insert(self, state: State, series: int | None) -> None:
        received, sender = self._received, self._received.sender
        insert(
            self._connection,
            _INSERT_INSTANCE,
            (
                series,
                state,
                received.sop_instance_uid,
                received.sop_class_uid,
                received.study_instance_uid,
                received.series_instance_uid,
                received.transfer_syntax_uid,
                received.attributes.instance.get(INSTANCE_NUMBER, ""),
                received.location,
                received.dataset_offset,
                received.dataset_size_bytes,
                received.digest,
                received.digest_algorithm,
                microseconds(received.received_at),
                sender.calling_ae_title,
                sender.called_ae_title,
                sender.address,
                sender.peer,
                received.verdict.rule_set,
                findings_text(self._findings),
                all_as_json(received.attributes) if series is None else as_json(received.attributes.instance),
            ),
        )


def link(connection: sqlite3.Connection, study_uid: str, series_uid: str, attributes: Attributes) -> int:
    """The row of a series; it, its study and its patient are made if need be."""
    study = connection.execute("SELECT id FROM study WHERE study_instance_uid = ?", (study_uid,)).fetchone()
    study_id = study[0] if study else _new_study(connection, study_uid, attributes)
    series = connection.execute(
        "SELECT id FROM series WHERE study_id = ? AND series_instance_uid = ?", (study_id, series_uid)
    ).fetchone()
    if series:
        return int(series[0])
    return insert(
        connection,
        "INSERT INTO series (study_id, series_instance_uid, modality, series_number, description, attributes)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (
            study_id,
            series_uid,
            *_texts(attributes.series, MODALITY, SERIES_NUMBER, SERIES_DESCRIPTION),
            as_json(attributes.series),
        ),
    )


def _new_study(connection: sqlite3.Connection, study_uid: str, attributes: Attributes) -> int:
    kept = _texts(
        attributes.study,
        STUDY_DATE,
        STUDY_TIME,
        ACCESSION_NUMBER,
        STUDY_ID,
        REFERRING_PHYSICIAN_NAME,
        STUDY_DESCRIPTION,
    )
    return insert(
        connection,
        "INSERT INTO study (patient_id, study_instance_uid, study_date, study_time, accession_number, study_id,"
        " referring_physician_name, description, attributes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (_patient(connection, attributes), study_uid, *kept, as_json(attributes.study)),
    )


def _patient(connection: sqlite3.Connection, attributes: Attributes) -> int:
    patient_id, issuer = _identity(attributes)
    known = (
        patient_id
        and connection.execute(
            "SELECT id FROM patient WHERE pid = ? AND issuer = ? AND pid <> ''", (patient_id, issuer)
        ).fetchone()
    )
    if known:
        return int(known[0])
    return insert(
        connection,
        "INSERT INTO patient (pid, issuer, name, birth_date, sex, attributes) VALUES (?, ?, ?, ?, ?, ?)",
        (
            patient_id,
            issuer,
            *_texts(attributes.patient, PATIENT_NAME, PATIENT_BIRTH_DATE, PATIENT_SEX),
            as_json(attributes.patient),
        ),
    )


def _identity(attributes: Attributes) -> tuple[str, str]:
    return attributes.patient.get(PATIENT_ID, ""), attributes.patient.get(ISSUER_OF_PATIENT_ID, "")


def insert(connection: sqlite3.Connection, sql: str, values: tuple[object, ...]) -> int:
    """The id of a new row."""
    row = connection.execute(sql, values).lastrowid
    assert row is not None
    return row


def _existing(connection: sqlite3.Connection, sop_instance_uid: str, state: State) -> Existing | None:
    row = connection.execute(
        f"{_EXISTING} WHERE sop_instance_uid = ? AND state = ?", (sop_instance_uid, state)
    ).fetchone()
    return existing(row) if row else None


def existing(row: tuple[int, str, str, int, int, bytes, str, str]) -> Existing:
    """A row as others see it."""
    _, state, location, offset, size, digest, transfer_syntax, findings = row
    return Existing(State(state), location, offset, size, bytes(digest), transfer_syntax, findings_of(findings))


def microseconds(instant: datetime) -> int:
    """Microseconds since 1970, UTC."""
    return round(instant.timestamp() * 1_000_000)


def as_json(attributes: Mapping[int, str]) -> str:
    """Attributes of one level as text."""
    return json.dumps({f"{tag:08X}": value for tag, value in attributes.items()}, ensure_ascii=False)


def all_as_json(attributes: Attributes) -> str:
    """Attributes of all levels as text, for an instance that hangs below nothing."""
    levels = (attributes.patient, attributes.study, attributes.series, attributes.instance)
    return f"[{', '.join(as_json(level) for level in levels)}]"


def findings_text(findings: tuple[Finding, ...]) -> str:
    """Findings as JSON."""
    return (
        json.dumps(
            [
                [one.rule, int(one.severity), one.status, one.tags, one.comment, one.path, one.reference]
                for one in findings
            ]
        )
        if findings
        else "[]"
    )


def findings_of(text: str) -> tuple[Finding, ...]:
    """Findings from their JSON."""
    if text == "[]":
        return ()
    return tuple(
        Finding(rule, Severity(severity), status, tuple(tags), comment, path, reference)
        for rule, severity, status, tags, comment, path, reference in json.loads(text)
    )


def _texts(attributes: Mapping[int, str], *tags: int) -> list[str]:
    return [attributes.get(tag, "") for tag in tags]
