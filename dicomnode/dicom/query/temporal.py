"""Dates and times as keys: single values and ranges as an interval of text, and stored values in a form that compares with it.

A key covers all that its precision leaves open: "10" is the hour from 10:00:00 to 10:59:59.999999 (PS3.4 Section C.2.2.2.5). A
stored value is the first instant that it may mean, so "10" is 10:00:00. The old forms with dots and colons are understood (PS3.5
Section 6.2, VR DA and TM).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from typing import Final, NamedTuple

_DATE: Final = re.compile(r"(\d{4})(\.?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])")
_TIME: Final = re.compile(r"([01]\d|2[0-3])(?:(:?)([0-5]\d)(?:\2([0-5]\d|60)(?:\.(\d{1,6}))?)?)?")
_DATE_TIME: Final = re.compile(
    r"(\d{4})(?:(0[1-9]|1[0-2])(?:(0[1-9]|[12]\d|3[01])(?:([01]\d|2[0-3])(?:([0-5]\d)(?:([0-5]\d|60)(?:\.(\d{1,6}))?)?)?)?)?)?"
    r"([+-](?:0\d|1[0-4])[0-5]\d)?"
)
_FIRST: Final = ("", "01", "01", "00", "00", "00", "000000")
_LAST: Final = ("", "12", "31", "23", "59", "60", "999999")


class Interval(NamedTuple):
    """Texts that compare as the instants do, both ends included; an open end is the first or last instant there can be."""

    first: str
    last: str

    def holds(self, value: str) -> bool:
        """Whether a stored value, in its comparable form, is within."""
        return self.first <= value <= self.last


@lru_cache(maxsize=1024)
def date_interval(text: str) -> Interval:
    """The days of a DA key, ``YYYYMMDD``.

    Raises:
        ValueError: it is neither a date nor a range of dates.
    """
    first, last = _ends(text)
    interval = Interval(_day(first) if first else "00000000", _day(last) if last else "99999999")
    if interval.first > interval.last:
        raise ValueError("a range of dates ends before it begins")
    return interval


@lru_cache(maxsize=1024)
def time_interval(text: str, *, may_pass_midnight: bool = False) -> Interval:
    """The instants of a TM key: ``HHMMSS.FFFFFF`` with as few digits as the first, all of them as the last.

    Raises:
        ValueError: it is neither a time nor a range of times, or the range passes midnight.
    """
    first, last = _ends(text)
    interval = Interval(_first_instant(first or "00"), _last_instant(last or "23"))
    if interval.first > interval.last and not may_pass_midnight:
        raise ValueError("a range of times does not pass midnight")
    return interval


@lru_cache(maxsize=1024)
def date_time_interval(text: str) -> Interval:
    """The instants of a DT key, ``YYYYMMDDHHMMSS.FFFFFF``; those with an offset from UTC are turned into UTC.

    Raises:
        ValueError: it is neither a date-time nor a range of them.
    """
    if _DATE_TIME.fullmatch(text):  # what may be an offset is one, and no range (PS3.4 Section C.2.2.2.5)
        return Interval(_moment(text, _FIRST), _moment(text, _LAST))
    for dash in (match.start() for match in re.finditer("-", text)):
        first, last = text[:dash].strip(), text[dash + 1 :].strip()
        if (first or last) and all(not end or _DATE_TIME.fullmatch(end) for end in (first, last)):
            return Interval(_moment(first or "0000", _FIRST), _moment(last or "9999", _LAST))
    raise ValueError("neither a date and time nor a range of them")


def comparable_date(stored: str) -> str:
    """A stored DA as it compares with `date_interval`."""
    return stored.replace(".", "")


def is_same_day(one: str, other: str) -> bool:
    """Whether two stored DA are the same day."""
    return comparable_date(one) == comparable_date(other)


def comparable_time(stored: str) -> str:
    """A stored TM as it compares with `time_interval`: as text, less precise times come before those that they may mean."""
    return stored.replace(":", "")


@lru_cache(maxsize=4096)
def comparable_date_time(stored: str) -> str:
    """A stored DT as it compares with `date_time_interval`; one that is none stands as it is."""
    return _moment(stored, _FIRST) if _DATE_TIME.fullmatch(stored) else stored


def _ends(text: str) -> tuple[str, str]:
    """Both ends of a single value or a range; empty: open."""
    first, dash, last = text.partition("-")
    first, last = first.strip(), last.strip()
    if not first and not last:
        raise ValueError("a range needs an end")
    return first, last if dash else first


def _day(text: str) -> str:
    match = _DATE.fullmatch(text)
    if match is None:
        raise ValueError("a date is YYYYMMDD")
    return match[1] + match[3] + match[4]


def _first_instant(text: str) -> str:
    hour, minute, second, fraction = _time_parts(text)
    fraction = (fraction or "").rstrip("0")
    if fraction:
        return f"{hour}{minute}{second}.{fraction}"
    return hour + f"{minute or '00'}{second or '00'}".removesuffix("00").removesuffix("00")


def _last_instant(text: str) -> str:
    hour, minute, second, fraction = _time_parts(text)
    return f"{hour}{minute or '59'}{second or '60'}.{(fraction or '').ljust(6, '9')}"


def _time_parts(text: str) -> tuple[str, str | None, str | None, str | None]:
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError("a time is HHMMSS.FFFFFF, or less of it")
    return match[1], match[3], match[4], match[5]


def _moment(text: str, missing: tuple[str, ...]) -> str:
    match = _DATE_TIME.fullmatch(text)
    assert match is not None, "checked by the callers"
    *parts, fraction, offset = match.groups()
    digits = "".join(part or filler for part, filler in zip(parts, missing[:6], strict=True))
    fraction = (fraction or "").ljust(6, missing[6][0])
    if offset is None:
        return f"{digits}.{fraction}"
    return _in_utc(digits, offset) + f".{fraction}"


def _in_utc(digits: str, offset: str) -> str:
    sign = -1 if offset[0] == "-" else 1
    zone = timezone(sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[3:])))
    year, month, day, hour, minute, second = (
        int(digits[start:end]) for start, end in ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14))
    )
    try:
        # a day that its month does not have, or a leap second, counts from the day and minute before
        moment = datetime(max(year, 1), month, 1, hour, minute, tzinfo=zone) + timedelta(days=day - 1, seconds=second)
        return moment.astimezone(UTC).strftime("%Y%m%d%H%M%S").rjust(14, "0")
    except OverflowError:
        return digits
