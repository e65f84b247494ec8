"""The worklist's entries put, looked up, changed and removed within a transaction; every change is recorded in it."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from dicomnode.dicom.procedure import StepStatus, WorklistEntry
from dicomnode.dicom.query.person_name import name_groups
from dicomnode.dicom.worklist_attributes import PERFORMING_PHYSICIAN, START_DATE, START_TIME
from dicomnode.index.keys import microseconds
from dicomnode.index.schema.statements import insert_into
from dicomnode.index.schema.worklist import WorklistEvent, WorklistStation, WorklistStep

_AWAKENED: Final = frozenset({StepStatus.CANCELED, StepStatus.DISCONTINUED})
"""States that an entry leaves when it is scheduled again."""


class StepKey(NamedTuple):
    """What tells entries apart."""

    study_instance_uid: str
    step_id: str

    @classmethod
    def of(cls, entry: WorklistEntry) -> StepKey:
        """That of an entry."""
        return cls(entry.study_instance_uid, entry.step_id)


class WorklistChange(StrEnum):
    """What was done with an entry."""

    SCHEDULED = "scheduled"
    CHANGED = "changed"
    STATUS = "status"
    """Its status changed."""
    REMOVED = "removed"


class Put(StrEnum):
    """What became of an entry that was put."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"


_COLUMNS: Final = tuple(field.column_name for field in WorklistStep._meta.sorted_fields if not field.primary_key)
_INSERT: Final = insert_into(WorklistStep)
_UPDATE: Final = f"UPDATE worklist_step SET {', '.join(f'{name} = :{name}' for name in _COLUMNS)} WHERE id = :id"  # noqa: S608 - names
_INSERT_STATION: Final = insert_into(WorklistStation)
_INSERT_EVENT: Final = insert_into(WorklistEvent)
_OF_KEY: Final = "SELECT id, status, source, attributes FROM worklist_step WHERE study_instance_uid = ? AND step_id = ?"
_SET_STATUS: Final = "UPDATE worklist_step SET status = ?, changed_at = ? WHERE id = ?"


def put(connection: sqlite3.Connection, entry: WorklistEntry, *, by: str, reason: str = "", source: str = "") -> Put:
    """Schedule or change an entry within a transaction; see `Worklist.put`."""
    key = StepKey.of(entry)
    known = connection.execute(_OF_KEY, key).fetchone()
    if known is None:
        cursor = connection.execute(_INSERT, _row(entry, source))
        assert cursor.lastrowid is not None, "a row was inserted"
        _put_stations(connection, cursor.lastrowid, entry)
        _record(connection, WorklistChange.SCHEDULED, key, entry.status, by=by, reason=reason)
        return Put.ADDED
    number, status, known_source, attributes = known
    before = StepStatus(status)
    if entry.status is StepStatus.SCHEDULED and before not in _AWAKENED:
        entry = entry.with_status(before)
    row = _row(entry, source)
    if (before, known_source, attributes) == (entry.status, source, row["attributes"]):
        return Put.UNCHANGED
    connection.execute(_UPDATE, {**row, "id": number})
    connection.execute("DELETE FROM worklist_station WHERE step = ?", (number,))
    _put_stations(connection, number, entry)
    _record(connection, WorklistChange.CHANGED, key, entry.status, by=by, reason=reason)
    return Put.CHANGED


def entry_of(connection: sqlite3.Connection, study_instance_uid: str, step_id: str) -> WorklistEntry | None:
    """The entry of a step, as this connection sees it; None when there is none."""
    row = connection.execute(_OF_KEY, (study_instance_uid, step_id)).fetchone()
    return WorklistEntry(json.loads(row[3]), StepStatus(row[1])) if row else None


def change_status(
    connection: sqlite3.Connection,
    study_instance_uid: str,
    step_id: str,
    status: StepStatus,
    *,
    by: str = "",
    reason: str = "",
) -> bool:
    """Give a step another status, within a transaction; whether there is such a step."""
    row = connection.execute(_OF_KEY, (study_instance_uid, step_id)).fetchone()
    if row is None:
        return False
    if row[1] != status:
        connection.execute(_SET_STATUS, (status, microseconds(datetime.now(UTC)), row[0]))
        _record(connection, WorklistChange.STATUS, StepKey(study_instance_uid, step_id), status, by=by, reason=reason)
    return True


def remove(connection: sqlite3.Connection, key: StepKey, *, by: str, reason: str = "") -> bool:
    """Take an entry out within a transaction; whether there was one."""
    row = connection.execute(_OF_KEY, key).fetchone()
    if row is None:
        return False
    connection.execute("DELETE FROM worklist_step WHERE id = ?", (row[0],))
    _record(connection, WorklistChange.REMOVED, key, StepStatus(row[1]), by=by, reason=reason)
    return True


def steps_with(
    connection: sqlite3.Connection, *, accession_number: str = "", patient_id: str = "", issuer: str = ""
) -> list[WorklistEntry]:
    """The entries of an order or of a patient, as this connection sees them; what is empty is no condition, but one is needed."""
    given = {"accession_number": accession_number, "patient_id": patient_id, "issuer": issuer}
    conditions = [f"{name} = :{name}" for name, value in given.items() if value]
    if not conditions:
        return []
    text = f"SELECT attributes, status FROM worklist_step WHERE {' AND '.join(conditions)} ORDER BY id"  # noqa: S608 - names
    return [WorklistEntry(json.loads(row[0]), StepStatus(row[1])) for row in connection.execute(text, given)]


def _row(entry: WorklistEntry, source: str) -> dict[str, Any]:
    alphabetic, ideographic, phonetic = name_groups(entry.patient_name)
    return {
        "study_instance_uid": entry.study_instance_uid,
        "step_id": entry.step_id,
        "requested_procedure_id": entry.requested_procedure_id,
        "accession_number": entry.accession_number,
        "patient_id": entry.patient_id,
        "issuer": entry.issuer,
        "name_key": alphabetic,
        "ideographic_key": ideographic,
        "phonetic_key": phonetic,
        "modality": entry.modality,
        "start_date": entry.step_text(START_DATE),
        "start_time": entry.step_text(START_TIME),
        "performing_physician": entry.step_text(PERFORMING_PHYSICIAN),
        "status": entry.status,
        "source": source,
        "changed_at": microseconds(datetime.now(UTC)),
        "attributes": json.dumps(entry.attributes, ensure_ascii=False, separators=(",", ":")),
    }


def _put_stations(connection: sqlite3.Connection, number: int, entry: WorklistEntry) -> None:
    rows = [{"ae_title": title, "step": number} for title in sorted(set(entry.scheduled_station_ae_titles))]
    connection.executemany(_INSERT_STATION, rows)


def _record(
    connection: sqlite3.Connection, kind: WorklistChange, key: StepKey, status: StepStatus, *, by: str, reason: str
) -> None:
    connection.execute(
        _INSERT_EVENT,
        {
            "at": microseconds(datetime.now(UTC)),
            "kind": kind,
            **key._asdict(),
            "status": status,
            "by": by,
            "reason": reason,
        },
    )
