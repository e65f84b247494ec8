"""The first eight bytes of an element, decoded once for each kind that turns up (PS3.5 Section 7.1).

A scanner sends the same few hundred headers over and over: tag, VR and length of Rows are the same eight bytes in each slice. So
each encoding keeps what it has decoded, and reading an element costs one look-up. What is kept depends on nothing but the eight
bytes, and how much of it is bounded, so that a hostile peer can neither change an answer nor fill the memory.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final, Literal

from dicomnode.dicom.value_representation import LONG_FORM, SHORT_FORM, dictionary_vr

UNDEFINED: Final = -1
"""Undefined length (FFFFFFFFH)."""
LONG: Final = -2
"""Explicit VR whose length stands in the four bytes after these eight."""
DELIMITER: Final = -3
"""An item or a delimiter (FFFE,eeee), no element."""
UNKNOWN_VR: Final = -4
"""Explicit VR of two capital letters that are no VR of the standard."""
NO_VR: Final = -5
"""What should be an explicit VR is none."""

UNDEFINED_LENGTH: Final = 0xFFFFFFFF

Header = tuple[int, bytes, int, int]
"""Tag; VR; length of the value, or one of the words above; bytes of header and value, 0 where these eight bytes do not
settle everything: undefined or odd lengths, sequences, long forms, faults."""

_KEPT: Final = 16_384
"""Headers that an encoding remembers, about 4 MB; the corpus of test files has some thousands."""

_ITEM_GROUP: Final = 0xFFFE
_UnpackFrom = Callable[..., tuple[int, ...]]


class Encoding:
    """One way to write elements: implicit or explicit VR, in one byte order."""

    __slots__ = (
        "big_endian", "headers", "implicit_vr", "item", "order", "read_header", "read_item", "read_length", "sequence_end"
    )  # fmt: skip

    def __init__(self, *, implicit_vr: bool, big_endian: bool = False) -> None:
        order = ">" if big_endian else "<"
        self.implicit_vr = implicit_vr
        self.big_endian = big_endian
        self.order: Literal["big", "little"] = "big" if big_endian else "little"
        self.headers = _Headers(order, implicit_vr=implicit_vr)
        self.read_header: _UnpackFrom = struct.Struct(order + "Q").unpack_from
        """Eight bytes as the number that ``headers`` is asked for."""
        self.read_length: _UnpackFrom = struct.Struct(order + "L").unpack_from
        self.read_item: _UnpackFrom = struct.Struct(order + "LL").unpack_from
        """The eight bytes of an item or delimiter: one of the numbers below, and the length."""
        self.item = self._tag_number(0xE000)
        self.sequence_end = self._tag_number(0xE0DD)

    def __str__(self) -> str:
        return f"{'implicit' if self.implicit_vr else 'explicit'} VR {'big' if self.big_endian else 'little'} endian"

    def _tag_number(self, element: int) -> int:
        return _ITEM_GROUP << 16 | element if self.big_endian else element << 16 | _ITEM_GROUP


class _Headers(dict[int, Header]):
    """Eight bytes, as a number -> what they say."""

    __slots__ = ("_decode", "_order")

    def __init__(self, order: str, *, implicit_vr: bool) -> None:
        super().__init__()
        self._order = order
        self._decode = _decode_implicit if implicit_vr else _decode_explicit

    def __missing__(self, number: int) -> Header:
        if len(self) >= _KEPT:
            self.clear()
        header = self._decode(self._order, struct.pack(self._order + "Q", number))
        self[number] = header
        return header


def _decode_implicit(order: str, header: bytes) -> Header:
    group, element, length = struct.unpack(order + "HHL", header)
    tag = group << 16 | element
    if group == _ITEM_GROUP:
        return tag, b"", DELIMITER, 0
    vr = dictionary_vr(tag)
    if length == UNDEFINED_LENGTH:
        return tag, vr, UNDEFINED, 0
    return tag, vr, length, 0 if length & 1 or vr == b"SQ" or tag == 0 else 8 + length


def _decode_explicit(order: str, header: bytes) -> Header:
    group, element, vr, length = struct.unpack(order + "HH2sH", header)
    tag = group << 16 | element
    if group == _ITEM_GROUP:
        return tag, b"", DELIMITER, 0
    if vr in SHORT_FORM:
        return tag, vr, length, 0 if length & 1 else 8 + length
    if vr in LONG_FORM:
        return tag, vr, LONG, 0
    return tag, vr, UNKNOWN_VR if are_vr_letters(vr) else NO_VR, 0


def are_vr_letters(vr: bytes) -> bool:
    """Whether two bytes could be a VR: capital letters, known or not."""
    return all(b"A"[0] <= byte <= b"Z"[0] for byte in vr)


IMPLICIT_LITTLE: Final = Encoding(implicit_vr=True)
EXPLICIT_LITTLE: Final = Encoding(implicit_vr=False)
EXPLICIT_BIG: Final = Encoding(implicit_vr=False, big_endian=True)
IMPLICIT_BIG: Final = Encoding(implicit_vr=True, big_endian=True)
"""No transfer syntax has it; items in big endian data sets that lost their VRs do."""
