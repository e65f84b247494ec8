"""Whether two data sets hold the same content, however each is encoded.

Peers that retry, and archives that migrate, send an instance again in another transfer syntax or VR form. That is no other content:
the same elements with the same values are, whatever their VRs, byte order, lengths and padding (PS3.5 Sections 6.2, 7 and A).
"""

from __future__ import annotations

import contextlib
import mmap
import struct
import tempfile
from collections.abc import Iterator
from itertools import zip_longest
from typing import IO, Final, NamedTuple

from dicomnode.dicom.element_header import EXPLICIT_BIG, EXPLICIT_LITTLE, UNDEFINED
from dicomnode.dicom.fragments import each_fragment
from dicomnode.dicom.inflate import Inflater
from dicomnode.dicom.listing import item_path
from dicomnode.dicom.scan import MAX_INFLATED_BYTES, scan
from dicomnode.dicom.scanned import Buffer, Element, FaultKind, Item, ScannedDataset
from dicomnode.dicom.transfer_syntax import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    transfer_syntax,
)
from dicomnode.dicom.value_representation import CHARACTERS, WORD_BYTES, effective_vr

_CHUNK_BYTES: Final = 1 << 20
_LONGEST_HIDDEN_SEQUENCE_BYTES: Final = 16 << 20
_LARGEST_INFLATED_BYTES: Final = 8 << 30

_TELL_OF_THE_ENCODING: Final = frozenset({0x00080001, 0xFFFCFFFC})
"""Length to End (retired) and Data Set Trailing Padding; group lengths do too."""

_LEAVE_DOUBT: Final = frozenset(
    {
        FaultKind.TRUNCATED,
        FaultKind.DUPLICATE_ELEMENT,
        FaultKind.TOO_DEEP,
        FaultKind.BAD_ITEM,
        FaultKind.INFLATE_FAILED,
        FaultKind.HEADER_TOO_LARGE,
    }
)
"""Faults behind which something may stand that was not read."""
_MANY_FAULTS: Final = 100
_A_SEQUENCE: Final = 0x00081140


def same_content(
    a: Buffer, a_transfer_syntax: str, b: Buffer, b_transfer_syntax: str, *, apart_from: frozenset[int] = frozenset()
) -> bool:
    """Whether both data sets hold the same elements with the same values. Never raises.

    Native pixel data is compared by value, encapsulated pixel data fragment by fragment. Both may be mapped files of any size: what
    is held in memory is what a scan holds, and small pieces of values. In doubt, as for data sets that cannot be read to their
    end, only equal bytes are the same content.

    Args:
        apart_from: elements of the top level that may differ, or be absent on one side.
    """
    if a_transfer_syntax == b_transfer_syntax and _same_bytes(a, b):
        return True
    try:
        with readable(a, a_transfer_syntax) as left, readable(b, b_transfer_syntax) as right:
            return (
                _leaves_no_doubt(left)
                and _leaves_no_doubt(right)
                and _same_items(left, left, right, right, apart_from=apart_from)
            )
    except OSError:  # no room to inflate a large data set
        return False


class Differing(NamedTuple):
    """An element that two data sets do not have alike.

    Attributes:
        path: the items that lead to it, in both; empty at the top level.
        left: the item of the left data set that has it (or the data set itself); None when only the right one has it.
        right: the same on the other side.
    """

    path: str
    tag: int
    left: Item | None
    right: Item | None


def differing(left: ScannedDataset, right: ScannedDataset) -> Iterator[Differing]:
    """The elements that are not the same content, in the order of tags; of sequences with as many items those in them.

    Args:
        left: read to its end, as `readable` does; so is ``right``.
    """
    yield from _differing(left, left, right, right, "")


