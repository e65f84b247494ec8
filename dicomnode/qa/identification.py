"""Core rules on what identifies an instance: can it be read, indexed, told apart (PS3.3 C.12.1, C.7.1-C.7.3, PS3.5 9.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydicom.datadict import keyword_for_tag

from dicomnode.dicom.scan import FaultKind
from dicomnode.qa.rule import Hit, Subject

SOP_CLASS_UID, SOP_INSTANCE_UID = 0x00080016, 0x00080018
STUDY_INSTANCE_UID, SERIES_INSTANCE_UID = 0x0020000D, 0x0020000E
PATIENT_NAME, PATIENT_ID, MODALITY = 0x00100010, 0x00100020, 0x00080060

_INDEXING_UIDS = (SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID)
_INSTANCE_UIDS = _INDEXING_UIDS[1:]
_MAX_UID = 64
_UID_CHARACTERS = re.compile(r"[0-9.]+")
_UID = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+")

_BROKEN = frozenset(
    {
        FaultKind.TRUNCATED,
        FaultKind.BAD_VR,
        FaultKind.BAD_ITEM,
        FaultKind.TOO_DEEP,
        FaultKind.INFLATE_FAILED,
        FaultKind.HEADER_TOO_LARGE,
    }
)
"""Faults after which some of the data set may not be what its sender meant; the others are only untidy."""


def unreadable(subject: Subject) -> Iterator[Hit]:
    """Nothing at all could be read as elements."""
    dataset = subject.dataset
    if not any(tag in dataset.elements for tag in _INDEXING_UIDS) and (dataset.faults or not dataset.elements):
        detail = dataset.faults[0].detail if dataset.faults else "it is empty"
        yield Hit((), f"Data Set cannot be parsed: {detail}")


def without_uids(subject: Subject) -> Iterator[Hit]:
    """One of the four UIDs that it is indexed by is missing or empty."""
    for tag in _INDEXING_UIDS:
        if not subject.dataset.uid(tag):
            yield Hit((tag,), f"{keyword_for_tag(tag)} missing or empty")


def damaged(subject: Subject) -> Iterator[Hit]:
    """The encoding is broken somewhere, though what identifies the instance could be read."""
    for fault in subject.dataset.faults:
        if fault.kind in _BROKEN:
            yield Hit(() if fault.tag is None else (fault.tag,), f"Data Set damaged: {fault.kind}")
            return


def untidy(subject: Subject) -> Iterator[Hit]:
    """The encoding is odd, but nothing is in doubt."""
    for fault in subject.dataset.faults:
        if fault.kind not in _BROKEN:
            yield Hit(() if fault.tag is None else (fault.tag,), f"Data Set encoding: {fault.kind}")
            return


def other_sop_class(subject: Subject) -> Iterator[Hit]:
    """Affected SOP Class UID is not the data set's (PS3.4 Section B.2.3)."""
    own = subject.dataset.uid(SOP_CLASS_UID)
    if own and own != subject.request.sop_class_uid:
        yield Hit((SOP_CLASS_UID,), "SOP Class differs from the request")


def other_sop_instance(subject: Subject) -> Iterator[Hit]:
    """Affected SOP Instance UID is not the data set's; de-identified files are often sent so."""
    own = subject.dataset.uid(SOP_INSTANCE_UID)
    if own and own != subject.request.sop_instance_uid:
        yield Hit((SOP_INSTANCE_UID,), "SOP Instance UID differs from the request")


def no_uids(subject: Subject) -> Iterator[Hit]:
    """A UID has other characters than digits and dots, or too many."""
    for tag in _INDEXING_UIDS:
        uid = subject.dataset.uid(tag)
        if uid and (len(uid) > _MAX_UID or not _UID_CHARACTERS.fullmatch(uid)):
            yield Hit((tag,), f"{keyword_for_tag(tag)} is not a UID")


def loose_uids(subject: Subject) -> Iterator[Hit]:
    """A UID breaks the finer rules: no leading zeros, no empty component."""
    for tag in _INSTANCE_UIDS:
        uid = subject.dataset.uid(tag)
        if uid and _UID_CHARACTERS.fullmatch(uid) and not _UID.fullmatch(uid):
            yield Hit((tag,), f"{keyword_for_tag(tag)} has an empty component or a leading zero")


def without_patient_id(subject: Subject) -> Iterator[Hit]:
    """Nobody knows whose it is."""
    if not (subject.dataset.text(PATIENT_ID) or "").strip():
        yield Hit((PATIENT_ID,), "PatientID missing or empty")


def without_patient_name(subject: Subject) -> Iterator[Hit]:
    """Patient's Name is Type 2: it may be empty, but has to be there."""
    if PATIENT_NAME not in subject.dataset.elements:
        yield Hit((PATIENT_NAME,), "PatientName missing")


def without_modality(subject: Subject) -> Iterator[Hit]:
    """Modality is Type 1."""
    if not subject.dataset.value(MODALITY):
        yield Hit((MODALITY,), "Modality missing or empty")
