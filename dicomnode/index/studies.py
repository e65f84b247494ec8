"""What arrived, study by study, for a sysadmin."""

from __future__ import annotations

import json
import string
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from peewee import SQL, Node, fn

from dicomnode.dicom.query.person_name import name_groups
from dicomnode.index.database import Connections
from dicomnode.index.keys import instant, microseconds
from dicomnode.index.schema.hierarchy import QUARANTINED, Instance, Patient, Study
from dicomnode.index.schema.statements import bound, compiled

_PAGE: Final = 500
_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
"""As SQLite's lower() does it."""


@dataclass(frozen=True, slots=True)
class StudyFilter:
    """Which studies to list; what is empty is no condition.

    Attributes:
        patient_name: ``*`` stands for anything, ``?`` for one character; upper and lower case are the same, and accents
            do not count.
        modality: of any of its series.
        date_from: Study Date YYYYMMDD, this day or later.
        date_to: this day or earlier.
        description: of the study; ``*`` and ``?`` as in names, upper and lower case of ASCII letters are the same.
        received_since: when its last instance came, then or later.
    """

    patient_id: str = ""
    patient_name: str = ""
    accession_number: str = ""
    study_instance_uid: str = ""
    modality: str = ""
    date_from: str = ""
    date_to: str = ""
    study_id: str = ""
    description: str = ""
    received_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class StudyRow:
    """One study as it is listed.

    Attributes:
        size_bytes: of all its data sets.
        last_received_at: when its last instance came, and ``calling_ae_title`` who sent that.
        quarantined: instances of this study that are held back; none of the other numbers counts them.
    """

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
    quarantined: int


_CONDITIONS: Final[dict[str, Node]] = {
    "patient_id": (Patient.patient_id == bound("patient_id")) & (Patient.patient_id != SQL("''")),
    "patient_name": SQL(
        "(name_key GLOB :patient_name OR ideographic_key GLOB :patient_name OR phonetic_key GLOB :patient_name)"
    ),
    "accession_number": Study.accession_number == bound("accession_number"),
    "study_instance_uid": Study.study_instance_uid == bound("study_instance_uid"),
    "modality": SQL("instr('\\' || modalities_in_study || '\\', '\\' || :modality || '\\')"),
    "date_from": Study.study_date >= bound("date_from"),
    "date_to": Study.study_date.between(SQL("'0'"), bound("date_to")),
    "study_id": Study.study_id == bound("study_id"),
    "description": SQL("lower(study_description) GLOB :description"),
    "received_since": Study.last_received_at >= bound("received_since"),
}
_KEYS: Final = Study.select(Study.id).join(Patient).order_by(Study.id.desc()).limit(bound("limit"))
_ROWS: Final = compiled(
    Study.select(
        Study.study_instance_uid,
        Patient.patient_id,
        Patient.issuer,
        Patient.patient_name,
        Study.study_date,
        Study.study_time,
        Study.accession_number,
        Study.study_description,
        Study.modalities_in_study,
        Study.series_count,
        Study.instance_count,
        Study.size_bytes,
        Study.last_received_at,
        Study.last_calling_ae_title,
        Instance.select(fn.COUNT(SQL("*"))).where(
            Instance.study_instance_uid == Study.study_instance_uid, Instance.state == QUARANTINED
        ),
    )
    .join(Patient)
    .where(Study.id.in_(SQL("(SELECT value FROM json_each(:keys))")))
    .order_by(Study.id.desc())
)


def studies(connections: Connections, filters: StudyFilter, limit: int) -> Iterator[StudyRow]:
    """The studies that fit now, the one whose first instance came last first; read a page at a time, so that a slow caller keeps no
    transaction open.

    Raises:
        IndexUnavailableError: the index cannot be read.
    """
    values: dict[str, Any] = {name: getattr(filters, name) for name in _CONDITIONS if getattr(filters, name)}
    which = compiled(_KEYS.where(*(_CONDITIONS[name] for name in values)) if values else _KEYS)
    if filters.patient_name:
        values["patient_name"] = _pattern(name_groups(filters.patient_name)[0])
    if filters.description:
        values["description"] = _pattern(filters.description.translate(_LOWER))
    if filters.received_since:
        values["received_since"] = microseconds(filters.received_since)
    with connections.reading() as connection:
        keys = [key for (key,) in connection.execute(which, {**values, "limit": limit})]
    for start in range(0, len(keys), _PAGE):
        with connections.reading() as connection:
            rows = connection.execute(_ROWS, {"keys": json.dumps(keys[start : start + _PAGE])}).fetchall()
        for row in rows:
            yield _study(row)


def _pattern(text: str) -> str:
    """As GLOB reads it: a bracket would begin a set of characters."""
    return text.replace("[", "[[]")


def _study(row: tuple[Any, ...]) -> StudyRow:
    modalities, series, instances, size_bytes, last_received_at, calling_ae_title, quarantined = row[8:]
    uid, patient_id, issuer, name, date, time, accession_number, description = row[:8]
    return StudyRow(
        uid,
        patient_id,
        issuer,
        name,
        date,
        time,
        accession_number,
        description,
        tuple(modalities.split("\\")) if modalities else (),
        series,
        instances,
        size_bytes,
        instant(last_received_at),
        calling_ae_title,
        quarantined,
    )