def _differing(left: ScannedDataset, a: Item, right: ScannedDataset, b: Item, path: str) -> Iterator[Differing]:
    for tag in sorted(_tags(a) | _tags(b)):
        if tag not in a.elements or tag not in b.elements:
            yield Differing(path, tag, a if tag in a.elements else None, b if tag in b.elements else None)
        elif not _same_element(left, a, right, b, tag):
            ours, theirs = a.items.get(tag, ()), b.items.get(tag, ())
            if not ours or len(ours) != len(theirs):
                yield Differing(path, tag, a, b)
                continue
            for number, (our_item, their_item) in enumerate(zip(ours, theirs, strict=True)):
                yield from _differing(left, our_item, right, their_item, item_path(path, tag, number))


def _same_bytes(a: Buffer, b: Buffer) -> bool:
    return len(a) == len(b) and all(
        bytes(a[at : at + _CHUNK_BYTES]) == bytes(b[at : at + _CHUNK_BYTES]) for at in range(0, len(a), _CHUNK_BYTES)
    )


@contextlib.contextmanager
def readable(data: Buffer, transfer_syntax_uid: str) -> Iterator[ScannedDataset]:
    """The data set scanned up to its end: a deflated one is inflated, into a file when it is large; nothing of one that is broken.

    Raises:
        OSError: there is no room for that file.
    """
    if not transfer_syntax(transfer_syntax_uid).deflated:
        yield scan(data, transfer_syntax_uid)
        return
    inflater = Inflater(data)
    head = inflater.head(MAX_INFLATED_BYTES)
    if inflater.ended:
        yield scan(b"" if inflater.failed else head, EXPLICIT_VR_LITTLE_ENDIAN)
        return
    with tempfile.TemporaryFile() as file:
        file.write(head)
        _inflate_into(file, inflater)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            yield scan(b"" if inflater.failed else mapped, EXPLICIT_VR_LITTLE_ENDIAN)


def _inflate_into(file: IO[bytes], inflater: Inflater) -> None:
    size = 0
    while not inflater.ended and size < _LARGEST_INFLATED_BYTES:
        size += file.write(inflater.read(_CHUNK_BYTES))
    file.flush()


def _leaves_no_doubt(scanned: ScannedDataset) -> bool:
    return (
        scanned.complete
        and bool(scanned.elements)
        and len(scanned.faults) < _MANY_FAULTS
        and not any(fault.kind in _LEAVE_DOUBT for fault in scanned.faults)
    )


def _same_items(
    left: ScannedDataset, a: Item, right: ScannedDataset, b: Item, *, apart_from: frozenset[int] = frozenset()
) -> bool:
    tags = _tags(a) - apart_from
    return tags == _tags(b) - apart_from and all(_same_element(left, a, right, b, tag) for tag in sorted(tags))


def _tags(item: Item) -> set[int]:
    return {tag for tag in item.elements if tag & 0xFFFF and tag not in _TELL_OF_THE_ENCODING}


def _same_element(left: ScannedDataset, a: Item, right: ScannedDataset, b: Item, tag: int) -> bool:
    if tag not in a.items and tag not in b.items and _same_value(left, a.elements[tag], right, b.elements[tag], tag):
        return True
    ours, theirs = _sequence(left, a, tag), _sequence(right, b, tag)
    if ours is None or theirs is None or len(ours[1]) != len(theirs[1]):
        return False
    return all(
        _same_items(ours[0], our_item, theirs[0], their_item)
        for our_item, their_item in zip(ours[1], theirs[1], strict=True)
    )


