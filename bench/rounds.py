"""Takes every server through every workload, in interleaved rounds, so that a noisy minute hits all of them."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.error import URLError

from bench.effort import Effort
from bench.raw_client import PeerRefusedError
from bench.servers import PROJECT, DidNotStartError, Durability, Server, running
from bench.storescu import StorescuFailedError
from bench.workloads import Workload


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one server did in one round of one workload."""

    workload: str
    server: str
    round: int
    figures: Mapping[str, float] = field(default_factory=dict)
    failure: str = ""
    load_average: float = 0.0

    def as_json(self) -> dict[str, object]:
        """For the results file."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Folders:
    """Where servers keep their data, by durability, and where clients keep their files."""

    durable: Path
    memory: Path
    """In memory, where the machine has a file system for that."""

    @property
    def scratch(self) -> Path:
        """For what clients need."""
        return self.memory / "scratch"

    def of(self, durability: Durability) -> Path:
        """The folder for runs of this durability."""
        return self.durable if durability is Durability.FULL else self.memory / "fast"

    def remove(self) -> None:
        """Take away what a run left."""
        for folder in (self.durable, self.memory):
            shutil.rmtree(folder, ignore_errors=True)


def run(
    workload: Workload,
    servers: Sequence[Server],
    rounds: int,
    folders: Folders,
    effort: Effort,
    tell: Callable[[str], None],
) -> Iterator[Outcome]:
    """Every server that the workload takes, ``rounds`` times; each time another one begins."""
    taking = [server for server in servers if workload.takes(server)]
    for number in range(rounds):
        first = number % max(len(taking), 1)
        for server in taking[first:] + taking[:first]:
            tell(f"{workload.title}: round {number + 1} of {rounds}, {server.name}")
            yield _once(workload, server, number, folders, effort)


def _once(workload: Workload, server: Server, number: int, folders: Folders, effort: Effort) -> Outcome:
    folder = folders.of(workload.durability) / f"{time.time_ns()}"
    load_average = os.getloadavg()[0]
    try:
        with running(server, folder, workload.durability, nagle=workload.nagle) as it:
            figures = workload.measure(it, folders.scratch, effort)
    except (DidNotStartError, PeerRefusedError, StorescuFailedError, URLError, OSError) as error:
        failure = f"{type(error).__name__}: {error}".replace(f"{PROJECT}/", "")
        return Outcome(workload.name, server.name, number, failure=failure, load_average=load_average)
    return Outcome(workload.name, server.name, number, figures, load_average=load_average)
