"""Keys as conditions in SQL (PS3.4 Section C.2.2.2).

What stands in a column is compared by SQL, so that an index serves it; the rest by `dicomnode.dicom.query.matching`, called from
SQL for the rows that are left. Values are bound, never written into the text.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Final, Protocol

from dicomnode.dicom.query.keys import EMPTY_VALUE, WILDCARD, Key
from dicomnode.dicom.query.matching import Matcher, matcher_of
from dicomnode.dicom.query.model import QueryOptions
from dicomnode.dicom.query.person_name import group_patterns, has_several_groups, key_words, name_groups
from dicomnode.dicom.query.temporal import date_interval, time_interval
from dicomnode.dicom.query.wildcards import as_glob, has_wildcard
from dicomnode.dicom.tags import MODALITIES_IN_STUDY, PATIENT_ID, PATIENT_NAME, SOP_CLASSES_IN_STUDY
from dicomnode.index.functions import new_token

_PLAIN_DATES: Final = frozenset({"study.study_date", "worklist_step.start_date"})
"""Columns of dates that are kept as YYYYMMDD."""
_JOINED_IN_COLUMN: Final = frozenset({MODALITIES_IN_STUDY, SOP_CLASSES_IN_STUDY})
"""Columns that hold several values."""
MOST_TERMS: Final = 50
"""Values of one key that are written into the statement: how long an expression may be is limited."""
_REMEMBERED: Final = 512
_MOST_WORDS: Final = 10
_COMPARED_AS_TEXT: Final = WILDCARD - {"PN"} | {"AS", "UI"}


class Comparand(Protocol):
    """Where a value stands that a key is compared with."""

    @property
    def vr(self) -> str:
        """As the data dictionary has it."""

    @property
    def expression(self) -> str:
        """SQL for its text."""

    @property
    def is_column(self) -> bool:
        """It stands in a column of its own."""


class ConditionWriter:
    """Writes terms, and keeps what they bind.

    Args:
        names: the columns of the component groups of Patient's Name, as they are compared.
    """

    def __init__(self, names: tuple[str, str, str]) -> None:
        self._names = names
        self.terms: list[str] = []
        self.values: dict[str, object] = {}
        self.matchers: dict[int, Matcher] = {}

    def write(self, tag: int, place: Comparand, key: Key, options: QueryOptions) -> None:
        """The condition that a key is."""
        text = place.expression
        if options.empty_value and EMPTY_VALUE in key.values:
            self.terms.append(f"coalesce({text}, '') = ''")
        elif place.is_column and place.vr in _COMPARED_AS_TEXT and tag not in _JOINED_IN_COLUMN:
            if tag == PATIENT_ID:
                self.terms.append(f"{text} <> ''")  # as the index on it says
            self._text(text, key, options)
        elif len(key.values) > MOST_TERMS:
            self.call(text, matcher_of(key, options))
        elif tag == PATIENT_NAME and options.fuzzy:
            self.choice(key, options, self._words)
            self.call(text, matcher_of(key, options))
        elif tag == PATIENT_NAME:
            self.choice(key, options, self._name)
        elif place.vr in ("DA", "TM"):
            self.choice(key, options, lambda value: self._within(place, value))
        elif tag in _JOINED_IN_COLUMN and not _has_wildcard(key):
            joined = f"'\\' || {text} || '\\'"
            self.choice(key, options, lambda value: f"instr({joined}, '\\' || {self.bind(value)} || '\\')")
        else:
            self.call(text, matcher_of(key, options))

    def write_period(self, date: Comparand, date_key: str, time: Comparand, time_key: str) -> None:
        """Date and time ranges as one period, from the first time of the first day to the last time of the last."""
        days, times = date_interval(date_key), time_interval(time_key, may_pass_midnight=True)
        day, at = _comparable(date), _comparable(time)
        first_day, last_day, first, last = map(self.bind, (*days, *times))
        self.terms.append(f"{day} BETWEEN {first_day} AND {last_day}")
        self.terms.append(f"({day} > {first_day} OR {at} >= {first})")
        self.terms.append(f"({day} < {last_day} OR ({at} > '' AND {at} <= {last}))")

    def _name(self, value: str) -> str:
        """Patient's Name, by the columns that hold its component groups as they are compared."""
        groups = name_groups(value)
        if not has_several_groups(value):
            return " OR ".join(self._group(column, groups[0]) for column in self._names)
        wanted = [(column, group) for column, group in zip(self._names, groups, strict=True) if group]
        return " AND ".join(f"({self._group(column, group)})" for column, group in wanted)

    def _words(self, value: str) -> str:
        """Every word of a fuzzy key is somewhere in the name: few names are left for what SQL cannot compare."""
        names = f"({' || '.join(self._names)})"
        return (
            " AND ".join(f"{names} GLOB {self.bind(as_glob(f'*{word}*'))}" for word in key_words(value)[:_MOST_WORDS])
            or "1"
        )

    def _group(self, column: str, group: str) -> str:
        terms = [self.like(column, pattern, has_wildcards=True) for pattern in group_patterns(group)]
        if column != self._names[0] and group.strip("*"):
            terms = [f"{column} <> '' AND {term}" for term in terms]  # as the index on it says
        return " OR ".join(f"({term})" for term in terms)

    def _within(self, place: Comparand, value: str) -> str:
        text = _comparable(place)
        interval = date_interval(value) if place.vr == "DA" else time_interval(value, may_pass_midnight=True)
        if interval.first == interval.last:
            return f"{text} = {self.bind(interval.first)}"
        return f"{text} BETWEEN {self.bind(interval.first)} AND {self.bind(interval.last)}"

    def _text(self, text: str, key: Key, options: QueryOptions) -> None:
        """A column of one value."""
        is_choice = not options.multiple_value or key.vr == "UI"
        if len(key.values) == 1 or (_has_wildcard(key) and len(key.values) <= MOST_TERMS):
            self.choice(key, options, lambda value: self.like(text, value, has_wildcards=key.vr in WILDCARD))
        elif is_choice and not _has_wildcard(key):
            self.terms.append(f"{text} IN (SELECT value FROM json_each({self.bind(json.dumps(key.values))}))")  # noqa: S608 - bound
        else:
            self.call(text, matcher_of(key, options))

    def like(self, text: str, value: str, *, has_wildcards: bool) -> str:
        """``text`` is ``value``, or fits it as a pattern; what stands before the first wildcard is looked up in an index."""
        if not (has_wildcards and has_wildcard(value)):
            return f"{text} = {self.bind(value)}"
        terms = [f"{text} GLOB {self.bind(as_glob(value))}"]
        prefix = value[: min(at for at in (value.find("*"), value.find("?")) if at >= 0)]
        if prefix:
            terms.append(f"{text} >= {self.bind(prefix)} AND {text} < {self.bind(_after(prefix))}")
        return " AND ".join(terms)

    def choice(self, key: Key, options: QueryOptions, term: Callable[[str], str]) -> None:
        """One of the key's values fits, or all of them when that was negotiated."""
        word = " AND " if options.multiple_value and key.vr != "UI" else " OR "
        self.terms.append(f"({word.join(f'({term(value)})' for value in key.values)})")

    def call(self, text: str, matcher: Matcher) -> None:
        """The matcher says yes to ``text``."""
        token = new_token()
        self.matchers[token] = lru_cache(maxsize=_REMEMBERED)(
            matcher
        )  # the same few physicians and devices, over and over
        self.terms.append(f"matches({self.bind(token)}, {text})")

    def bind(self, value: object) -> str:
        """A place for ``value``, which is bound."""
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f":{name}"


def _has_wildcard(key: Key) -> bool:
    return key.vr in WILDCARD and any(map(has_wildcard, key.values))


def _comparable(place: Comparand) -> str:
    """A date or time without the signs of its old form (PS3.5 Section 6.2), where it may have them."""
    if place.vr == "TM":
        return f"replace({place.expression}, ':', '')"
    return place.expression if place.expression in _PLAIN_DATES else f"replace({place.expression}, '.', '')"


def _after(prefix: str) -> str:
    """The first text behind all that begin with ``prefix``, in the order of code points."""
    last = ord(prefix[-1]) + 1
    return prefix[:-1] + chr(0xE000 if last == 0xD800 else min(last, 0x10FFFF))  # noqa: PLR2004 - surrogates stand for nothing