def _sequence(scanned: ScannedDataset, item: Item, tag: int) -> tuple[ScannedDataset, tuple[Item, ...]] | None:
    """The items of a sequence, and the data set that their offsets refer to; None when it is none.

    A private sequence of known length is just bytes of unknown VR in implicit VR; those are read here as what they may be.
    """
    if tag in item.items:
        return scanned, item.items[tag]
    vr, _, length = item.elements[tag]
    if length == 0:
        return scanned, ()
    if vr != b"UN" or not 0 < length <= _LONGEST_HIDDEN_SEQUENCE_BYTES:
        return None
    if scanned.implicit_vr:
        head, syntax = struct.pack("<HHL", 0x0008, 0x1140, length), IMPLICIT_VR_LITTLE_ENDIAN
    else:
        head, syntax = struct.pack("<HH2sHL", 0x0008, 0x1140, b"UN", 0, length), EXPLICIT_VR_LITTLE_ENDIAN
    hidden = scan(head + scanned.raw(item.elements[tag]), syntax)
    return (hidden, hidden.items[_A_SEQUENCE]) if _A_SEQUENCE in hidden.items and _leaves_no_doubt(hidden) else None


def _same_value(left: ScannedDataset, a: Element, right: ScannedDataset, b: Element, tag: int) -> bool:
    if a[2] == UNDEFINED or b[2] == UNDEFINED:
        return a[2] == b[2] and _same_fragments(left, a, right, b)
    vr = effective_vr(tag, b[0] if a[0] == b"UN" else a[0])
    if vr in CHARACTERS:
        length = _unpadded_length(left.data, a)
        if length != _unpadded_length(right.data, b):
            return False
    else:
        length, longer = sorted((a[2], b[2]))
        if length != longer and not (
            longer == length + 1 and _ends_in_zero(*((left, a) if a[2] == longer else (right, b)))
        ):
            return False
    a_chunks, b_chunks = _chunks(left, a, length), _chunks(right, b, length)
    return all(a_chunk == b_chunk for a_chunk, b_chunk in zip(a_chunks, b_chunks, strict=True))


def _unpadded_length(data: Buffer, element: Element) -> int:
    """Bytes of a character string without its trailing spaces and NULs."""
    _, offset, length = element
    while length:
        chunk = bytes(data[offset + max(0, length - _CHUNK_BYTES) : offset + length])
        unpadded = len(chunk.rstrip(b" \0"))
        length -= len(chunk) - unpadded
        if unpadded:
            break
    return length


def _ends_in_zero(scanned: ScannedDataset, element: Element) -> bool:
    """Whether the last byte may be the padding of a value of odd length (PS3.5 Section 6.2, VR OB)."""
    return scanned.data[element[1] + element[2] - 1] == 0


def _chunks(scanned: ScannedDataset, element: Element, length: int) -> Iterator[bytes]:
    """The first ``length`` bytes of a value in little endian, piece by piece."""
    vr, offset, _ = element
    word_bytes = WORD_BYTES.get(vr, 1) if scanned.big_endian else 1
    for at in range(offset, offset + length, _CHUNK_BYTES):
        chunk = bytes(scanned.data[at : min(at + _CHUNK_BYTES, offset + length)])
        yield chunk if word_bytes == 1 else _swapped(chunk, word_bytes)


def _swapped(chunk: bytes, word_bytes: int) -> bytes:
    whole = len(chunk) // word_bytes * word_bytes
    swapped = bytearray(chunk)
    for byte in range(word_bytes):
        swapped[byte:whole:word_bytes] = chunk[word_bytes - 1 - byte : whole : word_bytes]
    return bytes(swapped)


def _same_fragments(left: ScannedDataset, a: Element, right: ScannedDataset, b: Element) -> bool:
    for number, (ours, theirs) in enumerate(zip_longest(_fragments(left, a), _fragments(right, b))):
        if ours is None or theirs is None:
            return False
        is_offset_table_left_out = number == 0 and (ours[2] == 0 or theirs[2] == 0)  # PS3.5 Section A.4
        if not is_offset_table_left_out and not (ours[2] == theirs[2] and _same_value(left, ours, right, theirs, 0)):
            return False
    return True


def _fragments(scanned: ScannedDataset, element: Element) -> Iterator[Element]:
    encoding = EXPLICIT_BIG if scanned.big_endian else EXPLICIT_LITTLE
    for offset, length in each_fragment(scanned.data, element[1], len(scanned.data), encoding):
        yield b"OB", offset, length
