"""What was taken, of whom and when (PS3.3 C.7.2, C.7.3, C.8)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

from pydicom.datadict import keyword_for_tag

from dicomnode.dicom.tags import MODALITY, PATIENT_BIRTH_DATE, SOP_CLASS_UID, STUDY_DATE
from dicomnode.qa.content import ACQUISITION_DATE, CONTENT_DATE, SERIES_DATE
from dicomnode.qa.rule import Hit, Subject, day

PATIENT_AGE, TEMPORAL_POSITION, TEMPORAL_POSITIONS = 0x00101010, 0x00200100, 0x00200105
RADIOPHARMACEUTICALS, RADIOPHARMACEUTICAL_START = 0x00540016, 0x00181078

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
_MODALITIES: Final = {
    f"{_STORAGE}{number}": (frozenset(modalities), f"PS3.3 {section}")
    for numbers, modalities, section in (
        ("2", (b"CT",), "A.3"),
        ("4", (b"MR",), "A.4"),
        ("128", (b"PT",), "C.8.9.1"),
        ("20", (b"NM", b"PT", b"ST"), "A.5"),
        ("6.1 3.1", (b"US", b"IVUS", b"CD", b"DD", b"EC"), "A.6"),
        ("12.1 12.2 13.1.1", (b"XA", b"RF", b"CF", b"DF", b"DS"), "A.14"),
        ("481.1", (b"RTIMAGE",), "C.8.8.1"),
        ("481.2", (b"RTDOSE",), "C.8.8.1"),
        ("481.3", (b"RTSTRUCT",), "C.8.8.1"),
        ("481.5 481.8", (b"RTPLAN",), "C.8.8.1"),
        ("481.4 481.6 481.7 481.9", (b"RTRECORD",), "C.8.8.1"),
        ("9.1.1 9.1.2 9.1.3 9.1.4", (b"ECG",), "A.34"),
    )
    for number in numbers.split()
}
"""Retired terms too: old archives hold them. Other SOP Classes name their modality in the tables (iod.enum), or have no own."""

_ONE_DAY: Final = timedelta(days=1)
"""Left for time zones, and for studies over midnight."""
_DAYS: Final = {b"D": 1, b"W": 7, b"M": 30.44, b"Y": 365.25}
_TOLERANCE_DAYS: Final = 366


def modality_of_another_class(subject: Subject) -> Iterable[Hit]:
    """Modality is not what makes instances of the SOP Class: a CT image by an MR scanner."""
    known = _MODALITIES.get(subject.uid(SOP_CLASS_UID))
    if known is None:
        return ()
    modality = subject.value(MODALITY)
    if not modality or modality.strip() in known[0]:
        return ()
    return (Hit((MODALITY, SOP_CLASS_UID), "Modality is not of this SOP Class", "", known[1]),)


def taken_before_the_study(subject: Subject) -> Iterable[Hit]:
    """Acquisition Date or Content Date is more than a day before Study Date, on which the study began."""
    began = subject.day(STUDY_DATE)
    if began is None:
        return ()
    hits = []
    for tag in (ACQUISITION_DATE, CONTENT_DATE):
        taken = subject.day(tag)
        if taken is not None and taken < began and began - taken > _ONE_DAY:
            hits.append(Hit((tag, STUDY_DATE), f"{keyword_for_tag(tag)} before StudyDate"))
    return hits


def age_differs(subject: Subject) -> Iterable[Hit]:
    """Patient's Age is more than a year off what Patient's Birth Date and Study Date say."""
    elements = subject.dataset.elements
    if PATIENT_AGE not in elements or PATIENT_BIRTH_DATE not in elements:
        return ()
    age = subject.value(PATIENT_AGE)
    birth, study = subject.value(PATIENT_BIRTH_DATE), subject.value(STUDY_DATE)
    if age and birth and study and _is_off(age, birth, study):
        return (Hit((PATIENT_AGE, PATIENT_BIRTH_DATE, STUDY_DATE), "PatientAge is not that of the birth date"),)
    return ()


def beyond_temporal_positions(subject: Subject) -> Iterable[Hit]:
    """Temporal Position Identifier counts on beyond Number of Temporal Positions."""
    if TEMPORAL_POSITIONS not in subject.dataset.elements:
        return ()
    position, positions = subject.integer(TEMPORAL_POSITION), subject.integer(TEMPORAL_POSITIONS)
    if position is None or not positions or position <= positions:
        return ()
    told = "TemporalPositionIdentifier beyond NumberOfTemporalPositions"
    return (Hit((TEMPORAL_POSITION, TEMPORAL_POSITIONS), told),)


def given_after_the_series(subject: Subject) -> Iterable[Hit]:
    """The radiopharmaceutical was given more than a day after the series began, by Radiopharmaceutical Start DateTime."""
    dataset = subject.dataset
    began = subject.day(SERIES_DATE) if RADIOPHARMACEUTICALS in dataset.items else None
    if began is None:
        return ()
    hits = []
    for number, item in enumerate(dataset.items[RADIOPHARMACEUTICALS]):
        start = item.elements.get(RADIOPHARMACEUTICAL_START)
        given = day(bytes(dataset.data[start[1] : start[1] + min(start[2], 8)])) if start else None
        if given is not None and given > began and given - began > _ONE_DAY:
            told = "RadiopharmaceuticalStartDateTime after SeriesDate"
            hits.append(Hit((RADIOPHARMACEUTICAL_START,), told, f"(0054,0016)[{number}]"))
    return hits


@lru_cache(maxsize=1024)
def _is_off(age: bytes, birth: bytes, study: bytes) -> bool:
    born, examined = day(birth), day(study.split(b"\\", 1)[0])
    if born is None or examined is None or born > examined or len(age) != 4 or not age[:3].isdigit():  # noqa: PLR2004
        return False
    unit = _DAYS.get(age[3:])
    return unit is not None and abs(int(age[:3]) * unit - _days(born, examined)) > _TOLERANCE_DAYS


def _days(one: date, other: date) -> int:
    return (other - one).days
