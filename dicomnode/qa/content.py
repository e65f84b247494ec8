"""Core rules on what an instance says: dates that are dates, values that fit one another (PS3.5 Section 6.2, PS3.3 C.7)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from functools import lru_cache

from pydicom.datadict import keyword_for_tag

from dicomnode.dicom.scan import UNDEFINED, ScannedDataset
from dicomnode.dicom.scanned import SPECIFIC_CHARACTER_SET
from dicomnode.dicom.sop_class import is_private, is_standard_storage
from dicomnode.dicom.value_representation import TEXT, effective_vr
from dicomnode.qa.rule import Hit, Subject

STUDY_DATE, SERIES_DATE, ACQUISITION_DATE, CONTENT_DATE = 0x00080020, 0x00080021, 0x00080022, 0x00080023
PATIENT_BIRTH_DATE, PATIENT_SEX = 0x00100030, 0x00100040
INSTANCE_CREATION_DATE = 0x00080012

_DATES = (INSTANCE_CREATION_DATE, STUDY_DATE, SERIES_DATE, ACQUISITION_DATE, CONTENT_DATE, PATIENT_BIRTH_DATE)
_DATES_OF_NOW = (STUDY_DATE, SERIES_DATE, ACQUISITION_DATE, CONTENT_DATE)
_EARLIEST_IMAGE = date(1895, 1, 1)  # X-rays were discovered in November of that year; films are digitized
_SEXES = frozenset((b"M", b"F", b"O"))


def no_dates(subject: Subject) -> Iterator[Hit]:
    """A DA value is no day of the calendar (PS3.5 Table 6.2-1)."""
    for tag in _DATES:
        value = subject.dataset.value(tag)
        if value and any(_day(each) is None for each in value.split(b"\\") if each):
            yield Hit((tag,), f"{keyword_for_tag(tag)} is not a date")


def dates_to_come(subject: Subject) -> Iterator[Hit]:
    """An image cannot be from the day after tomorrow; one day is left for time zones."""
    for tag in _DATES_OF_NOW:
        day = _date(subject.dataset, tag)
        if day is not None and not _EARLIEST_IMAGE <= day <= subject.today + timedelta(days=1):
            yield Hit((tag,), f"{keyword_for_tag(tag)} is in the future or before 1895")


def birth_after_study(subject: Subject) -> Iterator[Hit]:
    """Nobody is examined before he is born."""
    birth, study = _date(subject.dataset, PATIENT_BIRTH_DATE), _date(subject.dataset, STUDY_DATE)
    if birth and study and birth > study:
        yield Hit((PATIENT_BIRTH_DATE, STUDY_DATE), "PatientBirthDate after StudyDate")


def series_before_study(subject: Subject) -> Iterator[Hit]:
    """A series does not begin before its study; many scanners say so all the same."""
    series, study = _date(subject.dataset, SERIES_DATE), _date(subject.dataset, STUDY_DATE)
    if series and study and series < study:
        yield Hit((SERIES_DATE, STUDY_DATE), "SeriesDate before StudyDate")


def unknown_sex(subject: Subject) -> Iterator[Hit]:
    """Patient's Sex has enumerated values (PS3.3 C.7.1.1)."""
    value = subject.dataset.value(PATIENT_SEX)
    if value and value.strip() not in _SEXES:
        yield Hit((PATIENT_SEX,), "PatientSex is none of M, F, O")


def text_without_character_set(subject: Subject) -> Iterator[Hit]:
    """Text beyond ASCII, and nothing says in which character set (PS3.3 C.12.1.1.2)."""
    dataset = subject.dataset
    if dataset.value(SPECIFIC_CHARACTER_SET):
        return
    for tag, element in dataset.elements.items():
        vr, offset, length = element
        if (
            length != UNDEFINED
            and effective_vr(tag, vr) in TEXT
            and not bytes(dataset.data[offset : offset + length]).isascii()
        ):
            yield Hit((SPECIFIC_CHARACTER_SET, tag), "non-ASCII text without SpecificCharacterSet")
            return


def unlisted_sop_class(subject: Subject) -> Iterator[Hit]:
    """The standard's tables do not list the SOP Class: nothing is known of what its instances must hold."""
    if not is_standard_storage(subject.request.sop_class_uid):
        kind = "private" if is_private(subject.request.sop_class_uid) else "unknown"
        yield Hit((0x00080016,), f"SOP Class {kind}: its IOD is not checked")


def _date(dataset: ScannedDataset, tag: int) -> date | None:
    value = dataset.value(tag)
    return _day(value.split(b"\\", 1)[0]) if value else None


@lru_cache(maxsize=4096)
def _day(value: bytes) -> date | None:
    """The day that a DA value means; None when it means none. The form with dots is ACR-NEMA's."""
    text = value.strip(b" \0")
    if len(text) == 10 and text[4:5] == text[7:8] == b".":  # noqa: PLR2004 - YYYY.MM.DD
        text = text.replace(b".", b"")
    if len(text) != 8 or not text.isdigit():  # noqa: PLR2004 - YYYYMMDD
        return None
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    except ValueError:
        return None
