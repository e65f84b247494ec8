"""What was found of whole studies: one verdict a study, the last one."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from dicomnode.dicom.instance import Finding, Severity
from dicomnode.index.database import Connections
from dicomnode.index.keys import instant, microseconds
from dicomnode.index.texts import findings_of, findings_text
from dicomnode.index.writer import Writer


@dataclass(frozen=True, slots=True)
class StudyVerdict:
    """The judgement on one study.

    Attributes:
        instances: of how many it was made.
        rule_set: the hash of the rules that made it.
        findings: their ``path`` is the Series Instance UID, empty for the whole study.
    """

    study_instance_uid: str
    judged_at: datetime
    instances: int
    rule_set: str
    findings: tuple[Finding, ...]

    @property
    def severity(self) -> Severity:
        """The worst finding's; INFO when there is none."""
        return max((finding.severity for finding in self.findings), default=Severity.INFO)


_PUT: Final = """
INSERT OR REPLACE INTO study_verdict (study_instance_uid, judged_at, instances, rule_set, findings)
SELECT :study_instance_uid, :judged_at, :instances, :rule_set, :findings
WHERE EXISTS (SELECT 1 FROM study WHERE study_instance_uid = :study_instance_uid)
"""
_OF: Final = "SELECT judged_at, instances, rule_set, findings FROM study_verdict WHERE study_instance_uid = ?"


class StudyVerdicts:
    """Keeps the verdicts."""

    def __init__(self, connections: Connections, writer: Writer) -> None:
        self._connections = connections
        self._writer = writer

    def put(self, verdict: StudyVerdict) -> None:
        """Keep the verdict in place of an earlier one, if the study is still here; nobody waits for the disk.

        Raises:
            IndexUnavailableError: the index cannot be written now.
        """
        row = {
            "study_instance_uid": verdict.study_instance_uid,
            "judged_at": microseconds(verdict.judged_at),
            "instances": verdict.instances,
            "rule_set": verdict.rule_set,
            "findings": findings_text(verdict.findings),
        }

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(_PUT, row)

        self._writer.note(work)

    def of(self, study_instance_uid: str) -> StudyVerdict | None:
        """The last verdict; None when the study was not judged.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        with self._connections.reading() as connection:
            row = connection.execute(_OF, (study_instance_uid,)).fetchone()
        if row is None:
            return None
        judged_at, instances, rule_set, findings = row
        return StudyVerdict(study_instance_uid, instant(judged_at), instances, rule_set, findings_of(findings))
