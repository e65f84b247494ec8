"""Tables for people; what comes from a peer is shown as it is, and steers neither the table nor the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import click
from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

WIDTH_OF_A_FILE = 200
"""Columns when no terminal says how many it has."""
_UNBOUNDED = 10_000
_TOO_WIDE = 1.2
"""So many times the terminal's width: a few long words may be broken, more is no table any more."""


def show(columns: Sequence[str], rows: Sequence[Sequence[object]], *, nothing: str) -> None:
    """Print a table, or ``nothing`` when it would be empty; numbers stand to the right.

    On a terminal that is much too narrow for it, each row is a block of lines instead.
    """
    if not rows:
        click.echo(nothing)
        return
    console = Console()
    if not console.is_terminal:
        console.width = WIDTH_OF_A_FILE
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        # a UID that is broken in two cannot be copied
        table.add_column(column, overflow="fold", no_wrap=column.endswith("UID"))
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    least = console.measure(table, options=console.options.update(width=_UNBOUNDED)).minimum
    if least > console.width * _TOO_WIDE:
        _show_blocks(columns, rows)
        return
    console.print(table)


def _show_blocks(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A line for each value that there is, behind the name of its column."""
    width = max(map(len, columns))
    for row in rows:
        for column, value in zip(columns, row, strict=True):
            if text := printable(str(value)):
                click.echo(f"{column:<{width}}  {text}")
        click.echo()


def size(size_bytes: int) -> str:
    """A size as people read it."""
    return decimal(size_bytes)


def instant(moment: datetime) -> str:
    """An instant in the time of whoever reads it."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def printable(text: str) -> str:
    """``text`` without what steers a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _cell(value: object) -> Text:
    return Text(printable(str(value)), justify="right" if isinstance(value, int) else "left")
