"""What rules found, for scripts."""

from __future__ import annotations

from dicomnode.dicom.instance import Finding


def as_json(finding: Finding) -> dict[str, object]:
    """A finding as an object."""
    return {
        "rule": finding.rule,
        "severity": finding.severity.name.lower(),
        "tags": [f"({tag >> 16:04x},{tag & 0xFFFF:04x})" for tag in finding.tags],
        "comment": finding.comment,
    }
