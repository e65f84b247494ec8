"""Entries of the worklist as people have them listed: by what fits, and in the order of their start."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dicomnode.dicom.procedure import StepStatus, WorklistEntry
from dicomnode.index.database import Connections
from dicomnode.index.keys import instant

_PAGE: Final = 500


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


_LISTED: Final = """
SELECT id, attributes, status, source, changed_at FROM worklist_step WHERE id IN (SELECT value FROM json_each(?))
"""


def listed(connections: Connections, filters: WorklistFilter, limit: int) -> Iterator[ListedEntry]:
    """The entries that fit, by their start; a page at a time, so that a slow reader keeps no transaction open."""
    text, values = _listing(filters)
    with connections.reading() as connection:
        ids = [row for (row,) in connection.execute(text, [*values, limit])]
    for start in range(0, len(ids), _PAGE):
        page = ids[start : start + _PAGE]
        with connections.reading() as connection:
            rows = {row[0]: row[1:] for row in connection.execute(_LISTED, (json.dumps(page),))}
        yield from (_listed(*rows[number]) for number in page if number in rows)


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
