"""From findings to verdict and answer: severities, settings, and rules that fail."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from dicomnode.dicom import status
from dicomnode.dicom.instance import Finding, Severity, StoreRequest
from dicomnode.dicom.peer import Sender
from dicomnode.dicom.scan import scan
from dicomnode.qa import QaSettings, Validation
from dicomnode.qa.rule import Hit, Rule, Subject
from dicomnode.qa.settings import OnEngineError, RuleSeverity

SENDER = Sender("CT1", "DICOMNODE", "192.0.2.1", None)
TODAY = date(2024, 6, 1)
SUBJECT = scan(b"\x10\x00\x20\x00LO\x02\x00P1", ExplicitVRLittleEndian)
REQUEST = StoreRequest(CTImageStorage, "1.2.3", ExplicitVRLittleEndian, SENDER)


def finding(
    severity: Severity, *, code: int = status.STORED_WITH_FAULTS, tags: tuple[int, ...] = (1,), comment: str = "x"
) -> Finding:
    return Finding("site.rule", severity, code, tags, comment)


def rule(severity: Severity = Severity.WARN) -> Rule:
    return Rule(
        "site.rule", severity, status.STORED_WITH_FAULTS, "", lambda _: [Hit((0x00100020,), "something is wrong")]
    )


def test_worst_finding_decides_and_all_its_tags_are_told() -> None:
    findings = (
        finding(Severity.WARN, tags=(1,)),
        finding(Severity.QUARANTINE, tags=(2,), comment="first"),
        finding(Severity.QUARANTINE, tags=(3, 2), comment="second"),
    )
    answer = Validation(QaSettings()).answer(findings, SENDER)
    assert (answer.status, answer.offending_elements) == (status.STORED_WITH_FAULTS, (2, 3))
    assert answer.comment == "first [site.rule]"


def test_rule_id_is_left_out_where_it_does_not_fit() -> None:
    answer = Validation(QaSettings()).answer([finding(Severity.REJECT, comment="x" * 60)], SENDER)
    assert answer.comment == "x" * 60


def test_comment_is_ascii_of_64_characters_at_most() -> None:
    answer = Validation(QaSettings()).answer([finding(Severity.REJECT, comment="Größe\\" * 30)], SENDER)
    assert len(answer.comment) == 64
    assert answer.comment.isascii()
    assert "\\" not in answer.comment


def test_warning_is_success_unless_the_site_wants_it_answered() -> None:
    findings = [finding(Severity.WARN)]
    assert Validation(QaSettings()).answer(findings, SENDER).status == status.SUCCESS
    assert Validation(QaSettings(answer_warnings=True)).answer(findings, SENDER).status == status.STORED_WITH_FAULTS


def test_sender_that_takes_warnings_for_failures_is_told_success_for_quarantine() -> None:
    lenient = Validation(QaSettings(success_for_quarantine=("CT1",)))
    assert lenient.answer([finding(Severity.QUARANTINE)], SENDER).status == status.SUCCESS
    assert lenient.answer([finding(Severity.REJECT, code=0xC502)], SENDER).status == 0xC502


@pytest.mark.parametrize("setting", [RuleSeverity.INFO, RuleSeverity.QUARANTINE, RuleSeverity.REJECT])
def test_site_changes_a_rules_severity(setting: RuleSeverity) -> None:
    validation = Validation(QaSettings(severities={"site.rule": setting}), rules=(rule(),))
    assert validation.judge(SUBJECT, REQUEST, TODAY).severity is setting.level


def test_site_switches_a_rule_off() -> None:
    validation = Validation(QaSettings(severities={"site.rule": RuleSeverity.OFF}), rules=(rule(),))
    assert validation.judge(SUBJECT, REQUEST, TODAY).findings == ()


def test_rule_set_has_another_hash_when_a_severity_changes() -> None:
    assert Validation(QaSettings()).rule_set == Validation(QaSettings()).rule_set
    changed = Validation(QaSettings(severities={"patient.id": RuleSeverity.WARN}))
    assert changed.rule_set != Validation(QaSettings()).rule_set


def _fails(subject: Subject) -> Iterator[Hit]:
    raise ZeroDivisionError(subject.today)


@pytest.mark.parametrize(
    ("setting", "severity", "code"),
    [
        (OnEngineError.ACCEPT, Severity.WARN, status.SUCCESS),
        (OnEngineError.QUARANTINE, Severity.QUARANTINE, status.STORED_WITH_FAULTS),
    ],
)
def test_rule_that_fails_costs_no_image_and_no_other_rule(
    setting: OnEngineError, severity: Severity, code: int
) -> None:
    broken = Rule("site.broken", Severity.REJECT, 0xC500, "", _fails)
    validation = Validation(QaSettings(on_engine_error=setting), rules=(broken, rule()))
    verdict = validation.judge(SUBJECT, REQUEST, TODAY)
    assert [one.rule for one in verdict.findings] == ["core.engine", "site.rule"]
    assert verdict.severity is severity
    assert validation.answer(verdict.findings, SENDER).status == code


def test_study_under_two_patients_follows_its_own_setting() -> None:
    assert Validation(QaSettings()).other_patient().severity is Severity.QUARANTINE  # type: ignore[union-attr]
    for lenient in (RuleSeverity.OFF, RuleSeverity.WARN):
        assert Validation(QaSettings(severities={"index.study-patient": lenient})).other_patient() is None
