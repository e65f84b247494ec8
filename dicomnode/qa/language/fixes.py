"""Fixes: what a rule would have an attribute say instead. Text of the top level only, and nothing that says what an instance is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from dicomnode.dicom.amend import Change, vr_of
from dicomnode.dicom.character_sets import character_set
from dicomnode.dicom.element_header import UNDEFINED
from dicomnode.dicom.element_value import value_bytes
from dicomnode.dicom.encode import Encoding
from dicomnode.dicom.scanned import SPECIFIC_CHARACTER_SET
from dicomnode.dicom.tags import (
    BITS_ALLOCATED,
    BITS_STORED,
    COLUMNS,
    HIGH_BIT,
    NUMBER_OF_FRAMES,
    PHOTOMETRIC_INTERPRETATION,
    PIXEL_REPRESENTATION,
    PLANAR_CONFIGURATION,
    ROWS,
    SAMPLES_PER_PIXEL,
)
from dicomnode.dicom.value_representation import CHARACTERS, UNSPLIT, dictionary_vr, effective_vr
from dicomnode.errors import AmendError
from dicomnode.qa.language.fix_text import FixText
from dicomnode.qa.language.operands import operand, tag_of
from dicomnode.qa.language.places import place_of
from dicomnode.qa.rule import MAX_VALUE_BYTES, Subject

IsRight = Callable[[str, Subject], bool]
"""Whether one value, as text, is as the rule wants it."""
Mend = Callable[[Subject], Change | None]
"""What would mend an attribute; None when nothing does."""

_FIRST_GROUP, _FIRST_PIXEL_GROUP = 0x0008, 0x7FE0
_ORIGINAL_ATTRIBUTES: Final = range(0x04000550, 0x04000566)
_IMAGE_PIXEL: Final = frozenset(
    {
        SAMPLES_PER_PIXEL,
        PHOTOMETRIC_INTERPRETATION,
        PLANAR_CONFIGURATION,
        NUMBER_OF_FRAMES,
        0x00280009,
        ROWS,
        COLUMNS,
        BITS_ALLOCATED,
        BITS_STORED,
        HIGH_BIT,
        PIXEL_REPRESENTATION,
    }
)
"""What pixel data are read by (PS3.3 Table C.7-11a)."""
_UNREADABLE: Final = "\ufffd"
_ANY_CHARACTERS: Final = Encoding(implicit_vr=False, big_endian=False, character_set=character_set("ISO_IR 192"))


def unfixable(keyword: str) -> str | None:
    """Why no rule may change an attribute; None where one may."""
    if not place_of(keyword).is_plain:
        return "a fix changes attributes of the standard at the top level, neither private ones nor those in sequences"
    tag = tag_of(keyword)
    vr = dictionary_vr(tag)
    if vr == b"UI":
        return f"{keyword} is a UID: it says which instance this is, and no rule changes that"
    if tag == SPECIFIC_CHARACTER_SET or tag in _ORIGINAL_ATTRIBUTES or tag >> 16 < _FIRST_GROUP:
        return f"{keyword} tells of the data set itself: no rule changes it"
    if tag in _IMAGE_PIXEL or tag >> 16 >= _FIRST_PIXEL_GROUP:
        return f"{keyword} is pixel data, or says how they are read: no rule changes that"
    return None if vr in CHARACTERS else f"{keyword} has the VR {vr.decode('ascii')}: only text can be fixed"


def unwritable(keyword: str, value: str) -> str | None:
    """Why no data set can say ``value`` in an attribute; None where one can."""
    tag = tag_of(keyword)
    try:
        value_bytes(tag, dictionary_vr(tag), value, _ANY_CHARACTERS)
    except AmendError as error:
        return str(error)
    return None


def uncopied(source: str, target: str) -> str | None:
    """Why what ``source`` says is nothing for ``target``; None where it is."""
    if dictionary_vr(tag_of(source)) not in CHARACTERS:
        return f"{source} is no text: it cannot be copied"
    kind = operand(source).kind
    return None if kind is operand(target).kind else f"{source} is {kind.value}: it cannot be copied to {target}"


def mending(tag: int, fix: FixText, is_right: Sequence[IsRight]) -> Mend:
    """What makes an attribute's values right, one by one, or else another value for all of them."""
    transform, instead = _transform(fix), _instead(fix)

    def wrong(parts: Sequence[str], subject: Subject) -> bool:
        return not all(test(part, subject) for part in parts if part for test in is_right)

    def mend(subject: Subject) -> Change | None:
        text = _text(subject, tag)
        if text is None:
            return None
        parts = [text] if dictionary_vr(tag) in UNSPLIT else text.split("\\")
        new: Sequence[str] = [transform(part) for part in parts]
        if wrong(new, subject):
            other = instead(subject)
            new = () if other is None else other.split("\\")
            if not any(new) or wrong(new, subject):
                return None
        if list(new) == parts:
            return None
        return Change(tag, vr_of(subject.dataset, tag), "\\".join(new))

    return mend


def filling(keyword: str, fix: FixText) -> Mend:
    """What an attribute says that is absent or empty."""
    tag, instead = tag_of(keyword), _instead(fix)

    def mend(subject: Subject) -> Change | None:
        value = instead(subject)
        return None if value is None else Change(tag, vr_of(subject.dataset, tag), value)

    return mend


def _transform(fix: FixText) -> Callable[[str], str]:
    steps: list[Callable[[str], str]] = []
    if fix.trim:
        steps.append(str.strip)
    if fix.upper:
        steps.append(str.upper)
    if fix.lower:
        steps.append(str.lower)
    words = dict(fix.map)

    def transform(value: str) -> str:
        for step in steps:
            value = step(value)
        return words.get(value.strip(), value) if words else value

    return transform


def _instead(fix: FixText) -> Callable[[Subject], str | None]:
    """The other attribute's value, where it has one; else the default."""
    source = tag_of(fix.copy_) if fix.copy_ is not None else None

    def instead(subject: Subject) -> str | None:
        copied = _text(subject, source) if source is not None else None
        return copied.strip() if copied and copied.strip() else fix.default

    return instead


def _text(subject: Subject, tag: int) -> str | None:
    """All that a text element says; None when it is absent, longer than rules see, or cannot be read as text."""
    element = subject.dataset.elements.get(tag)
    if element is None or element[2] == UNDEFINED or element[2] > MAX_VALUE_BYTES:
        return None
    if effective_vr(tag, element[0]) not in CHARACTERS:
        return None
    text = subject.dataset.text(tag)
    return None if text is None or _UNREADABLE in text else text  # what cannot be read must not be written anew
