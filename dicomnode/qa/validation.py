"""From a scanned data set to a verdict, and from a verdict to what the sender is told."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Final

import structlog

from dicomnode import __version__
from dicomnode.dicom import status
from dicomnode.dicom.amend import Change
from dicomnode.dicom.instance import Finding, Severity, StoreAnswer, StoreRequest, Verdict
from dicomnode.dicom.knowledge import Knowledge
from dicomnode.dicom.peer import Sender
from dicomnode.dicom.scan import ScannedDataset
from dicomnode.qa import knowledge
from dicomnode.qa.core import ENGINE_FAULT, FOUND_BY_THE_INDEX, OTHER_CONTENT, OTHER_PATIENT
from dicomnode.qa.language import Facts, RuleSet
from dicomnode.qa.panel import Memory, Panel
from dicomnode.qa.rule import Hit, Rule, Subject
from dicomnode.qa.rules import RULES
from dicomnode.qa.settings import OnEngineError, QaSettings, RuleSeverity

log = structlog.get_logger()

_SELECTIONS: Final = 512
"""Of how many kinds of instances (SOP Class, sender, device) the rules are kept selected; a peer can make up any number."""
_KEPT: Final = {
    Severity.WARN: status.STORED_WITH_FAULTS,
    Severity.FIX: status.COERCED,
    Severity.QUARANTINE: status.STORED_WITH_FAULTS,
}
"""What a sender hears of an instance that is kept, whatever rules say: never that it was refused."""
_FRAMES: Final = 3
_UID_LENGTH: Final = 64


class Validation:
    """Judges instances; compiled once from the settings, shared by all associations, never raises."""

    def __init__(
        self,
        settings: QaSettings,
        rules: Sequence[Rule] = RULES,
        *,
        site: RuleSet | None = None,
        from_severity: Severity = Severity.INFO,
    ) -> None:
        """Compile the rules, the site's own beside those of the house.

        Args:
            site: none unless given.
            from_severity: rules below are not run; checks of files tell what they find.
        """
        self._settings = settings
        self._rules = (*_effective(rules, settings.severities), *_remarks(settings.severities))
        self._site = site if site is not None else RuleSet()
        self._from_severity = from_severity
        setting = settings.severities.get(OTHER_PATIENT, RuleSeverity.QUARANTINE)
        holds_back = setting in (RuleSeverity.QUARANTINE, RuleSeverity.REJECT)
        self._other_patient = _found_by_the_index(OTHER_PATIENT) if holds_back else None
        self._memory: Memory = {}
        self._panel = lru_cache(maxsize=_SELECTIONS)(self._select)
        self.rule_set = _hash(self._rules, settings, self._site)
        """Names the effective rules: kept with every verdict."""

    def judge(
        self,
        dataset: ScannedDataset,
        request: StoreRequest,
        today: date,
        known: Knowledge | None = None,
        *,
        can_be_fixed: bool = True,
    ) -> Verdict:
        """All that the rules find, and what they would change. A rule that fails is logged, and costs no image.

        Args:
            known: what the node has of its patient, study and series; None where nobody looked.
            can_be_fixed: whether somebody will make the changes; otherwise what could be mended counts as what cannot.
        """
        subject = Subject(dataset, request, today, known)
        findings: list[Finding] = []
        changes: dict[int, Change] = {}
        day = today if self._site.expires else None
        panel = self._panel(request.sop_class_uid, day, self._site.facts(subject))
        for _, rule, hits in panel.questions(subject):
            try:
                for hit in rule.check(subject) if hits is None else hits:
                    is_mended = hit.change is not None and _takes(rule, hit.change, changes if can_be_fixed else None)
                    findings.append(_finding(rule, hit, is_mended=is_mended))
            except Exception as error:  # noqa: BLE001 - a bug in a rule must never lose an image
                _log_failure(rule, request.sop_class_uid, error)
                findings.append(self._engine_fault(rule))
        return Verdict(tuple(findings), self.rule_set, tuple(changes.values()))

    def judge_fixed(
        self,
        before: Verdict,
        fixed: ScannedDataset,
        request: StoreRequest,
        today: date,
        known: Knowledge | None = None,
    ) -> Verdict:
        """What is to be said once the changes of ``before`` are made: what was mended, and all that is found now.

        Nothing is mended twice: what a rule would still change counts as what it cannot mend.
        """
        now = self.judge(fixed, request, today, known, can_be_fixed=False)
        mended = tuple(finding for finding in before.findings if finding.severity is Severity.FIX)
        return replace(now, findings=(*mended, *now.findings), changes=before.changes)

    def other_patient(self) -> Finding | None:
        """What holds an instance back whose study is under another patient; None when the site lets it in."""
        return self._other_patient

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
        if worst is not Severity.REJECT and sender.calling_ae_title in self._settings.success_for_quarantine:
            return StoreAnswer(status.SUCCESS)
        deciding = [finding for finding in findings if finding.severity is worst]
        tags = tuple(dict.fromkeys(tag for finding in deciding for tag in finding.tags))
        return StoreAnswer(_KEPT.get(worst, deciding[0].status), tags, _comment(deciding[0]))

    def _select(self, sop_class_uid: str, today: date | None, facts: Facts) -> Panel:
        """The rules for instances of one kind, selected when the first one comes; the day counts where overrides end."""
        rules = self._site.applied(self._rules, facts, today or date.min)
        run = [rule for rule in rules if rule.severity >= self._from_severity]
        return Panel([rule for rule in run if _concerns(rule, sop_class_uid)], self._memory)

    def _engine_fault(self, rule: Rule) -> Finding:
        holds_back = self._settings.on_engine_error is OnEngineError.QUARANTINE
        severity = Severity.QUARANTINE if holds_back else Severity.INFO
        return Finding(ENGINE_FAULT, severity, status.STORED_WITH_FAULTS, (), f"rule {rule.id} failed")


def _effective(rules: Sequence[Rule], severities: Mapping[str, RuleSeverity]) -> Iterator[Rule]:
    """The rules that are not off, with the site's severities."""
    for rule in rules:
        setting = severities.get(rule.id)
        if setting is None:
            yield rule
        elif setting.level is not None:
            yield replace(rule, severity=setting.level)


