"""A data set's elements in blocks of eight: where the bytes of each block stand, and those of each element in it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

from dicomnode.dicom.layout import Layout, cutter
from dicomnode.dicom.scan import PIXEL_DATA, Element, ScannedDataset
from dicomnode.qa.values.forms import RIGHT

BLOCK: Final = 8
MAX_BLOCK_BYTES: Final = 4096
MAX_VALUE_BYTES: Final = 64
"""Of a value that counts as short."""

_PIXEL_DATA_GROUP: Final = min(PIXEL_DATA) & 0xFFFF0000

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

    __slots__ = ("_bounds", "_cuts", "_elements", "count", "cut", "end", "long", "tags")

    def __init__(self, tags: Sequence[int], elements: Sequence[Element], head_bytes: int) -> None:
        """Find them.

        Args:
            tags: of the elements, none of them pixel data.
            elements: as many.
            head_bytes: how many bytes there are to cut from.
        """
        bounds = [0, *(offset + length for _, offset, length in elements[BLOCK - 1 : -1 : BLOCK])]
        if elements:
            bounds.append(end_of(elements[-1]))
        if bounds != sorted(bounds):  # fragments, whose end no length tells
            bounds = [head_bytes + 1] * len(bounds)
        ranges = []
        self.long = []
        for place, (start, end) in enumerate(pairwise(bounds)):
            if end - start > MAX_BLOCK_BYTES or end > head_bytes:
                self.long.append(place)
                ranges.append((min(start, head_bytes),) * 2)
            else:
                ranges.append((start, end))
        self.tags = [tags[at : at + BLOCK] for at in range(0, len(tags), BLOCK)]
        self.count = len(tags)
        self.end = bounds[-1]
        self.cut: Cut = cutter(ranges)
        self._bounds = bounds
        self._elements = elements
        self._cuts: dict[int, Cut] = {}

    def elements(self, place: int) -> Cut:
        """What gives the bytes of each element of a block that is not long."""
        cut = self._cuts.get(place)
        if cut is None:
            first = place * BLOCK
            but_the_last = self._elements[first : first + len(self.tags[place]) - 1]
            ends = [offset + length for _, offset, length in but_the_last]
            cut = self._cuts[place] = cutter(pairwise((self._bounds[place], *ends, self._bounds[place + 1])))
        return cut


def blocks_of(dataset: ScannedDataset) -> Blocks:
    """Those of a data set, and of all that have its layout, where that is known."""
    if dataset.layout is not None:
        return dataset.layout.derived(Blocks, _of_layout)
    tags, elements = [*dataset.elements], [*dataset.elements.values()]
    count = bisect_left(tags, _PIXEL_DATA_GROUP)  # they rise: the encoding is regular
    return Blocks(tags[:count], elements[:count], len(dataset.head))


def end_of(last: Element) -> int:
    """Where a last element ends: behind its value, or before it where that is long and only its length counts."""
    vr, offset, length = last
    return offset if is_binary(vr) and not 0 <= length <= MAX_VALUE_BYTES else offset + length


def is_binary(vr: bytes) -> bool:
    """Whether only the length of a value counts."""
    return vr not in RIGHT and vr not in (b"UN", b"SQ")


def _of_layout(layout: Layout) -> Blocks:
    return Blocks([*layout.elements], [*layout.elements.values()], layout.end)
