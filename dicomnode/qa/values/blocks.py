"""A data set's elements in blocks of eight: where the bytes of each block stand, and those of each element in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Final

from dicomnode.dicom.layout import Layout, cutter
from dicomnode.dicom.scan import PIXEL_DATA, Element, ScannedDataset
from dicomnode.qa.values.forms import RIGHT

BLOCK: Final = 8
MAX_BLOCK_BYTES: Final = 4096
MAX_VALUE_BYTES: Final = 64
"""Of a value that counts as short."""

_PIXEL_DATA_GROUP: Final = min(PIXEL_DATA) >> 16

Cut = Callable[[bytes], tuple[bytes, ...]]


class Blocks:
    """Of the elements before the pixel data, in a data set whose encoding is regular.

    Blocks follow each other without a gap, and so do the elements in them: their bytes have every tag, VR and length, and tell all
    that can be wrong with values. Of a long binary value at the end, of which only the length counts, they are left out.

    Attributes:
        tags: of each block.
        count: of all elements.
        end: where the last block ends.
        cut: gives the bytes of each block, none of those in ``long``; from the first bytes of the data set.
        long: places of the blocks that are longer than what is remembered, or not within the first bytes.
    """

    __slots__ = ("_bounds", "_elements", "count", "cut", "end", "long", "tags")

    def __init__(self, elements: Mapping[int, Element], head_bytes: int) -> None:
        """Find them.

        Args:
            elements: none of them pixel data.
            head_bytes: how many bytes there are to cut from.
        """
        tags = tuple(elements)
        bounds = [0, *(offset + length for _, offset, length in elements.values())]
        if tags:
            bounds[-1] = end_of(elements[tags[-1]])
        ranges = [*pairwise((*bounds[:-1:BLOCK], bounds[-1]))] if tags else []
        if bounds != sorted(bounds):
            head_bytes = 0  # fragments, whose end no length tells
        self.tags = tuple(tags[at : at + BLOCK] for at in range(0, len(tags), BLOCK))
        self.count = len(tags)
        self.end = bounds[-1]
        self.long = frozenset(
            place for place, (start, end) in enumerate(ranges) if end - start > MAX_BLOCK_BYTES or end > head_bytes
        )
        self.cut: Cut = cutter(
            (min(start, head_bytes), min(start, head_bytes) if place in self.long else end)
            for place, (start, end) in enumerate(ranges)
        )
        self._bounds = bounds
        self._elements: dict[int, Cut] = {}

    def elements(self, place: int) -> Cut:
        """What gives the bytes of each element of a block that is not long."""
        cut = self._elements.get(place)
        if cut is None:
            bounds = self._bounds[place * BLOCK : (place + 1) * BLOCK + 1]
            cut = self._elements[place] = cutter(pairwise(bounds))
        return cut


def blocks_of(dataset: ScannedDataset) -> Blocks:
    """Those of a data set, and of all that have its layout, where that is known."""
    if dataset.layout is not None:
        return dataset.layout.derived(Blocks, _of_layout)
    elements = {tag: element for tag, element in dataset.elements.items() if tag >> 16 < _PIXEL_DATA_GROUP}
    return Blocks(elements, len(dataset.head))


def end_of(last: Element) -> int:
    """Where a last element ends: behind its value, or before it where that is long and only its length counts."""
    vr, offset, length = last
    return offset if is_binary(vr) and not 0 <= length <= MAX_VALUE_BYTES else offset + length


def is_binary(vr: bytes) -> bool:
    """Whether only the length of a value counts."""
    return vr not in RIGHT and vr not in (b"UN", b"SQ")


def _of_layout(layout: Layout) -> Blocks:
    return Blocks(layout.elements, layout.end)