def _remarks(severities: Mapping[str, RuleSeverity]) -> Iterator[Rule]:
    """What is told of an instance that a site lets in under another patient; where it does not, the index tells."""
    level = severities.get(OTHER_PATIENT, RuleSeverity.QUARANTINE).level
    if level is not None and level < Severity.QUARANTINE:
        _, _, reference = FOUND_BY_THE_INDEX[OTHER_PATIENT]
        yield Rule(OTHER_PATIENT, level, status.DATASET_DOES_NOT_MATCH_SOP_CLASS, reference, knowledge.other_patient)


def _concerns(rule: Rule, sop_class_uid: str) -> bool:
    if rule.sop_classes is None:
        return True
    try:
        return rule.sop_classes(sop_class_uid)
    except Exception as error:  # noqa: BLE001 - as in judge; the check itself may still work
        _log_failure(rule, sop_class_uid, error)
        return True


def _takes(rule: Rule, change: Change, changes: dict[int, Change] | None) -> bool:
    """Whether a change is made, or would be but for the rule's mode; the first that changes an attribute has it.

    Args:
        changes: where it goes; None when nothing is changed any more.
    """
    if rule.severity is not Severity.FIX:
        return False
    if rule.cap < Severity.FIX:
        return True
    return changes is not None and changes.setdefault(change.tag, change) == change


def _finding(rule: Rule, hit: Hit, *, is_mended: bool) -> Finding:
    wanted = rule.otherwise if rule.severity is Severity.FIX and not is_mended else rule.severity
    reference = hit.reference or rule.reference
    code = rule.status if wanted is Severity.REJECT else _KEPT.get(wanted, status.STORED_WITH_FAULTS)
    if wanted <= rule.cap:
        return Finding(rule.id, wanted, code, hit.tags, hit.comment, hit.path, reference)
    comment = f"would {wanted.name.lower()}: {hit.comment}"
    return Finding(rule.id, rule.cap, code, hit.tags, comment, hit.path, reference, wanted)


def _found_by_the_index(rule: str) -> Finding:
    tags, comment, reference = FOUND_BY_THE_INDEX[rule]
    return Finding(rule, Severity.QUARANTINE, status.STORED_WITH_FAULTS, tags, comment, "", reference)


def _log_failure(rule: Rule, sop_class_uid: str, error: Exception) -> None:
    """What failed and where, but not the error's words: they may quote a value, and values tell of patients."""
    frames = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    log.error(
        "qa.rule_failed",
        rule=rule.id,
        sop_class_uid=sop_class_uid[:_UID_LENGTH],
        error=type(error).__name__,
        where=" > ".join(frames[-_FRAMES:]),
    )


def _comment(finding: Finding) -> str:
    """What is wrong first, then the rule's id when it fits: only 64 characters reach a peer."""
    named = f"{finding.comment} [{finding.rule}]"
    return status.error_comment(named if len(named) <= status.ERROR_COMMENT_LENGTH else finding.comment)


def _hash(rules: Sequence[Rule], settings: QaSettings, site: RuleSet) -> str:
    """Two nodes that judge alike have the same; how answers are worded for whom is not part of it."""
    told = [f"{rule.id}={rule.severity.name}/{rule.status:04X}" for rule in rules]
    told += [f"{ENGINE_FAULT}={settings.on_engine_error}", f"{OTHER_PATIENT}={settings.severities.get(OTHER_PATIENT)}"]
    told += [f"site={site.hash}"] if site.hash else []
    return hashlib.sha256("\n".join([__version__, *told]).encode()).hexdigest()[:16]
