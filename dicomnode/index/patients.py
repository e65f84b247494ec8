"""Patients corrected by the hospital's information system: updated, merged, given another ID; whatever hangs below follows.

Files are never rewritten: ``patient.corrected`` holds what is to be said of the patient in place of what the files say.
Each change is recorded with what was before; one that changes nothing leaves no trace.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from peewee import SQL

from dicomnode.dicom.tags import ISSUER_OF_PATIENT_ID, PATIENT_BIRTH_DATE, PATIENT_ID, PATIENT_NAME, PATIENT_SEX
from dicomnode.index.hierarchy import patient_row
from dicomnode.index.identities import Identity
from dicomnode.index.keys import microseconds
from dicomnode.index.schema.hierarchy import Patient
from dicomnode.index.schema.patients import FormerIdentity, PatientEvent
from dicomnode.index.schema.statements import bound, compiled, insert_into
from dicomnode.index.texts import level_of, level_text
from dicomnode.index.worklist.patients import correct_entries

_DEMOGRAPHICS: Final = (PATIENT_NAME, PATIENT_BIRTH_DATE, PATIENT_SEX)
"""Name, birth date, sex: what a viewer shows of a patient, and so what may not contradict itself after a merge."""

_FOUND: Final = compiled(
    Patient.select(Patient.id, Patient.attributes, Patient.corrected).where(
        Patient.patient_id == bound("patient_id"),
        Patient.issuer == bound("issuer"),
        Patient.patient_id != SQL("''"),  # without an ID nobody is the same patient
    )
)
_NEW_EVENT: Final = insert_into(PatientEvent)
_NEW_FORMER: Final = insert_into(FormerIdentity)


class ChangeKind(StrEnum):
    """What a message does with a patient."""

    UPDATED = "updated"
    MERGED = "merged"
    ID_CHANGED = "id-changed"


@dataclass(frozen=True, slots=True)
class PatientChange:
    """What a message says of a patient.

    Attributes:
        identity: who the patient is.
        prior: who is the same patient, and shall be so from now on; None for an update.
        attributes: by tag, without ID and issuer; an empty one is deleted.
    """

    kind: ChangeKind
    identity: Identity
    attributes: Mapping[int, str]
    prior: Identity | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a change comes from: sending application and facility, address, control ID, time of arrival."""

    by: str
    address: str
    control_id: str
    at: datetime


class _Row(NamedTuple):
    key: int
    level: dict[int, str]
    corrected: dict[int, str]


def change_patient(connection: sqlite3.Connection, change: PatientChange, origin: Origin) -> bool:
    """Do what a message says, within the caller's transaction; whether the node holds or knows anything that changed."""
    known = 0
    for patient in dict.fromkeys((change.prior or change.identity, change.identity)):
        attributes = {**change.attributes, **_named(change.identity, patient)}
        reason = f"HL7 {origin.control_id}"
        known += correct_entries(connection, patient, attributes, by=origin.by, reason=reason)
    return _change(connection, change, origin) or bool(known)


def _change(connection: sqlite3.Connection, change: PatientChange, origin: Origin) -> bool:
    if change.prior is None or change.prior == change.identity:
        return _update(connection, change, origin)
    return _merge(connection, change, change.prior, origin)


def _update(connection: sqlite3.Connection, change: PatientChange, origin: Origin) -> bool:
    row = _found(connection, change.identity)
    if row is None:
        return False
    level = _with(row.level, change.attributes)
    corrected = row.corrected
    if corrected or any(row.level.get(tag, "") != value for tag, value in change.attributes.items()):
        corrected = {**corrected, **change.attributes}
    if level == row.level and corrected == row.corrected:
        return False
    _write(connection, row.key, level, corrected)
    _record(connection, change, origin, before=row.level, after=level)
    return True


