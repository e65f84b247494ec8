"""Instances counted by what they have in common; what is kept does not grow with their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, tzinfo
from enum import StrEnum
from typing import Final

from dicomnode.dicom.instance import Finding, Severity
from dicomnode.index import ReceivedRow

MANUFACTURER, MODEL, STATION, SERIAL, SOFTWARE = 0x00080070, 0x00081090, 0x00081010, 0x00181000, 0x00181020
PROTOCOL: Final = 0x00181030

MOST: Final = 1000
"""Groups of one kind that are counted apart; senders can make up any number of them."""
OTHERS: Final = ("(others)",)

Key = tuple[str, ...]


class By(StrEnum):
    """What the instances of a group have in common."""

    DEVICE = "device"
    AE = "ae"
    RULE = "rule"
    MODEL = "model"
    SOFTWARE = "software"
    DAY = "day"


COLUMNS: Final[Mapping[By, tuple[str, ...]]] = {
    By.DEVICE: ("AE title", "Manufacturer", "Model", "Station", "Serial"),
    By.AE: ("AE title",),
    By.RULE: ("Rule", "Severity"),
    By.MODEL: ("Manufacturer", "Model"),
    By.SOFTWARE: ("Manufacturer", "Model", "Software"),
    By.DAY: ("Day",),
}
"""What the parts of a group's key are."""


@dataclass(slots=True)
class Day:
    """What came on one day; ``remarked`` and ``held`` are among ``instances``."""

    instances: int = 0
    remarked: int = 0
    held: int = 0


@dataclass(slots=True)
class Group:
    """Instances that have something in common.

    Attributes:
        verdicts: how many were judged how, on reception.
        rules: in how many of them each rule found something of weight.
        days: by the day on which they came, where the node stands.
    """

    verdicts: Counter[Severity] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    days: dict[date, Day] = field(default_factory=dict)

    @property
    def instances(self) -> int:
        """How many there are."""
        return self.verdicts.total()

    @property
    def remarked(self) -> int:
        """How many were accepted with a remark, or corrected."""
        return self.verdicts[Severity.WARN] + self.verdicts[Severity.FIX]

    @property
    def held(self) -> int:
        """How many were quarantined or refused."""
        return self.verdicts[Severity.QUARANTINE] + self.verdicts[Severity.REJECT]

    def add(self, severity: Severity, rules: frozenset[str], day: date) -> None:
        """Count one instance."""
        self.verdicts[severity] += 1
        if rules:
            self.rules.update(rules)
        counts = self.days.get(day)
        if counts is None:
            counts = self.days[day] = Day()
        counts.instances += 1
        counts.remarked += severity in (Severity.WARN, Severity.FIX)
        counts.held += severity >= Severity.QUARANTINE


class Groups:
    """Counts instances in groups of every kind."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self.of: dict[By, dict[Key, Group]] = {by: {} for by in By}

    def add(self, row: ReceivedRow) -> None:
        """Count one instance."""
        day = row.received_at.astimezone(self._zone).date()
        severity = max((one.severity for one in row.findings), default=Severity.INFO)
        rules = frozenset(one.rule for one in row.findings if one.severity >= Severity.WARN)
        for by, key_of in _KEYS.items():
            self._group(by, key_of(row)).add(severity, rules, day)
        self._group(By.DAY, (f"{day:%Y-%m-%d}",)).add(severity, rules, day)
        for rule, worst in _worst(row.findings).items():
            self._group(By.RULE, (rule, worst.name.lower())).add(severity, rules, day)

    def _group(self, by: By, key: Key) -> Group:
        groups = self.of[by]
        group = groups.get(key)
        if group is None:
            key = key if len(groups) < MOST else OTHERS
            group = groups.setdefault(key, Group())
        return group


def device_of(row: ReceivedRow) -> Key:
    """What made an instance, and by which title it was sent; empty where its data set does not say."""
    return (row.sender.calling_ae_title, *_told(row, MANUFACTURER, MODEL, STATION, SERIAL))


_KEYS: Final[Mapping[By, Callable[[ReceivedRow], Key]]] = {
    By.DEVICE: device_of,
    By.AE: lambda row: (row.sender.calling_ae_title,),
    By.MODEL: lambda row: _told(row, MANUFACTURER, MODEL),
    By.SOFTWARE: lambda row: _told(row, MANUFACTURER, MODEL, SOFTWARE),
}


def _told(row: ReceivedRow, *tags: int) -> Key:
    return tuple([row.series.get(tag, "") for tag in tags])


def _worst(findings: tuple[Finding, ...]) -> dict[str, Severity]:
    worst: dict[str, Severity] = {}
    for one in findings:
        if one.severity >= worst.get(one.rule, Severity.WARN):
            worst[one.rule] = one.severity
    return worst
