"""Core rules on what identifies an instance: can it be indexed and told apart (PS3.3 C.12.1, C.7.1-C.7.3, PS3.5 9.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from pydicom.datadict import keyword_for_tag

from dicomnode.dicom.tags import (
    MODALITY,
    PATIENT_ID,
    PATIENT_NAME,
    SERIES_INSTANCE_UID,
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    STUDY_INSTANCE_UID,
)
from dicomnode.qa.rule import Hit, Subject

INDEXING_UIDS: Final = (SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID)


def doubtful_uids(subject: Subject) -> list[int]:
    """Those of the four UIDs that are missing or break any rule: what the three rules on them go by."""
    return [tag for tag in INDEXING_UIDS if _form(subject.uid(tag)) is not _Form.STRICT]


def without_uids(subject: Subject) -> Iterator[Hit]:
    """One of the four UIDs that it is indexed by is missing or empty."""
    for tag in INDEXING_UIDS:
        if not subject.uid(tag):
            yield Hit((tag,), f"{keyword_for_tag(tag)} missing or empty")


def other_sop_class(subject: Subject) -> Iterator[Hit]:
    """Affected SOP Class UID is not the data set's (PS3.4 Section B.2.3)."""
    own = subject.uid(SOP_CLASS_UID)
    if own and own != subject.request.sop_class_uid:
        yield Hit((SOP_CLASS_UID,), "SOP Class differs from the request")


def other_sop_instance(subject: Subject) -> Iterator[Hit]:
    """Affected SOP Instance UID is not the data set's; de-identified files are often sent so."""
    own = subject.uid(SOP_INSTANCE_UID)
    if own and own != subject.request.sop_instance_uid:
        yield Hit((SOP_INSTANCE_UID,), "SOP Instance UID differs from the request")


def no_uids(subject: Subject) -> Iterator[Hit]:
    """A UID is no numbers with dots between them: other characters, an empty component; or it has more than 64 characters."""
    for tag in INDEXING_UIDS:
        uid = subject.uid(tag)
        if uid and _form(uid) is _Form.NONE:
            yield Hit((tag,), f"{keyword_for_tag(tag)} is not a UID")


def loose_uids(subject: Subject) -> Iterator[Hit]:
    """A UID breaks the finer rules: no leading zeros, at least two components."""
    for tag in INDEXING_UIDS:
        uid = subject.uid(tag)
        if uid and _form(uid) is _Form.LOOSE:
            yield Hit((tag,), f"{keyword_for_tag(tag)} breaks the rules for components")


def without_patient_id(subject: Subject) -> Iterator[Hit]:
    """Nobody knows whose it is."""
    if not subject.value(PATIENT_ID):
        yield Hit((PATIENT_ID,), "PatientID missing or empty")


def without_patient_name(subject: Subject) -> Iterator[Hit]:
    """Patient's Name is Type 2: it may be empty, but has to be there."""
    if PATIENT_NAME not in subject.dataset.elements:
        yield Hit((PATIENT_NAME,), "PatientName missing")


def without_modality(subject: Subject) -> Iterator[Hit]:
    """Modality is Type 1."""
    if not subject.value(MODALITY):
        yield Hit((MODALITY,), "Modality missing or empty")


class _Form(Enum):
    """How far a text is a UID (PS3.5 Section 9.1)."""

    STRICT = auto()
    LOOSE = auto()
    """Numbers with dots between them, by which it can still be told from others."""
    NONE = auto()


_MAX_LENGTH = 64
_LOOSE = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_STRICT = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+")


@lru_cache(maxsize=4096)
def _form(uid: str) -> _Form:
    if len(uid) > _MAX_LENGTH or not _LOOSE.fullmatch(uid):
        return _Form.NONE
    return _Form.STRICT if _STRICT.fullmatch(uid) else _Form.LOOSE
