"""What arrived, study by study, for a sysadmin."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class StudyFilter:
    """Which studies to list; None or empty is no condition. A ``*`` in the name stands for anything."""

    patient_id: str = ""
    patient_name: str = ""
    accession_number: str = ""
    study_instance_uid: str = ""
    modality: str = ""
    date_from: str = ""
    """Study Date YYYYMMDD, inclusive."""
    date_to: str = ""


@dataclass(frozen=True, slots=True)
class StudyRow:
    """One study as it is listed."""

    study_instance_uid: str
    patient_id: str
    issuer: str
    patient_name: str
    study_date: str
    study_time: str
    accession_number: str
    description: str
    modalities: tuple[str, ...]
    series: int
    instances: int
    size_bytes: int
    last_received_at: datetime
    calling_ae_title: str


_SELECT = """
SELECT study.id, study_instance_uid, pid, issuer, patient.name, study_date, study_time, accession_number, study.description,
    (SELECT group_concat(DISTINCT modality) FROM series WHERE series.study_id = study.id),
    (SELECT count(*) FROM series WHERE series.study_id = study.id),
    (SELECT count(*) FROM series JOIN instance ON instance.series_id = series.id WHERE series.study_id = study.id),
    (SELECT sum(dataset_size_bytes) FROM series JOIN instance ON instance.series_id = series.id WHERE series.study_id = study.id),
    (SELECT max(received_at) FROM series JOIN instance ON instance.series_id = series.id WHERE series.study_id = study.id),
    (SELECT calling_ae_title FROM series JOIN instance ON instance.series_id = series.id WHERE series.study_id = study.id
        ORDER BY received_at DESC LIMIT 1)
FROM study JOIN patient ON patient.id = study.patient_id
"""


def studies(reader: Callable[[], sqlite3.Connection], filters: StudyFilter, limit: int) -> Iterator[StudyRow]:
    """The studies that fit, the newest first; no transaction is held while the caller is slow."""
    conditions, values = _conditions(filters)
    last = 1 << 62
    while limit > 0:
        where = " AND ".join(["study.id < ?", *conditions])
        page = min(limit, 500)
        rows = (
            reader().execute(f"{_SELECT} WHERE {where} ORDER BY study.id DESC LIMIT {page}", (last, *values)).fetchall()
        )
        for row in rows:
            if row[10]:
                yield _row(row)
        if len(rows) < page:
            return
        last, limit = rows[-1][0], limit - len(rows)


def _conditions(filters: StudyFilter) -> tuple[list[str], list[str]]:
    conditions, values = [], []
    for column, value in (
        ("pid = ?", filters.patient_id),
        ("accession_number = ?", filters.accession_number),
        ("study_instance_uid = ?", filters.study_instance_uid),
        ("study_date >= ?", filters.date_from),
        ("study_date <= ?", filters.date_to),
        ("EXISTS (SELECT 1 FROM series WHERE series.study_id = study.id AND modality = ?)", filters.modality),
    ):
        if value:
            conditions.append(column)
            values.append(value)
    if filters.patient_name:
        conditions.append("patient.name LIKE ? ESCAPE '\\'")
        escaped = filters.patient_name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        values.append(escaped.replace("*", "%"))
    return conditions, values


def _row(row: tuple[object, ...]) -> StudyRow:
    _, uid, pid, issuer, name, date, time, accession, description, modalities, series, instances, size, last, ae = row
    return StudyRow(
        *(str(text) for text in (uid, pid, issuer, name, date, time, accession, description)),
        modalities=tuple(sorted(filter(None, str(modalities or "").split(",")))),
        series=int(str(series)),
        instances=int(str(instances)),
        size_bytes=int(str(size)),
        last_received_at=datetime.fromtimestamp(int(str(last)) / 1_000_000, UTC),
        calling_ae_title=str(ae),
    )
