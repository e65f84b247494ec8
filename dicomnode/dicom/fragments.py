"""Encapsulated pixel data: fragments, each in an item of its own (PS3.5 Section A.4), found without being read."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from typing import NamedTuple

from dicomnode.dicom.element_header import UNDEFINED_LENGTH, Encoding
from dicomnode.dicom.scanned import Buffer


class Fragments(NamedTuple):
    """The fragments of one element.

    Attributes:
        items: how many, the Basic Offset Table too.
        size_bytes: of what they hold.
        end: where the walk stopped: at the Sequence Delimitation Item when ``delimited``.
        delimited: the delimiter was found where it belongs.
    """

    items: int
    size_bytes: int
    end: int
    delimited: bool


def walk_fragments(data: Buffer, pos: int, end: int, encoding: Encoding, limit: int) -> Fragments:
    """Hop from item header to item header, from ``pos`` on, over at most ``limit`` items."""
    read_item, item = encoding.read_item, encoding.item
    start = pos
    count = 0
    for _ in repeat(None, limit):
        if pos + 8 > end:
            break
        tag, length = read_item(data, pos)
        if tag != item or length == UNDEFINED_LENGTH:
            return Fragments(count, pos - start - 8 * count, pos, tag == encoding.sequence_end)
        count += 1
        pos += 8 + length
    return Fragments(count, min(pos, end) - start - 8 * count, pos, delimited=False)


def each_fragment(data: Buffer, pos: int, end: int, encoding: Encoding) -> Iterator[tuple[int, int]]:
    """Offset and length of each fragment from ``pos`` on, the Basic Offset Table first, up to the delimiter."""
    while pos + 8 <= end:
        tag, length = encoding.read_item(data, pos)
        if tag != encoding.item or length == UNDEFINED_LENGTH:
            return
        yield pos + 8, min(length, end - pos - 8)
        pos += 8 + length


def find_delimiter(data: Buffer, start: int, end: int, encoding: Encoding) -> int:
    """The first Sequence Delimitation Item from ``start`` on, or -1: the last resort when items do not follow each other."""
    needle = encoding.sequence_end.to_bytes(4, encoding.order)
    chunk_bytes = 1 << 20
    for chunk in range(start, end, chunk_bytes):
        found = bytes(data[chunk : min(chunk + chunk_bytes + 3, end)]).find(needle)
        if found >= 0:
            return chunk + found
    return -1
