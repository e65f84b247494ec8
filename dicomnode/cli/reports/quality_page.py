"""A report on quality as one HTML page for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import IO, Final

from dicomnode import __version__
from dicomnode.cli import table
from dicomnode.cli.reports import html, quality_words
from dicomnode.services.quality import By, Group, Report
from dicomnode.services.quality.groups import COLUMNS, Day, Key

MOST_ROWS: Final = 200
"""Groups in one table, those with most instances held back first."""
_LEAST_DAYS: Final = 14
"""A bar as wide as the page is read as anything but a day."""
_MOST_DAYS: Final = 366
_WIDTH, _HEIGHT = 900, 140
_SMALL_WIDTH, _SMALL_HEIGHT = 140, 22
_TITLES: Final = {
    By.DEVICE: "By device",
    By.RULE: "By rule",
    By.SOFTWARE: "By software",
    By.MODEL: "By model",
    By.AE: "By AE title",
    By.DAY: "By day",
}


def write(file: IO[str], report: Report, by: By) -> None:
    """Write the page; the table ``by`` which the report was asked for comes first."""
    total = report.total
    days = _days(report)
    file.write(html.head("Quality of what was received"))
    period = f"{table.instant(report.since)} to {table.instant(report.until)}"
    counts = f"{total.instances} instances, {total.remarked} with remarks, {total.held} quarantined or refused"
    file.write(f"<p>{html.text(f'{period}: {counts}')}</p>\n")
    file.write(f'<p class="note">as judged on reception; dicomnode {__version__}</p>\n')
    file.write(_chart(total, days))
    _sentences(file, report)
    for kind in sorted(By, key=lambda kind: kind is not by):
        _table(file, kind, report, days)
    file.write(html.END)


def _sentences(file: IO[str], report: Report) -> None:
    drifts = [
        (quality_words.device(one.device), one.software_before, one.software, one.since, quality_words.drift(one))
        for one in report.drifts
    ]
    if drifts:
        rows = (
            tuple(map(html.cell, (device, before, since_then, table.instant(since), what)))
            for device, before, since_then, since, what in drifts
        )
        html.write_table(
            file, "Changed with the software", ("Device", "Software before", "Software", "Since", "What"), rows
        )
    clocks = [
        (html.cell(quality_words.device(one.device)), html.cell(told), html.number(one.instances))
        for one in report.clocks
        if (told := quality_words.clock(one))
    ]
    if clocks:
        html.write_table(file, "Clocks", ("Device", "What", "Instances#"), clocks)
    if report.protocols:
        protocols = (
            (
                html.cell(quality_words.protocol(one)),
                html.cell(one.protocol),
                html.cell(table.instant(one.since)),
                html.number(one.instances),
            )
            for one in report.protocols[:MOST_ROWS]
        )
        html.write_table(file, "New protocol names", ("Model", "Protocol", "Since", "Instances#"), protocols)


def _table(file: IO[str], by: By, report: Report, days: Sequence[date]) -> None:
    groups = report.groups[by]
    if not groups:
        return
    columns = (*COLUMNS[by], "Instances#", "With remarks#", "Held or refused#", "Most frequent, instances")
    trend = () if by is By.DAY else ("By day",)
    html.write_table(
        file,
        _TITLES[by],
        (*columns, *trend),
        (tuple(_row(by, key, group, days)) for key, group in quality_words.worst_first(by, groups)[:MOST_ROWS]),
    )
    if len(groups) > MOST_ROWS:
        file.write(f'<p class="note">and {len(groups) - MOST_ROWS} more: --json names them all</p>\n')


def _row(by: By, key: Key, group: Group, days: Sequence[date]) -> Iterator[str]:
    for part in key + ("",) * (len(COLUMNS[by]) - len(key)):
        yield html.cell(part)
    yield html.number(group.instances)
    yield html.number(group.remarked)
    yield html.number(group.held)
    yield html.cell(quality_words.frequent(group))
    if by is not By.DAY:
        yield f"<td>{_trend(group, days)}</td>"


def _days(report: Report) -> list[date]:
    """The days of the period, from the first on which something came, or two weeks; the last year of many."""
    known = report.total.days
    if not known:
        return []
    first, last = min(known), max(known)
    count = min(max((last - first).days + 1, _LEAST_DAYS), _MOST_DAYS)
    return [last - timedelta(days=back) for back in range(count - 1, -1, -1)]


def _chart(group: Group, days: Sequence[date]) -> str:
    """Instances by day: a bar for each, what was held back at its foot, above it what has remarks."""
    most = max((group.days[day].instances for day in days if day in group.days), default=0)
    if not most:
        return ""
    width = _WIDTH / len(days)
    bars = []
    for place, day in enumerate(days):
        counts = group.days.get(day, Day())
        clean = counts.instances - counts.remarked - counts.held
        parts = (("bad", counts.held), ("warn", counts.remarked), ("accept", clean))
        bars.append(_bar(place * width, width, _HEIGHT, most, parts, f"{day}: {_said(counts)}"))
    labels = f'<text x="0" y="{_HEIGHT + 14}">{days[0]}</text>'
    labels += f'<text x="{_WIDTH}" y="{_HEIGHT + 14}" text-anchor="end">{days[-1]}</text>'
    box = f'viewBox="0 0 {_WIDTH} {_HEIGHT + 18}" width="100%"'
    return (
        f'<h2>Instances by day</h2>\n<svg {box} role="img" aria-label="Instances by day">{"".join(bars)}{labels}</svg>\n'
        '<p class="note">green: accepted, amber: with remarks, red: quarantined or refused</p>\n'
    )


def _trend(group: Group, days: Sequence[date]) -> str:
    """The share of a group's instances with remarks and held back, day by day."""
    width = _SMALL_WIDTH / max(len(days), 1)
    bars = []
    for place, day in enumerate(days):
        if counts := group.days.get(day):
            parts = (("bad", counts.held), ("warn", counts.remarked))
            said = f"{day}: {_said(counts)}"
            bars.append(_bar(place * width, width, _SMALL_HEIGHT, counts.instances, parts, said))
    box = f'viewBox="0 0 {_SMALL_WIDTH} {_SMALL_HEIGHT}" width="{_SMALL_WIDTH}" height="{_SMALL_HEIGHT}"'
    return f'<svg {box} role="img" aria-label="share held back or with remarks, by day">{"".join(bars)}</svg>'


def _bar(left: float, width: float, height: float, full: int, parts: Sequence[tuple[str, int]], said: str) -> str:
    top = height
    drawn = []
    for kind, count in parts:
        if count:
            tall = height * count / full
            top -= tall
            drawn.append(
                f'<rect class="{kind}" x="{left:.2f}" y="{top:.2f}" width="{max(width * 0.86, 0.6):.2f}" height="{tall:.2f}"/>'
            )
    return f"<g><title>{html.text(said)}</title>{''.join(drawn)}</g>"


def _said(counts: Day) -> str:
    return f"{counts.instances} instances, {counts.remarked} with remarks, {counts.held} held or refused"
