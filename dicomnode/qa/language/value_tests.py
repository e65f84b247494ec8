"""What a rule asks of one value: pattern, enum, range, length, date, the form of a VR; and what is said where it is not so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, Final

from dicomnode.qa.language.days import day_of
from dicomnode.qa.language.operands import Kind, Value
from dicomnode.qa.language.patterns import compile_pattern
from dicomnode.qa.language.schema import DateBounds, LengthBounds, RuleText
from dicomnode.qa.rule import Subject
from dicomnode.qa.values.forms import flaws

IsRight = Callable[[Value, Any], bool]
"""Whether a value is as it should be, in an instance (`Subject`); only dates look at that."""

_REMEMBERED: Final = 128
"""Values of which it is known whether they have a form: those of a series are nearly all the same."""
_SHOWN: Final = 5
"""So many values of an enum a comment names."""


def tests(kind: Kind, text: RuleText) -> Iterator[tuple[IsRight, str]]:
    """Each test of a value of this kind, and what is said where it fails."""
    if text.pattern is not None:
        matches = compile_pattern(text.pattern)
        yield lambda value, _: matches(str(value)), "{keyword} does not match the pattern"
    if text.enum is not None:
        is_number = kind is Kind.NUMBER
        allowed = frozenset(float(each) if is_number else str(each) for each in text.enum)
        words = ", ".join(map(str, text.enum[:_SHOWN])) + (", ..." if len(text.enum) > _SHOWN else "")
        yield lambda value, _: value in allowed, "{keyword} is none of " + escaped(words)
    if text.range is not None:
        low, high = text.range
        yield lambda value, _: low <= value <= high, f"{{keyword}} not between {low:g} and {high:g}"  # type: ignore[operator]  # numbers, by the schema
    if text.length is not None:
        yield _length(text.length), f"{{keyword}} has not {text.length.min} to {text.length.max} characters"
    if text.date is not None:
        yield _date(text.date), _said_of_days(text.date)


def form(vr: str) -> tuple[IsRight, str]:
    """The test of a value as text: it has the form of a VR (PS3.5 Table 6.2-1)."""
    encoded = vr.encode("ascii")

    @lru_cache(maxsize=_REMEMBERED)
    def is_right(value: Value) -> bool:
        return not any(flaws(encoded, str(value)))

    return lambda value, _: is_right(value), f"{{keyword}} has not the form of {vr}"


def escaped(text: str) -> str:
    """``text`` for a comment, in which braces name something."""
    return text.replace("{", "{{").replace("}", "}}")


def _length(bounds: LengthBounds) -> IsRight:
    shortest, longest = bounds.min, bounds.max
    return lambda value, _: shortest <= len(str(value)) <= longest


def _date(bounds: DateBounds) -> IsRight:
    first = day_of(bounds.min) if bounds.min is not None else None
    last = day_of(bounds.max) if bounds.max is not None else None

    def is_right(value: Value, subject: Subject) -> bool:
        return (first is None or first(subject) <= value) and (last is None or value <= last(subject))  # type: ignore[operator]  # dates, by the schema

    return is_right


def _said_of_days(bounds: DateBounds) -> str:
    if bounds.min is None:
        return f"{{keyword}} is later than {bounds.max}"
    return f"{{keyword}} is not from {bounds.min} to {bounds.max or 'ever'}"
