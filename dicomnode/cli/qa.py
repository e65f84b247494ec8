"""``dicomnode qa``: what the rules found in all that was received, and what to do something about."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import click

from dicomnode.cli import Failed, WrongUsage, configuration, progress, table
from dicomnode.cli.instants import since
from dicomnode.cli.interruption import interruptible
from dicomnode.cli.reports import quality_page, quality_words
from dicomnode.services.quality import By, Group, Report, report
from dicomnode.services.quality.groups import COLUMNS, Key

_MOST_ROWS: Final = 30
_TREND_DAYS: Final = 30
_STEPS: Final = "▁▂▃▄▅▆▇█"


@click.group()
def qa() -> None:
    """What the rules found in all that was received.

    \b
    dicomnode qa report --since 30d
    dicomnode qa report --by software --html quality.html
    """


@qa.command("report")
@click.option("--by", type=click.Choice([str(by) for by in By]), default=str(By.DEVICE), show_default=True)
@click.option("--since", "moment", metavar="TIME", default="30d", show_default=True, callback=since, help="Not older.")
@click.option(
    "--html",
    "page",
    metavar="FILE",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="Write one page for people, with plots.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@configuration.option
def report_(*, by: str, moment: datetime, page: Path | None, as_json: bool, config_path: Path | None) -> None:
    """Say whose instances the rules mind, and what changed: with a device's software, its clock, its protocols.

    Counted is what came, as it was judged on reception, whatever became of it since. A device is the AE title that sent, with
    what its images say of their maker.

    \b
    dicomnode qa report
    dicomnode qa report --by rule --since 24h
    dicomnode qa report --html quality.html --since 90d
    dicomnode qa report --json | jq '.drifts[]'
    """
    config = configuration.read(config_path)
    with (
        configuration.open_index(config) as index,
        interruptible() as is_interrupted,
        progress.files(lambda: index.receptions.since(moment)) as advance,
    ):
        made = report(index, moment, datetime.now(UTC), config.zone, advance=advance, stop=is_interrupted)
    if is_interrupted():
        raise Failed("interrupted")
    if page is not None:
        try:
            with page.open("w", encoding="utf-8") as file:
                quality_page.write(file, made, By(by))
        except OSError as error:
            raise WrongUsage(f"{click.format_filename(page)} cannot be written: {error.strerror}") from error
    if as_json:
        click.echo(json.dumps(_as_object(made, By(by))))
    elif page is None:
        _show(made, By(by))


def _show(made: Report, by: By) -> None:
    groups = made.groups[by]
    columns = (
        *(column for column in COLUMNS[by]),
        "Instances",
        "With remarks",
        "Held or refused",
        "By day",
        "Most frequent",
    )
    table.show(
        columns,
        [_row(by, key, group) for key, group in quality_words.worst_first(by, groups)[:_MOST_ROWS]],
        nothing="nothing was received",
    )
    if len(groups) > _MOST_ROWS:
        click.echo(f"and {len(groups) - _MOST_ROWS} more: --html and --json show them", err=True)
    for drift in made.drifts:
        when = f"{quality_words.device(drift.device)}: software {drift.software_before} -> {drift.software}"
        _say(f"{when}, {table.instant(drift.since)}: {quality_words.drift(drift)}")
    for clock in made.clocks:
        if told := quality_words.clock(clock):
            _say(f"{quality_words.device(clock.device)}: {told}")
    for one in made.protocols:
        _say(f"{quality_words.protocol(one)}: new protocol {one.protocol}, since {table.instant(one.since)}")


def _say(sentence: str) -> None:
    click.echo(table.printable(sentence))


def _row(by: By, key: Key, group: Group) -> tuple[object, ...]:
    parts = key + ("",) * (len(COLUMNS[by]) - len(key))
    trend = "" if by is By.DAY else _trend(group)
    return (*parts, group.instances, group.remarked, group.held, trend, quality_words.frequent(group))


def _trend(group: Group) -> str:
    """The share of instances that the rules mind, day by day; a space for a day without any."""
    last = max(group.days)
    days = [last - timedelta(days=back) for back in range(min((last - min(group.days)).days + 1, _TREND_DAYS))]
    return "".join(_step(group, day) for day in reversed(days))


def _step(group: Group, day: date) -> str:
    counts = group.days.get(day)
    if counts is None:
        return " "
    return _STEPS[round((counts.remarked + counts.held) / counts.instances * (len(_STEPS) - 1))]


def _as_object(made: Report, by: By) -> dict[str, object]:
    names = [column.lower().replace(" ", "_") for column in COLUMNS[by]]
    return {
        "since": made.since.isoformat(),
        "until": made.until.isoformat(),
        "by": str(by),
        "instances": made.total.instances,
        "remarked": made.total.remarked,
        "held": made.total.held,
        "groups": [
            dict(zip(names, key, strict=False))
            | {
                "instances": group.instances,
                "verdicts": {severity.name.lower(): count for severity, count in sorted(group.verdicts.items())},
                "rules": dict(group.rules.most_common()),
                "days": {f"{day:%Y-%m-%d}": dataclasses.asdict(counts) for day, counts in sorted(group.days.items())},
            }
            for key, group in quality_words.worst_first(by, made.groups[by])
        ],
        "drifts": [dataclasses.asdict(one) | {"since": one.since.isoformat()} for one in made.drifts],
        "clocks": [
            dataclasses.asdict(one) | {"is_ahead": one.is_ahead, "may_be_behind": one.may_be_behind}
            for one in made.clocks
        ],
        "new_protocols": [dataclasses.asdict(one) | {"since": one.since.isoformat()} for one in made.protocols],
    }
