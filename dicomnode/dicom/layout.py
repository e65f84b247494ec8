"""Layouts that were seen before: where everything stands in data sets that differ in nothing but values.

Consecutive instances of a series have the same elements with the same lengths, slice after slice. Where all bytes that are no value
are those of a data set that was read before, its elements stand where they stood there, and need not be read again; and what
depends on nothing else is worked out once (`Layout.derived`). A layout ends where the pixel data begins: what follows is always
read.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Final, TypeVar, cast

from dicomnode.dicom.element_header import UNDEFINED
from dicomnode.dicom.scanned import Element, Item, ScannedDataset
from dicomnode.dicom.value_representation import SHORT_FORM, dictionary_vr

_PIXEL_DATA_GROUP: Final = 0x7FE0
_PIXEL_DATA: Final = {False: b"\xe0\x7f\x10\x00", True: b"\x7f\xe0\x00\x10"}
"""Its tag as it is written, by whether that is big endian."""

_MAX_ELEMENTS: Final = 2000
"""Of a layout, those of its items included; an image of one frame has some hundreds."""
_MAX_IN_ALL: Final = 64_000
"""Elements of all layouts together, some dozens of MB where a peer makes them up; all are forgotten when there are more."""
_MAX_CANDIDATES: Final = 8
"""Layouts in one place; a new one takes that of the oldest."""
_MAX_SEEN: Final = 4096

Range = tuple[int, int]
"""Where bytes begin and end."""
Place = tuple[str, int]
"""Where to look for a layout: transfer syntax, and where the pixel data seems to begin; or minus the data set's size."""
_T = TypeVar("_T")
_Elements = Mapping[int, Element]
_Items = Mapping[int, tuple[Item, ...]]


def cutter(ranges: Iterable[Range]) -> Callable[[bytes], tuple[bytes, ...]]:
    """What cuts all these pieces out of bytes in one call; `struct.error` where they do not reach so far.

    Args:
        ranges: of the pieces; they rise, and do not overlap.
    """
    form, pos = ["<"], 0
    for start, end in ranges:
        form.append(f"{start - pos}x{end - start}s")
        pos = end
    return cast("Callable[[bytes], tuple[bytes, ...]]", struct.Struct("".join(form)).unpack_from)


class Layout:
    """Where everything before the pixel data stands in data sets without a fault there; shared, so to be read only.

    Attributes:
        elements: of the top level, in the order of the stream.
        items: of its sequences.
        end: how many bytes it describes: up to the pixel data's group, or to the end of a data set without one.
        last: the last tag.
        implicit_vr: as found.
        big_endian: as found.
    """

    __slots__ = ("_derived", "_fixed", "_fixed_bytes", "big_endian", "elements", "end", "implicit_vr", "items", "last")

    def __init__(self, scanned: ScannedDataset, elements: _Elements, items: _Items, end: int) -> None:
        self.elements = elements
        self.items = items
        self.end = end
        self.last = max(elements)
        self.implicit_vr = scanned.implicit_vr
        self.big_endian = scanned.big_endian
        self._fixed = cutter(_between(_values(elements, items), end))
        self._fixed_bytes = self._fixed(scanned.head)
        self._derived: dict[Hashable, object] = {}

    def is_of(self, head: bytes) -> bool:
        """Whether a data set that begins with ``head`` has this layout."""
        return len(head) >= self.end and self._fixed(head) == self._fixed_bytes

    def derived(self, key: Hashable, make: Callable[[Layout], _T]) -> _T:
        """What ``make`` makes of this layout: made for the first who asks, and kept with it under ``key``.

        It depends on nothing else, and is never None. Keys are few: none comes from a peer.
        """
        found = self._derived.get(key)
        if found is None:
            found = self._derived[key] = make(self)
        return cast("_T", found)


class Layouts:
    """The layouts that came lately, for all associations of a process."""

    def __init__(self) -> None:
        self._known: dict[Place, tuple[Layout, ...]] = {}
        self._elements = 0
        self._seen: set[int] = set()
        """Hashes of what came once: most of that never comes again."""

    def find(self, place: Place, head: bytes) -> Layout | None:
        """The layout of a data set that begins with ``head``; None when it is not known."""
        for layout in self._known.get(place, ()):
            if layout.is_of(head):
                return layout
        return None

    def note(self, place: Place, scanned: ScannedDataset) -> Layout | None:
        """The layout of a data set that was not known, to be remembered; None where it came for the first time, or has none."""
        elements = scanned.elements
        if scanned.faults or len(elements) > _MAX_ELEMENTS:
            return None
        seen = hash((*elements, *elements.values()))
        if seen in self._seen:
            return self._remember(place, scanned)
        if len(self._seen) >= _MAX_SEEN:
            self._seen = set()
        self._seen.add(seen)
        return None

    def _remember(self, place: Place, scanned: ScannedDataset) -> Layout | None:
        end = _end(scanned)
        elements = {tag: element for tag, element in scanned.elements.items() if tag >> 16 < _PIXEL_DATA_GROUP}
        items = {tag: items for tag, items in scanned.items.items() if tag in elements}
        count = _count(elements, items)
        if not elements or end > len(scanned.head) or count > _MAX_ELEMENTS or not _follows_headers(elements, items):
            return None
        layout = Layout(scanned, elements, items, end)
        if self._elements + count > _MAX_IN_ALL:
            self._known, self._elements = {}, 0
        self._elements += count
        self._known[place] = (layout, *self._known.get(place, ()))[:_MAX_CANDIDATES]
        return layout


def place_of(transfer_syntax_uid: str, head: bytes, size_bytes: int, *, big_endian: bool) -> Place:
    """Where to look for the layout of a data set of ``size_bytes`` that begins with ``head``."""
    found = head.find(_PIXEL_DATA[big_endian])
    return transfer_syntax_uid, found if found >= 0 else -size_bytes


def _end(scanned: ScannedDataset) -> int:
    """Where the pixel data's group begins, or the data set ends."""
    for tag, (vr, offset, _) in scanned.elements.items():
        if tag >> 16 >= _PIXEL_DATA_GROUP:
            return offset - (8 if scanned.implicit_vr or vr in SHORT_FORM else 12)
    return len(scanned.data)


def _count(elements: _Elements, items: _Items) -> int:
    return len(elements) + sum(_count(item.elements, item.items) + 1 for _, item in _each(items))


def _follows_headers(elements: _Elements, items: _Items) -> bool:
    """Whether no value has a say in where elements stand: not fragments, nor a value that might be items (PS3.5 Section 6.2.2)."""
    return all(
        tag in items or (length != UNDEFINED and not (length and vr == b"UN" and dictionary_vr(tag) == b"SQ"))
        for tag, (vr, _, length) in elements.items()
    ) and all(_follows_headers(item.elements, item.items) for _, item in _each(items))


def _each(items: _Items) -> Iterator[tuple[int, Item]]:
    return ((tag, item) for tag, each in items.items() for item in each)


def _values(elements: _Elements, items: _Items) -> Iterator[Range]:
    """Where all values stand that are no sequences, in items too, in the order of the stream."""
    for tag, (_, offset, length) in elements.items():
        if tag in items:
            for item in items[tag]:
                yield from _values(item.elements, item.items)
        elif length:
            yield offset, offset + length


def _between(ranges: Iterable[Range], end: int) -> Iterator[Range]:
    """What lies between them and around them, up to ``end``."""
    pos = 0
    for start, stop in ranges:
        yield pos, start
        pos = stop
    if pos < end:
        yield pos, end
