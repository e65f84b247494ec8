"""The way from an instance up to its patient: found, made, filled up and counted within the transaction that needs it.

The first instance of a patient, study or series says what its attributes are; a later one adds those that are missing or empty.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from peewee import JOIN, SQL, fn

from dicomnode.dicom.instance import Attributes
from dicomnode.dicom.query.person_name import name_groups
from dicomnode.dicom.query.temporal import comparable_date
from dicomnode.dicom.tags import (
    ACCESSION_NUMBER,
    FRAME_OF_REFERENCE_UID,
    ISSUER_OF_PATIENT_ID,
    MODALITY,
    PATIENT_BIRTH_DATE,
    PATIENT_BIRTH_TIME,
    PATIENT_ID,
    PATIENT_NAME,
    PATIENT_SEX,
    REFERRING_PHYSICIAN_NAME,
    SERIES_DESCRIPTION,
    SERIES_NUMBER,
    STUDY_DATE,
    STUDY_DESCRIPTION,
    STUDY_ID,
    STUDY_TIME,
)
from dicomnode.index.identities import successor
from dicomnode.index.schema.hierarchy import Patient, Series, Study
from dicomnode.index.schema.statements import bound, compiled, insert_into
from dicomnode.index.texts import Level, level_of, level_text, tags_with_values

_PATIENT_COLUMNS: Final = {
    "patient_id": PATIENT_ID,
    "issuer": ISSUER_OF_PATIENT_ID,
    "patient_name": PATIENT_NAME,
    "birth_date": PATIENT_BIRTH_DATE,
    "birth_time": PATIENT_BIRTH_TIME,
    "sex": PATIENT_SEX,
}
_SHOWN: Final = frozenset({PATIENT_ID, ISSUER_OF_PATIENT_ID, PATIENT_NAME, PATIENT_BIRTH_DATE, PATIENT_SEX})
"""What has to agree on all of a patient's instances: who he is, his name, birth date and sex."""
_NAME_KEYS: Final = ("name_key", "ideographic_key", "phonetic_key")
_STUDY_COLUMNS: Final = {
    "study_date": STUDY_DATE,
    "study_time": STUDY_TIME,
    "accession_number": ACCESSION_NUMBER,
    "study_id": STUDY_ID,
    "referring_physician_name": REFERRING_PHYSICIAN_NAME,
    "study_description": STUDY_DESCRIPTION,
    "patient_age": 0x00101010,
    "patient_size": 0x00101020,
    "patient_weight": 0x00101030,
}
_SERIES_COLUMNS: Final = {
    "modality": MODALITY,
    "series_number": SERIES_NUMBER,
    "series_description": SERIES_DESCRIPTION,
    "frame_of_reference_uid": FRAME_OF_REFERENCE_UID,
}

_PLACE: Final = compiled(
    Study.select(
        Study.id,
        Study.patient,
        Patient.patient_id,
        Patient.issuer,
        Series.id,
        Patient.attributes,
        Study.attributes,
        Series.attributes,
        Study.modalities_in_study,
        Study.sop_classes_in_study,
        Patient.corrected,
    )
    .join(Patient)
    .switch(Study)
    .join(
        Series,
        JOIN.LEFT_OUTER,
        on=(Series.study == Study.id) & (Series.series_instance_uid == bound("series_instance_uid")),
    )
    .where(Study.study_instance_uid == bound("study_instance_uid"))
)
_PATIENT: Final = compiled(
    Patient.select(Patient.id, Patient.attributes, Patient.corrected).where(
        Patient.patient_id == bound("patient_id"),
        Patient.issuer == bound("issuer"),
        Patient.patient_id != SQL("''"),  # without an ID nobody is the same patient
    )
)
_NEW_PATIENT: Final = insert_into(Patient)
_NEW_STUDY: Final = insert_into(Study)
_NEW_SERIES: Final = insert_into(Series)
_CHANGED_PATIENT: Final = compiled(
    Patient.update({column: bound(column) for column in (*_PATIENT_COLUMNS, *_NAME_KEYS, "attributes")}).where(
        Patient.id == bound("id")
    )
)
_CHANGED_STUDY: Final = compiled(
    Study.update({column: bound(column) for column in (*_STUDY_COLUMNS, "attributes")}).where(Study.id == bound("id"))
)
_CHANGED_SERIES: Final = compiled(
    Series.update({column: bound(column) for column in (*_SERIES_COLUMNS, "attributes")}).where(
        Series.id == bound("id")
    )
)
COUNT_INTO_SERIES: Final = "UPDATE series SET instance_count = instance_count + 1 WHERE id = ?"
_COUNT_INTO_STUDY: Final = compiled(
    Study.update(
        {
            Study.series_count: Study.series_count + bound("new_series"),
            Study.instance_count: Study.instance_count + SQL("1"),
            Study.size_bytes: Study.size_bytes + bound("size_bytes"),
            Study.last_received_at: fn.MAX(Study.last_received_at, bound("received_at")),
            Study.last_calling_ae_title: bound("calling_ae_title"),
            Study.modalities_in_study: bound("modalities"),
            Study.sop_classes_in_study: bound("sop_classes"),
        }
    ).where(Study.id == bound("study"))
)


