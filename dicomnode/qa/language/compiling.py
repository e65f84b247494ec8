"""From a rule as it is written to the house's `Rule`, once: a closure that an instance is only shown to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

from pydicom.datadict import keyword_for_tag

from dicomnode.dicom import status
from dicomnode.dicom.instance import Severity
from dicomnode.qa.checks import CHECKS
from dicomnode.qa.language.days import day_of
from dicomnode.qa.language.expression import Condition, compile_expression
from dicomnode.qa.language.fix_text import FixText
from dicomnode.qa.language.fixes import filling, mending
from dicomnode.qa.language.operands import Kind, Operand, Value, operand, tag_of
from dicomnode.qa.language.patterns import compile_pattern
from dicomnode.qa.language.schema import DateBounds, LengthBounds, RuleText
from dicomnode.qa.rule import Check, Hit, Rule, Subject

_IsRight = Callable[[Value, Any], bool]
"""Whether a value is as it should be, in an instance (`Subject`); only dates look at that."""

_SHOWN: Final = 5
"""So many values of an enum a comment names."""


def compile_rule(text: RuleText) -> Rule:
    """The rule that ``text`` says."""
    severity = text.severity.level
    assert severity is not None, "the schema lets no rule be off"
    check = _check(text)
    if text.when is not None:
        check = _only_when(compile_expression(text.when).holds, check)
    code = text.status if text.status != status.COERCED else status.DATASET_DOES_NOT_MATCH_SOP_CLASS
    left = text.fix.else_.level if text.fix is not None else None
    return Rule(text.id, severity, code, text.ref, check, otherwise=Severity.WARN if left is None else left)


def wrong_values(text: RuleText) -> Iterator[str]:
    """What is wrong with the values that a rule's fix gives: the rule would find them again."""
    if text.fix is None or text.fields is None:
        return
    lasting = text.model_copy(update={"date": None})  # which days are right, a day in the future tells
    for field in map(operand, text.fields):
        tests = [is_right for is_right, _ in _tests(field, lasting)]
        for value in (*text.fix.map.values(), *([text.fix.default] if text.fix.default else ())):
            if not all(_passes(field, test, part, None) for test in tests for part in value.split("\\") if part):
                yield f"the rule would find {field.keyword} wrong with the fix's own value {value!r}"


def _check(text: RuleText) -> Check:
    if text.required is not None:
        return _mended(_required(text.required, text.comment or "{keyword} missing or empty"), text.required, text.fix)
    if text.present is not None:
        return _mended(_present(text.present, text.comment or "{keyword} missing"), text.present, text.fix)
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


def _mended(check: Check, keywords: Iterable[str], fix: FixText | None) -> Check:
    """The check, with what would fill in what it finds missing."""
    if fix is None:
        return check
    mends = {tag_of(keyword): filling(keyword, fix) for keyword in keywords}

    def found(subject: Subject) -> list[Hit]:
        return [hit._replace(change=mends[hit.tags[0]](subject)) for hit in check(subject)]

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
    make = _field if text.fix is None else _fixed_field
    parts = [make(operand(keyword), text) for keyword in text.fields or ()]
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


def _fixed_field(field: Operand, text: RuleText) -> Callable[[Subject], tuple[Hit, ...]]:
    """The same, with what would mend it; where nothing is asked of the values, all that the fix would write otherwise is found."""
    assert text.fix is not None
    tests = [partial(_passes, field, is_right) for is_right, _ in _tests(field, text)]
    mend, check = mending(field, text.fix, tests), _field(field, text)
    otherwise_written = (_hit(field.keyword, text.comment or "{keyword} is not written as it shall be"),)

    def found(subject: Subject) -> tuple[Hit, ...]:
        hits = check(subject) if tests else otherwise_written
        change = mend(subject) if hits else None
        if change is None:
            return hits if tests else ()
        return (hits[0]._replace(change=change),)

    return found


def _passes(field: Operand, is_right: _IsRight, text: str, subject: Subject | None) -> bool:
    value = field.value_of(text.strip())
    return value is not None and is_right(value, subject)


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