def _merge(connection: sqlite3.Connection, change: PatientChange, prior: Identity, origin: Origin) -> bool:
    gone, survivor = _found(connection, prior), _found(connection, change.identity)
    is_news = _remember(connection, change, prior)
    if gone is None:
        return _update(connection, change, origin) or is_news
    here = survivor or gone
    level = _with(here.level, change.attributes) | _named(change.identity, prior)
    corrected: dict[int, str] = {
        **gone.corrected,
        **here.corrected,
        **{tag: level[tag] for tag in _DEMOGRAPHICS if tag in level},
        **change.attributes,
        **_named(change.identity, prior),
    }
    moved = [
        uid for (uid,) in connection.execute("SELECT study_instance_uid FROM study WHERE patient = ?", (gone.key,))
    ]
    if survivor is not None:
        connection.execute("UPDATE study SET patient = ? WHERE patient = ?", (survivor.key, gone.key))
        connection.execute("DELETE FROM patient WHERE id = ?", (gone.key,))
    _write(connection, here.key, level, corrected)
    _record(connection, change, origin, before=gone.level, after=level, studies=moved)
    return True


def _remember(connection: sqlite3.Connection, change: PatientChange, prior: Identity) -> bool:
    """That ``prior`` is somebody else now, who is nobody else any more; whether that is news."""
    known = connection.execute(
        "SELECT current_patient_id, current_issuer, corrected FROM former_identity WHERE patient_id = ? AND issuer = ?",
        prior,
    ).fetchone()
    said = level_text({**change.attributes, **_named(change.identity, prior)})
    if known == (*change.identity, said):
        return False
    connection.execute("DELETE FROM former_identity WHERE patient_id = ? AND issuer = ?", change.identity)
    connection.execute("DELETE FROM former_identity WHERE patient_id = ? AND issuer = ?", prior)
    connection.execute(
        "UPDATE former_identity SET current_patient_id = ?, current_issuer = ?, corrected = ?"
        " WHERE current_patient_id = ? AND current_issuer = ?",
        (*change.identity, said, *prior),
    )
    row = {
        "patient_id": prior[0],
        "issuer": prior[1],
        "current_patient_id": change.identity[0],
        "current_issuer": change.identity[1],
        "corrected": said,
    }
    connection.execute(_NEW_FORMER, row)
    return True


def _named(identity: Identity, prior: Identity) -> dict[int, str]:
    """The identity as attributes; no issuer where there never was one."""
    patient_id, issuer = identity
    return {PATIENT_ID: patient_id} | ({ISSUER_OF_PATIENT_ID: issuer} if issuer or prior[1] else {})


def _with(level: Mapping[int, str], attributes: Mapping[int, str]) -> dict[int, str]:
    """The level as it is said to be; an attribute that nobody had and that shall be deleted does not come to be."""
    return {**level, **{tag: value for tag, value in attributes.items() if value or tag in level}}


def _found(connection: sqlite3.Connection, identity: Identity) -> _Row | None:
    patient_id, issuer = identity
    row = connection.execute(_FOUND, {"patient_id": patient_id, "issuer": issuer}).fetchone()
    return _Row(row[0], level_of(row[1]), level_of(row[2]) if row[2] else {}) if row else None


def _write(connection: sqlite3.Connection, key: int, level: Mapping[int, str], corrected: Mapping[int, str]) -> None:
    row = patient_row(level)
    columns = ", ".join(f"{column} = :{column}" for column in row)
    connection.execute(
        f"UPDATE patient SET {columns}, corrected = :corrected WHERE id = :id",  # noqa: S608 - columns of ours
        {**row, "corrected": level_text(corrected) if corrected else None, "id": key},
    )


def _record(
    connection: sqlite3.Connection,
    change: PatientChange,
    origin: Origin,
    *,
    before: Mapping[int, str],
    after: Mapping[int, str],
    studies: list[str] | None = None,
) -> None:
    prior = change.prior or change.identity
    row = {
        "at": microseconds(origin.at),
        "kind": change.kind,
        "patient_id": change.identity[0],
        "issuer": change.identity[1],
        "prior_patient_id": prior[0],
        "prior_issuer": prior[1],
        "by": origin.by,
        "address": origin.address,
        "control_id": origin.control_id,
        "before": level_text(before),
        "after": level_text(after),
        "studies": json.dumps(studies or []),
    }
    connection.execute(_NEW_EVENT, row)
