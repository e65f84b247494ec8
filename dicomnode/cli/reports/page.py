"""A report as one HTML page for people: nothing is loaded from anywhere, nothing runs, it can be printed and mailed."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Sequence
from datetime import datetime
from html import escape
from typing import IO, Final

from dicomnode import __version__
from dicomnode.cli.reports import words
from dicomnode.cli.reports.tally import Tally
from dicomnode.cli.table import printable
from dicomnode.dicom.instance import Severity
from dicomnode.services.checking import Checked

MOST_LISTED: Final = 5000
"""Files in each of the lists: browsers grow slow with more."""
_FREQUENT_RULES: Final = 5

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8886; --accept: #1a7f37; --warn: #9a6700; --bad: #cf222e; }
@media (prefers-color-scheme: dark) { :root { --accept: #3fb950; --warn: #d29922; --bad: #ff7b72; } }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .6rem .25rem 0; text-align: left; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
td.file { font-family: ui-monospace, monospace; font-size: .87em; overflow-wrap: anywhere; min-width: 14rem; }
ul { margin: 0; padding: 0; list-style: none; }
.accept, .info { color: var(--accept); } .warn, .fix { color: var(--warn); }
.quarantine, .reject { color: var(--bad); font-weight: 600; }
.note { opacity: .75; }
@media print {
  body { margin: 0; max-width: none; font-size: 10pt; }
  tr { break-inside: avoid; } thead { display: table-header-group; } .scroll { overflow: visible; }
}
"""
_HEAD: Final = f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>dicomnode check</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>dicomnode check</h1>
"""
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
        self._file.write(_HEAD)
        self._file.write(f"<p>{_text(tally.sentence() or 'no files')}; {tally.files} files in {duration_s:.1f} s</p>\n")
        self._file.write(f'<p class="note">{_text(made)}</p>\n')
        self._by_rule(tally)
        self._by_device(tally)
        self._files("Refused or held back", self._held)
        self._files("Accepted with remarks", self._remarked)
        self._file.write("</body>\n</html>\n")

    def _by_rule(self, tally: Tally) -> None:
        rows = (
            (
                _cell(count.rule),
                _cell(count.severity.name.lower(), count.severity.name.lower()),
                _number(count.findings),
                _number(count.files),
                _cell(str(count.example), "file"),
            )
            for count in tally.rules()
        )
        self._table("By rule", ("Rule", "Severity", "Findings#", "Files#", "Example"), rows)

    def _by_device(self, tally: Tally) -> None:
        rows = (
            (
                _cell(device.manufacturer),
                _cell(device.model),
                _cell(device.station),
                *(_number(count.verdicts[word]) for word in words.VERDICTS.values()),
                _cell(", ".join(f"{rule} {files}" for rule, files in count.rules.most_common(_FREQUENT_RULES))),
            )
            for device, count in tally.devices()
        )
        verdicts = (f"{word.capitalize()}#" for word in words.VERDICTS.values())
        self._table("By device", ("Manufacturer", "Model", "Station", *verdicts, "Most frequent, files"), rows)

    def _files(self, title: str, rows: _Rows) -> None:
        if not rows.count:
            return
        self._open(title, _FILE_COLUMNS)
        rows.text.seek(0)
        shutil.copyfileobj(rows.text, self._file)
        self._close()
        if rows.count > MOST_LISTED:
            self._file.write(f'<p class="note">and {rows.count - MOST_LISTED} more: --json names them all</p>\n')

    def _table(self, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        self._open(title, columns)
        self._file.writelines(f"<tr>{''.join(row)}</tr>\n" for row in rows)
        self._close()

    def _open(self, title: str, columns: Sequence[str]) -> None:
        heads = "".join(
            f'<th class="number">{column[:-1]}</th>' if column.endswith("#") else f"<th>{column}</th>"
            for column in columns
        )
        self._file.write(f'<h2>{title}</h2>\n<div class="scroll"><table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n')

    def _close(self) -> None:
        self._file.write("</tbody>\n</table></div>\n")


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
            f'<li><span class="{one.severity.name.lower()}">{one.severity.name.lower()}</span> {_text(words.sentence(one))}</li>'
            for one in words.worst_first(checked, Severity.WARN)
        )
        cells = _cell(str(checked.file), "file") + _cell(word, word) + _cell(f"{checked.status:04X}")
        self.text.write(f"<tr>{cells}<td><ul>{findings}</ul></td></tr>\n")


def _text(text: str) -> str:
    return escape(printable(text))


def _cell(text: str, kind: str = "") -> str:
    return f'<td class="{kind}">{_text(text)}</td>' if kind else f"<td>{_text(text)}</td>"


def _number(number: int) -> str:
    return f'<td class="number">{number or ""}</td>'
