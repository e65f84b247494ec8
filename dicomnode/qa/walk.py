"""All items of a data set, walked once for all rules that look into sequences, without recursion and within a time limit."""

from __future__ import annotations

import time
from typing import Final, NamedTuple

from dicomnode.dicom.scan import Item
from dicomnode.qa.rule import Subject

MAX_SECONDS: Final = 0.020
"""What the walk may cost an instance."""

_ITEMS_BETWEEN_LOOKS: Final = 256

Place = tuple["Place | None", int, int]
"""Where an item stands: where the item stands that has its sequence, the sequence's tag, the item's number."""


class Walk(NamedTuple):
    """The data set itself, then the items of its sequences level by level, each with its place; ``partial`` where time ran out."""

    items: tuple[tuple[Item, Place | None], ...]
    partial: bool


def every_item(subject: Subject) -> Walk:
    """The walk over this instance; the first rule that asks pays for it."""
    return subject.once(every_item, _walk)


def path(place: Place | None) -> str:
    """A place in words, as `Finding` has it: ``(0008,1140)[0]``; empty for the data set itself."""
    steps = []
    while place is not None:
        place, tag, number = place
        steps.append(f"({tag >> 16:04X},{tag & 0xFFFF:04X})[{number}]")
    return "".join(reversed(steps))


def _walk(subject: Subject) -> Walk:
    found: list[tuple[Item, Place | None]] = [(subject.dataset, None)]
    until = time.thread_time() + MAX_SECONDS  # the processor's: on a busy machine no less is looked at than elsewhere
    for count, (item, place) in enumerate(found):  # grows while it is walked
        for tag, items in item.items.items():
            found += [(inner, (place, tag, number)) for number, inner in enumerate(items)]
        if not count % _ITEMS_BETWEEN_LOOKS and time.thread_time() > until:
            return Walk(tuple(found), partial=True)
    return Walk(tuple(found), partial=False)
