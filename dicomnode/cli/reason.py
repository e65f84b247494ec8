"""The reason that a decision is recorded with."""

from __future__ import annotations

import click


def _said(_context: click.Context, _parameter: click.Parameter, text: str) -> str:
    if not text.strip():
        raise click.BadParameter("nothing is said in it")
    return text


reason_option = click.option(
    "--reason", metavar="TEXT", required=True, callback=_said, help="Why; it is recorded with your name."
)
