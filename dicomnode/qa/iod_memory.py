"""What the tables have to say of the instances of one layout: the same, where the few values that decide are the same."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Final

from dicomnode.dicom.layout import Layout, cutter
from dicomnode.dicom.scan import Element, ScannedDataset
from dicomnode.qa.checklist import IodChecklist
from dicomnode.qa.rule import Hit

MAX_VALUE_BYTES: Final = 64
"""Of a value that decides; where one is longer nothing is remembered."""

_MAX_FOUND: Final = 16
"""Kept for one layout and SOP Class."""
_MAX_CLASSES: Final = 4
"""Kept for one layout; real ones have one."""

Hits = Mapping[str, list[Hit]]


class IodMemory:
    """What was found of instances of one layout."""

    __slots__ = ("_decided", "_end")

    def __init__(self, layout: Layout) -> None:
        self._end = layout.end
        self._decided: dict[IodChecklist, _Decided] = {}

    def found(self, dataset: ScannedDataset, top: IodChecklist) -> Hits | None:
        """What was found of an instance that says the same; None where none came yet."""
        decided = self._decided.get(top)
        return decided.found.get(decided.key(dataset)) if decided is not None else None

    def note(self, dataset: ScannedDataset, top: IodChecklist, elements: set[Element], hits: Hits) -> None:
        """Remember what was found.

        Args:
            elements: those whose values it hangs on; others may have decided about other instances.
        """
        decided = self._decided.get(top)
        if decided is None or not elements <= decided.elements:
            decided = _Decided(elements if decided is None else decided.elements | elements, self._end)
            if len(self._decided) >= _MAX_CLASSES:
                self._decided.clear()
            self._decided[top] = decided
        if len(decided.found) >= _MAX_FOUND:
            decided.found.clear()
        if decided.can_tell:
            decided.found[decided.key(dataset)] = hits


class _Decided:
    """What was found, by the values of all the elements that ever decided.

    Attributes:
        can_tell: these values are short, and within the layout.
    """

    __slots__ = ("_cut", "can_tell", "elements", "found")

    def __init__(self, elements: set[Element], end: int) -> None:
        self.elements = elements
        self.found: dict[Hashable, Hits] = {}
        ranges = sorted((offset, offset + length) for _, offset, length in elements if length)
        self.can_tell = _can_be_cut(ranges, end)
        self._cut = cutter(ranges if self.can_tell else ())

    def key(self, dataset: ScannedDataset) -> Hashable:
        """What decides: those values, which pixel data there are, and whether they are empty."""
        pixels = dataset.pixel_data
        return pixels and (pixels.tag, pixels.declared_bytes == 0), self._cut(dataset.head)


def iod_memory(dataset: ScannedDataset, top: IodChecklist) -> IodMemory | None:
    """What is remembered of a data set's layout; None where the layout and values of the data set do not tell all.

    They do not where something but pixel data follows on the layout; where functional groups decide, their values are too many.
    """
    layout = dataset.layout
    if layout is None or dataset.faults or top.looks_into_groups or len(dataset.items) != len(layout.items):
        return None
    if len(dataset.elements) - len(layout.elements) != (dataset.pixel_data is not None):
        return None
    return layout.derived(IodMemory, IodMemory)


def _can_be_cut(ranges: Sequence[tuple[int, int]], end: int) -> bool:
    """Whether they are short, none is within another, and all before the end."""
    pos = 0
    for start, stop in ranges:
        if start < pos or stop > end or stop - start > MAX_VALUE_BYTES:
            return False
        pos = stop
    return True
