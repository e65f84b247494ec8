"""How reports name what was found; whatever comes from a file is shown as it is, and steers neither a terminal nor markup."""

from __future__ import annotations

import tempfile
from typing import IO, Final

from dicomnode.cli.findings import tag_text
from dicomnode.cli.table import printable
from dicomnode.dicom.instance import Finding, Severity
from dicomnode.services.checking import Checked

VERDICTS: Final = {
    Severity.INFO: "accept",
    Severity.WARN: "warn",
    Severity.FIX: "fix",
    Severity.QUARANTINE: "quarantine",
    Severity.REJECT: "reject",
}
_IN_MEMORY_BYTES: Final = 4 * 1024 * 1024


def verdict(checked: Checked) -> str:
    """What would become of a file's instance."""
    return VERDICTS[checked.verdict.severity]


def is_held(checked: Checked) -> bool:
    """Whether the instance would not be in the archive: refused, or held back."""
    return checked.verdict.severity >= Severity.QUARANTINE


def path(checked: Checked) -> str:
    """The file's path as text that can be shown."""
    return printable(str(checked.file))


def place(finding: Finding) -> str:
    """The elements that a finding is about, with the items that lead to them; empty when it is about none."""
    tags = " ".join(tag_text(tag) for tag in finding.tags)
    return printable(f"{finding.path} {tags}".strip())


def sentence(finding: Finding) -> str:
    """A finding in one line."""
    where = place(finding)
    return printable(f"{finding.rule}: {finding.comment}") + (f" {where}" if where else "")


def worst_first(checked: Checked, at_least: Severity) -> list[Finding]:
    """What was found of some weight, what decides first."""
    findings = [finding for finding in checked.verdict.findings if finding.severity >= at_least]
    return sorted(findings, key=lambda finding: -finding.severity)


def spool() -> IO[str]:
    """Text that waits for what is known only at the end: in memory while it is little."""
    return tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, "w+", encoding="utf-8", errors="backslashreplace")
