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

from dicomnode.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
)
from dicomnode.scu.storage_contexts import FALLBACK

_COMPRESSED: Final = (
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
    EXPLICIT_VR_BIG_ENDIAN,
)
"""The ones that archives hold most often first: when there is little room, only they get contexts of their own."""

USUAL_SOP_CLASSES: Final = tuple(str(context.abstract_syntax) for context in StoragePresentationContexts)
"""For when a peer does not say what it has."""


def receiving_contexts(sop_class_uids: Iterable[str], room: int) -> list[PresentationContext]:
    """At most ``room`` contexts for these classes: an uncompressed one each, then compressed ones as far as there is room."""
    classes = sorted(set(sop_class_uids))[:room]
    each = room // len(classes) if classes else 0
    return [build_context(uid, list(syntaxes)) for uid in classes for syntaxes in _proposals(each)]


def roles(sop_class_uids: Iterable[str]) -> list[SCP_SCU_RoleSelectionNegotiation]:
    """For each class that we are the one who takes instances (PS3.7 Annex D.3.3.4)."""
    return [build_role(uid, scp_role=True) for uid in sorted(set(sop_class_uids))]


def _proposals(contexts: int) -> list[Sequence[str]]:
    """So many lists of transfer syntaxes for one class; the last has what found no place of its own."""
    if contexts == 1:
        return [(*FALLBACK, *_COMPRESSED)]
    alone = min(contexts - 1, len(_COMPRESSED))
    if alone == len(_COMPRESSED):
        return [FALLBACK, *((uid,) for uid in _COMPRESSED)]
    return [FALLBACK, *((uid,) for uid in _COMPRESSED[: alone - 1]), _COMPRESSED[alone - 1 :]]
