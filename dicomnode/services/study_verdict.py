"""Studies judged as a whole, once they are complete, from the headers of what is stored."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import structlog

from dicomnode.dicom.instance import Severity
from dicomnode.dicom.query.identifier import Level, Selection
from dicomnode.dicom.scan import scan
from dicomnode.errors import StorageError, UnknownInstanceError
from dicomnode.files import Files
from dicomnode.index import Index, StoredInstance, StudyVerdict
from dicomnode.index.growth import CompleteStudy
from dicomnode.qa.settings import RuleSeverity
from dicomnode.qa.studies import Header, header_of, judge_study, study_rule_set

log = structlog.get_logger()

_MOST_INSTANCES: Final = 100_000
"""That are read of one study, 100 us each."""


class StudyJudgement:
    """Judges studies and keeps the verdicts.

    Args:
        severities: the site's own, by rule id; a study that is here is remarked upon, never more.
    """

    def __init__(self, index: Index, files: Files, severities: Mapping[str, RuleSeverity]) -> None:
        self._index = index
        self._files = files
        self._severities = severities
        self._rule_set = study_rule_set(severities)

    def judge(self, study_instance_uid: str) -> StudyVerdict:
        """The verdict on a study as it is now, which is kept and logged.

        Raises:
            UnknownInstanceError: nothing of it is accepted.
            IndexUnavailableError: the index cannot be read or written now.
        """
        started = time.monotonic()
        instances = self._index.select(Selection(Level.STUDY, "", (study_instance_uid,)))
        if not instances:
            raise UnknownInstanceError(f"no study {study_instance_uid}")
        headers = [header for one in instances[:_MOST_INSTANCES] if (header := self._header(one)) is not None]
        findings = judge_study(
            headers,
            self._severities,
            awaited=self._index.completeness.awaited(study_instance_uid),
            unreadable=min(len(instances), _MOST_INSTANCES) - len(headers),
        )
        verdict = StudyVerdict(study_instance_uid, datetime.now(UTC), len(instances), self._rule_set, findings)
        self._index.study_verdicts.put(verdict)
        rules = sorted({finding.rule for finding in findings if finding.severity >= Severity.WARN})
        log.info(
            "study.judged",
            study_instance_uid=study_instance_uid,
            instances=len(instances),
            duration_ms=round((time.monotonic() - started) * 1000),
            **({"rules": rules} if rules else {}),
        )
        return verdict

    def follow(self, study: CompleteStudy) -> None:
        """Judge a study that is complete, unless nothing of it is accepted, or it was deleted since.

        Raises:
            IndexUnavailableError: the index cannot be read or written now.
        """
        with suppress(UnknownInstanceError):
            self.judge(study.study_instance_uid)

    def _header(self, stored: StoredInstance) -> Header | None:
        try:
            dataset = self._files.dataset(stored.location, stored.dataset_offset, stored.dataset_size_bytes)
        except (StorageError, UnknownInstanceError):
            return None
        return header_of(scan(dataset, stored.transfer_syntax_uid))
