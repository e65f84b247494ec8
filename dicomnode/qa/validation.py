"""From a scanned data set to a verdict, and from a verdict to what the sender is told."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date

import structlog

from dicomnode.dicom import status
from dicomnode.dicom.instance import Finding, Severity, StoreAnswer, StoreRequest, Verdict
from dicomnode.dicom.peer import Sender
from dicomnode.dicom.scan import ScannedDataset
from dicomnode.qa.core import CORE, FOUND_BY_THE_INDEX, OTHER_CONTENT, OTHER_PATIENT
from dicomnode.qa.rule import Rule, Subject
from dicomnode.qa.settings import OnEngineError, QaSettings, RuleSeverity

log = structlog.get_logger()

ENGINE_FAULT = "core.engine"


class Validation:
    """Judges instances; compiled once from the settings, shared by all associations, never raises."""

    def __init__(self, settings: QaSettings, rules: Sequence[Rule] = CORE) -> None:
        self._settings = settings
        self._rules = tuple(_with_severities(rules, settings.severities))
        self.rule_set = _hash(self._rules, settings)
        """Names the effective rules: kept with every verdict."""

    def judge(self, dataset: ScannedDataset, request: StoreRequest, today: date) -> Verdict:
        """All that the rules find. A rule that fails is logged, and costs no image."""
        subject = Subject(dataset, request, today)
        findings: list[Finding] = []
        for rule in self._rules:
            try:
                findings += [
                    Finding(rule.id, rule.severity, rule.status, hit.tags, hit.comment, hit.path, rule.reference)
                    for hit in rule.check(subject)
                ]
            except Exception:  # a bug in a rule must never lose an image
                log.exception("qa.rule_failed", rule=rule.id, sop_class_uid=request.sop_class_uid)
                findings.append(self._engine_fault(rule))
        return Verdict(tuple(findings), self.rule_set)

    def other_patient(self) -> Finding | None:
        """What holds an instance back whose study is under another patient; None when the site lets it in."""
        setting = self._settings.severities.get(OTHER_PATIENT, RuleSeverity.QUARANTINE)
        return _found_by_the_index(OTHER_PATIENT) if setting in (RuleSeverity.QUARANTINE, RuleSeverity.REJECT) else None

    def other_content(self) -> Finding:
        """What a SOP Instance UID with two contents is."""
        return _found_by_the_index(OTHER_CONTENT)

    def refused_duplicate(self) -> Finding:
        """What a SOP Instance UID with two contents is where the site refuses the second one."""
        return replace(self.other_content(), severity=Severity.REJECT, status=status.DUPLICATE_WITH_OTHER_CONTENT)

    def answer(self, findings: Sequence[Finding], sender: Sender) -> StoreAnswer:
        """What a sender is told of findings on his instance (PS3.4 Table B.2-1)."""
        worst = max((finding.severity for finding in findings), default=Severity.INFO)
        if worst < Severity.WARN or (worst is Severity.WARN and not self._settings.answer_warnings):
            return StoreAnswer(status.SUCCESS)
        if worst is Severity.QUARANTINE and sender.calling_ae_title in self._settings.success_for_quarantine:
            return StoreAnswer(status.SUCCESS)
        deciding = [finding for finding in findings if finding.severity is worst]
        tags = tuple(dict.fromkeys(tag for finding in deciding for tag in finding.tags))
        return StoreAnswer(deciding[0].status, tags, _comment(deciding[0]))

    def _engine_fault(self, rule: Rule) -> Finding:
        holds_back = self._settings.on_engine_error is OnEngineError.QUARANTINE
        severity = Severity.QUARANTINE if holds_back else Severity.INFO
        return Finding(ENGINE_FAULT, severity, status.STORED_WITH_FAULTS, (), f"rule {rule.id} failed")


def _found_by_the_index(rule: str) -> Finding:
    severity, code, tags, comment, reference = FOUND_BY_THE_INDEX[rule]
    return Finding(rule, severity, code, tags, comment, "", reference)


def _with_severities(rules: Sequence[Rule], severities: Mapping[str, RuleSeverity]) -> Iterator[Rule]:
    for rule in rules:
        setting = severities.get(rule.id)
        if setting is None:
            yield rule
        elif setting.level is not None:
            yield replace(rule, severity=setting.level)


def _comment(finding: Finding) -> str:
    """What is wrong first, then the rule's id when it fits: only 64 characters reach a peer."""
    named = f"{finding.comment} [{finding.rule}]"
    return status.error_comment(named if len(named) <= status.ERROR_COMMENT_LENGTH else finding.comment)


def _hash(rules: Sequence[Rule], settings: QaSettings) -> str:
    told = [f"{rule.id}={rule.severity.name}/{rule.status:04X}" for rule in rules]
    return hashlib.sha256("\n".join([*told, settings.model_dump_json()]).encode()).hexdigest()[:16]
