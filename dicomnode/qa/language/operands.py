"""What a site's rules read of an instance: the values of an element, as numbers, dates or text by its VR."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import date
from enum import Enum
from functools import cache
from typing import Final

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import keyword_for_tag, tag_for_keyword

from dicomnode.dicom.element_header import UNDEFINED
from dicomnode.dicom.scanned import Element, Item
from dicomnode.dicom.value_representation import (
    CHARACTERS,
    NUMBERS,
    TEXT,
    UNSPLIT,
    WORD_BYTES,
    dictionary_vr,
    effective_vr,
)
from dicomnode.qa.rule import MAX_VALUE_BYTES, Subject, day
from dicomnode.settings.faults import nearest

Value = float | date | str
"""One value; whole numbers are int, which is a float to the type checker."""

_NUMERIC_TEXT: Final = frozenset({b"DS", b"IS"})
_LONGEST_NUMBER: Final = 64
"""Characters: far beyond a Decimal String's 16 (PS3.5 Table 6.2-1); more would only cost time to convert."""
_DATE_CHARACTERS: Final = 8


class Kind(Enum):
    """What the values of an element are compared as; the value is its name in messages."""

    NUMBER = "a number"
    DATE = "a date"
    TEXT = "text"


@dataclass(frozen=True, slots=True, eq=False)
class Operand:
    """An element that rules read; one for each tag, so that all rules share what was read of an instance."""

    tag: int
    keyword: str
    kind: Kind

    def values(self, subject: Subject) -> tuple[Value | None, ...]:
        """The values that are not empty, None for one that is not of the kind; none when the element is absent or empty.

        Of a long element those that stand within its first ``MAX_VALUE_BYTES``.
        """
        if self.tag not in subject.dataset.elements:
            return ()
        return subject.once(self, self._read)

    def first(self, subject: Subject) -> Value | None:
        """The first value; None when there is none, or it is not of the kind."""
        values = self.values(subject)
        return values[0] if values else None

    def _read(self, subject: Subject) -> tuple[Value | None, ...]:
        element = subject.dataset.elements[self.tag]
        return values_of(subject, element, subject.value(self.tag), effective_vr(self.tag, element[0]), self.kind)


def values_in(subject: Subject, item: Item, element: Element, vr: bytes, kind: Kind) -> tuple[Value | None, ...]:
    """The same of an element of any item.

    Args:
        vr: what an element is whose sender did not know it (UN).
    """
    written, offset, length = element
    if length == UNDEFINED:
        return ()
    vr = vr if written == b"UN" else written
    raw = bytes(subject.dataset.data[offset : offset + min(length, MAX_VALUE_BYTES)])
    return values_of(subject, element, raw.rstrip(b" \0") if vr in CHARACTERS else raw, vr, kind, item)


def values_of(
    subject: Subject, element: Element, raw: bytes | None, vr: bytes, kind: Kind, item: Item | None = None
) -> tuple[Value | None, ...]:
    """The values in ``raw``, the beginning of an element of this VR."""
    if not raw:
        return ()
    if vr in NUMBERS:
        numbers = _unpacked(subject, vr, raw)
        return numbers if kind is Kind.NUMBER else tuple(str(number) for number in numbers)
    if vr not in CHARACTERS:
        return ()
    texts = _texts(subject, element, vr, raw, item)
    return texts if kind is Kind.TEXT else tuple(value_of(kind, text) for text in texts)


def value_of(kind: Kind, text: str) -> Value | None:
    """What one value says that is written as ``text``; None when it is not of the kind."""
    if kind is Kind.NUMBER:
        return _number(text)
    if kind is Kind.DATE:
        return day(text[:_DATE_CHARACTERS].encode()) or day(text.encode())
    return text


def operand(keyword: str) -> Operand:
    """The element of this keyword (PS3.6).

    Raises:
        ValueError: there is none, or its values cannot be compared.
    """
    tag = tag_of(keyword)
    return operand_for(tag, kind_of(keyword_for_tag(tag), dictionary_vr(tag)))


def tag_of(keyword: str) -> int:
    """The tag of a keyword (PS3.6).

    Raises:
        ValueError: there is none.
    """
    tag = tag_for_keyword(keyword)
    if tag is None:
        meant = nearest(keyword, (entry[4] for entry in DicomDictionary.values() if entry[4]))
        raise ValueError(f"no attribute has the keyword {keyword}" + (f"; did you mean {meant}?" if meant else ""))
    return tag


@cache
def operand_for(tag: int, kind: Kind) -> Operand:
    """The element of this tag, its values as one kind."""
    return Operand(tag, keyword_for_tag(tag), kind)


def kind_of(name: str, vr: bytes) -> Kind:
    """As what values of a VR are compared.

    Raises:
        ValueError: they cannot be; ``name`` is whose they are.
    """
    if vr in (b"DA", b"DT"):
        return Kind.DATE
    if vr in NUMBERS or vr in _NUMERIC_TEXT:
        return Kind.NUMBER
    if vr in CHARACTERS:
        return Kind.TEXT
    raise ValueError(f"{name} has the VR {vr.decode('ascii')}: only numbers, dates and text can be looked at")


def _unpacked(subject: Subject, vr: bytes, raw: bytes) -> tuple[float, ...]:
    """Binary numbers in the data set's byte order; a rest that is none is left out."""
    count = len(raw) // WORD_BYTES[vr]
    form = f"{'>' if subject.dataset.big_endian else '<'}{count}{NUMBERS[vr]}"
    return struct.unpack(form, raw[: count * WORD_BYTES[vr]])


def _texts(subject: Subject, element: Element, vr: bytes, raw: bytes, item: Item | None) -> tuple[str, ...]:
    if raw.isascii() and b"\x1b" not in raw:
        text = raw.decode("ascii")
    elif vr in TEXT:
        text = subject.dataset.character_set(item).decode(raw, is_name=vr == b"PN")
    else:
        text = raw.decode("latin_1")
    if vr in UNSPLIT or "\\" not in text:
        return (stripped,) if (stripped := text.strip(" \0")) else ()
    parts = text.split("\\")
    if element[2] > MAX_VALUE_BYTES:
        parts.pop()  # it may be cut
    return tuple(stripped for part in parts if (stripped := part.strip(" \0")))


def _number(text: str) -> float | None:
    if len(text) > _LONGEST_NUMBER:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if number - number == 0 else None  # neither infinite nor NaN