_HAS_CLASS: Final = (
    "SELECT 1 FROM series JOIN instance ON instance.series = series.id WHERE study = ? AND sop_class_uid = ? LIMIT 1"
)


class Newcomer(NamedTuple):
    """An instance that shall hang below its series.

    Attributes:
        size_bytes: of its data set.
        received_at: microseconds since 1970, UTC.
    """

    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    attributes: Attributes
    size_bytes: int
    received_at: int
    calling_ae_title: str

    @property
    def identity(self) -> tuple[str, str]:
        """Patient ID and Issuer of Patient ID."""
        patient = self.attributes.patient
        return patient.get(PATIENT_ID, ""), patient.get(ISSUER_OF_PATIENT_ID, "")


class Place(NamedTuple):
    """What is there already of an instance's study, its patient and its series."""

    study: int
    patient: int
    patient_id: str
    issuer: str
    series: int | None
    patient_attributes: str
    study_attributes: str
    series_attributes: str
    modalities: str
    sop_classes: str
    corrected: str | None
    """What the hospital's information system said of the patient."""

    @property
    def identity(self) -> tuple[str, str]:
        """Patient ID and Issuer of Patient ID."""
        return self.patient_id, self.issuer


class Leaver(NamedTuple):
    """An instance that hangs below its series no more, but is still counted there."""

    series: int
    sop_class_uid: str
    size_bytes: int


def place_of(connection: sqlite3.Connection, study_instance_uid: str, series_instance_uid: str) -> Place | None:
    """Where an instance would hang; None when there is no such study yet."""
    uids = {"study_instance_uid": study_instance_uid, "series_instance_uid": series_instance_uid}
    row = connection.execute(_PLACE, uids).fetchone()
    return Place(*row) if row else None


def link(connection: sqlite3.Connection, newcomer: Newcomer, place: Place | None) -> int:
    """The row of the newcomer's series, with the newcomer counted in; what is not there yet is made, what was missing filled in.

    Args:
        place: as `place_of` found it in the same transaction.
    """
    study = _study(connection, newcomer, place)
    series, modality = _series(connection, newcomer, study, place)
    connection.execute(COUNT_INTO_SERIES, (series,))
    connection.execute(
        _COUNT_INTO_STUDY,
        {
            "study": study,
            "new_series": place is None or place.series is None,
            "size_bytes": newcomer.size_bytes,
            "received_at": newcomer.received_at,
            "calling_ae_title": newcomer.calling_ae_title,
            "modalities": _with(place.modalities if place else "", modality),
            "sop_classes": _with(place.sop_classes if place else "", newcomer.sop_class_uid),
        },
    )
    return series


def is_settled(newcomer: Newcomer, place: Place) -> bool:
    """Whether `link` would only count: the newcomer says of its patient, study and series nothing that is not there."""
    said = newcomer.attributes
    return (
        place.series is not None
        and place.identity == newcomer.identity
        and not _patient_filled_up(place.patient_attributes, place.corrected, said.patient)
        and not filled_up(place.study_attributes, said.study)
        and not filled_up(place.series_attributes, said.series)
        and _with(place.sop_classes, newcomer.sop_class_uid) == place.sop_classes
    )


