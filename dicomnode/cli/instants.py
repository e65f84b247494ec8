"""Moments in the past, as people write them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import click

_DURATION = re.compile(r"([0-9]{1,6})\s*([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DATES = ("%Y-%m-%d", "%Y%m%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")


def since(context: click.Context, option: click.Parameter, value: str | None) -> datetime | None:
    """An option's value: so long ago (90m, 24h, 7d, 2w), or a date, maybe with a time, in the zone of whoever asks.

    Raises:
        click.BadParameter: it is neither.
    """
    if value is None:
        return None
    if match := _DURATION.fullmatch(value):
        try:
            return datetime.now().astimezone() - timedelta(**{_UNITS[match[2]]: int(match[1])})
        except OverflowError:
            raise click.BadParameter(f"{value} ago there was no calendar", context, option) from None
    for form in _DATES:
        try:
            return datetime.strptime(value, form).astimezone()
        except ValueError:
            continue
    raise click.BadParameter(
        f"{value} is no time: write 90m, 24h, 7d, 2024-12-31 or '2024-12-31 18:00'", context, option
    )
