"""Whether a stored value matches a key (PS3.4 Section C.2.2.2), for values that no index column serves.

A stored value that is missing or empty matches only what is universal, as in a Modality Worklist (PS3.4 Section K.2.2.1.1.1): the
letter of Section C.2.2.1.2 lets it match anything, and nobody wants that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from dicomnode.dicom.query.keys import EMPTY_VALUE, WILDCARD, Key
from dicomnode.dicom.query.model import QueryOptions
from dicomnode.dicom.query.person_name import name_matches
from dicomnode.dicom.query.temporal import (
    Interval,
    comparable_date,
    comparable_date_time,
    comparable_time,
    date_interval,
    date_time_interval,
    time_interval,
)
from dicomnode.dicom.query.wildcards import has_wildcard, wildcard_test

Matcher = Callable[[str | None], bool]

_NUMBERS: Final = frozenset({"DS", "IS", "SS", "US", "SL", "UL", "SV", "UV"})
_UNSPLIT: Final = frozenset({"LT", "ST", "UR", "UT"})
_NAME_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")


def matcher_of(key: Key, options: QueryOptions) -> Matcher:
    """Whether a value matches ``key``: text as the index keeps it, several joined by backslashes, a sequence as DICOM JSON."""
    if key.is_universal:
        return lambda _: True
    if key.items is not None:
        return _sequence_matcher(key.items[0], options)
    if options.empty_value and EMPTY_VALUE in key.values:
        return lambda stored: not stored
    tests = [_test_of(key.vr, value, options) for value in key.values]
    # a list of UIDs is a choice whatever was negotiated (PS3.4 Section C.2.2.2.2)
    enough = all if options.multiple_value and key.vr != "UI" else any

    def matches(stored: str | None) -> bool:
        if not stored:
            return False
        values = (stored,) if key.vr in _UNSPLIT or "\\" not in stored else tuple(filter(None, stored.split("\\")))
        return enough(any(map(test, values)) for test in tests)

    return matches


def _test_of(vr: str, wanted: str, options: QueryOptions) -> Callable[[str], bool]:
    if vr == "PN":
        return name_matches(wanted, fuzzy=options.fuzzy)
    if vr in ("DA", "TM", "DT"):
        return _within(vr, wanted)
    if vr in WILDCARD and has_wildcard(wanted):
        return wildcard_test(wanted)
    if vr in _NUMBERS and (number := _number(wanted)) is not None:
        return lambda stored: _number(stored) == number
    return lambda stored: stored == wanted


def _within(vr: str, wanted: str) -> Callable[[str], bool]:
    interval: Interval
    if vr == "DA":
        interval, comparable = date_interval(wanted), comparable_date
    elif vr == "TM":
        interval, comparable = time_interval(wanted, may_pass_midnight=True), comparable_time
    else:
        interval, comparable = date_time_interval(wanted), comparable_date_time
    return lambda stored: interval.holds(comparable(stored))


@lru_cache(maxsize=4096)
def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _sequence_matcher(keys: Mapping[int, Key], options: QueryOptions) -> Matcher:
    """Some item matches all keys (PS3.4 Section C.2.2.2.6)."""
    tests = [(f"{tag:08X}", key, matcher_of(key, options)) for tag, key in keys.items() if not key.is_universal]

    def item_matches(item: Mapping[str, Any]) -> bool:
        return all(test(_text(item.get(name), key)) for name, key, test in tests)

    return lambda stored: bool(stored) and any(map(item_matches, _items(stored or "")))


@lru_cache(maxsize=64)
def _items(text: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads(text)
    return items


def _text(attribute: Mapping[str, Any] | None, key: Key) -> str | None:
    """An attribute in DICOM JSON (PS3.18 Section F.2) as the text that a matcher takes."""
    if key.items is None:
        return attribute_text(attribute)
    return json.dumps(attribute.get("Value", ())) if attribute is not None else None


def attribute_text(attribute: Mapping[str, Any] | None) -> str:
    """An attribute in DICOM JSON that is no sequence as text, values joined by backslashes; empty when there is none."""
    values = attribute.get("Value", ()) if attribute is not None else ()
    return "\\".join(_value_text(value) for value in values)


def _value_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return "=".join(value.get(group, "") for group in _NAME_GROUPS).rstrip("=")
    return str(value)