def fill_above(connection: sqlite3.Connection, counted: Newcomer) -> bool:
    """Add what an instance has, that is counted already, and its patient, study and series lack; whether that was anything."""
    place = place_of(connection, counted.study_instance_uid, counted.series_instance_uid)
    if place is None or place.series is None:
        return False
    before = connection.total_changes
    _study(connection, counted, place)
    _, modality = _series(connection, counted, place.study, place)
    if (modalities := _with(place.modalities, modality)) != place.modalities:
        connection.execute("UPDATE study SET modalities_in_study = ? WHERE id = ?", (modalities, place.study))
    return connection.total_changes > before


def unlink(connection: sqlite3.Connection, leavers: Sequence[Leaver]) -> None:
    """Count instances out; a series, study or patient without instances goes."""
    left: dict[int, list[Leaver]] = {}
    for leaver in leavers:
        left.setdefault(leaver.series, []).append(leaver)
    changed: dict[int, set[str]] = {}
    for series, those in left.items():
        study = _count_out(connection, series, those)
        if study is not None:
            changed.setdefault(study, set()).update(leaver.sop_class_uid for leaver in those)
    for study, sop_classes in changed.items():
        _tell_anew(connection, study, sop_classes)


def _count_out(connection: sqlite3.Connection, series: int, left: Sequence[Leaver]) -> int | None:
    """The study that instances of one series have left; None when it had no others."""
    study, left_in_series = connection.execute(
        "UPDATE series SET instance_count = instance_count - ? WHERE id = ? RETURNING study, instance_count",
        (len(left), series),
    ).fetchone()
    if not left_in_series:
        connection.execute("DELETE FROM series WHERE id = ?", (series,))
    patient, left_in_study = connection.execute(
        "UPDATE study SET instance_count = instance_count - ?, size_bytes = size_bytes - ?, series_count = series_count - ?"
        " WHERE id = ? RETURNING patient, instance_count",
        (len(left), sum(leaver.size_bytes for leaver in left), not left_in_series, study),
    ).fetchone()
    if left_in_study:
        return int(study)
    (uid,) = connection.execute("DELETE FROM study WHERE id = ? RETURNING study_instance_uid", (study,)).fetchone()
    connection.execute("DELETE FROM study_verdict WHERE study_instance_uid = ?", (uid,))
    connection.execute(
        "DELETE FROM patient WHERE id = ? AND NOT EXISTS (SELECT 1 FROM study WHERE patient = patient.id)", (patient,)
    )
    return None


def _tell_anew(connection: sqlite3.Connection, study: int, sop_classes: Iterable[str]) -> None:
    """Modalities and SOP Classes in the study, after instances of ``sop_classes`` have left it."""
    row = connection.execute("SELECT sop_classes_in_study FROM study WHERE id = ?", (study,)).fetchone()
    if row is None:  # its last series followed
        return
    found = connection.execute(
        "SELECT DISTINCT modality FROM series WHERE study = ? AND modality <> '' ORDER BY 1", (study,)
    )
    modalities = "\\".join(modality for (modality,) in found)
    gone = {sop_class for sop_class in sop_classes if not connection.execute(_HAS_CLASS, (study, sop_class)).fetchone()}
    classes = "\\".join(one for one in row[0].split("\\") if one not in gone)
    connection.execute(
        "UPDATE study SET modalities_in_study = ?, sop_classes_in_study = ? WHERE id = ?", (modalities, classes, study)
    )


def _study(connection: sqlite3.Connection, newcomer: Newcomer, place: Place | None) -> int:
    level = newcomer.attributes.study
    if place is None:
        return _insert(
            connection,
            _NEW_STUDY,
            _study_row(level)
            | {
                "patient": _patient(connection, newcomer),
                "study_instance_uid": newcomer.study_instance_uid,
                "modalities_in_study": "",
                "sop_classes_in_study": "",
                "series_count": 0,
                "instance_count": 0,
                "size_bytes": 0,
                "last_received_at": 0,
                "last_calling_ae_title": "",
            },
        )
    if place.identity == newcomer.identity:  # another patient's attributes say nothing about this one
        _fill_patient(connection, place.patient, place.patient_attributes, place.corrected, newcomer.attributes.patient)
    elif place.corrected is None:
        current = successor(connection, newcomer.identity)
        if current is not None and current[0] == place.identity:
            _say_the_same(connection, place.patient, place.patient_attributes, current[1])
    if filled := filled_up(place.study_attributes, level):
        connection.execute(_CHANGED_STUDY, _study_row(filled) | {"id": place.study})
    return place.study


