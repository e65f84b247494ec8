"""What rules found, for scripts."""

from __future__ import annotations

from dicomnode.dicom.instance import Finding


def as_json(finding: Finding) -> dict[str, object]:
    """A finding as an object; ``tag`` is the first of ``tags``, null without any."""
    tags = [tag_text(tag) for tag in finding.tags]
    return {
        "rule": finding.rule,
        "severity": finding.severity.name.lower(),
        "tag": tags[0] if tags else None,
        "tags": tags,
        "path": finding.path,
        "comment": finding.comment,
        "ref": finding.reference,
    }


def tag_text(tag: int) -> str:
    """A tag as the standard writes it: ``(0010,0020)``."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
