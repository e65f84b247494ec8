"""Core rules on what an instance says: dates that are dates, values that fit one another (PS3.5 Section 6.2, PS3.3 C.7)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from pydicom.datadict import keyword_for_tag

from dicomnode.dicom.scan import UNDEFINED, Item, ScannedDataset
from dicomnode.dicom.scanned import SPECIFIC_CHARACTER_SET
from dicomnode.dicom.sop_class import is_private, is_standard_storage
from dicomnode.dicom.value_representation import TEXT, effective_vr
from dicomnode.qa.identification import SOP_CLASS_UID
from dicomnode.qa.rule import Hit, Subject, day

STUDY_DATE, SERIES_DATE, ACQUISITION_DATE, CONTENT_DATE = 0x00080020, 0x00080021, 0x00080022, 0x00080023
INSTANCE_CREATION_DATE = 0x00080012
PATIENT_BIRTH_DATE, PATIENT_SEX = 0x00100030, 0x00100040

_DATES = (INSTANCE_CREATION_DATE, STUDY_DATE, SERIES_DATE, ACQUISITION_DATE, CONTENT_DATE, PATIENT_BIRTH_DATE)
_DATES_OF_IMAGES = (STUDY_DATE, SERIES_DATE, ACQUISITION_DATE, CONTENT_DATE)
_EARLIEST_IMAGE = date(1895, 1, 1)  # X-rays were discovered in November of that year; films are digitized
_ONE_DAY = timedelta(days=1)
_SEXES = frozenset((b"M", b"F", b"O"))
_TEXT_BYTES = 64 << 10
"""How much of a text is looked at: all that an explicit VR with a short length can hold."""


def no_dates(subject: Subject) -> Iterator[Hit]:
    """A DA value is no day of the calendar (PS3.5 Table 6.2-1)."""
    for tag in _DATES:
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
    if subject.value(SPECIFIC_CHARACTER_SET):
        return
    found = next(_text_beyond_ascii(subject.dataset, subject.dataset, ""), None)
    if found is not None:
        tag, path = found
        yield Hit((SPECIFIC_CHARACTER_SET, tag), "non-ASCII text without SpecificCharacterSet", path)


def is_unlisted(sop_class_uid: str) -> bool:
    """Whether the UID is one of the standard's, but no table here lists it as a Storage SOP Class."""
    return not is_private(sop_class_uid) and not is_standard_storage(sop_class_uid)


def unlisted_sop_class(_: Subject) -> Iterator[Hit]:
    """The SOP Class is newer than the tables, or none to store: nothing is known of what its instances must hold."""
    yield Hit((SOP_CLASS_UID,), "SOP Class unknown: its IOD is not checked")


def private_sop_class(_: Subject) -> Iterator[Hit]:
    """The SOP Class is its maker's own: nothing is known of what its instances must hold."""
    yield Hit((SOP_CLASS_UID,), "SOP Class private: its IOD is not checked")


def _text_beyond_ascii(dataset: ScannedDataset, item: Item, path: str) -> Iterator[tuple[int, str]]:
    """Tag and path of each text that is not ASCII, but for items that name a character set of their own."""
    data = dataset.data
    for tag, (vr, offset, length) in item.elements.items():
        if length == UNDEFINED or not (vr in TEXT or (vr == b"UN" and effective_vr(tag, vr) in TEXT)):
            continue
        if not bytes(data[offset : offset + min(length, _TEXT_BYTES)]).isascii():
            yield tag, path
    for tag, items in item.items.items():
        for number, inner in enumerate(items):
            if SPECIFIC_CHARACTER_SET not in inner.elements:
                yield from _text_beyond_ascii(dataset, inner, f"{path}({tag >> 16:04X},{tag & 0xFFFF:04X})[{number}]")
