"""``python -m bench.sending``: the node as sender beside DCMTK's storescu, over one association, to what takes everything fast.

Files lie in memory. storescu is a process of its own, and its start counts; with thousands of files that is one per cent.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from bench import machine, storescu
from bench.instances import Template, ct, mr, tiny
from bench.raw_client import Address
from bench.servers import SINK, Durability, Storescp, running
from dicomnode.dicom.peer import PeerSettings
from dicomnode.scu.settings import ScuSettings
from dicomnode.scu.storage import StorageSCU
from dicomnode.services.sending import read_instance

_WORKLOADS: dict[str, tuple[Callable[[], Template], int]] = {"CT": (ct, 400), "MR": (mr, 1000), "tiny": (tiny, 3000)}


@dataclass(frozen=True, slots=True)
class Took:
    """One round: time on the wall and of the sender's processor, in s."""

    wall_s: float
    cpu_s: float


@click.command()
@click.option("--rounds", type=click.IntRange(min=1), default=7, show_default=True)
@click.option("--to", "peer", type=click.Choice(["sink", "storescp"]), default="sink", show_default=True)
def main(rounds: int, peer: str) -> None:
    """Send files with both, in turns; the table shows medians."""
    server = SINK if peer == "sink" else Storescp()
    table = Table("what", "sender", "instances/s", "MB/s", "CPU us each", "ratio of wall times")
    with tempfile.TemporaryDirectory(dir=machine.memory_folder()) as scratch:
        for name, (template, count) in _WORKLOADS.items():
            files = Path(scratch, name)
            storescu.write_files(files, template(), count)
            ours: list[Took] = []
            theirs: list[Took] = []
            for number in range(rounds):
                with running(server, Path(scratch, f"server-{number}"), Durability.FAST) as receiver:
                    _ours(receiver.address, files)  # warms up
                    ours.append(_ours(receiver.address, files))
                    theirs.append(_theirs(receiver.address, files))
            ratio = statistics.median(b.wall_s / a.wall_s for a, b in zip(ours, theirs, strict=True))
            megabytes = sum(file.stat().st_size for file in files.iterdir()) / 1e6
            table.add_row(name, "dicomnode", *_figures(ours, count, megabytes), f"{ratio:.2f}")
            table.add_row(name, "storescu", *_figures(theirs, count, megabytes), "")
            shutil.rmtree(files)
    Console(width=120).print(table)


def _figures(rounds: list[Took], count: int, megabytes: float) -> tuple[str, str, str]:
    wall_s = statistics.median(took.wall_s for took in rounds)
    cpu_s = statistics.median(took.cpu_s for took in rounds)
    return f"{count / wall_s:.0f}", f"{megabytes / wall_s:.0f}", f"{cpu_s / count * 1e6:.0f}"


def _ours(address: Address, files: Path) -> Took:
    peer = PeerSettings(ae_title=address.ae_title, host=address.host, port=address.port)
    scu = StorageSCU(peer, calling_ae_title="BENCH", settings=ScuSettings(), transcode=None)
    began, cpu_before = time.monotonic(), time.process_time()
    instances = [read_instance(path) for path in sorted(files.iterdir())]
    failed = sum(sent.status != 0 for sent in scu.send(instances))
    took = Took(time.monotonic() - began, time.process_time() - cpu_before)
    if failed:
        raise click.ClickException(f"{failed} instances were not answered with Success")
    return took


def _theirs(address: Address, files: Path) -> Took:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall_s = storescu.send(address, [files], nagle=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Took(wall_s, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


if __name__ == "__main__":
    os.environ["TCP_NODELAY"] = "1"
    main()
