"""A report as build servers read test results: a test case a file, failed when it would be refused or held back."""

from __future__ import annotations

import shutil
from typing import IO
from xml.sax.saxutils import escape, quoteattr

from dicomnode.cli.reports import words
from dicomnode.cli.reports.tally import Tally
from dicomnode.cli.table import printable
from dicomnode.dicom.instance import Severity
from dicomnode.services.checking import Checked


class JUnit:
    """Written to ``file`` when all is known: its first line counts the rest."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._cases = words.spool()

    def add(self, checked: Checked) -> None:
        """Take one file in."""
        folder, name = printable(str(checked.file.parent)), printable(checked.file.name)
        self._cases.write(f"<testcase classname={quoteattr(folder)} name={quoteattr(name)}")
        findings = words.worst_first(checked, Severity.INFO)
        if not findings:
            self._cases.write("/>\n")
            return
        told = escape("\n".join(f"{one.severity.name.lower()} {words.sentence(one)}" for one in findings))
        if words.is_held(checked):
            kind, message = quoteattr(words.verdict(checked)), quoteattr(words.sentence(findings[0]))
            self._cases.write(f"><failure type={kind} message={message}>{told}</failure></testcase>\n")
        else:
            self._cases.write(f"><system-out>{told}</system-out></testcase>\n")

    def finish(self, tally: Tally, duration_s: float) -> None:
        """Write it."""
        counts = f'tests="{tally.files}" failures="{tally.held}" errors="0" skipped="0" time="{duration_s:.3f}"'
        self._file.write(f'<?xml version="1.0" encoding="utf-8"?>\n<testsuites name="dicomnode check" {counts}>\n')
        rule_set = f'<property name="rule_set" value={quoteattr(tally.rule_set)}/>'
        self._file.write(f'<testsuite name="dicomnode check" {counts}>\n<properties>{rule_set}</properties>\n')
        self._cases.seek(0)
        shutil.copyfileobj(self._cases, self._file)
        self._file.write("</testsuite>\n</testsuites>\n")
