"""Where an association worker's time goes under one workload: ``python -m bench.profile WORKLOAD``.

It samples the node with py-spy (``pip install py-spy``; as root, or with the right to trace processes) while the workload runs,
and prints the functions that take most: alone, and with all that they call. The samples stay as a file for flame graphs. Time that
a thread waits for the network does not count. Sampling stops the node for an instant each time: rates are lower than without.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from bench import machine, workloads
from bench.effort import Effort
from bench.rounds import Folders
from bench.servers import BENCH, ONE_WORKER, running

SAMPLES_PER_S = 200

_CALL = re.compile(r"\(.+:\d+\)$")


@click.command()
@click.argument("workload_name", metavar="WORKLOAD", type=click.Choice([one.name for one in workloads.ALL]))
@click.option("--seconds", type=float, default=5.0, show_default=True, help="How long to measure.")
@click.option("--top", type=int, default=40, show_default=True, help="How many functions to print.")
@click.option("--py-spy", "py_spy", help="Where py-spy is, when it is not in PATH.")
@click.option("--lines", is_flag=True, help="Tell lines of a function apart.")
def main(*, workload_name: str, seconds: float, top: int, py_spy: str | None, lines: bool) -> None:
    """Profile the node, with one worker, under WORKLOAD."""
    program = py_spy or shutil.which("py-spy")
    if not program:
        raise click.ClickException("py-spy is missing: pip install py-spy")
    workload = next(one for one in workloads.ALL if one.name == workload_name)
    work = BENCH / ".work" / f"profile-{time.time_ns()}"
    folders = Folders(work, (machine.memory_folder() or work) / work.name)
    samples = BENCH / ".work" / f"{workload_name}.stacks"
    samples.parent.mkdir(parents=True, exist_ok=True)
    console = Console()
    try:
        with running(
            ONE_WORKER, folders.of(workload.durability) / "node", workload.durability, nagle=workload.nagle
        ) as it:
            command = [
                program,
                "record",
                "--pid",
                str(it.pid),
                "--subprocesses",
                "--format",
                "raw",
                "--output",
                str(samples),
            ]
            options = ["--rate", str(SAMPLES_PER_S), *([] if lines else ["--function"])]
            with subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as spy:
                figures = workload.measure(
                    it, folders.scratch, Effort(seconds, idle_s=seconds, bytes_at_most=4 * 10**9)
                )
                spy.send_signal(signal.SIGINT)  # it writes what it has
    finally:
        folders.remove()
    console.print(f"{workload.title}: {workload.headline} {figures[workload.headline]:.6g}, sampled")
    _print(console, samples, top)
    console.print(f"samples: {samples}")


def _print(console: Console, samples: Path, top: int) -> None:
    alone: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    for stack, count in _stacks(samples):
        alone[stack[-1]] += count
        for function in set(stack):
            whole[function] += count
    total = alone.total() or 1
    for title, counts in (("alone", alone), ("with what it calls", whole)):
        table = Table("%", "function", title=title, title_justify="left")
        for function, count in counts.most_common(top):
            table.add_row(f"{count / total * 100:.1f}", function)
        console.print(table)


def _stacks(samples: Path) -> Iterator[tuple[list[str], int]]:
    """The sampled stacks of calls, outermost first, and how often each was seen."""
    for line in samples.read_text().splitlines():
        calls, _, count = line.rpartition(" ")
        if stack := [call for call in calls.split(";") if _CALL.search(call)]:  # the rest names processes
            yield stack, int(count)


if __name__ == "__main__":
    main()
