"""Rules on an instance beside what the node has of its patient, study and series.

They compare values that were looked up before, and find nothing where nothing was (`dicomnode check` has no index). Only what both
have is compared: a value that one of them lacks contradicts nothing. To compare one more attribute, add its line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sized
from typing import Final

from pydicom.datadict import keyword_for_tag

from dicomnode.dicom import status
from dicomnode.dicom.instance import Severity
from dicomnode.dicom.knowledge import Scheduling
from dicomnode.dicom.query.person_name import is_same_name
from dicomnode.dicom.query.temporal import is_same_day
from dicomnode.dicom.tags import (
    ACCESSION_NUMBER,
    FRAME_OF_REFERENCE_UID,
    INSTANCE_NUMBER,
    LATERALITY,
    MODALITY,
    PATIENT_BIRTH_DATE,
    PATIENT_ID,
    PATIENT_NAME,
    PATIENT_SEX,
    REFERRING_PHYSICIAN_NAME,
    SERIES_INSTANCE_UID,
    SERIES_NUMBER,
    STUDY_DATE,
    STUDY_ID,
    STUDY_INSTANCE_UID,
)
from dicomnode.qa.rule import Check, Hit, Rule, Subject

__all__ = ["KNOWN", "other_patient"]

_Same = Callable[[str, str], bool]
_NONE: Final[tuple[Hit, ...]] = ()

_AS_IT_SHOULD_BE: Final = (Scheduling.NOT_USED, Scheduling.SCHEDULED)

_ATLASES: Final = "1.2.840.10008."
"""Frames of reference that the standard itself names, as that of an atlas, are every patient's (PS3.6 Table A-2)."""


def _same_text(one: str, other: str) -> bool:
    return one.split() == other.split()


def _same_code(one: str, other: str) -> bool:
    return one.upper() == other.upper()


def _same_number(one: str, other: str) -> bool:
    return one.lstrip("0+") == other.lstrip("0+")


_STUDY: Final[Mapping[int, _Same]] = {
    STUDY_DATE: is_same_day,
    ACCESSION_NUMBER: _same_text,
    STUDY_ID: _same_text,
    REFERRING_PHYSICIAN_NAME: is_same_name,
}
_SERIES: Final[Mapping[int, _Same]] = {
    MODALITY: _same_code,
    SERIES_NUMBER: _same_number,
    LATERALITY: _same_code,
    FRAME_OF_REFERENCE_UID: _same_text,
}


def news(subject: Subject) -> Sized:
    """What the rules below go by: empty where an instance says just what is known of its patient, study and series, as most do."""
    known = subject.known
    if known is None:
        return _NONE
    said = known.said
    is_known = (
        _says_no_more(said.patient, known.patient)
        and _says_no_more(said.study, known.study)
        and _says_no_more(said.series, known.series)
        and not (known.study_has_other_patient or known.series_has_other_study or known.frame_has_other_patient)
        and not known.number_is_taken
        and known.scheduling in _AS_IT_SHOULD_BE
    )
    return _NONE if is_known else (known,)


def _says_no_more(said: Mapping[int, str], here: Mapping[int, str] | None) -> bool:
    return here is None or said == here or said.items() <= here.items()


def other_patient(subject: Subject) -> tuple[Hit, ...]:
    """The study is here under another patient; the index makes sure of it once more when it takes the instance in."""
    known = subject.known
    if known is None or not known.study_has_other_patient:
        return _NONE
    return (Hit((PATIENT_ID, STUDY_INSTANCE_UID), "Study is already under another patient"),)


def other_name(subject: Subject) -> tuple[Hit, ...]:
    """Patient's Name is not that of the patient with this Patient ID; carets, case, blanks and accents do not count."""
    return _of_patient(subject, PATIENT_NAME, is_same_name)


def other_birth_date(subject: Subject) -> tuple[Hit, ...]:
    """Patient's Birth Date is not that of the patient with this Patient ID."""
    return _of_patient(subject, PATIENT_BIRTH_DATE, is_same_day)


def other_sex(subject: Subject) -> tuple[Hit, ...]:
    """Patient's Sex is not that of the patient with this Patient ID."""
    return _of_patient(subject, PATIENT_SEX, _same_code)


