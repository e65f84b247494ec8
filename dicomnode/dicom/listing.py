"""A data set's elements as lines that a person reads: where each stands, its VR, and its value, cut where it is long."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from blake3 import blake3

from dicomnode.dicom.element_header import EXPLICIT_BIG, EXPLICIT_LITTLE, UNDEFINED
from dicomnode.dicom.fragments import each_fragment
from dicomnode.dicom.json_model import numbers
from dicomnode.dicom.scanned import Item, ScannedDataset
from dicomnode.dicom.value_representation import CHARACTERS, TEXT, WORD_BYTES, effective_vr

_SHOWN_BYTES: Final = 1024
"""How much of a value is looked at."""
_SHOWN_NUMBERS: Final = 16
_BINARY: Final = frozenset({b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"UN"})
_DIGEST_DIGITS: Final = 16


class Line(NamedTuple):
    """One element.

    Attributes:
        path: the items that lead to it, as a finding has it: ``(0040,0275)[0]``; empty at the top level.
        vr: as it is read: of UN, what the data dictionary says.
        value: see `value_text`.
    """

    path: str
    tag: int
    vr: str
    value: str


def lines(scanned: ScannedDataset) -> Iterator[Line]:
    """Every element in the order of tags, what is nested behind its sequence; group lengths are left out."""
    yield from _lines(scanned, scanned, "")


def item_path(path: str, tag: int, number: int) -> str:
    """The path of what stands in an item of the sequence ``tag``."""
    return f"{path}({tag >> 16:04X},{tag & 0xFFFF:04X})[{number}]"


def value_text(scanned: ScannedDataset, item: Item, tag: int) -> str:
    """The value as text, values joined by backslashes; of bytes their number and the begin of their BLAKE3 digest."""
    if tag in item.items:
        count = len(item.items[tag])
        return f"{count} item{'' if count == 1 else 's'}"
    vr, offset, length = item.elements[tag]
    vr = effective_vr(tag, vr)
    if length == UNDEFINED:
        return _digest(scanned, _fragments(scanned, offset), "fragment")
    if vr in _BINARY or vr == b"SQ":
        return _digest(scanned, [(offset, length)]) if length else ""
    if vr in CHARACTERS:
        raw = bytes(scanned.data[offset : offset + min(length, _SHOWN_BYTES)])
        text = scanned.character_set(item).decode(raw, is_name=vr == b"PN") if vr in TEXT else raw.decode("latin_1")
        return text.rstrip(" \0") + ("..." if length > _SHOWN_BYTES else "")
    if vr not in WORD_BYTES:
        return _digest(scanned, [(offset, length)]) if length else ""
    shown = bytes(scanned.data[offset : offset + min(length, WORD_BYTES[vr] * _SHOWN_NUMBERS)])
    values = numbers(vr, shown, ">" if scanned.big_endian else "<")
    return "\\".join(str(value) for value in values) + ("..." if length > len(shown) else "")


def _lines(scanned: ScannedDataset, item: Item, path: str) -> Iterator[Line]:
    for tag in sorted(item.elements):
        if tag & 0xFFFF == 0:
            continue
        vr = effective_vr(tag, item.elements[tag][0]).decode("latin_1")
        yield Line(path, tag, vr, value_text(scanned, item, tag))
        for number, inner in enumerate(item.items.get(tag, ())):
            yield from _lines(scanned, inner, item_path(path, tag, number))


def _fragments(scanned: ScannedDataset, offset: int) -> Iterator[tuple[int, int]]:
    encoding = EXPLICIT_BIG if scanned.big_endian else EXPLICIT_LITTLE
    return each_fragment(scanned.data, offset, len(scanned.data), encoding)


def _digest(scanned: ScannedDataset, stretches: Iterable[tuple[int, int]], counted: str = "") -> str:
    digest = blake3()
    data = memoryview(scanned.data)
    number = size = 0
    for offset, length in stretches:
        digest.update(data[offset : offset + length])
        number, size = number + 1, size + length
    count = f"{number} {counted}{'' if number == 1 else 's'}, " if counted else ""
    return f"{count}{size} bytes, BLAKE3 {digest.hexdigest()[:_DIGEST_DIGITS]}"
