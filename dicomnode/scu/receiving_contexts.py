"""The presentation contexts in which a C-GET of ours takes instances, and that we are their SCP (PS3.4 Section C.5.3).

An acceptor picks one transfer syntax for each context, so a class is proposed several times: the stored syntax is agreed beside an
uncompressed one, and nothing has to be converted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from pynetdicom import build_role
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext, StoragePresentationContexts, build_context

from dicomnode.dicom.sop_class import is_image_storage, is_standard_storage
from dicomnode.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from dicomnode.scu.storage_contexts import FALLBACK

_OTHERS: Final = (
    "1.2.840.10008.1.2.4.70",  # JPEG Lossless, first-order prediction
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 lossless
    "1.2.840.10008.1.2.4.50",  # JPEG Baseline
    "1.2.840.10008.1.2.4.91",  # JPEG 2000
    "1.2.840.10008.1.2.4.80",  # JPEG-LS lossless
    "1.2.840.10008.1.2.5",  # RLE Lossless
    "1.2.840.10008.1.2.4.51",  # JPEG Extended
    "1.2.840.10008.1.2.4.57",  # JPEG Lossless
    "1.2.840.10008.1.2.4.81",  # JPEG-LS near-lossless
    "1.2.840.10008.1.2.4.201",  # High-Throughput JPEG 2000 lossless
    "1.2.840.10008.1.2.4.202",
    "1.2.840.10008.1.2.4.203",
    "1.2.840.10008.1.2.4.102",  # MPEG-4 AVC/H.264
    "1.2.840.10008.1.2.4.103",
    "1.2.840.10008.1.2.4.104",
    "1.2.840.10008.1.2.4.105",
    "1.2.840.10008.1.2.4.106",
    "1.2.840.10008.1.2.4.100",  # MPEG2
    "1.2.840.10008.1.2.4.101",
    "1.2.840.10008.1.2.4.107",  # HEVC/H.265
    "1.2.840.10008.1.2.4.108",
    "1.2.840.10008.1.2.4.110",  # JPEG XL
    "1.2.840.10008.1.2.4.111",
    "1.2.840.10008.1.2.4.112",
    "1.2.840.10008.1.2.1.98",  # Encapsulated Uncompressed
    "1.2.840.10008.1.2.8.1",  # Deflated Image Frame
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
)
"""What archives hold most often comes first: when there is little room, only that gets a context of its own."""

_OTHERS_WITHOUT_PIXELS: Final = (DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN)
_LIKE_IMAGES: Final = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.66.4",  # Segmentation
        "1.2.840.10008.5.1.4.1.1.66.7",  # Label Map Segmentation
        "1.2.840.10008.5.1.4.1.1.481.2",  # RT Dose
    }
)

USUAL_SOP_CLASSES: Final = tuple(str(context.abstract_syntax) for context in StoragePresentationContexts)
"""For when a peer does not say what it has."""


def receiving_contexts(sop_class_uids: Iterable[str], room: int) -> list[PresentationContext]:
    """At most ``room`` contexts for these classes: an uncompressed one each, then as many others as there is room for.

    What holds no pixels is not compressed, and leaves its room to what does.
    """
    classes = sorted(set(sop_class_uids))[:room]
    with_pixels = {uid for uid in classes if _may_hold_pixels(uid)}
    each = (room - len(classes) + len(with_pixels)) // len(with_pixels) if with_pixels else 1
    return [
        build_context(uid, list(syntaxes))
        for uid in classes
        for syntaxes in (_proposals(each) if uid in with_pixels else [(*FALLBACK, *_OTHERS_WITHOUT_PIXELS)])
    ]


def roles(sop_class_uids: Iterable[str]) -> list[SCP_SCU_RoleSelectionNegotiation]:
    """For each class that we are the one who takes instances (PS3.7 Annex D.3.3.4)."""
    return [build_role(uid, scp_role=True) for uid in sorted(set(sop_class_uids))]


def _may_hold_pixels(sop_class_uid: str) -> bool:
    """Images, what the tables do not list, and the few that hold pixels under another name."""
    return is_image_storage(sop_class_uid) or not is_standard_storage(sop_class_uid) or sop_class_uid in _LIKE_IMAGES


def _proposals(contexts: int) -> list[Sequence[str]]:
    """So many lists of transfer syntaxes for one class, or fewer; the last has what found no place of its own."""
    if contexts == 1:
        return [tuple(dict.fromkeys((*FALLBACK, *_OTHERS)))]
    alone = contexts - 1
    if alone >= len(_OTHERS):
        return [FALLBACK, *((uid,) for uid in _OTHERS)]
    return [FALLBACK, *((uid,) for uid in _OTHERS[: alone - 1]), _OTHERS[alone - 1 :]]
