"""Rules on encapsulated pixel data: as many fragments as frames, offset tables that lead to them (PS3.5 Annex A.4)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from dicomnode.dicom.element_header import EXPLICIT_LITTLE
from dicomnode.dicom.fragments import each_fragment
from dicomnode.dicom.scan import UNDEFINED, PixelData
from dicomnode.qa.pixels import NUMBER_OF_FRAMES
from dicomnode.qa.rule import Hit, Subject

EXTENDED_OFFSET_TABLE, EXTENDED_OFFSET_TABLE_LENGTHS = 0x7FE00001, 0x7FE00002

MANY_FRAMES_A_FRAGMENT: Final = frozenset(
    {
        "1.2.840.10008.1.2.4.92",  # JPEG 2000 Part 2: frames are components (PS3.5 Section A.4.4)
        "1.2.840.10008.1.2.4.93",
        *(
            f"1.2.840.10008.1.2.4.{number}" for number in range(100, 109)
        ),  # MPEG-2, H.264, HEVC: one stream (A.4.5-A.4.10)
        *(f"1.2.840.10008.1.2.4.{number}.1" for number in range(100, 107)),
    }
)
_ONE_FRAGMENT_A_FRAME: Final = frozenset(
    {
        "1.2.840.10008.1.2.5",  # RLE Lossless (PS3.5 Section A.4.2)
        "1.2.840.10008.1.2.1.98",  # Encapsulated Uncompressed (PS3.5 Section A.4.11)
    }
)
_MAX_TABLE_BYTES: Final = 1 << 20
"""How much of a table is read: the offsets of 130,000 frames, or twice as many."""


def fragments_do_not_fit(subject: Subject) -> Iterable[Hit]:
    """Fewer fragments than frames; where each frame has one fragment of its own, more of them too (PS3.5 Section A.4)."""
    pixels = subject.dataset.pixel_data
    if pixels is None or not pixels.fragments or not pixels.present_bytes:
        return ()
    syntax = subject.dataset.transfer_syntax
    if not syntax.encapsulated or syntax.uid in MANY_FRAMES_A_FRAGMENT:
        return ()
    frames, fragments = _frames(subject), pixels.fragments - 1  # the first item is the Basic Offset Table
    if fragments < frames or (fragments > frames and syntax.uid in _ONE_FRAGMENT_A_FRAME):
        return (Hit((pixels.tag, NUMBER_OF_FRAMES), f"PixelData has {fragments} fragments for {frames} frames"),)
    return ()


def offset_tables_wrong(subject: Subject) -> Iterable[Hit]:
    """A Basic or Extended Offset Table has not one rising offset a frame, or leads beyond what is there (PS3.5 Section A.4)."""
    pixels = subject.dataset.pixel_data
    if pixels is None or not pixels.fragments or subject.dataset.transfer_syntax.uid in MANY_FRAMES_A_FRAGMENT:
        return ()
    return [*_basic(subject, pixels), *_extended(subject, pixels)]


def _basic(subject: Subject, pixels: PixelData) -> Iterable[Hit]:
    data = subject.dataset.data
    offset, length = next(each_fragment(data, pixels.offset, len(data), EXPLICIT_LITTLE), (0, 0))
    if length and (
        fault := _fault(bytes(data[offset : offset + min(length, _MAX_TABLE_BYTES)]), 4, length, subject, pixels)
    ):
        yield Hit((pixels.tag,), f"Basic Offset Table {fault}")


def _extended(subject: Subject, pixels: PixelData) -> Iterable[Hit]:
    offsets = _table(subject, EXTENDED_OFFSET_TABLE)
    lengths = _table(subject, EXTENDED_OFFSET_TABLE_LENGTHS)
    if offsets is None and lengths is None:
        return
    if offsets is None or lengths is None:
        yield Hit(
            (EXTENDED_OFFSET_TABLE, EXTENDED_OFFSET_TABLE_LENGTHS), "Extended Offset Table without its other half"
        )
        return
    size = subject.dataset.elements[EXTENDED_OFFSET_TABLE][2]
    if fault := _fault(offsets, 8, size, subject, pixels):
        yield Hit((EXTENDED_OFFSET_TABLE,), f"Extended Offset Table {fault}")
    sizes = _numbers(lengths, 8)
    if subject.dataset.elements[EXTENDED_OFFSET_TABLE_LENGTHS][2] != 8 * _frames(subject):
        yield Hit((EXTENDED_OFFSET_TABLE_LENGTHS,), "Extended Offset Table Lengths is not one a frame")
    elif sum(sizes) > (pixels.present_bytes or 0):
        yield Hit((EXTENDED_OFFSET_TABLE_LENGTHS,), "Extended Offset Table Lengths exceed the fragments")


def _fault(table: bytes, width: int, length: int, subject: Subject, pixels: PixelData) -> str:
    """What is wrong with a table of ``length`` bytes of which ``table`` is the beginning; empty when nothing is."""
    frames = _frames(subject)
    if length != width * frames:
        return f"has {length // width} offsets for {frames} frames"
    offsets = _numbers(table, width)
    if offsets[0] != 0 or any(after <= before for before, after in pairwise(offsets)):
        return "does not begin at 0 and rise"
    reach = (pixels.present_bytes or 0) + 8 * (pixels.fragments or 0)
    return "leads beyond the fragments" if offsets[-1] >= reach else ""


def _numbers(table: bytes, width: int) -> list[int]:
    return [int.from_bytes(table[at : at + width], "little") for at in range(0, len(table) - width + 1, width)]


def _table(subject: Subject, tag: int) -> bytes | None:
    element = subject.dataset.elements.get(tag)
    if element is None or element[2] == UNDEFINED:
        return None
    _, offset, length = element
    return bytes(subject.dataset.data[offset : offset + min(length, _MAX_TABLE_BYTES)])


def _frames(subject: Subject) -> int:
    return max(subject.integer(NUMBER_OF_FRAMES) or 1, 1)
