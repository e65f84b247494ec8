"""The worklist's entries: put, looked up, changed and removed; every change is recorded, in its transaction.

The functions that take a connection are for other modules' transactions; Worklist does the same in one of its own.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple

from dicomnode.dicom.procedure import StepStatus, WorklistEntry
from dicomnode.dicom.query.person_name import name_groups
from dicomnode.dicom.query.worklist import WorklistIdentifier
from dicomnode.dicom.worklist_attributes import PERFORMING_PHYSICIAN, START_DATE, START_TIME
from dicomnode.errors import UnknownStepError
from dicomnode.index.database import Connections
from dicomnode.index.keys import instant, microseconds
from dicomnode.index.schema.statements import insert_into
from dicomnode.index.schema.worklist import WorklistEvent, WorklistStation, WorklistStep
from dicomnode.index.worklist.finding import StoredStep, WorklistView, find_entries
from dicomnode.index.writer import Writer

_PAGE: Final = 500
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


@dataclass(frozen=True, slots=True)
class WorklistFilter:
    """Which entries to list; what is empty is no condition.

    Attributes:
        date_from: start date YYYYMMDD, this day or later.
        date_to: this day or earlier.
    """

    ae_title: str = ""
    modality: str = ""
    patient_id: str = ""
    accession_number: str = ""
    study_instance_uid: str = ""
    step_id: str = ""
    requested_procedure_id: str = ""
    source: str = ""
    date_from: str = ""
    date_to: str = ""
    statuses: tuple[StepStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedEntry:
    """An entry as it is listed; ``source`` is the file in the watched folder that it follows, empty for none."""

    entry: WorklistEntry
    source: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class WorklistRecord:
    """One thing that was done with an entry."""

    at: datetime
    kind: WorklistChange
    status: StepStatus
    by: str
    reason: str


_COLUMNS: Final = tuple(field.column_name for field in WorklistStep._meta.sorted_fields if not field.primary_key)
_INSERT: Final = insert_into(WorklistStep)
_UPDATE: Final = f"UPDATE worklist_step SET {', '.join(f'{name} = :{name}' for name in _COLUMNS)} WHERE id = :id"  # noqa: S608 - names
_INSERT_STATION: Final = insert_into(WorklistStation)
_INSERT_EVENT: Final = insert_into(WorklistEvent)
_OF_KEY: Final = "SELECT id, status, source, attributes FROM worklist_step WHERE study_instance_uid = ? AND step_id = ?"
_SET_STATUS: Final = "UPDATE worklist_step SET status = ?, changed_at = ? WHERE id = ?"
_KNOWS: Final = (
    "SELECT 1 FROM worklist_step WHERE {} = ? AND patient_id = ? LIMIT 1",
    "SELECT 1 FROM worklist_step WHERE {} = ? LIMIT 1",
)
_OPEN_STUDY: Final = """
SELECT study_instance_uid FROM worklist_step WHERE patient_id = ? AND issuer = ? AND accession_number = ?
AND requested_procedure_id = ? AND status NOT IN ('CANCELED', 'DISCONTINUED', 'COMPLETED') ORDER BY id DESC LIMIT 1
"""
_OLD: Final = "SELECT study_instance_uid, step_id FROM worklist_step WHERE start_date < ? AND source = '' LIMIT ?"
_EVENTS: Final = (
    "SELECT at, kind, status, by, reason FROM worklist_event WHERE study_instance_uid = ? AND step_id = ? ORDER BY id"
)


class Worklist:
    """The entries of the worklist; every method raises IndexUnavailableError when the index cannot be read or written."""

    def __init__(self, connections: Connections, writer: Writer) -> None:
        self._connections = connections
        self._writer = writer

    def put(
        self,
        entries: Sequence[WorklistEntry] | WorklistEntry,
        *,
        by: str,
        reason: str = "",
        source: str = "",
        replaces: Sequence[StepKey] = (),
    ) -> tuple[Put, ...]:
        """Schedule entries, or change those that are there under the same study and step; all of them or none.

        An entry that is there keeps its status, unless the newcomer has another than SCHEDULED, or it was canceled or discontinued:
        then it is scheduled again.

        Args:
            by: a person's user name, or the AE title or application that it came from.
            source: the file in the watched folder that the entries follow.
            replaces: entries that are removed in the same transaction, unless they are put.
        """
        several = (entries,) if isinstance(entries, WorklistEntry) else tuple(entries)

        def work(connection: sqlite3.Connection) -> tuple[Put, ...]:
            outcomes = tuple(put(connection, entry, by=by, reason=reason, source=source) for entry in several)
            for key in set(replaces).difference(map(StepKey.of, several)):
                remove(connection, key, by=by, reason=reason)
            return outcomes

        return self._writer.run(work)

    def find(self, identifier: WorklistIdentifier, view: WorklistView) -> Iterator[list[StoredStep]]:
        """The entries that match a query, by their start; read page by page, the first one small."""
        return find_entries(self._connections, identifier, view)

    def entry(self, study_instance_uid: str, step_id: str) -> WorklistEntry | None:
        """The entry of a step; None when there is none."""
        with self._connections.reading() as connection:
            return entry_of(connection, study_instance_uid, step_id)

    def entries(self, filters: WorklistFilter, *, limit: int = 1 << 62) -> Iterator[ListedEntry]:
        """The entries that fit, by their start."""
        text, values = _listing(filters)
        with self._connections.reading() as connection:
            ids = [row for (row,) in connection.execute(text, [*values, limit])]
        for start in range(0, len(ids), _PAGE):
            page = ids[start : start + _PAGE]
            with self._connections.reading() as connection:
                rows = {row[0]: row[1:] for row in connection.execute(_LISTED, (json.dumps(page),))}
            yield from (_listed(*rows[number]) for number in page if number in rows)

    def set_status(
        self, study_instance_uid: str, step_id: str, status: StepStatus, *, by: str, reason: str = ""
    ) -> None:
        """Give the step another status.

        Raises:
            UnknownStepError: there is no such entry.
        """
        if not self._writer.run(
            lambda connection: change_status(connection, study_instance_uid, step_id, status, by=by, reason=reason)
        ):
            raise UnknownStepError("no such entry in the worklist")

    def change_status(
        self,
        connection: sqlite3.Connection,
        study_instance_uid: str,
        step_id: str,
        status: StepStatus,
        *,
        by: str = "",
        reason: str = "",
    ) -> bool:
        """The same within another transaction; whether there is such an entry."""
        return change_status(connection, study_instance_uid, step_id, status, by=by, reason=reason)

    def remove(self, keys: Sequence[StepKey], *, by: str, reason: str = "") -> int:
        """Take entries out; how many of them there were."""
        return self._writer.run(
            lambda connection: sum(remove(connection, key, by=by, reason=reason) for key in keys),
        )

    def remove_old(self, before: str, *, by: str, reason: str = "") -> int:
        """Take out what was to start before a day, YYYYMMDD, unless it follows a file; how many entries there were."""
        removed = 0
        while True:
            with self._connections.reading() as connection:
                keys = [StepKey(*row) for row in connection.execute(_OLD, (before, _PAGE))]
            if not keys:
                return removed
            removed += self.remove(keys, by=by, reason=reason)

    def knows(self, accession_number: str, patient_id: str = "", study_instance_uid: str = "") -> bool:
        """Whether something is scheduled, or was, under this accession number or study for this patient; empty: not looked at."""
        with self._connections.reading() as connection:
            for column, value in (("accession_number", accession_number), ("study_instance_uid", study_instance_uid)):
                if not value:
                    continue
                text = _KNOWS[0 if patient_id else 1].format(column)
                if connection.execute(text, (value, patient_id) if patient_id else (value,)).fetchone():
                    return True
        return False

    def open_study(self, entry: WorklistEntry) -> str:
        """The Study Instance UID under which the same Requested Procedure is scheduled already; empty when it is not."""
        values = (entry.patient_id, entry.issuer, entry.accession_number, entry.requested_procedure_id)
        with self._connections.reading() as connection:
            row = connection.execute(_OPEN_STUDY, values).fetchone()
        return str(row[0]) if row else ""

    def history(self, study_instance_uid: str, step_id: str) -> list[WorklistRecord]:
        """What was done with an entry, the oldest first."""
        with self._connections.reading() as connection:
            rows = connection.execute(_EVENTS, (study_instance_uid, step_id)).fetchall()
        return [
            WorklistRecord(instant(at), WorklistChange(kind), StepStatus(status), by, reason)
            for at, kind, status, by, reason in rows
        ]


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


_LISTED: Final = """
SELECT id, attributes, status, source, changed_at FROM worklist_step WHERE id IN (SELECT value FROM json_each(?))
"""


def _listing(filters: WorklistFilter) -> tuple[str, list[object]]:
    equal = {
        name: getattr(filters, name)
        for name in (
            "modality",
            "patient_id",
            "accession_number",
            "study_instance_uid",
            "step_id",
            "requested_procedure_id",
            "source",
        )
    }
    terms = {f"{name} = ?": value for name, value in equal.items()}
    terms["start_date >= ?"], terms["start_date <= ?"] = filters.date_from, filters.date_to
    terms["id IN (SELECT step FROM worklist_station WHERE ae_title = ?)"] = filters.ae_title
    terms["status IN (SELECT value FROM json_each(?))"] = json.dumps(filters.statuses) if filters.statuses else ""
    used = {term: value for term, value in terms.items() if value}
    where = f" WHERE {' AND '.join(used)}" if used else ""
    text = f"SELECT id FROM worklist_step{where} ORDER BY start_date, start_time, id LIMIT ?"  # noqa: S608 - bound
    return text, list(used.values())


def _listed(attributes: str, status: str, source: str, changed_at: int) -> ListedEntry:
    return ListedEntry(WorklistEntry(json.loads(attributes), StepStatus(status)), source, instant(changed_at))
