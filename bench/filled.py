"""Reception into a full index against an empty one: ``python -m bench.filled`` prints a table for docs/performance.md.

Two nodes run side by side, one with millions of synthetic rows in its index, and take instances by turns. An instance's row finds
its place in each of the index's trees: what that costs grows with their depth, and with how much of them is not in memory.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from bench import synthetic, workloads
from bench.effort import Effort
from bench.rounds import Folders
from bench.servers import DATA_FOLDER, NODE, Durability, Running, running
from bench.workloads import Workload

WORKLOADS = tuple(one for one in workloads.ALL if one.name in {"fast-tiny-1", "fast-mr-1"})
"""Those where the index counts for most: what is not waited for is not seen beside it."""
INSTANCES = 50
"""Of each study."""
AT_MOST_BYTES = 2 * 10**9

Rates = tuple[float, float]
"""Instances a second with the empty index, and with the full one."""


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("bench/.work/filled"), show_default=True)
@click.option("--instances", default=5_000_000, show_default=True, help="Rows of the full index.")
@click.option("--rounds", default=5, show_default=True, help="How often each node has its turn.")
@click.option("--seconds", default=3.0, show_default=True, help="How long a turn is.")
def main(folder: Path, instances: int, rounds: int, seconds: float) -> None:
    """Measure, and print the table; the index takes about 1 GB of disk for each million instances as long as this runs."""
    folder = folder.resolve()
    folders = Folders(folder, folder)
    effort = Effort(seconds, idle_s=seconds, bytes_at_most=AT_MOST_BYTES)
    lines = [f"| work | empty | {instances:,} | ratio |", "| --- | ---: | ---: | ---: |"]
    try:
        with ExitStack() as stack:
            empty, full = (
                stack.enter_context(running(NODE, folder / name, Durability.FAST)) for name in ("empty", "full")
            )
            click.echo("filling ...", err=True)
            synthetic.insert(full.folder / DATA_FOLDER, instances // INSTANCES, instances=INSTANCES)
            for workload in WORKLOADS:
                click.echo(f"{workload.title} ...", err=True)
                rates = [
                    (_rate(workload, empty, folders, effort), _rate(workload, full, folders, effort))
                    for _ in range(rounds)
                ]
                lines.append(_row(workload, rates))
    finally:
        folders.remove()
    click.echo("\n".join(lines))


def _rate(workload: Workload, node: Running, folders: Folders, effort: Effort) -> float:
    figures = workload.measure(node, folders.scratch, effort)
    return figures[workload.headline]


def _row(workload: Workload, rates: Sequence[Rates]) -> str:
    empty, full = (statistics.median(each) for each in zip(*rates, strict=True))
    ratio = statistics.median(full / empty for empty, full in rates)
    return f"| {workload.title} | {empty:.0f}/s | {full:.0f}/s | {ratio:.2f} |"


if __name__ == "__main__":
    main()
