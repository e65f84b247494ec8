"""What each transfer syntax says of a data set's bytes (PS3.5 Section 10 and Annex A, PS3.6 Table A-1).

Names and kinds come from pydicom's UID table; what is newer than the table stands here, one line each.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pydicom._uid_dict import UID_dictionary

IMPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"
DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1.99"
EXPLICIT_VR_BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"


@dataclass(frozen=True, slots=True)
class TransferSyntax:
    """How a data set is encoded.

    Attributes:
        name: the standard's name; empty for a UID that no table knows.
        implicit_vr: elements do not carry their VR.
        big_endian: numbers are big endian.
        deflated: the whole data set is one deflate stream (RFC 1951).
        encapsulated: top-level Pixel Data is a sequence of fragments (PS3.5 Section A.4); None when unknown.
    """

    uid: str
    name: str
    implicit_vr: bool = False
    big_endian: bool = False
    deflated: bool = False
    encapsulated: bool | None = None


_NEWER_THAN_THE_TABLE: Final = {
    "1.2.840.10008.1.2.4.110": "JPEG XL Lossless",
    "1.2.840.10008.1.2.4.111": "JPEG XL JPEG Recompression",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
    "1.2.840.10008.1.2.8.1": "Deflated Image Frame Compression",
}

_IMPLICIT: Final = frozenset(
    {
        IMPLICIT_VR_LITTLE_ENDIAN,
        "1.2.840.10008.1.20",  # Papyrus 3 (retired)
        "1.2.840.113619.5.2",  # GE's private implicit VR little endian, with big endian pixel data
    }
)

_DEFLATED: Final = frozenset(
    {
        DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        "1.2.840.10008.1.2.4.95",  # JPIP Referenced Deflate
        "1.2.840.10008.1.2.4.205",  # JPIP HTJ2K Referenced Deflate
    }
)

_NOT_ENCAPSULATED: Final = (
    _IMPLICIT
    | _DEFLATED
    | {
        EXPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_BIG_ENDIAN,
        "1.2.840.10008.1.2.4.94",  # JPIP: the data set holds a URL in place of pixels (PS3.5 Section A.6)
        "1.2.840.10008.1.2.4.204",
        "1.2.840.10008.1.2.7.1",  # SMPTE ST 2110: pixels travel beside the data set (PS3.22)
        "1.2.840.10008.1.2.7.2",
        "1.2.840.10008.1.2.7.3",
    }
)

_NO_DATASET: Final = frozenset({"1.2.840.10008.1.2.6.1", "1.2.840.10008.1.2.6.2"})
"""RFC 2557 MIME and XML (retired) encode documents, not elements (PS3.10)."""


@lru_cache(maxsize=512)
def transfer_syntax(uid: str) -> TransferSyntax:
    """What the transfer syntax ``uid`` means.

    An unknown or private one counts as explicit VR little endian, as every newer one of the standard is, and whether its Pixel
    Data is encapsulated stays open.
    """
    name = _name(uid)
    return TransferSyntax(
        uid=uid,
        name=name,
        implicit_vr=uid in _IMPLICIT,
        big_endian=uid == EXPLICIT_VR_BIG_ENDIAN,
        deflated=uid in _DEFLATED,
        encapsulated=_is_encapsulated(uid, name),
    )


def standard_transfer_syntaxes() -> tuple[TransferSyntax, ...]:
    """Every transfer syntax of the standard, retired ones too, in the order of its table."""
    listed = [uid for uid, (_, kind, *_) in UID_dictionary.items() if kind == "Transfer Syntax"]
    # a fromkeys, because pynetdicom adds some of the newer ones to pydicom's table when it is imported
    return tuple(transfer_syntax(uid) for uid in dict.fromkeys([*listed, *_NEWER_THAN_THE_TABLE]))


def _name(uid: str) -> str:
    if uid in _NEWER_THAN_THE_TABLE:
        return _NEWER_THAN_THE_TABLE[uid]
    name, kind, *_ = UID_dictionary.get(uid, ("", ""))
    return name if kind == "Transfer Syntax" else ""


def _is_encapsulated(uid: str, name: str) -> bool | None:
    if uid in _NOT_ENCAPSULATED:
        return False
    return True if name and uid not in _NO_DATASET else None
