"""Where a rule looks: an attribute of the top level, of sequence items (``Sequence>Attribute``), or a private one.

A private attribute is named by its group, its creator and the last two digits of its element, ``(0019,"GEMS_ACQU_01",02)``: which
block the creator has is the sender's choice (PS3.5 Section 7.8.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from pydicom.datadict import keyword_for_tag, private_dictionary_VR

from dicomnode.dicom.scanned import Element, Item
from dicomnode.dicom.value_representation import dictionary_vr
from dicomnode.qa import walk
from dicomnode.qa.language.operands import tag_of
from dicomnode.qa.rule import Subject

MAX_ITEMS: Final = 2000
"""Of the items that a rule looks at, the first so many."""
UNKNOWN: Final = b"UN"

_STEP: Final = re.compile(
    r'\s*(?:(?P<keyword>\w+)|\((?P<group>[0-9A-Fa-f]{4}),\s*"(?P<creator>[^"\\]{1,64})",\s*(?P<element>[0-9A-Fa-f]{2})\))(?:\[\*\])?\s*'
)
_CREATORS: Final = range(0x10, 0x100)
_NOMINAL_BLOCK: Final = 0x10
_LONGEST_CREATOR_BYTES: Final = 64
_ODD_AND_LOW, _PRIVATE_AND_LOW = 0x0001FF00, 0x00010000


@dataclass(frozen=True, slots=True)
class Step:
    """One attribute on the way.

    Attributes:
        tag: of a private one in block 10, where most are.
        creator: of a private one; empty for the standard's.
        name: as comments have it.
    """

    tag: int
    creator: str
    name: str
    vr: bytes

    def tag_in(self, subject: Subject, item: Item) -> int | None:
        """Its tag in an item; None when its creator has reserved no block there."""
        if not self.creator:
            return self.tag
        block = _block(subject, item, self.tag >> 16, self.creator)
        return None if block is None else self.tag & 0xFFFF00FF | block << 8


class Located(NamedTuple):
    """An item, where it stands, and what is looked at in it.

    Attributes:
        tag: where it is, or would most likely be.
        element: None when it is absent.
    """

    item: Item
    place: walk.Place | None
    tag: int
    element: Element | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule looks.

    Attributes:
        text: as it is written.
        above: the sequences on the way.
        last: what is looked at in each of their items.
    """

    text: str
    above: tuple[Step, ...]
    last: Step

    @property
    def is_plain(self) -> bool:
        """Whether it is an attribute of the standard, at the top level."""
        return not self.above and not self.last.creator

    def located(self, subject: Subject) -> Iterator[Located]:
        """It in each item that could have it; nothing where a sequence on the way is absent or empty."""
        for item, place in subject.once(self.above, self._items) if self.above else ((subject.dataset, None),):
            tag = self.last.tag_in(subject, item)
            element = None if tag is None else item.elements.get(tag)
            yield Located(item, place, self.last.tag if tag is None else tag, element)

    def _items(self, subject: Subject) -> list[tuple[Item, walk.Place | None]]:
        level: list[tuple[Item, walk.Place | None]] = [(subject.dataset, None)]
        for step in self.above:
            below: list[tuple[Item, walk.Place | None]] = []
            for item, place in level:
                tag = step.tag_in(subject, item)
                if tag is not None:
                    below += [(inner, (place, tag, number)) for number, inner in enumerate(item.items.get(tag, ()))]
                if len(below) >= MAX_ITEMS:
                    break
            level = below[:MAX_ITEMS]
        return level


@cache
def place_of(text: str) -> Place:
    """The place that ``text`` names.

    Raises:
        ValueError: it names none, or one within what has no items.
    """
    steps = []
    position = 0
    while True:
        match = _STEP.match(text, position)
        if match is None:
            raise ValueError(f'{text!r} is no attribute: a keyword, Sequence>Attribute, or (0019,"CREATOR",02)')
        steps.append(_step(match))
        position = match.end()
        if position == len(text):
            break
        if text[position] != ">":
            raise ValueError(f'{text!r} is no attribute: a keyword, Sequence>Attribute, or (0019,"CREATOR",02)')
        position += 1
    for step in steps[:-1]:
        if step.vr not in (b"SQ", UNKNOWN):
            raise ValueError(f"{step.name} is no sequence: nothing is within it")
    return Place(text, tuple(steps[:-1]), steps[-1])


def _step(match: re.Match[str]) -> Step:
    if match["keyword"] is not None:
        tag = tag_of(match["keyword"])
        return Step(tag, "", keyword_for_tag(tag), dictionary_vr(tag))
    group, creator, element = int(match["group"], 16), match["creator"].strip(), int(match["element"], 16)
    if not group & 1 or group < 0x0009:  # noqa: PLR2004 - PS3.5 Section 7.8.1
        raise ValueError(f"group {match['group']} is not private: private ones are odd, and none of 0001 to 0007")
    tag = group << 16 | _NOMINAL_BLOCK << 8 | element
    try:
        vr = private_dictionary_VR(tag, creator).encode("ascii")
    except KeyError:
        vr = UNKNOWN
    return Step(tag, creator, f"({group:04X},{creator},{element:02X})", vr if len(vr) == len(UNKNOWN) else UNKNOWN)


def _block(subject: Subject, item: Item, group: int, creator: str) -> int | None:
    """The block that a creator has reserved in an item; of several the first."""
    wanted = creator.encode("latin_1", "replace")
    tags = subject.once(_creators, _creators) if item is subject.dataset else _creators_of(item)
    return next((tag & 0xFF for tag in tags if tag >> 16 == group and _says(subject, item, tag) == wanted), None)


def _creators(subject: Subject) -> list[int]:
    """Where private creators stand at the top level."""
    return _creators_of(subject.dataset)


def _creators_of(item: Item) -> list[int]:
    return [tag for tag in item.elements if tag & _ODD_AND_LOW == _PRIVATE_AND_LOW and tag & 0xFFFF in _CREATORS]


def _says(subject: Subject, item: Item, tag: int) -> bytes:
    _, offset, length = item.elements[tag]
    return bytes(subject.dataset.data[offset : offset + min(length, _LONGEST_CREATOR_BYTES)]).strip(b" \0")
