"""Rules on what lies beside the pixels: overlays, look-up tables, waveforms, each as long as its attributes say
(PS3.3 C.9.2, C.7.6.3.1.5, C.11.1, C.10.9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from dicomnode.dicom.scan import UNDEFINED, Item
from dicomnode.dicom.tags import PHOTOMETRIC_INTERPRETATION
from dicomnode.qa.rule import Hit, Subject

OVERLAY_DATA: Final = tuple((group << 16) | 0x3000 for group in range(0x6000, 0x6020, 2))
"""Of the sixteen groups that repeat (PS3.5 Section 7.6)."""
_OVERLAYS: Final = frozenset(OVERLAY_DATA)
_ROWS, _COLUMNS, _FRAMES = 0x0010, 0x0011, 0x0015
"""Element numbers within a group of Overlay Data."""
OVERLAY_ATTRIBUTES: Final = tuple(
    (tag & 0xFFFF0000) | number for tag in OVERLAY_DATA for number in (_ROWS, _COLUMNS, _FRAMES)
)

PALETTE_DESCRIPTORS: Final = tuple(0x00281101 + color for color in range(3))
"""Of red, green and blue."""
PALETTE_DATA: Final = tuple(data + color for color in range(3) for data in (0x00281201, 0x00281221))
"""Data and segmented data of each."""
_PALETTES: Final = tuple(zip(PALETTE_DESCRIPTORS, PALETTE_DATA[::2], PALETTE_DATA[1::2], strict=True))
_MODALITY_LUT, _VOI_LUT, _LUT_DESCRIPTOR, _LUT_DATA = 0x00283000, 0x00283010, 0x00283002, 0x00283006
LUT_SEQUENCES: Final = (_MODALITY_LUT, _VOI_LUT)
_MOST_ENTRIES: Final = 1 << 16
"""What a descriptor of 0 entries means."""

WAVEFORMS, _CHANNELS, _SAMPLES = 0x54000100, 0x003A0005, 0x003A0010
_BITS_ALLOCATED, _WAVEFORM_DATA = 0x54001004, 0x54001010


def overlays_too_short(subject: Subject) -> Iterable[Hit]:
    """Overlay Data has fewer bits than Overlay Rows, Columns and Number of Frames in Overlay ask for (PS3.5 Section 8.1.2)."""
    elements = subject.dataset.elements
    return () if elements.keys().isdisjoint(_OVERLAYS) else list(_overlays(subject))


def look_up_tables_wrong(subject: Subject) -> Iterable[Hit]:
    """A look-up table has fewer entries than its descriptor says, or a palette is missing where there are palette colors."""
    dataset = subject.dataset
    has_palette = subject.value(PHOTOMETRIC_INTERPRETATION) == b"PALETTE COLOR"
    if not (has_palette or dataset.items):
        return ()
    return [*(_palettes(subject) if has_palette else ()), *_luts(subject)]


def waveforms_too_short(subject: Subject) -> Iterable[Hit]:
    """Waveform Data is shorter than its channels, samples and bits ask for."""
    groups = subject.dataset.items.get(WAVEFORMS)
    return () if groups is None else list(_waveforms(subject, groups))


def _overlays(subject: Subject) -> Iterator[Hit]:
    elements = subject.dataset.elements
    for tag in OVERLAY_DATA:
        if tag not in elements or elements[tag][2] == UNDEFINED:
            continue
        group = tag & 0xFFFF0000
        rows, columns = subject.integer(group | _ROWS), subject.integer(group | _COLUMNS)
        if not rows or not columns:
            continue
        needed = -(-rows * columns * max(subject.integer(group | _FRAMES) or 1, 1) // 8)
        if elements[tag][2] < needed:
            yield Hit((tag,), f"OverlayData {elements[tag][2]} bytes, expected {needed}")


def _palettes(subject: Subject) -> Iterator[Hit]:
    elements = subject.dataset.elements
    for descriptor, data, segmented in _PALETTES:
        if descriptor not in elements or (data not in elements and segmented not in elements):
            yield Hit((descriptor, data), "PALETTE COLOR without its palette")
            return
        if data in elements and (fault := _fault(subject, subject.dataset, descriptor, data)):
            yield Hit((descriptor, data), f"palette {fault}")


def _luts(subject: Subject) -> Iterator[Hit]:
    for sequence in LUT_SEQUENCES:
        for number, item in enumerate(subject.dataset.items.get(sequence, ())):
            fault = _fault(subject, item, _LUT_DESCRIPTOR, _LUT_DATA)
            if fault:
                place = f"({sequence >> 16:04X},{sequence & 0xFFFF:04X})[{number}]"
                yield Hit((_LUT_DESCRIPTOR, _LUT_DATA), f"look-up table {fault}", place)


def _fault(subject: Subject, item: Item, descriptor: int, data: int) -> str:
    """What is wrong with one table. Entries of 8 bits may be packed or padded to 16 (PS3.3 Section C.7.6.3.1.5)."""
    described, stored = item.elements.get(descriptor), item.elements.get(data)
    if described is None or stored is None or described[2] != 6 or stored[2] == UNDEFINED:  # noqa: PLR2004 - three of US
        return ""
    order = "big" if subject.dataset.big_endian else "little"
    raw = subject.dataset.raw(described)
    entries = int.from_bytes(raw[:2], order) or _MOST_ENTRIES  # type: ignore[arg-type]
    bits = int.from_bytes(raw[4:6], order)  # type: ignore[arg-type]
    needed = entries * (2 if bits > 8 else 1)  # noqa: PLR2004
    return f"has {stored[2]} bytes for {entries} entries" if stored[2] < needed else ""


def _waveforms(subject: Subject, groups: Iterable[Item]) -> Iterator[Hit]:
    dataset = subject.dataset
    for number, item in enumerate(groups):
        data = item.elements.get(_WAVEFORM_DATA)
        channels, samples = dataset.integer(_CHANNELS, item), dataset.integer(_SAMPLES, item)
        bits = dataset.integer(_BITS_ALLOCATED, item)
        if data is None or data[2] == UNDEFINED or not channels or not samples or not bits:
            continue
        needed = channels * samples * bits // 8
        if data[2] < needed:
            yield Hit((_WAVEFORM_DATA,), f"WaveformData {data[2]} bytes, expected {needed}", f"(5400,0100)[{number}]")
