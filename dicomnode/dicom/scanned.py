"""A data set as the scan found it: where each element's value stands in the bytes, and what was wrong on the way."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from dicomnode.dicom.character_sets import CharacterSet, character_set
from dicomnode.dicom.element_header import UNDEFINED
from dicomnode.dicom.transfer_syntax import TransferSyntax
from dicomnode.dicom.value_representation import CHARACTERS, TEXT, WORD_BYTES, effective_vr

if TYPE_CHECKING:
    from dicomnode.dicom.layout import Layout

SPECIFIC_CHARACTER_SET: Final = 0x00080005
PIXEL_DATA: Final = (0x7FE00010, 0x7FE00008, 0x7FE00009)
"""Pixel Data, Float Pixel Data, Double Float Pixel Data: a data set has at most one (PS3.3 Section C.7.6.3)."""

HEAD_BYTES: Final = 32 << 10
"""How much of a data set is copied, so that what is read of it often is cut out of one piece."""

Buffer = bytes | bytearray | memoryview | mmap.mmap

Element = tuple[bytes, int, int]
"""VR as in the stream (implicit VR: the dictionary's), offset of the value, bytes of the value; ``UNDEFINED`` for fragments. A
sequence's value reaches from its first item up to, not including, its delimiter."""

_SIGNED: Final = {b"US": False, b"SS": True, b"UL": False, b"SL": True, b"UV": False, b"SV": True}


class FaultKind(StrEnum):
    """What can be wrong with the encoding of a data set (PS3.5 Section 7)."""

    TRUNCATED = "truncated"
    """The bytes end within an element, a sequence or the fragments."""
    OUT_OF_ORDER = "out-of-order"
    """Tags do not rise; told once a data set or item."""
    DUPLICATE_ELEMENT = "duplicate-element"
    """A tag comes again; the last one counts, as for most readers."""
    BAD_VR = "bad-vr"
    """An explicit VR is none of the standard's; how long its element is was inferred."""
    OTHER_ENCODING = "other-encoding"
    """VRs, byte order or compression are not what the transfer syntax announces; read as they are."""
    ODD_LENGTH = "odd-length"
    """A value's length is odd."""
    TOO_DEEP = "too-deep"
    """Sequences are nested deeper than the limit; what lies below was passed over."""
    BAD_ITEM = "bad-item"
    """What stands where an item or delimiter must be is neither, or an item's length is wrong."""
    TRAILING_PADDING = "trailing-padding"
    """Zero bytes follow the last element; only Data Set Trailing Padding (FFFC,FFFC) may."""
    INFLATE_FAILED = "inflate-failed"
    """The deflate stream is broken, or ends too early."""
    HEADER_TOO_LARGE = "header-too-large"
    """More elements, fragments or inflated bytes than the limits; the rest was passed over."""


class Fault(NamedTuple):
    """One fault: the element that it concerns, if one was known, and the byte where it shows."""

    kind: FaultKind
    tag: int | None
    offset: int
    detail: str


class Item:
    """The elements of a sequence item, and the items of its sequences; keys are tags, in the order of the stream."""

    __slots__ = ("elements", "items")

    # no __init__: a segmentation has thousands of items, and a call for each would double their cost
    elements: dict[int, Element]
    items: Mapping[int, tuple[Item, ...]]


NO_ITEMS: Final[Mapping[int, tuple[Item, ...]]] = MappingProxyType({})


class PixelData(NamedTuple):
    """What the scan saw of the top level's pixel data, without reading it.

    Attributes:
        tag: one of ``PIXEL_DATA``.
        declared_bytes: its length as the element says; None when undefined, as encapsulated.
        present_bytes: how many of them are there, item headers not counted; None when a deflated data set was not inflated
            that far.
        fragments: how many items follow each other, the Basic Offset Table too; None when not encapsulated.
    """

    tag: int
    vr: bytes
    offset: int
    declared_bytes: int | None
    present_bytes: int | None
    fragments: int | None


class ScannedDataset(Item):
    """A whole data set; offsets refer to ``data``.

    Attributes:
        data: the bytes that were given; of a deflated data set what was inflated of it.
        head: the first of them, `HEAD_BYTES` at most: pieces are cut faster out of bytes than out of what ``data`` may be.
        layout: shared by all data sets that have the same elements at the same places, where that is known; None for others.
        transfer_syntax: as announced.
        implicit_vr: as found.
        big_endian: as found.
        faults: in the order of the stream; of many the first hundred, and what ended the reading.
        complete: everything was read up to the end, or in a deflated data set up to the pixel data.
        pixel_data: None when there is none.
    """

    __slots__ = (
        "big_endian", "complete", "data", "faults", "head", "implicit_vr", "layout", "pixel_data", "transfer_syntax"
    )  # fmt: skip

    data: Buffer
    head: bytes
    layout: Layout | None
    transfer_syntax: TransferSyntax
    implicit_vr: bool
    big_endian: bool
    faults: tuple[Fault, ...]
    complete: bool
    pixel_data: PixelData | None

    def raw(self, element: Element) -> bytes:
        """An element's value as it stands; empty for fragments."""
        _, offset, length = element
        return bytes(self.data[offset : offset + length]) if length != UNDEFINED else b""

    def value(self, tag: int, item: Item | None = None) -> bytes | None:
        """The value's bytes, character strings without their trailing spaces and NULs; None when absent or fragments."""
        element = (self if item is None else item).elements.get(tag)
        if element is None or element[2] == UNDEFINED:
            return None
        vr, offset, length = element
        value = bytes(self.data[offset : offset + length])
        return value.rstrip(b" \0") if effective_vr(tag, vr) in CHARACTERS else value

    def text(self, tag: int, item: Item | None = None) -> str | None:
        """The value as text, several joined by backslashes, without trailing padding; None when absent."""
        element = (self if item is None else item).elements.get(tag)
        if element is None or element[2] == UNDEFINED:
            return None
        value = bytes(self.data[element[1] : element[1] + element[2]]).rstrip(b" \0")
        if value.isascii() and b"\x1b" not in value:
            return value.decode("ascii")
        vr = effective_vr(tag, element[0])
        if vr not in TEXT:
            return value.decode("latin_1")
        return self.character_set(item).decode(value, is_name=vr == b"PN")

    def uid(self, tag: int, item: Item | None = None) -> str | None:
        """A UID (or any ASCII text) without padding; bytes that are no ASCII stand as latin-1. None when absent."""
        element = (self if item is None else item).elements.get(tag)
        if element is None or element[2] == UNDEFINED:
            return None
        return bytes(self.data[element[1] : element[1] + element[2]]).strip(b" \0").decode("latin_1")

    def integer(self, tag: int, item: Item | None = None) -> int | None:
        """The first value of US, SS, UL, SL, UV, SV or IS; None when absent or no number."""
        element = (self if item is None else item).elements.get(tag)
        if element is None or element[2] == UNDEFINED:
            return None
        vr, offset, length = element
        if vr not in _SIGNED:
            vr = effective_vr(tag, vr)
            if vr not in _SIGNED:
                return _whole_number(self.raw(element))
        size = WORD_BYTES[vr]
        if length < size:
            return None
        order: Literal["big", "little"] = "big" if self.big_endian else "little"
        return int.from_bytes(self.data[offset : offset + size], order, signed=_SIGNED[vr])

    def character_set(self, item: Item | None = None) -> CharacterSet:
        """The character set in force: the item's own, else the data set's (PS3.5 Section 7.5.3)."""
        if item is not None and SPECIFIC_CHARACTER_SET in item.elements:
            return character_set(self.uid(SPECIFIC_CHARACTER_SET, item) or "")
        return character_set(self.uid(SPECIFIC_CHARACTER_SET) or "")


def _whole_number(value: bytes) -> int | None:
    text = value.split(b"\\", 1)[0].strip(b" \0")
    digits = text[1:] if text[:1] in (b"+", b"-") else text
    # an Integer String has at most 12 characters (PS3.5 Table 6.2-1); more would cost time to convert
    return int(text) if digits.isdigit() and len(text) <= 12 else None  # noqa: PLR2004
