"""``python -m bench``: measure the node beside its rivals."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from bench import machine, report, workloads
from bench.effort import Effort
from bench.results import Results
from bench.rounds import Folders, Outcome, run
from bench.servers import BENCH, NODE, ONE_WORKER, PROJECT, RIVALS, SINK, Server
from bench.workloads import QUICK, Workload

_WIDTH = 180  # of the tables, where no terminal says how wide it is
MANUAL = PROJECT / "docs" / "performance.md"


@click.command()
@click.option("--quick", is_flag=True, help="A few minutes: fewer workloads, two short rounds.")
@click.option("--only", "only", multiple=True, metavar="WORKLOAD", help="Only this workload; may be given again.")
@click.option("--server", "named", multiple=True, metavar="SERVER", help="Only this server; may be given again.")
@click.option("--rounds", type=click.IntRange(min=1), help="How many rounds; 5 by default, 2 with --quick.")
@click.option("--no-rivals", is_flag=True, help="Only the node and the sink.")
@click.option("--no-huge", is_flag=True, help="Leave out the instance of 2 GiB.")
@click.option(
    "--data-folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=BENCH / ".work",
    show_default=True,
    help="Where durable runs keep their data: the disk that is measured.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON instead of tables.")
@click.option("--manual", is_flag=True, help=f"Write the tables into docs/{MANUAL.name} too, and keep the run beside.")
@click.option(
    "--from",
    "earlier",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Measure nothing: show an earlier run's results.",
)
@click.option("--list", "list_only", is_flag=True, help="Say which workloads and servers there are, and end.")
def main(
    *,
    quick: bool,
    only: Sequence[str],
    named: Sequence[str],
    rounds: int | None,
    no_rivals: bool,
    no_huge: bool,
    data_folder: Path,
    as_json: bool,
    manual: bool,
    earlier: Path | None,
    list_only: bool,
) -> None:
    """Measure the node, and whichever rivals are installed, with the same load; the results go to bench/results/."""
    console = Console(stderr=as_json, width=None if sys.stdout.isatty() else _WIDTH)
    if earlier:
        _report(Results.read(earlier), earlier, console, as_json=as_json, manual=manual)
        return
    everybody: tuple[Server, ...] = (NODE, ONE_WORKER, *RIVALS, SINK)
    versions = {server.name: version for server in everybody if (version := server.version())}
    chosen = _workloads(only or (QUICK if quick else ()), leave_out=("huge",) if no_huge else ())
    servers = _servers(versions, named, rivals=not no_rivals)
    if list_only:
        _list(console, chosen, servers, versions)
        return

    rounds = rounds or (2 if quick else 5)
    effort = (
        Effort(0.8, idle_s=5, bytes_at_most=8 * 10**8) if quick else Effort(2.5, idle_s=10, bytes_at_most=2 * 10**9)
    )
    folders = _folders(data_folder)
    facts = {
        "measured": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": machine.commit(PROJECT),
        **machine.facts(),
        "durable_runs_on": machine.file_system(folders.durable),
        "runs_without_sync_on": machine.file_system(folders.memory),
        "rounds": rounds,
        "seconds_a_round": effort.duration_s,
        "servers": ", ".join(f"{name} {version}" for name, version in versions.items()),
    }
    outcomes: list[Outcome] = []
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with console.status("starting") as status:
            for workload in chosen:
                for outcome in run(workload, servers, rounds, folders, effort, status.update):
                    outcomes.append(outcome)
                    _tell(console, workload, outcome)
    except KeyboardInterrupt:
        console.print("stopped; what was measured is kept")
    finally:
        folders.remove()

    results = Results(facts, outcomes)
    path = BENCH / "results" / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    results.write(path)
    _report(results, path, console, as_json=as_json, manual=manual)


def _report(results: Results, path: Path, console: Console, *, as_json: bool, manual: bool) -> None:
    if as_json:
        sys.stdout.write(path.read_text())
    else:
        report.show(results, console)
    if manual:
        report.write_manual(results, MANUAL)
        results.write(BENCH / "results" / "manual.json")
    console.print(f"results: {path}")


def _workloads(names: Sequence[str], leave_out: Sequence[str]) -> list[Workload]:
    known = {workload.name: workload for workload in workloads.ALL}
    if unknown := set(names) - known.keys():
        raise click.BadParameter(f"no such workload: {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return [workload for name, workload in known.items() if (not names or name in names) and name not in leave_out]


def _servers(versions: dict[str, str], names: Sequence[str], *, rivals: bool) -> list[Server]:
    candidates: list[Server] = [NODE, ONE_WORKER, *(RIVALS if rivals else ()), SINK]
    installed = [server for server in candidates if server.name in versions]
    if unknown := set(names) - {server.name for server in installed}:
        raise click.BadParameter(f"not installed: {', '.join(sorted(unknown))}; there are {', '.join(versions)}")
    return [server for server in installed if not names or server.name in names]


def _folders(data_folder: Path) -> Folders:
    durable = data_folder / f"durable-{os.getpid()}"
    in_memory = (machine.memory_folder() or data_folder) / f"dicomnode-bench-{os.getpid()}"
    for folder in (durable, in_memory):
        folder.mkdir(parents=True)
    return Folders(durable, in_memory)


def _list(console: Console, chosen: Sequence[Workload], servers: Sequence[Server], versions: dict[str, str]) -> None:
    for workload in chosen:
        console.print(f"{workload.name:20} {workload.title}", highlight=False)
    for server in servers:
        console.print(f"{server.name:20} {versions[server.name]}", highlight=False)


def _tell(console: Console, workload: Workload, outcome: Outcome) -> None:
    said = outcome.failure or f"{workload.headline} {outcome.figures[workload.headline]:.6g}"
    console.print(f"{workload.name:20} {outcome.round + 1}  {outcome.server:20} {said}", highlight=False, markup=False)


if __name__ == "__main__":
    main()
