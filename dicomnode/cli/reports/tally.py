"""Counts over many files: by verdict, by rule, by the device that made them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from dicomnode.cli.reports import words
from dicomnode.dicom.instance import Severity
from dicomnode.services.checking import Checked, Device

_MOST_DEVICES: Final = 1000
"""That are counted apart; files can make up any number of them."""
OTHER_DEVICES: Final = Device("(other devices)")


@dataclass(slots=True)
class RuleCount:
    """How often one rule found something, and in which file first."""

    rule: str
    severity: Severity
    example: Path
    findings: int = 0
    files: int = 0


@dataclass(slots=True)
class DeviceCount:
    """How a device's files were judged, and what rules found in how many of them."""

    verdicts: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)


class Tally:
    """Counts files as they are judged; what it takes does not grow with their number."""

    def __init__(self) -> None:
        self.verdicts: Counter[str] = Counter()
        self.others = 0
        self.held = 0
        self.rule_set = ""
        self._rules: dict[tuple[str, Severity], RuleCount] = {}
        self._devices: dict[Device, DeviceCount] = {}

    @property
    def files(self) -> int:
        """How many were judged."""
        return self.verdicts.total()

    def add(self, checked: Checked) -> None:
        """Count one file."""
        self.rule_set = self.rule_set or checked.verdict.rule_set
        if checked.is_other:
            self.others += 1
            return
        self.verdicts[words.verdict(checked)] += 1
        self.held += words.is_held(checked)
        found = Counter((finding.rule, finding.severity) for finding in checked.verdict.findings)
        for (rule, severity), findings in found.items():
            count = self._rules.setdefault((rule, severity), RuleCount(rule, severity, checked.file))
            count.findings += findings
            count.files += 1
        device = checked.device
        if device not in self._devices and len(self._devices) >= _MOST_DEVICES:
            device = OTHER_DEVICES
        by_device = self._devices.setdefault(device, DeviceCount())
        by_device.verdicts[words.verdict(checked)] += 1
        by_device.rules.update({rule for rule, severity in found if severity >= Severity.WARN})

    def rules(self) -> list[RuleCount]:
        """What decided most first."""
        return sorted(self._rules.values(), key=lambda count: (-count.severity, -count.files, count.rule))

    def devices(self) -> list[tuple[Device, DeviceCount]]:
        """By their names."""
        return sorted(self._devices.items(), key=lambda one: (one[0].manufacturer, one[0].model, one[0].station))

    def sentence(self) -> str:
        """How many files came to which verdict."""
        counts = [f"{self.verdicts[word]} {word}" for word in words.VERDICTS.values() if self.verdicts[word]]
        others = [f"{self.others} passed over: no DICOM instance"] if self.others else []
        return ", ".join(counts + others)
