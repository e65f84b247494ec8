"""Whose clock is wrong: an instance cannot come before it was made.

A clock that is ahead shows for certain. One that is behind looks like a device that sends late, so it is told as either.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

from dicomnode.dicom.tags import TIMEZONE_OFFSET
from dicomnode.index import ReceivedRow
from dicomnode.services.quality.groups import MOST, Key, device_of

_MOMENTS: Final = ((0x00080012, 0x00080013), (0x00080023, 0x00080033))
"""Instance Creation Date and Time; Content Date and Time, where the first are not told."""
_OLD: Final = timedelta(hours=24)
"""What was made longer ago is an old image that is sent again: it tells nothing of a clock."""
_FEWEST: Final = 10
_MOST_KEPT: Final = 2000
"""Delays that are kept of a device: enough for a median."""
_AHEAD_S: Final = 60.0
_LATE_S: Final = 600.0


@dataclass(frozen=True, slots=True)
class Clock:
    """How long a device's instances take to come, by its clock and ours, in s.

    Attributes:
        shortest_s: below zero, its clock is ahead of ours by at least so much.
        instances: that were looked at.
    """

    device: Key
    shortest_s: float
    median_s: float
    instances: int

    @property
    def is_ahead(self) -> bool:
        """Whether its clock is ahead, by a minute or more."""
        return self.shortest_s <= -_AHEAD_S

    @property
    def may_be_behind(self) -> bool:
        """Whether nothing came within ten minutes: its clock is behind, or it sends late."""
        return self.shortest_s >= _LATE_S


class Clocks:
    """Compares the moments at which instances were made with those at which they came."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._delays: dict[Key, list[float]] = {}

    def add(self, row: ReceivedRow) -> None:
        """Take one instance in; one that came from a file tells nothing."""
        if not row.sender.address or (made := _made_at(row, self._zone)) is None:
            return
        delay = row.received_at - made
        if not -_OLD <= delay <= _OLD:
            return
        device = device_of(row)
        if device not in self._delays and len(self._delays) >= MOST:
            return
        delays = self._delays.setdefault(device, [])
        if len(delays) < _MOST_KEPT:
            delays.append(delay.total_seconds())
        else:  # the shortest counts, whenever it came
            delays[0] = min(delays[0], delay.total_seconds())

    def told(self) -> Iterator[Clock]:
        """The clock of each device of which enough came, the one that is ahead most first."""
        clocks = [
            Clock(device, min(delays), statistics.median(delays), len(delays))
            for device, delays in self._delays.items()
            if len(delays) >= _FEWEST
        ]
        yield from sorted(clocks, key=lambda clock: clock.shortest_s)


def _made_at(row: ReceivedRow, zone: tzinfo) -> datetime | None:
    for date_tag, time_tag in _MOMENTS:
        moment = row.instance.get(date_tag, "") + row.instance.get(time_tag, "").split(".", 1)[0]
        try:
            made = datetime.strptime(moment, "%Y%m%d%H%M%S")  # noqa: DTZ007 - the zone comes next
            return made.replace(tzinfo=_zone(row.instance.get(TIMEZONE_OFFSET, ""), zone))
        except ValueError:
            continue
    return None


def _zone(offset: str, zone: tzinfo) -> tzinfo:
    """Timezone Offset From UTC, such as +0100; where the node stands, if it is not told."""
    sign, digits = offset[:1], offset[1:]
    if sign not in ("+", "-") or len(digits) != 4 or not digits.isdecimal():  # noqa: PLR2004 - hhmm
        return zone
    distance = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(distance if sign == "+" else -distance) if distance < timedelta(hours=24) else UTC
