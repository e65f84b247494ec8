"""Data sets written by hand, so that they can be wrong in every way."""

from __future__ import annotations

import struct

from dicomnode.dicom.value_representation import LONG_FORM

UNDEFINED = 0xFFFFFFFF


def explicit(tag: int, vr: str, value: bytes = b"", *, length: int | None = None, order: str = "<") -> bytes:
    """An element in explicit VR; ``length`` says another length than the value has."""
    size = len(value) if length is None else length
    head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF) + vr.encode("latin_1")
    if vr.encode("latin_1") in LONG_FORM:
        return head + struct.pack(f"{order}HL", 0, size) + value
    return head + struct.pack(f"{order}H", size) + value


def implicit(tag: int, value: bytes = b"", *, length: int | None = None) -> bytes:
    """An element in implicit VR."""
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value) if length is None else length) + value


def item(content: bytes = b"", *, length: int | None = None) -> bytes:
    """A sequence item or fragment with its length, or another one."""
    return struct.pack("<HHL", 0xFFFE, 0xE000, len(content) if length is None else length) + content


def open_item(content: bytes = b"") -> bytes:
    """A sequence item of undefined length."""
    return item(content + ITEM_END, length=UNDEFINED)


ITEM_END = struct.pack("<HHL", 0xFFFE, 0xE00D, 0)
SEQUENCE_END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)
