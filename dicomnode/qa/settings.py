"""What can be set about quality assurance."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from dicomnode.dicom.instance import Severity
from dicomnode.dicom.peer import AeTitle
from dicomnode.qa.breaker import BreakerSettings
from dicomnode.qa.core import UIDS
from dicomnode.settings import Settings


class OnEngineError(StrEnum):
    """What becomes of an instance when a rule itself fails."""

    ACCEPT = "accept"
    QUARANTINE = "quarantine"


class RuleSeverity(StrEnum):
    """How a rule judges what it finds."""

    OFF = "off"
    """The rule is not run."""
    INFO = "info"
    """Told by checks of files, and nothing more."""
    WARN = "warn"
    """Accepted, with a remark."""
    FIX = "fix"
    """Changed as the rule says, then accepted; only for rules of a site that say how."""
    QUARANTINE = "quarantine"
    """Kept, but neither found nor sent until a person releases it."""
    REJECT = "reject"
    """Refused: the sender is told, and nothing is kept."""

    @property
    def level(self) -> Severity | None:
        """The same as a finding has it; None for off."""
        return None if self is RuleSeverity.OFF else Severity[self.name]


def check_severities(severities: Mapping[str, RuleSeverity]) -> Mapping[str, RuleSeverity]:
    """``severities``, if an instance that they let in can be indexed.

    Raises:
        ValueError: it could not, or a core rule shall fix something.
    """
    if severities.get(UIDS, RuleSeverity.REJECT) is not RuleSeverity.REJECT:
        raise ValueError(f"{UIDS} stays at reject: an instance without these UIDs cannot be indexed")
    if fixing := next((rule for rule, severity in severities.items() if severity is RuleSeverity.FIX), None):
        raise ValueError(f"{fixing} knows no fix: a rule of the site's own may (docs/rules.md)")
    return severities


class QaSettings(Settings):
    """How every instance is judged before it is accepted."""

    severities: Annotated[Mapping[str, RuleSeverity], AfterValidator(check_severities)] = {}
    """Other severities for core rules, by rule id: off, info, warn, quarantine or reject. Example: {patient.id: warn}."""
    rules: Path | None = None
    """The file with the site's own rules (docs/rules.md); null for none."""
    on_engine_error: OnEngineError = OnEngineError.ACCEPT
    """A bug in a rule must never lose an image: accept, or quarantine."""
    answer_warnings: bool = False
    """Whether an accepted instance with remarks is answered B007 instead of 0000. Some senders take any warning for a failure."""
    breaker: BreakerSettings = BreakerSettings()
    """When so much of a device is refused that it is held instead."""
    success_for_quarantine: tuple[AeTitle, ...] = ()
    """Calling AE titles that take a warning for a failure: they get 0000 for what was quarantined, fixed or remarked upon."""
