"""Where the frames of an enhanced multi-frame image lie: slices that are missing between them (PS3.3 C.7.6.16.2.3).

Frames are looked at stack by stack, as the slices of a series are (``dicomnode.qa.studies.slices``). What tells frames at the same
place apart is what the dimensions say but for the place itself (PS3.3 C.7.6.17), or else their moment, acquisition and type.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from dicomnode.dicom.scan import Item, ScannedDataset
from dicomnode.dicom.tags import PER_FRAME_GROUPS, SHARED_GROUPS
from dicomnode.qa.consistency.geometry import IMAGE_ORIENTATION, IMAGE_POSITION, PLANE_ORIENTATION
from dicomnode.qa.consistency.groups import MAX_FRAMES
from dicomnode.qa.consistency.numbers import decimals
from dicomnode.qa.rule import Hit, Subject
from dicomnode.qa.studies.header import Plane
from dicomnode.qa.studies.slices import Gap, look_at

PLANE_POSITION, FRAME_CONTENT = 0x00209113, 0x00209111
STACK_ID, IN_STACK_POSITION, SLICE_LOCATION = 0x00209056, 0x00209057, 0x00201041
TEMPORAL_POSITION_INDEX, FRAME_ACQUISITION_NUMBER, FRAME_TYPE = 0x00209128, 0x00209156, 0x00089007
DIMENSION_INDICES, DIMENSION_POINTER, DIMENSION_VALUES = 0x00209222, 0x00209165, 0x00209157
IMAGE_TYPE, CONCATENATION_UID = 0x00080008, 0x00209161

_STORAGE: Final = "1.2.840.10008.5.1.4.1.1."
_VOLUMES: Final = {
    f"{_STORAGE}{number}": types
    for types, numbers in (
        (0x00189329, ("2.1", "2.2")),
        (0x00189226, ("4.1", "4.3", "4.4")),
        (0x00189751, ("128.1", "130")),
        (0x00189504, ("13.1.1", "13.1.2", "13.1.3")),
    )
    for number in numbers
}
"""SOP Classes whose frames are slices of volumes, with the sequence that has their Frame Type: enhanced CT, MR, PET, X-Ray 3D.

A segmentation leaves out empty frames, an ultrasound beam turns.
"""
_PLACES: Final = frozenset((IN_STACK_POSITION, IMAGE_POSITION, PLANE_POSITION, SLICE_LOCATION))
"""Dimensions that say where a frame lies."""
_LOCALIZER: Final = b"LOCALIZER"
_MOST_DIMENSIONS: Final = 4
"""By which frames are told apart: each combination of them is tried."""
_WORD: Final = 4
_COORDINATES, _DIRECTIONS = 3, 6
_LONGEST_BYTES: Final = 256
_SIZE: Final = (0, 0)
"""Of planes: all frames of an instance have the same."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame as a slice; ``number`` is its In-Stack Position Number."""

    plane: Plane
    number: int | None
    told_apart_by: tuple[bytes, ...]


def is_volume(sop_class_uid: str) -> bool:
    """Whether frames of this SOP Class are slices, which lie side by side."""
    return sop_class_uid in _VOLUMES


def frames_missing(subject: Subject) -> Iterable[Hit]:
    """Between the frames of a stack there is room for others; localizers and parts of a concatenation are left out."""
    dataset = subject.dataset
    frames = dataset.items.get(PER_FRAME_GROUPS, ())
    if not 1 < len(frames) <= MAX_FRAMES or not dataset.complete or CONCATENATION_UID in dataset.elements:
        return ()
    if _LOCALIZER in (subject.value(IMAGE_TYPE) or b""):
        return ()
    types = _VOLUMES.get(subject.request.sop_class_uid, 0)
    stacks = _stacks(dataset, frames, types)
    gaps = [gap for stack in stacks.values() for gap in look_at(stack).gaps]
    return (Hit((IMAGE_POSITION,), _words(gaps)),) if gaps else ()


def _words(gaps: Sequence[Gap]) -> str:
    missing, first = sum(gap.missing for gap in gaps), gaps[0]
    count = "1 frame" if missing == 1 else f"{missing} frames"
    return f"{count} missing: {first.gap_mm:.4g} instead of {first.spacing_mm:.4g} mm"


def _stacks(dataset: ScannedDataset, frames: Sequence[Item], types: int) -> Mapping[bytes, Sequence[_Frame]]:
    """The frames by Stack ID; none where one of them is a localizer, or does not say where it lies, which is told elsewhere.

    Args:
        types: the sequence that holds Frame Type.
    """
    shared = dataset.items.get(SHARED_GROUPS, ())
    dimensions = [place for place, pointer in enumerate(_pointers(dataset)) if pointer not in _PLACES][
        :_MOST_DIMENSIONS
    ]
    stacks: dict[bytes, list[_Frame]] = {}
    for frame in frames:
        content = _group(frame, shared, FRAME_CONTENT)
        position = _numbers(_value(dataset, _group(frame, shared, PLANE_POSITION), IMAGE_POSITION))
        orientation = decimals(_value(dataset, _group(frame, shared, PLANE_ORIENTATION), IMAGE_ORIENTATION).rstrip())
        kind = _value(dataset, _group(frame, shared, types), FRAME_TYPE)
        if len(position) != _COORDINATES or len(orientation or ()) != _DIRECTIONS or _LOCALIZER in kind:
            return {}
        number = _value(dataset, content, IN_STACK_POSITION)
        plane = Plane(position, orientation or (), _SIZE)
        apart = (kind, *_told_apart_by(dataset, content, dimensions))
        one = _Frame(plane, _number(dataset, number) if len(number) == _WORD else None, apart)
        stacks.setdefault(_value(dataset, content, STACK_ID), []).append(one)
    return stacks


def _told_apart_by(dataset: ScannedDataset, content: Item | None, dimensions: Sequence[int]) -> list[bytes]:
    values = _value(dataset, content, DIMENSION_VALUES)
    if values:
        return [values[_WORD * place : _WORD * (place + 1)] for place in dimensions]
    return [_value(dataset, content, tag) for tag in (TEMPORAL_POSITION_INDEX, FRAME_ACQUISITION_NUMBER)]


def _pointers(dataset: ScannedDataset) -> Iterator[int]:
    """The tags of the dimensions, in the order of their indices."""
    for item in dataset.items.get(DIMENSION_INDICES, ()):
        raw = _value(dataset, item, DIMENSION_POINTER)
        yield _number(dataset, raw[:2]) << 16 | _number(dataset, raw[2:4])


def _group(frame: Item, shared: Sequence[Item], sequence: int) -> Item | None:
    """The item of a functional group, the frame's own or the shared one."""
    for groups in (frame, *shared):
        items = groups.items.get(sequence)
        if items:
            return items[0]
    return None


def _value(dataset: ScannedDataset, item: Item | None, tag: int) -> bytes:
    """What an item says; empty where it says nothing."""
    element = None if item is None else item.elements.get(tag)
    if element is None or not 0 < element[2] <= _LONGEST_BYTES:
        return b""
    return bytes(dataset.data[element[1] : element[1] + element[2]])


def _numbers(value: bytes) -> tuple[float, ...]:
    """The numbers of a DS; not remembered, as no two frames have the same. None of them where one is no finite number."""
    try:
        numbers = tuple(map(float, value.rstrip(b" \0").split(b"\\")))
    except ValueError:
        return ()
    return numbers if all(map(math.isfinite, numbers)) else ()


def _number(dataset: ScannedDataset, raw: bytes) -> int:
    return int.from_bytes(raw, "big" if dataset.big_endian else "little")
