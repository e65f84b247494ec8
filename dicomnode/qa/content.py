"""Core rules on what an instance says: dates that are dates, values that fit one another (PS3.5 Section 6.2, PS3.3 C.7)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from pydicom.datadict import keyword_for_tag

from dicomnode.dicom.scanned import SPECIFIC_CHARACTER_SET
from dicomnode.dicom.sop_class import is_private, is_standard_storage
from dicomnode.dicom.tags import PATIENT_BIRTH_DATE, PATIENT_SEX, SOP_CLASS_UID, STUDY_DATE
from dicomnode.qa.rule import Hit, Subject, day
from dicomnode.qa.values.judging import UNDECLARED
from dicomnode.qa.values.looking import flawed_values

SERIES_DATE, ACQUISITION_DATE, CONTENT_DATE = 0x00080021, 0x00080022, 0x00080023
INSTANCE_CREATION_DATE = 0x00080012

DATES = (INSTANCE_CREATION_DATE, STUDY_DATE, SERIES_DATE, ACQUISITION_DATE, CONTENT_DATE, PATIENT_BIRTH_DATE)
_DATES_OF_IMAGES = (STUDY_DATE, SERIES_DATE, ACQUISITION_DATE, CONTENT_DATE)
_EARLIEST_IMAGE = date(1895, 1, 1)  # X-rays were discovered in November of that year; films are digitized
_ONE_DAY = timedelta(days=1)
_SEXES = frozenset((b"M", b"F", b"O"))


def no_dates(subject: Subject) -> Iterator[Hit]:
    """A DA value is no day of the calendar (PS3.5 Table 6.2-1)."""
    for tag in DATES:
        value = subject.value(tag)
        if value and day(value) is None and any(day(each) is None for each in value.split(b"\\") if each):
            yield Hit((tag,), f"{keyword_for_tag(tag)} is not a date")


def dates_out_of_range(subject: Subject) -> Iterator[Hit]:
    """An image cannot be from the day after tomorrow (one day is left for time zones), nor older than X-rays."""
    for tag in _DATES_OF_IMAGES:
        taken = subject.day(tag)
        if taken is not None and taken > subject.today + _ONE_DAY:
            yield Hit((tag,), f"{keyword_for_tag(tag)} is in the future")
        elif taken is not None and taken < _EARLIEST_IMAGE:
            yield Hit((tag,), f"{keyword_for_tag(tag)} is before {_EARLIEST_IMAGE.year}")


def birth_after_study(subject: Subject) -> Iterator[Hit]:
    """Nobody is examined before he is born."""
    birth, study = subject.day(PATIENT_BIRTH_DATE), subject.day(STUDY_DATE)
    if birth and study and birth > study:
        yield Hit((PATIENT_BIRTH_DATE, STUDY_DATE), "PatientBirthDate after StudyDate")


def series_before_study(subject: Subject) -> Iterator[Hit]:
    """A series does not begin before its study; many scanners say so all the same."""
    series, study = subject.day(SERIES_DATE), subject.day(STUDY_DATE)
    if series and study and series < study:
        yield Hit((SERIES_DATE, STUDY_DATE), "SeriesDate before StudyDate")


def unknown_sex(subject: Subject) -> Iterator[Hit]:
    """Patient's Sex has enumerated values (PS3.3 C.7.1.1)."""
    value = subject.value(PATIENT_SEX)
    if value and value.strip() not in _SEXES:
        yield Hit((PATIENT_SEX,), "PatientSex is none of M, F, O")


def text_without_character_set(subject: Subject) -> Iterator[Hit]:
    """Text beyond ASCII, and nothing says in which character set (PS3.3 C.12.1.1.2)."""
    for hit in subject.once(flawed_values, flawed_values).get(UNDECLARED, ())[:1]:
        yield Hit((SPECIFIC_CHARACTER_SET, *hit.tags), "non-ASCII text without SpecificCharacterSet", hit.path)


def is_unlisted(sop_class_uid: str) -> bool:
    """Whether the UID is one of the standard's, but no table here lists it as a Storage SOP Class."""
    return not is_private(sop_class_uid) and not is_standard_storage(sop_class_uid)


def unlisted_sop_class(_: Subject) -> Iterator[Hit]:
    """The SOP Class is newer than the tables, or none to store: nothing is known of what its instances must hold."""
    yield Hit((SOP_CLASS_UID,), "SOP Class unknown: its IOD is not checked")


def private_sop_class(_: Subject) -> Iterator[Hit]:
    """The SOP Class is its maker's own: nothing is known of what its instances must hold."""
    yield Hit((SOP_CLASS_UID,), "SOP Class private: its IOD is not checked")
