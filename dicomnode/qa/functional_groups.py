"""Functional groups: a required one is shared by all frames or in every frame's item, none is both (PS3.3 C.7.6.16).

Frames of one acquisition have the same groups: what is looked at is each set of groups that there is, not each frame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from dicomnode.dicom.scan import Item, ScannedDataset
from dicomnode.dicom.tags import PER_FRAME_GROUPS, SHARED_GROUPS
from dicomnode.qa.conditions import Met
from dicomnode.qa.standard import Macro

IN_BOTH: Final = "{} both shared and of frames"
NOT_SHARED: Final = "{} may not be shared by frames"
ONLY_SHARED: Final = "{} has to be shared by all frames"

_SECTION: Final = "C.7.6.16"

_Shapes = Mapping[tuple[int, ...], int]
"""Each set of groups that a frame has, with the first that has it."""


class Fault(NamedTuple):
    """What is wrong with one functional group, and in which item of which sequence it shows.

    Attributes:
        type: of the sequence where it is missing; empty where it is in the wrong place.
        words: what is wrong with its place, to be completed with its name.
    """

    tag: int
    type: str
    words: str
    sequence: int
    item: int
    section: str


def faults(dataset: ScannedDataset, macros: Sequence[tuple[Met | None, Macro]]) -> Iterator[Fault]:
    """All that is wrong with where the groups are; nothing where the sequences themselves are missing, which is told elsewhere."""
    shared = dataset.items.get(SHARED_GROUPS, ())
    shapes = _shapes(dataset.items.get(PER_FRAME_GROUPS, ()))
    if shared or shapes:
        yield from _in_both(shared, shapes)
        for met, macro in macros:
            yield from _misplaced(macro, shared, shapes)
            if macro.is_required and (met is None or met(dataset, dataset)):
                yield from _missing(macro, shared, shapes)


def _shapes(frames: Sequence[Item]) -> _Shapes:
    shapes: dict[tuple[int, ...], int] = {}
    for number, frame in enumerate(frames):
        shapes.setdefault(tuple(frame.elements), number)
    return shapes


def _in_both(shared: Iterable[Item], shapes: _Shapes) -> Iterator[Fault]:
    """What is shared may not be in the items of frames; of private groups nobody knows whether two are one."""
    for item in shared:
        for tag in item.items:
            frame = None if tag & 0x10000 else _first(tag, shapes)
            if frame is not None:
                yield Fault(tag, "", IN_BOTH, PER_FRAME_GROUPS, frame, _SECTION)


def _misplaced(macro: Macro, shared: Iterable[Item], shapes: _Shapes) -> Iterator[Fault]:
    for tag, _ in macro.sequences if macro.place else ():
        frame = _first(tag, shapes)
        if macro.place == "F" and _is_shared(tag, shared):
            yield Fault(tag, "", NOT_SHARED, SHARED_GROUPS, 0, macro.section)
        elif macro.place == "S" and frame is not None:
            yield Fault(tag, "", ONLY_SHARED, PER_FRAME_GROUPS, frame, macro.section)


def _missing(macro: Macro, shared: Iterable[Item], shapes: _Shapes) -> Iterator[Fault]:
    for tag, kind in macro.sequences:
        if kind not in ("1", "2") or _is_shared(tag, shared):
            continue
        frame = next((number for tags, number in shapes.items() if tag not in tags), None)
        if frame is not None:
            yield Fault(tag, kind, "", PER_FRAME_GROUPS, frame, macro.section)
        elif not shapes:
            yield Fault(tag, kind, "", SHARED_GROUPS, 0, macro.section)


def _is_shared(tag: int, shared: Iterable[Item]) -> bool:
    return any(tag in item.elements for item in shared)


def _first(tag: int, shapes: _Shapes) -> int | None:
    return next((number for tags, number in shapes.items() if tag in tags), None)
