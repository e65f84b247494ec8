"""Days in a rule: ``2024-12-31``, ``20241231``, ``today``, ``today+1d``, ``today-30d``."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta

from dicomnode.qa.rule import Subject, day

Day = Callable[[Subject], date]
_RELATIVE = re.compile(r"today(?:\s*([+-])\s*([0-9]{1,5})d)?")


def day_of(text: str) -> Day:
    """The day that ``text`` names, for an instance that is judged on ``subject.today``.

    Raises:
        ValueError: it names none.
    """
    if relative := _RELATIVE.fullmatch(text.strip()):
        sign, days = relative.groups()
        distance = timedelta(days=int(f"{sign}{days}")) if days else timedelta()
        return lambda subject: subject.today + distance
    try:
        fixed = date.fromisoformat(text) if "-" in text else day(text.encode("ascii", "replace"))
    except ValueError:
        fixed = None
    if fixed is None:
        raise ValueError(f"{text!r} is no day such as 2024-12-31, today or today+1d")
    return lambda _: fixed
