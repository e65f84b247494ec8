"""One look at all values of a data set and its items.

Consecutive instances of a series share nearly all of their bytes. Elements are taken in blocks of eight as they follow each other:
bytes that were judged before, in an instance of the same encoding and character set, are not judged again, whatever was found in
them is told anew. Where the layout is known, of a block that is new only the elements that are new are judged. The same holds for
items without sequences, and for short values. All of it is bounded.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import filterfalse, islice
from typing import Final

from pydicom.datadict import keyword_for_tag

from dicomnode.dicom.scan import Element, FaultKind, Item, ScannedDataset
from dicomnode.dicom.scanned import SPECIFIC_CHARACTER_SET, Buffer
from dicomnode.qa import walk
from dicomnode.qa.multiplicity import ITEMS, single_item_section
from dicomnode.qa.rule import Hit, Subject
from dicomnode.qa.values.blocks import BLOCK, MAX_BLOCK_BYTES, MAX_VALUE_BYTES, Blocks, blocks_of, end_of, is_binary
from dicomnode.qa.values.forms import Flaw
from dicomnode.qa.values.judging import MAX_BYTES, flaws_of
from dicomnode.qa.values.memory import MAX_VALUES, Faults, Key, Memory, memory_of
from dicomnode.qa.walk import Place, path

PARTIAL: Final = "value.partial"
MAX_HITS: Final = 100
"""Of one instance; the same fault of the same attribute counts once."""

_MIN_REMEMBERED_ELEMENTS: Final = 4
_MAX_COPIED_BYTES: Final = 256 << 10
_BETWEEN_LOOKS: Final = 32
"""Items, or blocks, from one look at the clock to the next."""
_LONG_COUNTS: Final = 4
"""As so many of them counts a value that is not short."""

_MODIFIED_ATTRIBUTES_SEQUENCE: Final = 0x04000550
"""Old values, kept because they were changed: what was wrong with them is mended (PS3.3 Section C.12.1.1.9)."""
_NOTHING: Final[Element] = (b"CS", 0, 0)
_PARTIAL: Final[Key] = (PARTIAL, 0, "look at values partial: it took too long")


_Sequence = tuple[tuple[Item, ...], Place | None, int, Memory]
"""Items, the item that has their sequence, its tag, and what is remembered there."""


def flawed_values(subject: Subject) -> Mapping[str, list[Hit]]:
    """What is wrong with values, their number and that of items, by rule; for all rules of an instance together.

    `Subject.once` keeps it for the rules that ask after the first.
    """
    hits: dict[str, list[Hit]] = {}
    faults = _Look(subject.dataset).faults()
    if not faults:
        return hits
    cut = {fault.tag for fault in subject.dataset.faults if fault.kind is FaultKind.TRUNCATED}
    for (rule, tag, words), place in islice(faults.items(), MAX_HITS):
        if tag in cut:
            continue  # core.damaged tells that its value is not whole
        name = keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
        reference = _section(tag, place) if rule == ITEMS else ""
        hit = Hit((tag,) if tag else (), f"{name} {words}" if tag else words, path(place), reference)
        hits.setdefault(rule, []).append(hit)
    return hits


def forget() -> None:
    """What was judged before is not remembered any more: for those who measure what it costs."""
    memory_of.cache_clear()


def _section(tag: int, place: Place | None) -> str:
    return f"PS3.3 {single_item_section(place[1] if place else 0, tag)}"


class _Look:
    """At one data set."""

    __slots__ = ("_countdown", "_data", "_dataset", "_memory", "_stopped", "_until")

    def __init__(self, dataset: ScannedDataset) -> None:
        self._dataset = dataset
        self._data: Buffer = dataset.head
        self._until: float | None = None
        self._countdown = _BETWEEN_LOOKS
        self._memory = self._memory_for(dataset)
        self._stopped = False

    def _memory_for(self, item: Item) -> Memory:
        _, offset, length = item.elements.get(SPECIFIC_CHARACTER_SET, _NOTHING)
        terms = bytes(self._dataset.data[offset : offset + min(length, MAX_BYTES)]).strip(b" \0")
        memory = memory_of(terms, self._dataset.implicit_vr, self._dataset.big_endian)
        if len(memory.values) > MAX_VALUES:
            memory.values.clear()
        return memory

    def faults(self) -> Faults:
        """All of them, each with the item where it shows first."""
        found: Faults = {}
        if self._dataset.faults:  # bytes are read the same way again only if they are regular
            self._judge_from(0, found)
        else:
            self._judge_what_is_new(found)
        return {_PARTIAL: None, **found} if self._stopped else found

    def _judge_what_is_new(self, found: Faults) -> None:
        """Judge the blocks that are not known to be without a fault, and what follows on them."""
        blocks, clean = blocks_of(self._dataset), self._memory.clean
        follows = self._following(blocks)
        stop = blocks.count // BLOCK if follows else len(blocks.tags)  # the last block goes on in what follows
        pieces = blocks.cut(self._dataset.head)
        places = [*map(pieces.index, filterfalse(clean.__contains__, pieces)), *blocks.long]
        if blocks.end > len(self._data):
            self._data = _readable(self._dataset)
        for place in sorted(places) if blocks.long else places:
            if place < stop and not self._stopped:
                _add(self._faults_of_block(blocks, place, pieces[place]), found)
        if follows and not self._stopped:
            here: Faults = {}
            self._judge_from(stop * BLOCK, here)
            _add(here, found)
            (tag, element), *others = follows
            if not (here or others or self._stopped) and is_binary(element[0]):
                self._memory.make_room(0)
                clean.add((tag, element))

    def _following(self, blocks: Blocks) -> Sequence[tuple[int, Element]]:
        """The elements behind the blocks; none where it is pixel data alone that is known to be without a fault."""
        elements = self._dataset.elements
        if len(elements) == blocks.count:
            return ()
        following = [*islice(elements.items(), blocks.count, None)]
        return () if len(following) == 1 and following[0] in self._memory.clean else following

    def _faults_of_block(self, blocks: Blocks, place: int, piece: bytes) -> Faults:
        """Those of a block, remembered or found.

        Args:
            piece: its bytes; empty where it is longer than what is remembered.
        """
        memory, tags = self._memory, blocks.tags[place]
        faults = memory.faults.get(piece)
        if faults is not None:
            return faults
        faults = {}
        if not piece:
            self._judge(tags, faults)
            return faults
        elements = blocks.elements(place)(self._dataset.head) if self._dataset.layout is not None else ()
        new = [tag for tag, element in zip(tags, elements, strict=False) if element not in memory.clean]
        self._judge(new if elements else tags, faults)
        if not self._stopped:
            memory.make_room(2 * len(piece))
            if faults:
                memory.faults[piece] = faults
            else:
                memory.clean.update(elements or (piece,), () if new else (piece,))
        return faults

    def _judge_from(self, first: int, faults: Faults) -> None:
        """Judge all elements from one on, so many at a time."""
        self._data = _readable(self._dataset)
        tags = [*islice(self._dataset.elements, first, None)]
        for at in range(0, len(tags), BLOCK):
            self._judge(tags[at : at + BLOCK], faults)
            if self._stopped:
                return

    def _judge(self, tags: Sequence[int], faults: Faults) -> None:
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

    def _judge_item(self, item: Item, place: Place, memory: Memory, faults: Faults, waiting: deque[_Sequence]) -> None:
        elements = item.elements
        own = self._memory_for(item) if SPECIFIC_CHARACTER_SET in elements else memory
        if len(elements) < _MIN_REMEMBERED_ELEMENTS:
            self._judge_elements(elements, item, place, own, faults, waiting)
            return
        tag = next(iter(elements))
        _, offset, length = elements[next(reversed(elements))]
        start, end = elements[tag][1] - 8, offset + length
        if item.items or self._dataset.faults or end - start > MAX_BLOCK_BYTES or length < 0:
            self._judge_elements(elements, item, place, own, faults, waiting)
            return
        key = tag, bytes(self._data[start:end])
        known = memory.items.get(key)
        if known is None:
            here: Faults = {}
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
        memory: Memory,
        faults: Faults,
        waiting: deque[_Sequence],
    ) -> None:
        """Judge elements of one item, and put their sequences in the queue."""
        data, elements, sequences, values = self._data, item.elements, item.items, memory.values
        for tag in tags:
            vr, offset, length = elements[tag]
            if sequences and tag in sequences:
                self._queue(sequences[tag], place, tag, memory, faults, waiting)
            elif 0 < length <= MAX_VALUE_BYTES:
                key = tag, vr, bytes(data[offset : offset + length])
                flaws = values.get(key)
                if flaws is None:
                    flaws = values[key] = flaws_of(tag, vr, key[2], length, memory.characters)
                if flaws:
                    _note(flaws, tag, place, faults)
            elif length > 0:
                self._countdown -= _LONG_COUNTS
                value = b"" if is_binary(vr) else bytes(data[offset : offset + min(length, MAX_BYTES)])
                _note(flaws_of(tag, vr, value, length, memory.characters), tag, place, faults)

    def _queue(
        self,
        items: tuple[Item, ...],
        place: Place | None,
        tag: int,
        memory: Memory,
        faults: Faults,
        waiting: deque[_Sequence],
    ) -> None:
        if tag == _MODIFIED_ATTRIBUTES_SEQUENCE:
            return
        waiting.append((items, place, tag, memory))
        if len(items) > 1 and single_item_section(place[1] if place else 0, tag) is not None:
            faults.setdefault((ITEMS, tag, f"has {len(items)} items, not 1"), place)


def _note(flaws: Iterable[Flaw], tag: int, place: Place | None, faults: Faults) -> None:
    for rule, words in flaws:
        faults.setdefault((rule, tag, words), place)


def _add(faults: Faults, found: Faults) -> None:
    """Put those of a block among all, where they show first."""
    for fault, place in faults.items():
        found.setdefault(fault, place)


def _readable(dataset: ScannedDataset) -> Buffer:
    """As much of the data set as is judged, in a copy where that is not long: pieces are cut faster out of it than of a view."""
    if not dataset.elements:
        return dataset.data
    end = end_of(next(reversed(dataset.elements.values())))
    return bytes(dataset.data[:end]) if end <= _MAX_COPIED_BYTES else dataset.data
