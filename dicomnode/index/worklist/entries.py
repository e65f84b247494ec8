"""The worklist's entries: put, looked up, changed and removed, each in a transaction of its own.

`dicomnode.index.worklist.changing` does the same within another module's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dicomnode.dicom.procedure import StepStatus, WorklistEntry
from dicomnode.dicom.query.worklist import WorklistIdentifier
from dicomnode.errors import UnknownStepError
from dicomnode.index.database import Connections
from dicomnode.index.keys import instant
from dicomnode.index.worklist.changing import Put, StepKey, WorklistChange, change_status, entry_of, put, remove
from dicomnode.index.worklist.finding import StoredStep, WorklistView, find_entries
from dicomnode.index.worklist.listing import ListedEntry, WorklistFilter, listed
from dicomnode.index.writer import Writer

_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class WorklistRecord:
    """One thing that was done with an entry."""

    at: datetime
    kind: WorklistChange
    status: StepStatus
    by: str
    reason: str


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
        return listed(self._connections, filters, limit)

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
