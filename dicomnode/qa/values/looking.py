"""One look at all values of a data set and its items.

Consecutive instances of a series share nearly all of their bytes. Elements are taken in blocks of eight as they follow each other:
bytes that were judged before, in an instance of the same encoding and character set, are not judged again, whatever was found in
them is told anew. The same holds for items without sequences, and for short values. All of it is bounded.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import islice
from typing import Final

from pydicom.datadict import keyword_for_tag

from dicomnode.dicom.character_sets import CharacterSet, character_set
from dicomnode.dicom.scan import Element, FaultKind, Item, ScannedDataset
from dicomnode.dicom.scanned import SPECIFIC_CHARACTER_SET
from dicomnode.qa import walk
from dicomnode.qa.multiplicity import ITEMS, single_item_section
from dicomnode.qa.rule import Hit, Subject
from dicomnode.qa.values.forms import RIGHT, Flaw
from dicomnode.qa.values.judging import MAX_BYTES, flaws_of
from dicomnode.qa.walk import Place, path

PARTIAL: Final = "value.partial"
MAX_HITS: Final = 100
"""Of one instance; the same fault of the same attribute counts once."""

_BLOCK: Final = 8
_MAX_BLOCK_BYTES: Final = 4096
_MAX_VALUE_BYTES: Final = 64
_MIN_REMEMBERED_ELEMENTS: Final = 4
_MAX_REMEMBERED_BYTES: Final = 2 << 20
_OVERHEAD_BYTES: Final = 256
_MAX_VALUES: Final = 8192
_MAX_COPIED_BYTES: Final = 256 << 10
_CONTEXTS: Final = 8
_BETWEEN_LOOKS: Final = 32
"""Items, or blocks, from one look at the clock to the next."""
_LONG_COUNTS: Final = 4
"""As so many of them counts a value that is not short."""

_MODIFIED_ATTRIBUTES_SEQUENCE: Final = 0x04000550
"""Old values, kept because they were changed: what was wrong with them is mended (PS3.3 Section C.12.1.1.9)."""
_NOTHING: Final[Element] = (b"CS", 0, 0)
_Key = tuple[str, int, str]
"""A fault: rule, tag and words."""
_Faults = dict[_Key, Place | None]
"""Each fault, and the item where it shows first."""
_PARTIAL: Final[_Key] = (PARTIAL, 0, "look at values partial: it took too long")


class _Memory:
    """What was judged before where one encoding and one character set are in force."""

    __slots__ = ("_size_bytes", "blocks", "characters", "items", "values")

    def __init__(self, characters: CharacterSet) -> None:
        self._size_bytes = 0
        self.characters = characters
        self.blocks: dict[tuple[int, bytes], _Faults] = {}
        self.items: dict[tuple[int, bytes], tuple[_Key, ...]] = {}
        self.values: dict[tuple[int, bytes, bytes], tuple[Flaw, ...]] = {}

    def make_room(self, size_bytes: int) -> None:
        """Count a block or item that is about to be remembered; forget all others when there are too many."""
        self._size_bytes += size_bytes + _OVERHEAD_BYTES
        if self._size_bytes > _MAX_REMEMBERED_BYTES:
            self.blocks.clear()
            self.items.clear()
            self._size_bytes = 0


_Sequence = tuple[tuple[Item, ...], Place | None, int, _Memory]
"""Items, the item that has their sequence, its tag, and what is remembered there."""


@lru_cache(maxsize=_CONTEXTS)  # a peer can make up any number of terms
def _memory(terms: bytes, implicit_vr: bool, big_endian: bool) -> _Memory:  # noqa: ARG001, FBT001 - keys
    return _Memory(character_set(terms.decode("latin_1")))


def flawed_values(subject: Subject) -> Mapping[str, list[Hit]]:
    """What is wrong with values, their number and that of items, by rule; for all rules of an instance together.

    `Subject.once` keeps it for the rules that ask after the first.
    """
    hits: dict[str, list[Hit]] = {}
    cut = {fault.tag for fault in subject.dataset.faults if fault.kind is FaultKind.TRUNCATED}
    for (rule, tag, words), place in islice(_Look(subject.dataset).faults().items(), MAX_HITS):
        if tag in cut:
            continue  # core.damaged tells that its value is not whole
        name = keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
        reference = _section(tag, place) if rule == ITEMS else ""
        hit = Hit((tag,) if tag else (), f"{name} {words}" if tag else words, path(place), reference)
        hits.setdefault(rule, []).append(hit)
    return hits


def forget() -> None:
    """What was judged before is not remembered any more: for those who measure what it costs."""
    _memory.cache_clear()


def _section(tag: int, place: Place | None) -> str:
    return f"PS3.3 {single_item_section(place[1] if place else 0, tag)}"


class _Look:
    """At one data set."""

    __slots__ = ("_countdown", "_data", "_dataset", "_memory", "_remembers", "_stopped", "_until")

    def __init__(self, dataset: ScannedDataset) -> None:
        self._dataset = dataset
        self._data = dataset.data
        self._remembers = not dataset.faults  # bytes are read the same way again only if they are regular
        self._until: float | None = None
        self._countdown = _BETWEEN_LOOKS
        self._memory = self._memory_for(dataset)
        self._stopped = False

    def _memory_for(self, item: Item) -> _Memory:
        _, offset, length = item.elements.get(SPECIFIC_CHARACTER_SET, _NOTHING)
        terms = bytes(self._data[offset : offset + min(length, MAX_BYTES)]).strip(b" \0")
        return _memory(terms, self._dataset.implicit_vr, self._dataset.big_endian)

    def faults(self) -> _Faults:
        """All of them, each with the item where it shows first."""
        if len(self._memory.values) > _MAX_VALUES:
            self._memory.values.clear()
        tags, elements = list(self._dataset.elements), list(self._dataset.elements.values())
        ends = [element[1] for element in elements[_BLOCK::_BLOCK]]
        if elements:
            ends.append(_end_of(elements[-1]))
            if ends[-1] <= _MAX_COPIED_BYTES:
                self._data = bytes(self._data[: ends[-1]])  # of which pieces are cut faster than of a view
        found: _Faults = {}
        for number, end in enumerate(ends):
            first = number * _BLOCK
            start = elements[first][1] - 8
            if not self._remembers or end - start > _MAX_BLOCK_BYTES:
                self._judge(tags[first : first + _BLOCK], found)
            elif faults := self._faults_of_block(tags, first, start, end):
                for fault, place in faults.items():
                    found.setdefault(fault, place)
            if self._stopped:
                return {_PARTIAL: None, **found}
        return found

    def _faults_of_block(self, tags: list[int], first: int, start: int, end: int) -> _Faults:
        """Those of a block, remembered or found; the bytes from ``start`` to ``end`` hold it."""
        blocks = self._memory.blocks
        key = tags[first], bytes(self._data[start:end])
        faults = blocks.get(key)
        if faults is None:
            faults = {}
            self._judge(tags[first : first + _BLOCK], faults)
            if not self._stopped:
                self._memory.make_room(end - start)
                blocks[key] = faults
        return faults

    def _judge(self, tags: list[int], faults: _Faults) -> None:
        """Judge those elements of the top level, and all items within them, sequence by sequence."""
        if self._is_late():
            return
        waiting: deque[_Sequence] = deque()
        self._judge_elements(tags, self._dataset, None, self._memory, faults, waiting)
        while waiting:
            items, outer, tag, memory = waiting.popleft()
            for number, item in enumerate(items):
                self._judge_item(item, (outer, tag, number), memory, faults, waiting)
                if self._is_late():
                    return

    def _is_late(self) -> bool:
        self._countdown -= 1
        if self._countdown <= 0:
            self._countdown = _BETWEEN_LOOKS
            # the processor's time: on a busy machine an instance costs no more than elsewhere; the clock is looked at only where
            # there is much to judge, for that alone costs a system call
            now = time.thread_time()
            if self._until is None:
                self._until = now + walk.MAX_SECONDS
            self._stopped = now > self._until
        return self._stopped

    def _judge_item(
        self, item: Item, place: Place, memory: _Memory, faults: _Faults, waiting: deque[_Sequence]
    ) -> None:
        elements = item.elements
        own = self._memory_for(item) if SPECIFIC_CHARACTER_SET in elements else memory
        if len(elements) < _MIN_REMEMBERED_ELEMENTS:
            self._judge_elements(elements, item, place, own, faults, waiting)
            return
        tag = next(iter(elements))
        _, offset, length = elements[next(reversed(elements))]
        start, end = elements[tag][1] - 8, offset + length
        if item.items or not self._remembers or end - start > _MAX_BLOCK_BYTES or length < 0:
            self._judge_elements(elements, item, place, own, faults, waiting)
            return
        key = tag, bytes(self._data[start:end])
        known = memory.items.get(key)
        if known is None:
            here: _Faults = {}
            self._judge_elements(elements, item, None, own, here, waiting)
            memory.make_room(end - start)
            known = memory.items[key] = tuple(here)
        for fault in known:
            faults.setdefault(fault, place)

    def _judge_elements(
        self,
        tags: Iterable[int],
        item: Item,
        place: Place | None,
        memory: _Memory,
        faults: _Faults,
        waiting: deque[_Sequence],
    ) -> None:
        """Judge elements of one item, and put their sequences in the queue."""
        data, elements, sequences, values = self._data, item.elements, item.items, memory.values
        for tag in tags:
            vr, offset, length = elements[tag]
            if sequences and tag in sequences:
                self._queue(sequences[tag], place, tag, memory, faults, waiting)
            elif 0 < length <= _MAX_VALUE_BYTES:
                key = tag, vr, bytes(data[offset : offset + length])
                flaws = values.get(key)
                if flaws is None:
                    flaws = values[key] = flaws_of(tag, vr, key[2], length, memory.characters)
                if flaws:
                    _note(flaws, tag, place, faults)
            elif length > 0:
                self._countdown -= _LONG_COUNTS
                value = b"" if _is_binary(vr) else bytes(data[offset : offset + min(length, MAX_BYTES)])
                _note(flaws_of(tag, vr, value, length, memory.characters), tag, place, faults)

    def _queue(
        self,
        items: tuple[Item, ...],
        place: Place | None,
        tag: int,
        memory: _Memory,
        faults: _Faults,
        waiting: deque[_Sequence],
    ) -> None:
        if tag == _MODIFIED_ATTRIBUTES_SEQUENCE:
            return
        waiting.append((items, place, tag, memory))
        if len(items) > 1 and single_item_section(place[1] if place else 0, tag) is not None:
            faults.setdefault((ITEMS, tag, f"has {len(items)} items, not 1"), place)


def _note(flaws: Iterable[Flaw], tag: int, place: Place | None, faults: _Faults) -> None:
    for rule, words in flaws:
        faults.setdefault((rule, tag, words), place)


def _end_of(last: Element) -> int:
    """Where the last block ends: behind its last value, or before it where that is long and only its length counts."""
    vr, offset, length = last
    return offset if _is_binary(vr) and not 0 <= length <= _MAX_VALUE_BYTES else offset + length


def _is_binary(vr: bytes) -> bool:
    """Whether only the length of a value counts."""
    return vr not in RIGHT and vr not in (b"UN", b"SQ")
