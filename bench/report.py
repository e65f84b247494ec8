"""Tables of results: for the terminal (rich) and for the manual (Markdown)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import targets, workloads
from bench.results import Results
from bench.workloads import Workload

BEGIN = "<!-- made by python -m bench: from here -->"
END = "<!-- made by python -m bench: up to here -->"

_HOLDS = {True: "yes", False: "**no**", None: "not measured"}


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table, not yet drawn."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def sheets(results: Results) -> Iterator[Sheet]:
    """All tables: the targets, then one for each workload."""
    yield _targets(results)
    for workload in workloads.ALL:
        if results.servers(workload.name):
            yield _workload(workload, results)


def show(results: Results, console: Console) -> None:
    """Print the machine's facts and all tables."""
    for name, value in results.facts.items():
        console.print(f"{name.replace('_', ' ')}: {value}", highlight=False, markup=False)
    for sheet in sheets(results):
        table = Table(title=sheet.title, title_justify="left", title_style="bold")
        for number, column in enumerate(sheet.columns):
            table.add_column(column, justify="left" if number == 0 else "right", no_wrap=number == 0)
        for row in sheet.rows:
            table.add_row(*(cell.replace("**", "") for cell in row))
        console.print(table)


def write_manual(results: Results, page: Path) -> None:
    """Replace what stands between the markers of the manual's page."""
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n\n{markdown(results)}\n{END}{after}")


def markdown(results: Results) -> str:
    """All tables and the machine's facts."""
    facts = "\n".join(f"- {name.replace('_', ' ')}: {value}" for name, value in results.facts.items())
    return "\n".join((facts, "", *(_markdown(sheet) for sheet in sheets(results))))


def _markdown(sheet: Sheet) -> str:
    lines = [f"### {sheet.title}", "", _row(sheet.columns), _row(["---", *["---:"] * (len(sheet.columns) - 1)])]
    return "\n".join((*lines, *(_row(row) for row in sheet.rows), ""))


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _targets(results: Results) -> Sheet:
    rows = []
    for target in targets.ALL:
        measured, limit = (_with_unit(value(results), target.unit) for value in (target.measured, target.limit))
        rows.append((target.what, target.bound, measured, _HOLDS[target.holds(results)], limit))
    return Sheet("Targets", ("what", "target", "measured", "holds", "sink"), rows)


def _with_unit(value: float | None, unit: str) -> str:
    return "" if value is None else f"{_number(value)}{unit}"


def _workload(workload: Workload, results: Results) -> Sheet:
    servers = _ordered(workload, results)
    references = [name for name in ("Orthanc", "sink") if name in servers]
    columns = [column for column in _COLUMNS if _is_filled(results, workload.name, column[0])]
    rows = [_figures(workload, server, results, references, [name for name, _ in columns]) for server in servers]
    titles = [title for _, title in columns]
    return Sheet(workload.title, ("server", *(f"x {name}" for name in references), *titles, "remarks"), rows)


_COLUMNS = (
    ("instances_per_s", "instances/s"),
    ("megabytes_per_s", "MB/s"),
    ("associations_per_s", "associations/s"),
    ("responses_per_s", "responses/s"),
    ("cpu_us", "CPU us each"),
    ("p50_us", "p50 us"),
    ("p99_us", "p99 us"),
    ("p50_ms", "p50 ms"),
    ("p99_ms", "p99 ms"),
    ("index_p50_ms", "index p50 ms"),
    ("exact_p50_ms", "exact p50 ms"),
    ("exact_p99_ms", "exact p99 ms"),
    ("cpu_percent", "CPU %"),
    ("opened", "opened"),
    ("more_pss_mb", "more Pss MB"),
    ("more_resident_mb", "more resident MB"),
    ("more_peak_mb", "more peak MB"),
    ("more_anonymous_mb", "more anonymous MB"),
    ("peak_mb", "peak MB"),
    ("pss_mb", "Pss MB"),
)


def _is_filled(results: Results, workload: str, figure: str) -> bool:
    return any(results.median(workload, server, figure) is not None for server in results.servers(workload))


def _ordered(workload: Workload, results: Results) -> list[str]:
    """Ours first, the sink last, the rivals between as they came."""
    return sorted(results.servers(workload.name), key=lambda name: (name == "sink", not name.startswith("dicomnode")))


def _figures(
    workload: Workload, server: str, results: Results, references: Sequence[str], figures: Sequence[str]
) -> list[str]:
    ratios = [results.ratio(workload.name, server, other, workload.headline) for other in references]
    medians = [results.median(workload.name, server, figure) for figure in figures]
    return [server, *map(_number, ratios), *map(_number, medians), _remarks(workload, server, results)]


def _remarks(workload: Workload, server: str, results: Results) -> str:
    remarks = []
    if lost := results.sum(workload.name, server, "lost"):
        remarks.append(
            f"{lost:g} acknowledged instances are not there" if lost > 0 else f"{-lost:g} more than acknowledged"
        )
    if unsuccessful := results.sum(workload.name, server, "unsuccessful"):
        remarks.append(f"{unsuccessful:g} not answered with Success")
    if failures := results.failures(workload.name, server):
        remarks.append(f"{len(failures)} rounds failed: {failures[0][:120]}")
    return "; ".join(remarks).replace("\n", " ").replace("|", "/")


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
