"""A query's keys as conditions in SQL (PS3.4 Section C.2.2.2).

What stands in a column is compared by SQL, so that an index serves it; the rest by `dicomnode.dicom.query.matching`, called from
SQL for the rows that are left. Values are bound, never written into the text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from dicomnode.dicom.query.identifier import EMPTY_VALUE, Identifier, Key, Level, QueryOptions
from dicomnode.dicom.query.keys import WILDCARD
from dicomnode.dicom.query.matching import Matcher, matcher_of
from dicomnode.dicom.query.model import levels_up_to
from dicomnode.dicom.query.person_name import group_patterns, has_several_groups, key_words, name_groups
from dicomnode.dicom.query.temporal import date_interval, time_interval
from dicomnode.dicom.query.wildcards import as_glob, has_wildcard
from dicomnode.index.functions import new_token
from dicomnode.index.places import Place, Places

_STUDY_DATE: Final = "study.study_date"
_PATIENT_NAME: Final = 0x00100010
_NAME_COLUMNS: Final = ("patient.name_key", "patient.ideographic_key", "patient.phonetic_key")
_PATIENT_ID: Final = 0x00100020
_JOINED_IN_COLUMN: Final = frozenset({0x00080061, 0x00080062})
"""Columns that hold several values."""
_MOST_TERMS: Final = 50
"""Values of one key that are written into the statement: how long an expression may be is limited."""
_REMEMBERED: Final = 512
_MOST_WORDS: Final = 10
_COMPARED_AS_TEXT: Final = WILDCARD - {"PN"} | {"AS", "UI"}

_TIME_OF_DATE: Final[Mapping[int, int]] = MappingProxyType(
    {
        0x00080012: 0x00080013,  # Instance Creation
        0x00080020: 0x00080030,  # Study
        0x00080021: 0x00080031,  # Series
        0x00080022: 0x00080032,  # Acquisition
        0x00080023: 0x00080033,  # Content
        0x00100030: 0x00100032,  # Patient's Birth
        0x00400244: 0x00400245,  # Performed Procedure Step Start
        0x00400250: 0x00400251,  # Performed Procedure Step End
    }
)
"""Date and time that are one period once that is negotiated (PS3.4 Section C.2.2.2.5)."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the rows must fulfil.

    Attributes:
        terms: SQL, all of which must hold.
        values: what they bind.
        matchers: what they call, by token.
        highest: the highest level whose table they name.
    """

    terms: tuple[str, ...]
    values: Mapping[str, object]
    matchers: Mapping[int, Matcher]
    highest: Level


def conditions_of(identifier: Identifier, places: Places) -> Conditions:
    """The conditions of a query; what the index does not keep is no condition (PS3.4 Section C.2.2.1.3)."""
    level, options = identifier.level, identifier.options
    writer = _Writer()
    highest = level
    above = levels_up_to(level)
    in_pair = set()
    for tag, key in identifier.keys.items():
        place = places.of(tag, level)
        if place is None or key.is_universal or tag in in_pair:
            continue
        highest = max(highest, place.level, key=above.index)
        time = _time_of(identifier, tag, places) if options.combined_datetime else None
        if time is not None:
            in_pair.add(time[1].tag)
            writer.write_period(place, key.values[0], time[0], time[1].values[0])
        else:
            writer.write(tag, place, key, options)
    return Conditions(tuple(writer.terms), writer.values, writer.matchers, highest)


def _time_of(identifier: Identifier, date: int, places: Places) -> tuple[Place, Key] | None:
    """The time key that a date key makes one period with."""
    tag = _TIME_OF_DATE.get(date)
    key = identifier.keys.get(tag) if tag is not None else None
    if tag is None or key is None or EMPTY_VALUE in (*key.values, *identifier.keys[date].values):
        return None
    place = places.of(tag, identifier.level)
    if place is None or len(key.values) != 1 or len(identifier.keys[date].values) != 1:
        return None
    return place, key


class _Writer:
    """Writes terms, and keeps what they bind."""

    def __init__(self) -> None:
        self.terms: list[str] = []
        self.values: dict[str, object] = {}
        self.matchers: dict[int, Matcher] = {}

    def write(self, tag: int, place: Place, key: Key, options: QueryOptions) -> None:
        """The condition that a key is."""
        text = place.expression
        if options.empty_value and EMPTY_VALUE in key.values:
            self.terms.append(f"coalesce({text}, '') = ''")
        elif place.is_column and place.vr in _COMPARED_AS_TEXT and tag not in _JOINED_IN_COLUMN:
            if tag == _PATIENT_ID:
                self.terms.append(f"{text} <> ''")  # as the index on it says
            self._text(text, key, options)
        elif len(key.values) > _MOST_TERMS:
            self._call(text, matcher_of(key, options))
        elif tag == _PATIENT_NAME and options.fuzzy:
            self._choice(key, options, self._words)
            self._call(text, matcher_of(key, options))
        elif tag == _PATIENT_NAME:
            self._choice(key, options, self._name)
        elif place.vr in ("DA", "TM"):
            self._choice(key, options, lambda value: self._within(place, value))
        elif tag in _JOINED_IN_COLUMN and not _has_wildcard(key):
            joined = f"'\\' || {text} || '\\'"
            self._choice(key, options, lambda value: f"instr({joined}, '\\' || {self._bind(value)} || '\\')")
        else:
            self._call(text, matcher_of(key, options))

    def write_period(self, date: Place, date_key: str, time: Place, time_key: str) -> None:
        """Date and time ranges as one period, from the first time of the first day to the last time of the last."""
        days, times = date_interval(date_key), time_interval(time_key, may_pass_midnight=True)
        day, at = _comparable(date), _comparable(time)
        first_day, last_day, first, last = map(self._bind, (*days, *times))
        self.terms.append(f"{day} BETWEEN {first_day} AND {last_day}")
        self.terms.append(f"({day} > {first_day} OR {at} >= {first})")
        self.terms.append(f"({day} < {last_day} OR ({at} > '' AND {at} <= {last}))")

    def _name(self, value: str) -> str:
        """Patient's Name, by the columns that hold its component groups as they are compared."""
        groups = name_groups(value)
        if not has_several_groups(value):
            return " OR ".join(self._group(column, groups[0]) for column in _NAME_COLUMNS)
        wanted = [(column, group) for column, group in zip(_NAME_COLUMNS, groups, strict=True) if group]
        return " AND ".join(f"({self._group(column, group)})" for column, group in wanted)

    def _words(self, value: str) -> str:
        """Every word of a fuzzy key is somewhere in the name: few names are left for what SQL cannot compare."""
        names = f"({' || '.join(_NAME_COLUMNS)})"
        return (
            " AND ".join(f"{names} GLOB {self._bind(as_glob(f'*{word}*'))}" for word in key_words(value)[:_MOST_WORDS])
            or "1"
        )

    def _group(self, column: str, group: str) -> str:
        terms = [self._like(column, pattern, has_wildcards=True) for pattern in group_patterns(group)]
        if column != _NAME_COLUMNS[0] and group.strip("*"):
            terms = [f"{column} <> '' AND {term}" for term in terms]  # as the index on it says
        return " OR ".join(f"({term})" for term in terms)

    def _within(self, place: Place, value: str) -> str:
        text = _comparable(place)
        interval = date_interval(value) if place.vr == "DA" else time_interval(value, may_pass_midnight=True)
        if interval.first == interval.last:
            return f"{text} = {self._bind(interval.first)}"
        return f"{text} BETWEEN {self._bind(interval.first)} AND {self._bind(interval.last)}"

    def _text(self, text: str, key: Key, options: QueryOptions) -> None:
        """A column of one value."""
        is_choice = not options.multiple_value or key.vr == "UI"
        if len(key.values) == 1 or (_has_wildcard(key) and len(key.values) <= _MOST_TERMS):
            self._choice(key, options, lambda value: self._like(text, value, has_wildcards=key.vr in WILDCARD))
        elif is_choice and not _has_wildcard(key):
            self.terms.append(f"{text} IN (SELECT value FROM json_each({self._bind(json.dumps(key.values))}))")  # noqa: S608 - bound
        else:
            self._call(text, matcher_of(key, options))

    def _like(self, text: str, value: str, *, has_wildcards: bool) -> str:
        """``text`` is ``value``, or fits it as a pattern; what stands before the first wildcard is looked up in an index."""
        if not (has_wildcards and has_wildcard(value)):
            return f"{text} = {self._bind(value)}"
        terms = [f"{text} GLOB {self._bind(as_glob(value))}"]
        prefix = value[: min(at for at in (value.find("*"), value.find("?")) if at >= 0)]
        if prefix:
            terms.append(f"{text} >= {self._bind(prefix)} AND {text} < {self._bind(_after(prefix))}")
        return " AND ".join(terms)

    def _choice(self, key: Key, options: QueryOptions, term: Callable[[str], str]) -> None:
        """One of the key's values fits, or all of them when that was negotiated."""
        word = " AND " if options.multiple_value and key.vr != "UI" else " OR "
        self.terms.append(f"({word.join(f'({term(value)})' for value in key.values)})")

    def _call(self, text: str, matcher: Matcher) -> None:
        token = new_token()
        self.matchers[token] = lru_cache(maxsize=_REMEMBERED)(
            matcher
        )  # the same few physicians and devices, over and over
        self.terms.append(f"matches({self._bind(token)}, {text})")

    def _bind(self, value: object) -> str:
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f":{name}"


def _has_wildcard(key: Key) -> bool:
    return key.vr in WILDCARD and any(map(has_wildcard, key.values))


def _comparable(place: Place) -> str:
    """A date or time without the signs of its old form (PS3.5 Section 6.2); Study Date is kept without."""
    if place.vr == "TM":
        return f"replace({place.expression}, ':', '')"
    return place.expression if place.expression == _STUDY_DATE else f"replace({place.expression}, '.', '')"


def _after(prefix: str) -> str:
    """The first text behind all that begin with ``prefix``, in the order of code points."""
    last = ord(prefix[-1]) + 1
    return prefix[:-1] + chr(0xE000 if last == 0xD800 else min(last, 0x10FFFF))  # noqa: PLR2004 - surrogates stand for nothing