def _patient(connection: sqlite3.Connection, newcomer: Newcomer) -> int:
    """The row of the newcomer's patient, or of the one who has taken its place."""
    level, identity = newcomer.attributes.patient, newcomer.identity
    said: Level = {}
    current = successor(connection, identity)
    if current is not None:
        identity, said = current
    patient_id, issuer = identity
    row = connection.execute(_PATIENT, {"patient_id": patient_id, "issuer": issuer}).fetchone()
    if row is None:
        corrected = level_text(said) if current is not None else None
        return _insert(connection, _NEW_PATIENT, patient_row({**level, **said}) | {"corrected": corrected})
    patient, text, corrected = row
    if current is None:
        _fill_patient(connection, patient, text, corrected, level)
    elif corrected is None:
        _say_the_same(connection, patient, text, said)
    return int(patient)


def _say_the_same(connection: sqlite3.Connection, patient: int, text: str, said: Level) -> None:
    """From now on all instances of a patient go out under his name, for one of them came under a former ID."""
    said = {**said, **{tag: value for tag, value in level_of(text).items() if tag in _SHOWN}}
    connection.execute("UPDATE patient SET corrected = ? WHERE id = ?", (level_text(said), patient))


def _fill_patient(connection: sqlite3.Connection, patient: int, text: str, corrected: str | None, level: Level) -> None:
    if filled := _patient_filled_up(text, corrected, level):
        connection.execute(_CHANGED_PATIENT, patient_row(filled) | {"id": patient})


def _patient_filled_up(text: str, corrected: str | None, level: Level) -> Level:
    if corrected is not None:  # what was deleted shall not come back
        level = {tag: value for tag, value in level.items() if tag not in level_of(corrected)}
    return filled_up(text, level)


def _series(connection: sqlite3.Connection, newcomer: Newcomer, study: int, place: Place | None) -> tuple[int, str]:
    """The series, and its Modality if it is new to the study or the series."""
    level = newcomer.attributes.series
    if place is None or place.series is None:
        row = _series_row(level) | {
            "study": study,
            "series_instance_uid": newcomer.series_instance_uid,
            "instance_count": 0,
        }
        return _insert(connection, _NEW_SERIES, row), level.get(MODALITY, "")
    filled = filled_up(place.series_attributes, level)
    if filled:
        connection.execute(_CHANGED_SERIES, _series_row(filled) | {"id": place.series})
    return place.series, filled.get(MODALITY, "")


def filled_up(text: str, level: Level) -> Level:
    """What ``text`` holds, with the values of ``level`` where it has none; empty when there is nothing to add."""
    here = tags_with_values(text)
    if level.keys() <= here:
        return {}
    missing = {tag: value for tag, value in level.items() if value and tag not in here}
    return level_of(text) | missing if missing else {}


def patient_row(level: Level) -> dict[str, object]:
    """The columns of a patient with these attributes."""
    row = _row(_PATIENT_COLUMNS, level)
    return row | dict(zip(_NAME_KEYS, name_groups(str(row["patient_name"])), strict=True))


def _study_row(level: Level) -> dict[str, object]:
    row = _row(_STUDY_COLUMNS, level)
    return row | {"study_date": comparable_date(str(row["study_date"]))}


def _series_row(level: Level) -> dict[str, object]:
    return _row(_SERIES_COLUMNS, level)


def _row(columns: dict[str, int], level: Level) -> dict[str, object]:
    row: dict[str, object] = {column: level.get(tag, "") for column, tag in columns.items()}
    return row | {"attributes": level_text(level)}


def _with(values: str, value: str) -> str:
    """``values``, joined by backslashes, and ``value`` among them."""
    if not value or value in values.split("\\"):
        return values
    return "\\".join(sorted({*filter(None, values.split("\\")), value}))


def _insert(connection: sqlite3.Connection, text: str, row: dict[str, object]) -> int:
    key = connection.execute(text, row).lastrowid
    assert key is not None
    return key