def other_study(subject: Subject) -> Iterable[Hit]:
    """What is one for a whole study is not what it was: its date, accession number, ID or referring physician."""
    known = subject.known
    if known is None or known.study is None or known.study_has_other_patient:
        return _NONE
    return _differing(known.said.study, known.study, _STUDY, "the study")


def other_series(subject: Subject) -> Iterable[Hit]:
    """What is one for a whole series is not what it was: its modality, number, laterality or frame of reference."""
    known = subject.known
    if known is None or known.series is None:
        return _NONE
    return _differing(known.said.series, known.series, _SERIES, "the series")


def series_of_other_study(subject: Subject) -> tuple[Hit, ...]:
    """The same Series Instance UID is in another study."""
    known = subject.known
    if known is None or not known.series_has_other_study:
        return _NONE
    return (Hit((SERIES_INSTANCE_UID, STUDY_INSTANCE_UID), "Series is already in another study"),)


def frame_of_other_patient(subject: Subject) -> tuple[Hit, ...]:
    """The same Frame of Reference UID is another patient's; those of the standard's atlases are everybody's."""
    known = subject.known
    if known is None or not known.frame_has_other_patient or known.study_has_other_patient:
        return _NONE
    if known.said.series.get(FRAME_OF_REFERENCE_UID, "").startswith(_ATLASES):
        return _NONE
    return (Hit((FRAME_OF_REFERENCE_UID,), "Frame of reference is another patient's"),)


def number_taken(subject: Subject) -> tuple[Hit, ...]:
    """Another instance of the series has the same Instance Number."""
    known = subject.known
    if known is None or not known.number_is_taken:
        return _NONE
    return (Hit((INSTANCE_NUMBER,), "InstanceNumber is there twice in the series"),)


def not_on_worklist(subject: Subject) -> tuple[Hit, ...]:
    """Neither accession number nor study is scheduled for its patient, though the device that sent it works by the worklist."""
    known = subject.known
    if known is None or known.scheduling in _AS_IT_SHOULD_BE:
        return _NONE
    if known.scheduling is Scheduling.OTHER_PATIENT:
        return (Hit((ACCESSION_NUMBER, PATIENT_ID), "AccessionNumber or study is scheduled for another patient"),)
    return (Hit((ACCESSION_NUMBER,), "AccessionNumber and study are unknown to the worklist"),)


def _of_patient(subject: Subject, tag: int, is_same: _Same) -> tuple[Hit, ...]:
    known = subject.known
    if known is None or known.patient is None:
        return _NONE
    said, here = known.said.patient.get(tag), known.patient.get(tag)
    if not said or not here or said == here or is_same(said, here):
        return _NONE
    return (Hit((tag,), f"{keyword_for_tag(tag)} is not what is known of the patient"),)


def _differing(
    said: Mapping[int, str], here: Mapping[int, str], what: Mapping[int, _Same], whose: str
) -> Iterable[Hit]:
    hits = []
    for tag, is_same in what.items():
        one, other = said.get(tag), here.get(tag)
        if one and other and one != other and not is_same(one, other):
            hits.append(Hit((tag,), f"{keyword_for_tag(tag)} is not what {whose} began with"))
    return hits


def _rule(name: str, severity: Severity, reference: str, check: Check) -> Rule:
    return Rule(f"known.{name}", severity, status.DATASET_DOES_NOT_MATCH_SOP_CLASS, reference, check, look=news)


_WARN: Final = Severity.WARN

KNOWN: Final = (
    _rule("patient-name", _WARN, "PS3.3 C.7.1.1", other_name),
    _rule("birth-date", _WARN, "PS3.3 C.7.1.1", other_birth_date),
    _rule("sex", _WARN, "PS3.3 C.7.1.1", other_sex),
    _rule("study", _WARN, "PS3.3 C.7.2.1", other_study),
    _rule("series", _WARN, "PS3.3 C.7.3.1", other_series),
    _rule("series-study", _WARN, "PS3.3 A.1.2", series_of_other_study),
    _rule("frame-of-reference", _WARN, "PS3.3 C.7.4.1", frame_of_other_patient),
    _rule("instance-number", _WARN, "PS3.3 C.7.6.1", number_taken),
    _rule("accession-on-worklist", _WARN, "PS3.4 K.6.1.2", not_on_worklist),
)
