"""A report on standard output: one line a file, and for people a summary after them."""

from __future__ import annotations

import json

import click

from dicomnode.cli import findings, table
from dicomnode.cli.reports import words
from dicomnode.cli.reports.tally import Tally
from dicomnode.dicom.instance import Severity
from dicomnode.services.checking import Checked


class Lines:
    """Objects for scripts as they come; for people, what would be refused or held back, when the progress bar is gone."""

    def __init__(self, *, as_json: bool, tell_all: bool) -> None:
        self._as_json = as_json
        self._tell_all = tell_all
        self._lines = words.spool()

    def add(self, checked: Checked) -> None:
        """Take one file in."""
        if self._as_json:
            click.echo(json.dumps(_object(checked)))
        elif self._tell_all or words.is_held(checked):
            self._lines.write(f"{_line(checked)}\n")

    def finish(self, tally: Tally, duration_s: float) -> None:
        """Tell people."""
        if self._as_json:
            return
        self._lines.seek(0)
        for line in self._lines:
            click.echo(line, nl=False)
        rows = [
            (count.rule, count.severity.name.lower(), count.findings, count.files, count.example)
            for count in tally.rules()
        ]
        table.show(("Rule", "Severity", "Findings", "Files", "Example"), rows, nothing="nothing found")
        rate = tally.files / max(duration_s, 1e-3)
        click.echo(f"{tally.sentence() or 'no files'}; {tally.files} files in {duration_s:.1f} s, {rate:.0f}/s")


def _line(checked: Checked) -> str:
    found = "; ".join(words.sentence(finding) for finding in words.worst_first(checked, Severity.WARN))
    return f"{words.verdict(checked)} {words.path(checked)}" + (f": {found}" if found else "")


def _object(checked: Checked) -> dict[str, object]:
    return {
        "file": str(checked.file),
        "verdict": words.verdict(checked),
        "status": f"0x{checked.status:04X}",
        "rule_set": checked.verdict.rule_set,
        "findings": [findings.as_json(finding) for finding in checked.verdict.findings],
    }
