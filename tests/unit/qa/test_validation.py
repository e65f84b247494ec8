"""From findings to verdict and answer: severities, settings, and rules that fail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date

import pytest
from pydantic import ValidationError
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage
from structlog.testing import capture_logs

from dicomnode.dicom import status
from dicomnode.dicom.instance import Finding, Severity, StoreAnswer, StoreRequest
from dicomnode.dicom.peer import Sender
from dicomnode.dicom.scan import scan
from dicomnode.qa import QaSettings, Validation
from dicomnode.qa.core import CORE
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
        "site.rule", severity, status.CANNOT_UNDERSTAND, "", lambda _: [Hit((0x00100020,), "something is wrong")]
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


def test_sender_that_takes_warnings_for_failures_is_told_none() -> None:
    lenient = Validation(QaSettings(success_for_quarantine=("CT1",), answer_warnings=True))
    for severity in (Severity.WARN, Severity.QUARANTINE):
        assert lenient.answer([finding(severity)], SENDER) == StoreAnswer(status.SUCCESS)
        other = replace(SENDER, calling_ae_title="CT2")
        assert lenient.answer([finding(severity)], other).status == status.STORED_WITH_FAULTS
    assert lenient.answer([finding(Severity.REJECT, code=0xC502)], SENDER).status == 0xC502


@pytest.mark.parametrize("own", [Severity.INFO, Severity.WARN, Severity.QUARANTINE, Severity.REJECT])
@pytest.mark.parametrize(
    ("setting", "answered"),
    [
        (RuleSeverity.INFO, status.SUCCESS),
        (RuleSeverity.WARN, status.SUCCESS),
        (RuleSeverity.QUARANTINE, status.STORED_WITH_FAULTS),
        (RuleSeverity.REJECT, status.CANNOT_UNDERSTAND),
    ],
)
def test_site_changes_a_rules_severity_and_the_answer_follows(
    own: Severity, setting: RuleSeverity, answered: int
) -> None:
    validation = Validation(QaSettings(severities={"site.rule": setting}), rules=(rule(own),))
    verdict = validation.judge(SUBJECT, REQUEST, TODAY)
    assert verdict.severity is setting.level
    assert validation.answer(verdict.findings, SENDER).status == answered


@pytest.mark.parametrize("setting", [one for one in RuleSeverity if one not in (RuleSeverity.OFF, RuleSeverity.FIX)])
@pytest.mark.parametrize("core", [one for one in CORE if one.id != "core.uids"], ids=lambda one: one.id)
def test_no_sender_hears_kept_of_what_is_refused_nor_refused_of_what_is_kept(core: Rule, setting: RuleSeverity) -> None:
    found = replace(core, check=lambda _: [Hit((0x00100020,), "something is wrong")], sop_classes=None)
    validation = Validation(QaSettings(severities={core.id: setting}, answer_warnings=True), rules=(found,))
    verdict = validation.judge(SUBJECT, REQUEST, TODAY)
    is_kept = verdict.severity is not Severity.REJECT
    assert status.is_success(validation.answer(verdict.findings, SENDER).status) is is_kept


@pytest.mark.parametrize("code", [status.SUCCESS, status.STORED_WITH_FAULTS])
def test_rule_that_would_reject_with_a_success_is_refused(code: int) -> None:
    with pytest.raises(ValueError, match=f"{code:04X}, which is no failure"):
        Rule("site.rule", Severity.WARN, code, "", lambda _: [])


@pytest.mark.parametrize("setting", [one for one in RuleSeverity if one is not RuleSeverity.REJECT])
def test_what_cannot_be_indexed_is_rejected_whatever_the_site_says(setting: RuleSeverity) -> None:
    with pytest.raises(ValidationError, match=r"core\.uids stays at reject"):
        QaSettings(severities={"core.uids": setting})
    QaSettings(severities={"core.uids": RuleSeverity.REJECT})


def test_site_switches_a_rule_off() -> None:
    validation = Validation(QaSettings(severities={"site.rule": RuleSeverity.OFF}), rules=(rule(),))
    assert validation.judge(SUBJECT, REQUEST, TODAY).findings == ()


def test_rule_set_names_what_is_judged_however_it_is_written() -> None:
    two = {"patient.id": RuleSeverity.WARN, "patient.sex": RuleSeverity.OFF}
    named = Validation(QaSettings(severities=two)).rule_set
    assert named == Validation(QaSettings(severities=dict(reversed(two.items())))).rule_set
    assert named == Validation(QaSettings(severities=two, answer_warnings=True)).rule_set


@pytest.mark.parametrize(
    "changed",
    [
        QaSettings(severities={"patient.id": RuleSeverity.WARN}),
        QaSettings(severities={"patient.sex": RuleSeverity.OFF}),
        QaSettings(severities={"index.study-patient": RuleSeverity.WARN}),
        QaSettings(on_engine_error=OnEngineError.QUARANTINE),
    ],
)
def test_rule_set_has_another_name_when_it_judges_otherwise(changed: QaSettings) -> None:
    assert Validation(changed).rule_set != Validation(QaSettings()).rule_set


def test_rule_looks_only_at_the_sop_classes_that_it_concerns() -> None:
    of_ct = replace(rule(), sop_classes=lambda uid: uid == CTImageStorage)
    validation = Validation(QaSettings(), rules=(of_ct,))
    assert validation.judge(SUBJECT, REQUEST, TODAY).findings
    assert not validation.judge(SUBJECT, REQUEST._replace(sop_class_uid=MRImageStorage), TODAY).findings


def _fails(subject: Subject) -> Iterator[Hit]:
    raise ZeroDivisionError(f"Secret^Name {subject.today}")


def _fails_late(subject: Subject) -> Iterator[Hit]:
    yield Hit((0x00100010,), "first")
    yield from _fails(subject)


def _fails_to_choose(_: str) -> bool:
    raise RecursionError("Secret^Name")


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


def test_rule_that_fails_is_logged_with_its_place_but_without_the_errors_words() -> None:
    broken = Rule("site.broken", Severity.REJECT, 0xC500, "", _fails)
    with capture_logs() as logged:
        Validation(QaSettings(), rules=(broken,)).judge(SUBJECT, REQUEST._replace(sop_class_uid="1" * 999), TODAY)
    (line,) = logged
    assert (line["event"], line["log_level"], line["rule"]) == ("qa.rule_failed", "error", "site.broken")
    assert line["error"] == "ZeroDivisionError"
    assert "test_validation.py:" in line["where"]
    assert len(line["sop_class_uid"]) == 64
    assert "Secret" not in repr(line)


def test_what_a_rule_found_before_it_failed_stands() -> None:
    late = Rule("site.late", Severity.QUARANTINE, 0xC500, "", _fails_late)
    verdict = Validation(QaSettings(), rules=(late,)).judge(SUBJECT, REQUEST, TODAY)
    assert [(one.rule, one.severity) for one in verdict.findings] == [
        ("site.late", Severity.QUARANTINE),
        ("core.engine", Severity.INFO),
    ]


def test_rule_that_cannot_tell_whom_it_concerns_looks_at_all() -> None:
    unsure = replace(rule(), sop_classes=_fails_to_choose)
    with capture_logs() as logged:
        verdict = Validation(QaSettings(), rules=(unsure,)).judge(SUBJECT, REQUEST, TODAY)
    assert [one.rule for one in verdict.findings] == ["site.rule"]
    assert [line["event"] for line in logged] == ["qa.rule_failed"]


def test_study_under_two_patients_follows_its_own_setting() -> None:
    assert Validation(QaSettings()).other_patient().severity is Severity.QUARANTINE  # type: ignore[union-attr]
    for lenient in (RuleSeverity.OFF, RuleSeverity.INFO, RuleSeverity.WARN):
        assert Validation(QaSettings(severities={"index.study-patient": lenient})).other_patient() is None


def test_other_content_is_kept_apart_unless_the_site_refuses_it() -> None:
    validation = Validation(QaSettings())
    kept, refused = validation.other_content(), validation.refused_duplicate()
    assert validation.answer([kept], SENDER).status == status.STORED_WITH_FAULTS
    assert validation.answer([refused], SENDER).status == status.DUPLICATE_WITH_OTHER_CONTENT
    assert (kept.rule, kept.tags) == (refused.rule, refused.tags) == ("core.duplicate", (0x00080018,))
