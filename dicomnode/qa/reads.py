"""What rules read, where that is little and the same in most instances of a series: what they found then holds for the next one.

A rule that names what it reads (`Rule.reads`) is not asked about an instance that says there, byte for byte, what another one said
in the same circumstances (`Panel`). It may look at nothing else: ``tests/unit/qa/test_reads.py`` changes values, takes away all
that it does not name, and asks again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from dicomnode.dicom.layout import Layout, cutter

MAX_VALUE_BYTES: Final = 128
"""Of a value by which is remembered; where one is longer the rules are asked each time."""


class Places(NamedTuple):
    """Where what is read stands in the data sets of one layout.

    Attributes:
        shape: which elements there are, of which VR and length, as text: its hash is computed once.
        cut: the values, from a data set's first bytes; None where they are too long.
    """

    shape: str
    cut: Callable[[bytes], tuple[bytes, ...]] | None


class Reads:
    """Elements of the top level that decide what rules find.

    Rules of one topic share one of these, and are asked together. An element that differs from slice to slice does not belong among
    those that are the same in a whole series: what is remembered of it would never come again.
    """

    __slots__ = ("tags", "values")

    def __init__(self, values: Iterable[int], shapes: Iterable[int] = ()) -> None:
        """Name them by their tags.

        Args:
            values: elements whose values are read; of sequences all that is within.
            shapes: elements of which no more counts than whether they are there, their VR and their length.
        """
        self.values = frozenset(values)
        self.tags = self.values | frozenset(shapes)

    def places(self, layout: Layout) -> Places:
        """Where they stand in the data sets of a layout."""
        there = [(tag, *layout.elements[tag]) for tag in sorted(self.tags & layout.elements.keys())]
        shape = [(tag, vr, length) for tag, vr, _, length in there]
        read = [(offset, offset + length) for tag, _, offset, length in there if tag in self.values]
        is_short = all(end - start <= MAX_VALUE_BYTES for start, end in read)
        return Places(f"{layout.implicit_vr} {layout.big_endian} {shape}", cutter(read) if is_short else None)
