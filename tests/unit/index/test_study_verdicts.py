"""Verdicts on studies: the last one is kept, as long as the study is here."""

from __future__ import annotations

from datetime import UTC, datetime

from unit.index.received import STUDY, finding, received

from dicomnode.dicom.instance import Severity
from dicomnode.index import Index, OnConflict, Scope, StudyVerdict


def verdict(*rules: str, instances: int = 1) -> StudyVerdict:
    found = tuple(finding(rule, Severity.WARN) for rule in rules)
    return StudyVerdict(STUDY, datetime(2024, 1, 31, tzinfo=UTC), instances, "rules-1", found)


def test_last_verdict_is_kept(index: Index) -> None:
    index.instances.add(received(), OnConflict())
    assert index.study_verdicts.of(STUDY) is None
    for one in (verdict("study.patient"), verdict("study.frames", instances=2)):
        index.study_verdicts.put(one)
        assert index.study_verdicts.of(STUDY) == one


def test_no_verdict_is_kept_on_a_study_that_is_not_here(index: Index) -> None:
    index.study_verdicts.put(verdict())
    assert index.study_verdicts.of(STUDY) is None


def test_verdict_goes_with_its_study(index: Index) -> None:
    index.instances.add(received(), OnConflict())
    index.study_verdicts.put(verdict("study.patient"))
    index.removal.remove(index.removal.holding(Scope(study_instance_uid=STUDY)), limit=10, reason="test", by="me")
    assert index.study_verdicts.of(STUDY) is None
