"""What a device says otherwise since its software changed: attributes that were told and are empty now, rules that find more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Final

from pydicom.datadict import keyword_for_tag

from dicomnode.dicom.instance import Severity
from dicomnode.dicom.tags import SERIES_INSTANCE_UID
from dicomnode.index import ReceivedRow
from dicomnode.services.quality.groups import MOST, SOFTWARE, Key, device_of

_FEWEST: Final = 3
"""Series of each software: fewer may be chance."""
_ALWAYS, _OFTEN, _NEVER = 0.9, 0.5, 0.1
_MOST_SERIES: Final = 10_000
"""Of one device and software that are looked at."""


@dataclass(frozen=True, slots=True)
class Drift:
    """Something that changed with a device's software.

    Attributes:
        what: the keyword of an attribute that is empty or absent since, or of one that is told since, or a rule's id.
        before: the share of series that told it, or in which the rule found something; from 0 to 1.
        since: when the first instance of the new software came.
    """

    device: Key
    kind: str
    what: str
    software_before: str
    software: str
    since: datetime
    before: float
    after: float


@dataclass(slots=True)
class _Version:
    """One software of one device."""

    since: datetime
    series: set[str] = field(default_factory=set)
    told: Counter[int] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    fired: set[tuple[str, str]] = field(default_factory=set)


class Drifts:
    """Compares what each device sent with each of its softwares."""

    def __init__(self) -> None:
        self._devices: dict[Key, dict[str, _Version]] = {}

    def add(self, row: ReceivedRow) -> None:
        """Take one instance in; the first one of a series speaks for its attributes."""
        software, series = row.series.get(SOFTWARE, ""), row.series.get(SERIES_INSTANCE_UID, "")
        if not software or not series:
            return
        device = device_of(row)
        if device not in self._devices and len(self._devices) >= MOST:
            return
        versions = self._devices.setdefault(device, {})
        version = versions.get(software)
        if version is None:
            version = versions[software] = _Version(row.received_at)
        if series not in version.series:
            if len(version.series) >= _MOST_SERIES:
                return
            version.series.add(series)
            version.told.update(tag for level in (row.series, row.instance) for tag, value in level.items() if value)
        for one in row.findings:
            if one.severity >= Severity.WARN and (series, one.rule) not in version.fired:
                version.fired.add((series, one.rule))
                version.rules[one.rule] += 1

    def told(self) -> Iterator[Drift]:
        """What changed, device by device, in the order in which their softwares came."""
        for device, versions in self._devices.items():
            for (older, before), (newer, after) in pairwise(versions.items()):
                if min(len(before.series), len(after.series)) >= _FEWEST:
                    yield from _changes(device, older, before, newer, after)


def _changes(device: Key, older: str, before: _Version, newer: str, after: _Version) -> Iterator[Drift]:
    for tag in sorted((before.told.keys() | after.told.keys()) - {SOFTWARE}):
        was, becomes = _share(before, before.told[tag]), _share(after, after.told[tag])
        if was >= _ALWAYS and becomes <= _NEVER:
            yield Drift(device, "empty", _name(tag), older, newer, after.since, was, becomes)
        elif was <= _NEVER and becomes >= _ALWAYS:
            yield Drift(device, "told", _name(tag), older, newer, after.since, was, becomes)
    for rule in sorted(before.rules.keys() | after.rules.keys()):
        was, becomes = _share(before, before.rules[rule]), _share(after, after.rules[rule])
        if was <= _NEVER and becomes >= _OFTEN:
            yield Drift(device, "rule", rule, older, newer, after.since, was, becomes)


def _share(version: _Version, count: int) -> float:
    return count / len(version.series)


def _name(tag: int) -> str:
    return keyword_for_tag(tag) or f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
