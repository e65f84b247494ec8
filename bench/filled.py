"""Reception into a full index against an empty one: ``python -m bench.filled`` prints a table for docs/performance.md.

Two nodes run side by side, one with millions of synthetic rows in its index, and take instances by turns. An instance's row finds
its place in each of the index's trees: what that costs grows with their depth, and with how much of them is not in memory.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import click

from bench import synthetic, workloads
from bench.effort import Effort
from bench.rounds import Folders
from bench.servers import DATA_FOLDER, NODE, Running, running
from bench.workloads import Workload

WORKLOADS = ("fast-tiny-1", "fast-mr-1", "durable-mr-1", "durable-tiny-8")
INSTANCES = 50
"""Of each study."""
AT_MOST_BYTES = 2 * 10**9


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("bench/.work/filled"), show_default=True)
@click.option("--instances", default=5_000_000, show_default=True, help="Rows of the full index.")
@click.option("--rounds", default=5, show_default=True, help="How often each node has its turn.")
@click.option("--seconds", default=3.0, show_default=True, help="How long a turn is.")
def main(folder: Path, instances: int, rounds: int, seconds: float) -> None:
    """Measure, and print the table; the index takes about 1 GB of disk for each million instances as long as this runs."""
    lines = [f"| work | empty | {instances:,} | ratio |", "| --- | ---: | ---: | ---: |"]
    effort = Effort(seconds, idle_s=seconds, bytes_at_most=AT_MOST_BYTES)
    for workload in (one for one in workloads.ALL if one.name in WORKLOADS):
        click.echo(f"{workload.title} ...", err=True)
        lines.append(_row(workload, list(_rounds(workload, folder, instances, rounds, effort))))
    click.echo("\n".join(lines))


def _rounds(
    workload: Workload, folder: Path, instances: int, rounds: int, effort: Effort
) -> Iterator[tuple[float, float]]:
    """Instances a second with the empty index and with the full one, round by round."""
    folder = folder.resolve()
    folders = Folders(folder, folder)
    try:
        with ExitStack() as stack:
            empty, full = (
                stack.enter_context(running(NODE, folder / name, workload.durability)) for name in ("empty", "full")
            )
            synthetic.insert(full.folder / DATA_FOLDER, instances // INSTANCES, instances=INSTANCES)
            for _ in range(rounds):
                yield _rate(workload, empty, folders, effort), _rate(workload, full, folders, effort)
    finally:
        folders.remove()


def _rate(workload: Workload, node: Running, folders: Folders, effort: Effort) -> float:
    figures = workload.measure(node, folders.scratch, effort)
    return figures[workload.headline]


def _row(workload: Workload, rates: list[tuple[float, float]]) -> str:
    empty, full = (statistics.median(each) for each in zip(*rates, strict=True))
    ratio = statistics.median(full / empty for empty, full in rates)
    return f"| {workload.title} | {empty:.0f}/s | {full:.0f}/s | {ratio:.2f} |"


if __name__ == "__main__":
    main()
