"""What rules find of attributes: absent, empty, or with a value that is not as it should be; wherever they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from dicomnode.dicom.scanned import Element
from dicomnode.dicom.value_representation import CHARACTERS
from dicomnode.qa import walk
from dicomnode.qa.language.operands import Kind, Value, operand_for, values_in
from dicomnode.qa.language.places import Place, place_of
from dicomnode.qa.language.schema import RuleText, kind_in
from dicomnode.qa.language.value_tests import IsRight, form, tests
from dicomnode.qa.rule import MAX_VALUE_BYTES, Check, Hit, Subject

Finds = Callable[[Subject], Sequence[Hit]]
_Tests = Sequence[tuple[IsRight, str]]
"""Tests of a value, and what is said where one fails."""


class FieldOfRule(NamedTuple):
    """An attribute whose values a rule looks at, and as what."""

    place: Place
    kind: Kind


def field_of(name: str, text: RuleText) -> FieldOfRule:
    """The attribute of this name, as the rule looks at it."""
    return FieldOfRule(place_of(name), kind_in(text, name))


def required(names: Iterable[str], comment: str) -> Check:
    """Finds what is absent or says nothing; in the items of a sequence once, for the first that lacks it."""
    places = [place_of(name) for name in names]
    plain = {place.last.tag: _hit(place, comment) for place in places if place.is_plain}
    others = [_lacking(place, comment, _is_empty) for place in places if not place.is_plain]

    def found(subject: Subject) -> list[Hit]:
        hits = [hit for tag, hit in plain.items() if subject.is_empty(tag)]
        return hits + [hit for other in others for hit in other(subject)] if others else hits

    return found


def present(names: Iterable[str], comment: str) -> Check:
    """Finds what is absent, in the same way."""
    places = [place_of(name) for name in names]
    plain = {place.last.tag: _hit(place, comment) for place in places if place.is_plain}
    others = [_lacking(place, comment, _is_absent) for place in places if not place.is_plain]

    def found(subject: Subject) -> list[Hit]:
        elements = subject.dataset.elements
        hits = [hit for tag, hit in plain.items() if tag not in elements]
        return hits + [hit for other in others for hit in other(subject)] if others else hits

    return found


def wrong_in(field: FieldOfRule, text: RuleText) -> Finds:
    """Finds the first value of an attribute that is not as the rule says."""
    parts: list[tuple[Kind, _Tests]] = [(field.kind, list(tests(field.kind, text)))]
    if text.vr is not None:
        parts.append((Kind.TEXT, [form(text.vr)]))
    make = _wrong_at_the_top if field.place.is_plain else _wrong_in_items
    finds = [make(field.place, kind, asked, text.comment) for kind, asked in parts if asked]
    if len(finds) == 1:
        return finds[0]
    return lambda subject: next((hits for find in finds if (hits := find(subject))), ())


def _wrong_at_the_top(place: Place, kind: Kind, asked: _Tests, comment: str | None) -> Finds:
    judged = [(is_right, (_hit(place, comment or said),)) for is_right, said in asked]
    read = operand_for(place.last.tag, kind).values

    def found(subject: Subject) -> Sequence[Hit]:
        for value in read(subject):
            for is_right, hits in judged:
                if value is None or not is_right(value, subject):
                    return hits
        return ()

    return found


def _wrong_in_items(place: Place, kind: Kind, asked: _Tests, comment: str | None) -> Finds:
    judged = [(is_right, _hit(place, comment or said)) for is_right, said in asked]
    vr = place.last.vr if place.last.vr != b"UN" else b"LO"

    def wrong(values: Iterable[Value | None], subject: Subject) -> Hit | None:
        for value in values:
            for is_right, hit in judged:
                if value is None or not is_right(value, subject):
                    return hit
        return None

    def found(subject: Subject) -> Sequence[Hit]:
        for item, where, tag, element in place.located(subject):
            hit = wrong(values_in(subject, item, element, vr, kind), subject) if element else None
            if hit is not None:
                return (hit._replace(tags=(tag,), path=walk.path(where)),)
        return ()

    return found


def _lacking(place: Place, comment: str, lacks: Callable[[Subject, Element | None], bool]) -> Finds:
    hit = _hit(place, comment)

    def found(subject: Subject) -> Sequence[Hit]:
        for _, where, tag, element in place.located(subject):
            if lacks(subject, element):
                return (hit._replace(tags=(tag,), path=walk.path(where)),)
        return ()

    return found


def _is_absent(_: Subject, element: Element | None) -> bool:
    return element is None


def _is_empty(subject: Subject, element: Element | None) -> bool:
    if element is None or element[2] == 0:
        return True
    vr, offset, length = element
    if vr not in CHARACTERS:
        return False
    return not bytes(subject.dataset.data[offset : offset + min(length, MAX_VALUE_BYTES)]).strip(b" \0")


def _hit(place: Place, comment: str) -> Hit:
    return Hit((place.last.tag,), comment.format(keyword=place.last.name))
