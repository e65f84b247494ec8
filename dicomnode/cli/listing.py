"""Lists that may be long: how much of one is shown, and from which day on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import click

from dicomnode.cli import table

FC = TypeVar("FC", bound=Callable[..., Any] | click.Command)
"""A command, or what becomes one."""
ROWS: Final = 100
"""What a person is shown when nobody says how many."""

limit_option = click.option(
    "--limit", metavar="N", type=click.IntRange(min=1), help=f"At most so many.  [{ROWS}; with --json: all]"
)


def day_option(option: str, name: str, help_text: str) -> Callable[[FC], FC]:
    """An option that takes a day as people write it; the command gets it as VR DA has it (PS3.5 Section 6.2), empty for none."""
    return click.option(
        option, name, metavar="DATE", type=click.DateTime(["%Y-%m-%d", "%Y%m%d"]), callback=_as_da, help=help_text
    )


def _as_da(_context: click.Context, _option: click.Parameter, day: datetime | None) -> str:
    return f"{day:%Y%m%d}" if day else ""


def show(columns: Sequence[str], rows: Sequence[Sequence[object]], limit: int | None, *, nothing: str) -> None:
    """Print a table of the first rows, ``limit`` or `ROWS` of them, and say when there are more."""
    most = limit or ROWS
    table.show(columns, rows[:most], nothing=nothing)
    if len(rows) > most:
        click.echo(f"and more: --limit shows more than {most}", err=True)
