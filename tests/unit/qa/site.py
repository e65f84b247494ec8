"""Rule files written in tests, and how an instance is judged by them."""

from __future__ import annotations

from textwrap import dedent, indent

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from unit.qa.judging import TODAY, Changes, judge, sliced

from dicomnode.dicom.instance import Finding, Severity, StoreRequest, Verdict
from dicomnode.dicom.peer import Sender
from dicomnode.dicom.scan import scan
from dicomnode.qa import QaSettings, Validation
from dicomnode.qa.language import RuleSet, compile_rules
from dicomnode.qa.rule import Subject
from dicomnode.settings.yaml_text import parse_yaml


def rules(text: str) -> RuleSet:
    """The rules of a file."""
    return compile_rules(parse_yaml(dedent(text), "rules.yaml"))


def one_rule(text: str) -> Validation:
    """The core rules and one rule, ``site.rule``, that warns unless it says otherwise."""
    body = dedent(text).strip()
    severity = "" if "severity:" in body else "severity: warn\n"
    rule = indent(f"{severity}{body}", " " * 8)
    return Validation(
        QaSettings(), site=rules(f"version: 1\nprofiles:\n  all:\n    rules:\n      - id: site.rule\n{rule}\n")
    )


def found(validation: Validation, changes: Changes | None = None) -> list[Finding]:
    """What the site's rules find in the slice with changes."""
    return [one for one in judge(changes or {}, validation=validation).findings if one.rule.startswith("site.")]


def subject(changes: Changes | None = None, calling_ae: str = "CT1") -> Subject:
    """The slice with changes, as rules see it."""
    dataset = scan(sliced(changes), ExplicitVRLittleEndian)
    sender = Sender(calling_ae, "DICOMNODE", "192.0.2.1")
    request = StoreRequest(CTImageStorage, dataset.uid(0x00080018) or "", ExplicitVRLittleEndian, sender)
    return Subject(dataset, request, TODAY)


def judged(
    validation: Validation, changes: Changes | None = None, *, calling_ae: str = "CT1", today: object = TODAY
) -> Verdict:
    """The verdict on the slice with changes, from a sender of this title, on a day."""
    asked = subject(changes, calling_ae)
    return validation.judge(asked.dataset, asked.request, today)  # type: ignore[arg-type]


def severity_of(verdict: Verdict, rule: str) -> Severity | None:
    """What a rule found; None for nothing."""
    return max((one.severity for one in verdict.findings if one.rule == rule), default=None)
