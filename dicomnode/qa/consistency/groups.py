"""Values in functional groups, for rules that look at them frame by frame (PS3.3 Section C.7.6.16)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from dicomnode.dicom.scan import Item, ScannedDataset
from dicomnode.dicom.tags import PER_FRAME_GROUPS, SHARED_GROUPS
from dicomnode.qa.rule import MAX_VALUE_BYTES, Subject

MAX_FRAMES: Final = 1000
"""How many frames a rule looks at: they are made by one machine, and one fault is told only."""

Values = tuple[bytes | None, ...]


def in_groups(subject: Subject, group: int, *tags: int) -> Iterable[tuple[Values, str]]:
    """The values of ``tags`` in each item of a functional group (by its sequence), shared and of frames, and where it stands."""
    items = subject.dataset.items
    if SHARED_GROUPS not in items and PER_FRAME_GROUPS not in items:
        return ()
    return _each(subject.dataset, group, tags)


def _each(dataset: ScannedDataset, group: int, tags: tuple[int, ...]) -> Iterator[tuple[Values, str]]:
    for sequence in (SHARED_GROUPS, PER_FRAME_GROUPS):
        for number, frame in enumerate(dataset.items.get(sequence, ())[:MAX_FRAMES]):
            for item in frame.items.get(group, ()):
                place = f"({sequence >> 16:04X},{sequence & 0xFFFF:04X})[{number}]({group >> 16:04X},{group & 0xFFFF:04X})[0]"
                yield tuple(_value(dataset, item, tag) for tag in tags), place
                break  # a group has one item


def _value(dataset: ScannedDataset, item: Item, tag: int) -> bytes | None:
    element = item.elements.get(tag)
    return dataset.value(tag, item) if element is not None and element[2] <= MAX_VALUE_BYTES else None
