"""Which SOP Classes are Storage SOP Classes (PS3.4 Section B.5, PS3.6 Table A-1)."""

from __future__ import annotations

import re
from functools import lru_cache

from pydicom._uid_dict import UID_dictionary

VERIFICATION = "1.2.840.10008.1.1"
STORAGE_COMMITMENT_PUSH_MODEL = "1.2.840.10008.1.20.1"
MODALITY_PERFORMED_PROCEDURE_STEP = "1.2.840.10008.3.1.2.3.3"
MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE = "1.2.840.10008.3.1.2.3.4"
INSTANCE_AVAILABILITY_NOTIFICATION = "1.2.840.10008.5.1.4.33"
MODALITY_WORKLIST_FIND = "1.2.840.10008.5.1.4.31"
MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
"""Of a DICOMDIR (PS3.10 Section 8); never sent over a network (PS3.4 Annex I)."""

_STANDARD_ROOT = "1.2.840.10008."
_COMPOSITE_STORAGE_ROOT = "1.2.840.10008.5.1.4.1.1."
"""Storage SOP Classes newer than the tables are looked for here."""

_NEWER_THAN_THE_TABLES = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.9.100.1",  # Waveform Presentation State
        "1.2.840.10008.5.1.4.1.1.9.100.2",  # Waveform Acquisition Presentation State
        "1.2.840.10008.5.1.4.1.1.66.7",  # Label Map Segmentation
        "1.2.840.10008.5.1.4.1.1.66.8",  # Height Map Segmentation
    }
)

_NOT_SENT_OVER_A_NETWORK = frozenset({MEDIA_STORAGE_DIRECTORY})


def is_private(sop_class_uid: str) -> bool:
    """Whether the UID is none of the standard's."""
    return not sop_class_uid.startswith(_STANDARD_ROOT)


@lru_cache(maxsize=1024)
def is_standard_storage(sop_class_uid: str) -> bool:
    """Whether the tables list it as a Storage SOP Class, retired ones too: old archives hold them."""
    return sop_class_uid in _standard_storage()


@lru_cache(maxsize=1024)
def may_be_storage(sop_class_uid: str) -> bool:
    """Whether an unlisted UID may stand for instances to be stored: a private one, or one newer than the tables."""
    if sop_class_uid in UID_dictionary:
        return False
    return is_private(sop_class_uid) or sop_class_uid.startswith(_COMPOSITE_STORAGE_ROOT)


@lru_cache(maxsize=1024)
def is_image_storage(sop_class_uid: str) -> bool:
    """Whether its instances are images: named so by the standard (PS3.4 Table B.5-1)."""
    name = UID_dictionary.get(sop_class_uid, ("",))[0]
    return " Image Storage" in name and is_standard_storage(sop_class_uid)


@lru_cache(maxsize=1)
def _standard_storage() -> frozenset[str]:
    return _NEWER_THAN_THE_TABLES | frozenset(
        uid
        for uid, (name, kind, *_) in UID_dictionary.items()
        if kind == "SOP Class" and _names_storage(uid, name) and uid not in _NOT_SENT_OVER_A_NETWORK
    )


def _names_storage(uid: str, name: str) -> bool:
    if not name:  # two retired ones have lost their names in PS3.6
        return uid.startswith(_COMPOSITE_STORAGE_ROOT)
    return re.search(r" Storage( SOP Class)?( - .+)?$", name) is not None
