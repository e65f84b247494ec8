"""What a server costs before it has done anything: ``python -m bench.starting`` prints a table for docs/performance.md.

How long it takes until it answers a C-ECHO, the processor's time until then, its memory while it idles; and, of the node, how long
it takes until it answers again when its only worker was killed.
"""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

import click

from bench import measure
from bench.raw_client import PeerRefusedError, echo
from bench.rounds import Folders
from bench.servers import NODE, ONE_WORKER, RIVALS, Durability, Running, Server, running

IDLE_S = 1.0
"""After the first answer, before memory is looked at."""
COLUMNS = {
    "ready_s": "answers after s",
    "cpu_s": "CPU s",
    "pss_mb": "idle Pss MB",
    "again_s": "again after its worker was killed, s",
}

Figures = Mapping[str, float]


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("bench/.work/starting"), show_default=True)
@click.option("--rounds", default=5, show_default=True, help="How often each server is started.")
def main(folder: Path, rounds: int) -> None:
    """Start what is installed by turns, and print the table of medians."""
    folder = folder.resolve()
    servers = [server for server in (NODE, ONE_WORKER, *RIVALS) if server.version() is not None]
    figures: dict[str, list[Figures]] = {server.name: [] for server in servers}
    try:
        for number in range(rounds):
            for server in servers:
                figures[server.name].append(_once(server, folder / f"{server.name}-{number}"))
    finally:
        Folders(folder, folder).remove()
    click.echo("| server | " + " | ".join(COLUMNS.values()) + " |")
    click.echo("| --- |" + " ---: |" * len(COLUMNS))
    for name, rows in figures.items():
        cells = (f"{statistics.median(row[key] for row in rows):.3g}" if key in rows[0] else "" for key in COLUMNS)
        click.echo(f"| {name} | " + " | ".join(cells) + " |")


def _once(server: Server, folder: Path) -> Figures:
    began = time.monotonic()
    with running(server, folder, Durability.FAST) as it:
        figures: dict[str, float] = {"ready_s": time.monotonic() - began, "cpu_s": measure.cpu_s(it.pid)}
        time.sleep(IDLE_S)
        figures["pss_mb"] = measure.memory(it.pid).proportional / 1e6
        if server == ONE_WORKER:
            figures["again_s"] = _again_s(it)
    return figures


def _again_s(node: Running) -> float:
    """From the end of the worker that accepts to the next answer."""
    worker = min(pid for pid in measure.process_tree(node.pid) if pid != node.pid)  # the first that was started
    os.kill(worker, signal.SIGKILL)
    began = time.monotonic()
    while True:
        try:
            echo(node.address)
        except (PeerRefusedError, OSError):
            time.sleep(0.005)
        else:
            return time.monotonic() - began


if __name__ == "__main__":
    main()
