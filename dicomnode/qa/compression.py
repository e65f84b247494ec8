"""Rules on encapsulated pixel data: as many fragments as frames, offset tables that lead to them (PS3.5 Annex A.4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from typing import Final, NamedTuple

from dicomnode.dicom.element_header import EXPLICIT_LITTLE
from dicomnode.dicom.fragments import each_fragment
from dicomnode.dicom.scan import UNDEFINED, PixelData
from dicomnode.dicom.tags import NUMBER_OF_FRAMES, PIXEL_DATA
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
_MAX_TABLE_BYTES: Final = 1 << 16
"""How much of a table is read: the offsets of 8,000 frames, or twice as many."""
_MAX_FRAGMENTS: Final = 4096
"""How many fragments are visited: a video of single frames has more, and its offsets are made by one machine."""


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
    """A Basic or Extended Offset Table has not one rising offset a frame, or leads to no fragment (PS3.5 Section A.4)."""
    pixels = subject.dataset.pixel_data
    if pixels is None or not pixels.fragments or subject.dataset.transfer_syntax.uid in MANY_FRAMES_A_FRAGMENT:
        return ()
    elements = subject.dataset.elements
    extended = EXTENDED_OFFSET_TABLE in elements or EXTENDED_OFFSET_TABLE_LENGTHS in elements
    basic = _basic_table(subject, pixels)
    if not basic[1] and not extended:
        return ()
    layout = _layout(subject, pixels)
    return [*_basic(subject, layout, basic), *(_extended(subject, layout) if extended else ())]


class _Layout(NamedTuple):
    """Where the fragments begin, as offset tables count, and how long each is; ``whole`` if none was left out."""

    starts: list[int]
    sizes: list[int]
    whole: bool


def _layout(subject: Subject, pixels: PixelData) -> _Layout:
    data = subject.dataset.data
    items = list(islice(each_fragment(data, pixels.offset, len(data), EXPLICIT_LITTLE), _MAX_FRAGMENTS + 1))
    first = items[0][0] + items[0][1] + 8 if items else 0
    starts = [offset - first for offset, _ in items[1:]]
    return _Layout(starts, [length for _, length in items[1:]], len(items) <= _MAX_FRAGMENTS)


def _basic_table(subject: Subject, pixels: PixelData) -> tuple[int, int]:
    """Offset and length of the Basic Offset Table, the first item; it may be empty."""
    data = subject.dataset.data
    return next(iter(each_fragment(data, pixels.offset, len(data), EXPLICIT_LITTLE)), (0, 0))


def _basic(subject: Subject, layout: _Layout, table: tuple[int, int]) -> Iterator[Hit]:
    offset, length = table
    read = bytes(subject.dataset.data[offset : offset + min(length, _MAX_TABLE_BYTES)])
    if length and (fault := _fault(_numbers(read, 4), length / 4, _frames(subject), layout)):
        yield Hit((PIXEL_DATA,), f"Basic Offset Table {fault}")


def _extended(subject: Subject, layout: _Layout) -> Iterator[Hit]:
    offsets, lengths = (_table(subject, tag) for tag in (EXTENDED_OFFSET_TABLE, EXTENDED_OFFSET_TABLE_LENGTHS))
    if offsets is None or lengths is None:
        both = (EXTENDED_OFFSET_TABLE, EXTENDED_OFFSET_TABLE_LENGTHS)
        yield Hit(both, "Extended Offset Table without its other half")
        return
    frames = _frames(subject)
    if fault := _fault(_numbers(offsets[0], 8), offsets[1] / 8, frames, layout):
        yield Hit((EXTENDED_OFFSET_TABLE,), f"Extended Offset Table {fault}")
    if lengths[1] != 8 * frames:
        yield Hit((EXTENDED_OFFSET_TABLE_LENGTHS,), "Extended Offset Table Lengths is not one a frame")
    elif any(
        length not in (size, size - 1) for length, size in zip(_numbers(lengths[0], 8), layout.sizes, strict=False)
    ):
        yield Hit((EXTENDED_OFFSET_TABLE_LENGTHS,), "Extended Offset Table Lengths differ from the fragments")


def _fault(offsets: list[int], count: float, frames: int, layout: _Layout) -> str:
    """What is wrong with a table of ``count`` entries of which ``offsets`` are the first; empty when nothing is."""
    if count != frames:
        return f"has {count:g} offsets for {frames} frames"
    if offsets[0] != 0 or any(after <= before for before, after in pairwise(offsets)):
        return "does not begin at 0 and rise"
    known = set(layout.starts)
    until = layout.starts[-1] if layout.starts and not layout.whole else offsets[-1]
    return "leads to no fragment" if any(offset not in known for offset in offsets if offset <= until) else ""


def _numbers(table: bytes, width: int) -> list[int]:
    return [int.from_bytes(table[at : at + width], "little") for at in range(0, len(table) - width + 1, width)]


def _table(subject: Subject, tag: int) -> tuple[bytes, int] | None:
    """As much of a table as is read, and how many bytes it has."""
    element = subject.dataset.elements.get(tag)
    if element is None or element[2] == UNDEFINED:
        return None
    _, offset, length = element
    return bytes(subject.dataset.data[offset : offset + min(length, _MAX_TABLE_BYTES)]), length


def _frames(subject: Subject) -> int:
    return max(subject.integer(NUMBER_OF_FRAMES) or 1, 1)
