"""How many frames there are, by all who count them (PS3.3 C.7.6.6, C.7.6.16)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from pydicom.datadict import dictionary_has_tag, keyword_for_tag

from dicomnode.dicom.scan import UNDEFINED
from dicomnode.dicom.tags import NUMBER_OF_FRAMES, PER_FRAME_GROUPS
from dicomnode.dicom.value_representation import WORD_BYTES
from dicomnode.qa.rule import Hit, Subject

FRAME_INCREMENT_POINTER = 0x00280009

_MAX_POINTERS: Final = 64
_MAX_VECTOR_BYTES: Final = 1 << 20
_GRID_FRAME_OFFSETS: Final = 0x3004000C
"""Not named a vector, but one: a dose's planes (PS3.3 Section C.8.8.3.2)."""


def frames_do_not_fit(subject: Subject) -> Iterable[Hit]:
    """Number of Frames is below 1, or not as many as there are items of Per-Frame Functional Groups."""
    dataset = subject.dataset
    if NUMBER_OF_FRAMES not in dataset.elements:
        return ()
    frames = subject.integer(NUMBER_OF_FRAMES)
    if frames is None:
        return ()
    if frames < 1:
        return (Hit((NUMBER_OF_FRAMES,), "NumberOfFrames below 1", "", "PS3.3 C.7.6.6"),)
    groups = dataset.items.get(PER_FRAME_GROUPS)
    if groups is not None and dataset.complete and len(groups) != frames:
        told = f"{len(groups)} per-frame items for {frames} frames"
        return (Hit((NUMBER_OF_FRAMES, PER_FRAME_GROUPS), told),)
    return ()


def pointer_leads_nowhere(subject: Subject) -> Iterable[Hit]:
    """Frame Increment Pointer names an attribute that is not there, or a vector that has not one value a frame."""
    return list(_pointers(subject)) if FRAME_INCREMENT_POINTER in subject.dataset.elements else ()


def _pointers(subject: Subject) -> Iterator[Hit]:
    dataset = subject.dataset
    frames = subject.integer(NUMBER_OF_FRAMES)
    raw = subject.value(FRAME_INCREMENT_POINTER) or b""
    order = "big" if dataset.big_endian else "little"
    for at in range(0, min(len(raw), 4 * _MAX_POINTERS) - 3, 4):
        group, number = int.from_bytes(raw[at : at + 2], order), int.from_bytes(raw[at + 2 : at + 4], order)  # type: ignore[arg-type]
        tag = group << 16 | number
        if not dictionary_has_tag(tag):
            continue  # a private one; or bytes that are no tag, and might tell something
        if tag not in dataset.elements:
            yield Hit((FRAME_INCREMENT_POINTER, tag), f"{keyword_for_tag(tag)} missing, frames depend on it")
            continue
        values = _values(subject, tag)
        if frames is not None and values is not None and values != frames:
            yield Hit((tag, NUMBER_OF_FRAMES), f"{keyword_for_tag(tag)} has {values} values for {frames} frames")


def _values(subject: Subject, tag: int) -> int | None:
    """How many values a vector has; None for what is no vector."""
    vr, offset, length = subject.dataset.elements[tag]
    if not keyword_for_tag(tag).endswith("Vector") and tag != _GRID_FRAME_OFFSETS:
        return None
    if not 0 < length <= _MAX_VECTOR_BYTES or length == UNDEFINED:
        return None
    if vr in WORD_BYTES:
        return length // WORD_BYTES[vr]
    return bytes(subject.dataset.data[offset : offset + length]).count(b"\\") + 1
