"""``dicomnode reindex``: attributes added to what is stored already."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from dicomnode import parts
from dicomnode.cli import configuration
from dicomnode.cli.interruption import interruptible
from dicomnode.index import Durability
from dicomnode.services.reindexing import Reindexing


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@configuration.option
def reindex(*, as_json: bool, config_path: Path | None) -> None:
    """Read the headers of all stored instances, and add to the index what it lacks of them.

    For attributes that index.further_attributes names since lately: the node keeps them of what it receives from its next start or
    reload on, this adds them to what it has. Nothing that the index has is changed, and the node may run meanwhile. Ctrl-C ends it
    after the batch under way; the next run begins anew.

    \b
    dicomnode reindex
    """
    config = configuration.read(config_path)
    with configuration.open_index(config) as index, interruptible() as interrupted:
        files = parts.open_files(config, f"reindex-{os.getpid()}", durability=Durability.FAST)
        try:
            with _progress() as progress:
                task = progress.add_task("reindexing", total=index.refilling.count())
                done = Reindexing(index, files).run(
                    stop=interrupted, progress=lambda instances: progress.update(task, completed=instances)
                )
        finally:
            files.close()
        was_interrupted = interrupted()
    if as_json:
        click.echo(json.dumps(asdict(done)))
    else:
        click.echo(f"read {done.instances} instances, added to {done.changed}, {done.unreadable} cannot be read")
    if done.unreadable or was_interrupted:
        sys.exit(1)


def _progress() -> Progress:
    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
