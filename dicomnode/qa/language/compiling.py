"""From a rule as it is written to the house's `Rule`, once: a closure that an instance is only shown to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from pydicom.datadict import keyword_for_tag

from dicomnode.qa.checks import CHECKS
from dicomnode.qa.language.days import day_of
from dicomnode.qa.language.expression import Condition, compile_expression
from dicomnode.qa.language.operands import Kind, Operand, Value, operand, tag_of
from dicomnode.qa.language.patterns import compile_pattern
from dicomnode.qa.language.schema import DateBounds, LengthBounds, RuleText
from dicomnode.qa.rule import Check, Hit, Rule, Subject

_IsRight = Callable[[Value, Subject], bool]
"""Whether a value is as it should be."""

_SHOWN: Final = 5
"""So many values of an enum a comment names."""


def compile_rule(text: RuleText) -> Rule:
    """The rule that ``text`` says."""
    severity = text.severity.level
    assert severity is not None, "the schema lets no rule be off"
    check = _check(text)
    if text.when is not None:
        check = _only_when(compile_expression(text.when).holds, check)
    return Rule(text.id, severity, text.status, text.ref, check)


def _check(text: RuleText) -> Check:
    if text.required is not None:
        return _required(text.required, text.comment or "{keyword} missing or empty")
    if text.present is not None:
        return _present(text.present, text.comment or "{keyword} missing")
    if text.assert_ is not None:
        return _asserted(text.assert_, text.comment)
    if text.check is not None:
        return _named(CHECKS[text.check], text.comment)
    return _fields(text)


def _required(keywords: Iterable[str], comment: str) -> Check:
    hits = {tag_of(keyword): _hit(keyword, comment) for keyword in keywords}

    def found(subject: Subject) -> list[Hit]:
        return [hit for tag, hit in hits.items() if subject.is_empty(tag)]

    return found


def _present(keywords: Iterable[str], comment: str) -> Check:
    hits = {tag_of(keyword): _hit(keyword, comment) for keyword in keywords}

    def found(subject: Subject) -> list[Hit]:
        elements = subject.dataset.elements
        return [hit for tag, hit in hits.items() if tag not in elements]

    return found


def _asserted(expression: str, comment: str | None) -> Check:
    compiled = compile_expression(expression)
    tags = tuple(each.tag for each in compiled.operands)
    told = (comment or "{keyword}: not so that " + _escaped(expression)).format(keyword=compiled.operands[0].keyword)
    hits, holds = (Hit(tags, told),), compiled.holds

    def found(subject: Subject) -> tuple[Hit, ...]:
        return hits if holds(subject) is False else ()

    return found


def _named(check: Check, comment: str | None) -> Check:
    if comment is None:
        return check

    def found(subject: Subject) -> Iterator[Hit]:
        for hit in check(subject):
            yield hit._replace(comment=comment.format(keyword=keyword_for_tag(hit.tags[0]) if hit.tags else "data set"))

    return found


def _fields(text: RuleText) -> Check:
    parts = [_field(operand(keyword), text) for keyword in text.fields or ()]
    if len(parts) == 1:
        return parts[0]

    def found(subject: Subject) -> list[Hit]:
        return [hit for part in parts for hit in part(subject)]

    return found


def _field(field: Operand, text: RuleText) -> Callable[[Subject], tuple[Hit, ...]]:
    """What is wrong with the values of one attribute: the first thing that is."""
    tests = [(is_right, (_hit(field.keyword, text.comment or said),)) for is_right, said in _tests(field, text)]
    read = field.values

    def found(subject: Subject) -> tuple[Hit, ...]:
        for value in read(subject):
            for is_right, hits in tests:
                if value is None or not is_right(value, subject):
                    return hits
        return ()

    return found


def _tests(field: Operand, text: RuleText) -> Iterator[tuple[_IsRight, str]]:
    """Each test of a value, and what is said where it fails."""
    if text.pattern is not None:
        matches = compile_pattern(text.pattern)
        yield lambda value, _: matches(str(value)), "{keyword} does not match the pattern"
    if text.enum is not None:
        is_number = field.kind is Kind.NUMBER
        allowed = frozenset(float(each) if is_number else str(each) for each in text.enum)
        words = ", ".join(map(str, text.enum[:_SHOWN])) + (", ..." if len(text.enum) > _SHOWN else "")
        yield lambda value, _: value in allowed, "{keyword} is none of " + _escaped(words)
    if text.range is not None:
        low, high = text.range
        yield lambda value, _: low <= value <= high, f"{{keyword}} not between {low:g} and {high:g}"  # type: ignore[operator]  # numbers, by the schema
    if text.length is not None:
        yield _length(text.length), f"{{keyword}} has not {text.length.min} to {text.length.max} characters"
    if text.date is not None:
        yield _date(text.date), _said_of_days(text.date)


def _length(bounds: LengthBounds) -> _IsRight:
    shortest, longest = bounds.min, bounds.max
    return lambda value, _: shortest <= len(str(value)) <= longest


def _date(bounds: DateBounds) -> _IsRight:
    first = day_of(bounds.min) if bounds.min is not None else None
    last = day_of(bounds.max) if bounds.max is not None else None

    def is_right(value: Value, subject: Subject) -> bool:
        return (first is None or first(subject) <= value) and (last is None or value <= last(subject))  # type: ignore[operator]  # dates, by the schema

    return is_right


def _said_of_days(bounds: DateBounds) -> str:
    if bounds.min is None:
        return f"{{keyword}} is later than {bounds.max}"
    return f"{{keyword}} is not from {bounds.min} to {bounds.max or 'ever'}"


def _only_when(holds: Condition, check: Check) -> Check:
    def found(subject: Subject) -> Iterable[Hit]:
        return check(subject) if holds(subject) else ()

    return found


def _hit(keyword: str, comment: str) -> Hit:
    return Hit((tag_of(keyword),), comment.format(keyword=keyword))


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")
