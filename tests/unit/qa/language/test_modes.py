"""Modes: how far rules may go, and what is recorded of what they would have done."""

from __future__ import annotations

import pytest
from unit.qa.judging import answer, judge, text
from unit.qa.site import judged, rules

from dicomnode.dicom.instance import Finding, Severity
from dicomnode.errors import ConfigurationError
from dicomnode.index.texts import findings_of, findings_text
from dicomnode.qa import QaSettings, Validation

BODY, PATIENT_ID = 0x00180015, 0x00100020

FILE = """
    version: 1
    mode: {file}
    profiles:
      all:
        mode: {profile}
        rules:
          - {{id: site.rule, required: [BodyPartExamined], severity: {severity}, mode: {rule}}}
      er:
        match: {{calling_ae: ER}}
        override:
          site.rule: {{mode: {override}}}
"""


def by_modes(
    *,
    file: str = "enforce",
    profile: str = "null",
    rule: str = "null",
    override: str = "observe",
    severity: str = "reject",
    sender: str = "CT1",
) -> Finding:
    text = FILE.format(file=file, profile=profile, rule=rule, override=override, severity=severity)
    validation = Validation(QaSettings(), site=rules(text), from_severity=Severity.WARN)
    [found] = judged(validation, {BODY: None}, calling_ae=sender).findings
    return found


@pytest.mark.parametrize(
    ("mode", "severity", "counts"),
    [
        ("observe", "reject", Severity.INFO),
        ("warn", "reject", Severity.WARN),
        ("quarantine", "reject", Severity.QUARANTINE),
        ("enforce", "reject", Severity.REJECT),
        ("reject", "reject", Severity.REJECT),
        ("observe", "warn", Severity.INFO),
        ("warn", "warn", Severity.WARN),
        ("quarantine", "warn", Severity.WARN),
        ("warn", "quarantine", Severity.WARN),
        ("quarantine", "quarantine", Severity.QUARANTINE),
    ],
)
def test_mode_caps_what_a_severity_can_do(mode: str, severity: str, counts: Severity) -> None:
    found = by_modes(file=mode, severity=severity)
    asked = Severity[severity.upper()]
    assert found.severity is counts
    assert found.would is (None if counts is asked else asked)
    assert found.comment.startswith(f"would {severity}: ") is (counts is not asked)


def test_the_nearest_mode_holds() -> None:
    assert by_modes(file="enforce", profile="warn").severity is Severity.WARN
    assert by_modes(file="observe", profile="warn", rule="quarantine").severity is Severity.QUARANTINE
    modes = {"file": "observe", "profile": "warn", "rule": "quarantine", "override": "enforce"}
    assert by_modes(**modes, sender="ER").severity is Severity.REJECT
    assert by_modes(**modes, sender="CT1").severity is Severity.QUARANTINE


CORE = """
    version: 1
    mode: {mode}
    profiles:
      all:
        override: {{patient.id: {{{override}}}}}
"""


@pytest.mark.parametrize(
    ("mode", "override", "severity", "would"),
    [
        ("observe", "severity: reject", Severity.QUARANTINE, Severity.REJECT),
        ("observe", "severity: warn", Severity.QUARANTINE, None),
        ("observe", "severity: 'off'", Severity.QUARANTINE, None),
        ("warn", "severity: reject", Severity.QUARANTINE, Severity.REJECT),
        ("warn", "severity: warn", Severity.WARN, None),
        ("warn", "severity: 'off'", None, None),
        ("enforce", "severity: reject", Severity.REJECT, None),
        ("enforce", "severity: reject, mode: observe", Severity.QUARANTINE, Severity.REJECT),
        ("enforce", "mode: warn", Severity.WARN, Severity.QUARANTINE),
        ("enforce", "mode: observe", Severity.INFO, Severity.QUARANTINE),
    ],
)
def test_mode_limits_what_a_file_adds_to_a_core_rule(
    mode: str, override: str, severity: Severity | None, would: Severity | None
) -> None:
    validation = Validation(QaSettings(), site=rules(CORE.format(mode=mode, override=override)))
    found = judge({PATIENT_ID: text(PATIENT_ID, "LO", "")}, validation=validation).findings
    told = next(((one.severity, one.would) for one in found if one.rule == "patient.id"), (None, None))
    assert told == (severity, would)


def test_what_would_have_been_is_kept_and_not_answered() -> None:
    validation = Validation(QaSettings(answer_warnings=True), site=rules(FILE.format(
        file="warn", profile="null", rule="null", override="observe", severity="reject")))  # fmt: skip
    verdict = judge({BODY: None}, validation=validation)
    assert answer(verdict, validation).status == 0xB007
    assert findings_of(findings_text(verdict.findings)) == verdict.findings


def test_what_older_rows_say_can_be_read() -> None:
    assert findings_of('[["a.b",1,45063,[1048608],"c","",""]]') == (
        Finding("a.b", Severity.WARN, 0xB007, (PATIENT_ID,), "c"),
    )


@pytest.mark.parametrize(
    ("override", "said"),
    [("{core.uids: {mode: warn}}", "stays at reject"), ("{patient.id: {reason: x}}", "a severity, a mode or both")],
)
def test_override_that_cannot_be_is_refused(override: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        rules(f"version: 1\nprofiles: {{all: {{override: {override}}}}}\n")
