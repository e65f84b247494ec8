"""``dicomnode status``: what the node holds, and whether it runs."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click

from dicomnode.cli import configuration, table


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@configuration.option
@click.pass_context
def status(context: click.Context, *, as_json: bool, config_path: Path | None) -> None:
    """Show what the node holds, and whether it runs (exit 1 when it does not).

    \b
    dicomnode status
    dicomnode status --json | jq .quarantined
    """
    config = configuration.read(config_path)
    with configuration.open_index(config) as index:
        holds = dataclasses.asdict(index.summary())
        holds["outbox_waiting"], holds["outbox_dead"] = index.outbox.counts()
    is_running = configuration.is_running(config)
    if as_json:
        click.echo(json.dumps({"running": is_running, "data": str(config.data)} | holds))
    else:
        holds["size"] = table.size(holds.pop("size_bytes"))
        click.echo(f"the node {'runs' if is_running else 'does not run'}; its data is in {config.data}")
        for what, number in holds.items():
            click.echo(f"  {what.replace('_', ' '):<14} {number:>10}")
    context.exit(0 if is_running else 1)
