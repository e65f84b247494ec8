"""What was found in files as one HTML page for people."""

from __future__ import annotations

import shutil
from datetime import datetime
from typing import IO, Final

from dicomnode import __version__
from dicomnode.cli.reports import html, words
from dicomnode.cli.reports.tally import Tally
from dicomnode.dicom.instance import Severity
from dicomnode.services.checking import Checked

MOST_LISTED: Final = 5000
"""Files in each of the lists: browsers grow slow with more."""
_FREQUENT_RULES: Final = 5

_FILE_COLUMNS: Final = ("File", "Verdict", "Status", "Findings")


class Page:
    """Written to ``file`` when all is known: the summary comes first."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._held = _Rows()
        self._remarked = _Rows()

    def add(self, checked: Checked) -> None:
        """Take one file in."""
        if words.is_held(checked):
            self._held.add(checked)
        elif checked.verdict.severity >= Severity.WARN:
            self._remarked.add(checked)

    def finish(self, tally: Tally, duration_s: float) -> None:
        """Write it."""
        made = f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}, dicomnode {__version__}, rule set {tally.rule_set}"
        self._file.write(html.head("dicomnode check"))
        self._file.write(
            f"<p>{html.text(tally.sentence() or 'no files')}; {tally.files} files in {duration_s:.1f} s</p>\n"
        )
        self._file.write(f'<p class="note">{html.text(made)}</p>\n')
        self._by_rule(tally)
        self._by_device(tally)
        self._files("Refused or held back", self._held)
        self._files("Accepted with remarks", self._remarked)
        self._file.write(html.END)

    def _by_rule(self, tally: Tally) -> None:
        rows = (
            (
                html.cell(count.rule),
                html.cell(count.severity.name.lower(), count.severity.name.lower()),
                html.number(count.findings),
                html.number(count.files),
                html.cell(str(count.example), "file"),
            )
            for count in tally.rules()
        )
        html.write_table(self._file, "By rule", ("Rule", "Severity", "Findings#", "Files#", "Example"), rows)

    def _by_device(self, tally: Tally) -> None:
        rows = (
            (
                html.cell(device.manufacturer),
                html.cell(device.model),
                html.cell(device.station),
                *(html.number(count.verdicts[word]) for word in words.VERDICTS.values()),
                html.cell(", ".join(f"{rule} {files}" for rule, files in count.rules.most_common(_FREQUENT_RULES))),
            )
            for device, count in tally.devices()
        )
        verdicts = (f"{word.capitalize()}#" for word in words.VERDICTS.values())
        html.write_table(
            self._file, "By device", ("Manufacturer", "Model", "Station", *verdicts, "Most frequent, files"), rows
        )

    def _files(self, title: str, rows: _Rows) -> None:
        if not rows.count:
            return
        self._file.write(html.open_table(title, _FILE_COLUMNS))
        rows.text.seek(0)
        shutil.copyfileobj(rows.text, self._file)
        self._file.write(html.CLOSE_TABLE)
        if rows.count > MOST_LISTED:
            self._file.write(f'<p class="note">and {rows.count - MOST_LISTED} more: --json names them all</p>\n')


class _Rows:
    """Files with their findings, the first ones of many."""

    def __init__(self) -> None:
        self.text = words.spool()
        self.count = 0

    def add(self, checked: Checked) -> None:
        self.count += 1
        if self.count > MOST_LISTED:
            return
        word = words.verdict(checked)
        findings = "".join(
            f'<li><span class="{(kind := one.severity.name.lower())}">{kind}</span> {html.text(words.sentence(one))}</li>'
            for one in words.worst_first(checked, Severity.WARN)
        )
        cells = html.cell(str(checked.file), "file") + html.cell(word, word) + html.cell(f"{checked.status:04X}")
        self.text.write(f"<tr>{cells}<td><ul>{findings}</ul></td></tr>\n")
