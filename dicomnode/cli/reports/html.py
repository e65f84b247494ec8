"""What the pages for people have in common: nothing is loaded from anywhere, nothing runs, they can be printed and mailed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import IO, Final

from dicomnode.cli.table import printable

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
svg { vertical-align: middle; } svg .accept { fill: var(--accept); } svg .warn { fill: var(--warn); }
svg .bad { fill: var(--bad); } svg text { fill: currentColor; font: 11px system-ui, sans-serif; }
@media print {
  body { margin: 0; max-width: none; font-size: 10pt; }
  tr { break-inside: avoid; } thead { display: table-header-group; } .scroll { overflow: visible; }
}
"""

END: Final = "</body>\n</html>\n"


def head(title: str) -> str:
    """The beginning of a page, with its title as a heading."""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{text(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>{text(title)}</h1>
"""


def text(value: str) -> str:
    """Text that is shown as it is."""
    return escape(printable(value))


def cell(value: str, kind: str = "") -> str:
    """A cell with text; ``kind`` names how it looks."""
    return f'<td class="{kind}">{text(value)}</td>' if kind else f"<td>{text(value)}</td>"


def number(value: int) -> str:
    """A cell with a number, empty for 0."""
    return f'<td class="number">{value or ""}</td>'


def open_table(title: str, columns: Sequence[str]) -> str:
    """The beginning of a table under a heading; a column whose name ends with ``#`` has numbers."""
    heads = "".join(
        f'<th class="number">{text(column[:-1])}</th>' if column.endswith("#") else f"<th>{text(column)}</th>"
        for column in columns
    )
    return f'<h2>{text(title)}</h2>\n<div class="scroll"><table>\n<thead><tr>{heads}</tr></thead>\n<tbody>\n'


CLOSE_TABLE: Final = "</tbody>\n</table></div>\n"


def write_table(file: IO[str], title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table; ``rows`` are made of cells."""
    file.write(open_table(title, columns))
    file.writelines(f"<tr>{''.join(row)}</tr>\n" for row in rows)
    file.write(CLOSE_TABLE)
