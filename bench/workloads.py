"""What is sent and measured: each workload takes one running server once and returns figures.

Names of figures end in their unit; a workload's ``headline`` says which one it is about. Instances that were not answered with
Success, or were answered so but are not there, are figures too: ``unsuccessful`` and ``lost``.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pynetdicom import AllStoragePresentationContexts

from bench import instances, measure, storescu, wire
from bench.effort import Effort
from bench.finding import Finding, Growth
from bench.instances import Template
from bench.raw_client import Association, Load, PeerRefusedError, Sender
from bench.retrieval import Retrieval
from bench.servers import NODE, ONE_WORKER, SINK, Durability, Running, Server

Figures = Mapping[str, float]


class Workload(Protocol):
    """Something that a server can be measured at."""

    @property
    def name(self) -> str:
        """Short and unique."""

    @property
    def title(self) -> str:
        """What it is, for people."""

    @property
    def headline(self) -> str:
        """The figure that it is about."""

    @property
    def durability(self) -> Durability:
        """What the server must do before it answers."""

    @property
    def nagle(self) -> bool:
        """Whether DCMTK's programs keep Nagle's algorithm."""

    def takes(self, server: Server) -> bool:
        """Whether this server is to be measured at it."""

    def measure(self, running: Running, scratch: Path, effort: Effort) -> Figures:
        """Do it once; ``scratch`` is a folder for the client's own files, in memory where possible."""


# -- reception ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reception:
    """C-STORE from the raw client."""

    name: str
    title: str
    templates: Callable[[], tuple[Template, ...]]
    associations: int
    durability: Durability
    compare_workers: bool = False
    instances_per_series: int = 250
    headline: str = "instances_per_s"
    nagle: bool = False

    def takes(self, server: Server) -> bool:
        if server == ONE_WORKER and not self.compare_workers:
            return False
        if self.durability is Durability.FULL and server.name in {"storescp", "pynetdicom", "qrscp"}:
            return False  # they never sync, and are measured where nobody does
        return self.associations <= server.associations_at_most

    def measure(self, running: Running, scratch: Path, effort: Effort) -> Figures:  # noqa: ARG002 - sends from memory
        templates = self.templates()
        mean_bytes = sum(template.size_bytes for template in templates) // len(templates)
        at_most = effort.bytes_at_most // mean_bytes // self.associations
        warm_up = 2 if mean_bytes > 10**7 else 10
        load = Load(templates, effort.duration_s, at_most, warm_up, self.instances_per_series)
        with ExitStack() as stack:
            senders = [Sender(running.address, load) for _ in range(self.associations)]
            for sender in senders:
                stack.callback(sender.leave)
            for sender in senders:
                sender.wait_until_ready()
            os.sync()  # what others wrote must not be flushed on this server's time
            measure.warm_memory(at_most * mean_bytes * self.associations)
            cpu_before = measure.cpu_s(running.pid)
            for sender in senders:
                sender.go()
            sent = [sender.sent() for sender in senders]
            cpu_s = measure.cpu_s(running.pid) - cpu_before
            memory = measure.memory(running.pid)
        if failures := [one.failure for one in sent if one.failure]:
            raise PeerRefusedError(failures[0])
        latencies = [latency for one in sent for latency in one.latencies_s]
        took = max(one.ended_s for one in sent) - min(one.started_s for one in sent)
        answered = sum(one.statuses.total() for one in sent)
        successful = sum(one.statuses[wire.SUCCESS] for one in sent)
        return {
            "instances_per_s": len(latencies) / took,
            "megabytes_per_s": sum(one.size_bytes for one in sent) / took / 1e6,
            "instances": len(latencies),
            "took_s": took,
            "cpu_us": cpu_s / len(latencies) * 1e6,
            "client_cpu_us": sum(one.cpu_s for one in sent) / len(latencies) * 1e6,
            "p50_ms": measure.percentile(latencies, 50) * 1e3,
            "p99_ms": measure.percentile(latencies, 99) * 1e3,
            "unsuccessful": answered - successful,
            "lost": successful - running.stored(),
            **_memory_figures(memory),
        }


@dataclass(frozen=True, slots=True)
class StorescuReception:
    """C-STORE from DCMTK's storescu."""

    name: str
    title: str
    template: Callable[[], Template]
    associations: int
    durability: Durability
    nagle: bool
    headline: str = "instances_per_s"

    def takes(self, server: Server) -> bool:
        return (
            storescu.installed()
            and server not in {ONE_WORKER, SINK}
            and (self.durability is Durability.FAST or server.name in {NODE.name, "Orthanc"})
            and self.associations <= server.associations_at_most
        )

    def measure(self, running: Running, scratch: Path, effort: Effort) -> Figures:
        folders = [scratch / f"association-{number}" for number in range(self.associations)]
        template = self.template()
        calibration = 10
        try:
            per_instance_s = self._send(running, folders, calibration) / calibration
            count = min(max(int(effort.duration_s / per_instance_s), 2 * calibration), 1500)
            for folder in folders:
                storescu.write_files(folder, template, count)
            os.sync()
            measure.warm_memory(count * template.size_bytes * self.associations)
            cpu_before = measure.cpu_s(running.pid)
            took = storescu.send(running.address, folders, nagle=self.nagle)
            cpu_s = measure.cpu_s(running.pid) - cpu_before
            memory = measure.memory(running.pid)
        finally:
            storescu.remove_files(folders)
        sent = count * self.associations
        return {
            "instances_per_s": sent / took,
            "megabytes_per_s": sent * template.size_bytes / took / 1e6,
            "instances": sent,
            "took_s": took,
            "cpu_us": cpu_s / sent * 1e6,
            "lost": sent + calibration * self.associations - running.stored(),
            **_memory_figures(memory),
        }

    def _send(self, running: Running, folders: Sequence[Path], count: int) -> float:
        for folder in folders:
            storescu.write_files(folder, self.template(), count)
        took = storescu.send(running.address, folders, nagle=self.nagle)
        storescu.remove_files(folders)
        return took


def _memory_figures(memory: measure.Memory) -> Figures:
    return {"peak_mb": memory.peak / 2**20, "pss_mb": memory.proportional / 2**20}


# -- associations ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AssociationRate:
    """Associations opened and released one after the other."""

    contexts: int
    headline: str = "associations_per_s"
    durability: Durability = Durability.FAST
    nagle: bool = False

    @property
    def name(self) -> str:
        return f"associations-{self.contexts}"

    @property
    def title(self) -> str:
        return f"associations per second, {self.contexts} presentation context{'s' if self.contexts > 1 else ''}"

    def takes(self, server: Server) -> bool:
        return server not in {ONE_WORKER, SINK}

    def measure(self, running: Running, scratch: Path, effort: Effort) -> Figures:  # noqa: ARG002 - writes nothing
        storage = [str(context.abstract_syntax) for context in AllStoragePresentationContexts]
        proposed = [wire.VERIFICATION, *storage][: self.contexts]
        accepted = 0
        for _ in range(5):
            with Association(running.address, proposed) as association:
                accepted = len(association.acceptance.accepted_context_ids)
        cpu_before = measure.cpu_s(running.pid)
        latencies: list[float] = []
        started = now = time.monotonic()
        while now < started + effort.duration_s and len(latencies) < 10_000:  # ephemeral ports are not endless
            with Association(running.address, proposed):
                pass
            before, now = now, time.monotonic()
            latencies.append(now - before)
        return {
            "associations_per_s": len(latencies) / (now - started),
            "p50_ms": measure.percentile(latencies, 50) * 1e3,
            "p99_ms": measure.percentile(latencies, 99) * 1e3,
            "cpu_us": (measure.cpu_s(running.pid) - cpu_before) / len(latencies) * 1e6,
            "accepted_contexts": accepted,
        }


@dataclass(frozen=True, slots=True)
class EchoLatency:
    """C-ECHO on an open association."""

    name: str = "echo"
    title: str = "C-ECHO on an open association"
    headline: str = "p50_us"
    durability: Durability = Durability.FAST
    nagle: bool = False

    def takes(self, server: Server) -> bool:
        return server != ONE_WORKER

    def measure(self, running: Running, scratch: Path, effort: Effort) -> Figures:  # noqa: ARG002 - writes nothing
        latencies: list[float] = []
        with Association(running.address, [wire.VERIFICATION]) as association:
            request = wire.echo_rq(association.require(wire.context_id(0)))
            for _ in range(50):
                association.ask(request)
            deadline = time.monotonic() + effort.duration_s
            before = now = time.monotonic()
            while now < deadline:
                association.ask(request)
                before, now = now, time.monotonic()
                latencies.append(now - before)
        return {
            "p50_us": measure.percentile(latencies, 50) * 1e6,
            "p99_us": measure.percentile(latencies, 99) * 1e6,
            "echoes": len(latencies),
        }


@dataclass(frozen=True, slots=True)
class IdleAssociations:
    """Many associations that are open and do nothing: what they cost."""

    count: int = 200
    headline: str = "cpu_percent"
    durability: Durability = Durability.FAST
    nagle: bool = False

    @property
    def name(self) -> str:
        return f"idle-{self.count}"

    @property
    def title(self) -> str:
        return f"{self.count} idle associations"

    def takes(self, server: Server) -> bool:
        return server == NODE  # Orthanc serves four at a time, and nobody else is held to a bound

    def measure(self, running: Running, scratch: Path, effort: Effort) -> Figures:  # noqa: ARG002 - writes nothing
        for _ in range(10):  # what a server loads with its first associations is not what an association costs
            with Association(running.address, [wire.VERIFICATION]):
                pass
        before = measure.memory(running.pid)
        with ExitStack() as stack:
            opened = 0
            with suppress(PeerRefusedError, OSError):
                for _ in range(self.count):
                    stack.enter_context(Association(running.address, [wire.VERIFICATION]))
                    opened += 1
            time.sleep(1)  # what opening them left to do is not idleness
            cpu_before, started = measure.cpu_s(running.pid), time.monotonic()
            time.sleep(effort.idle_s)
            cpu_s, took = measure.cpu_s(running.pid) - cpu_before, time.monotonic() - started
            after = measure.memory(running.pid)
        return {
            "cpu_percent": cpu_s / took * 100,
            "more_pss_mb": (after.proportional - before.proportional) / 2**20,
            "more_resident_mb": (after.resident - before.resident) / 2**20,
            "opened": opened,
        }


@dataclass(frozen=True, slots=True)
class HugeInstance:
    """One instance of 2 GiB: the memory that it takes on top of the idle server."""

    name: str = "huge"
    title: str = "one instance of 2 GiB"
    headline: str = "more_peak_mb"
    durability: Durability = Durability.FULL
    nagle: bool = False

    def takes(self, server: Server) -> bool:
        return server.name in {NODE.name, "storescp"}

    def measure(self, running: Running, scratch: Path, effort: Effort) -> Figures:  # noqa: ARG002 - sends from memory
        idle = measure.memory(running.pid)
        client = multiprocessing.get_context("fork").Process(target=_send_huge, args=(running,), daemon=True)
        started = time.monotonic()
        client.start()
        anonymous = 0
        while client.is_alive():
            anonymous = max(anonymous, measure.memory(running.pid).anonymous)
            client.join(0.05)
        took = time.monotonic() - started
        if client.exitcode:
            raise PeerRefusedError("the instance was not answered with Success")
        return {
            "more_peak_mb": (measure.memory(running.pid).peak - idle.resident) / 2**20,
            "more_anonymous_mb": (anonymous - idle.anonymous) / 2**20,
            "megabytes_per_s": instances.multiframe_2gb().size_bytes / took / 1e6,
            "lost": 1 - running.stored(),
        }


def _send_huge(running: Running) -> None:
    template = instances.multiframe_2gb()
    with Association(running.address, [template.sop_class_uid]) as association:
        context = association.require(wire.context_id(0))
        for part in wire.store_rq_pdus(template, context, association.acceptance.max_pdu_length):
            association.send(part)
        if association.status() != wire.SUCCESS:
            raise SystemExit(1)


# -- all of them ----------------------------------------------------------------------------------------------------------


def _ct() -> tuple[Template, ...]:
    return (instances.ct(),)


def _mr() -> tuple[Template, ...]:
    return (instances.mr(),)


def _tiny() -> tuple[Template, ...]:
    return (instances.tiny(),)


def _multiframes() -> tuple[Template, ...]:
    return (instances.multiframe_21mb(), instances.multiframe_52mb())


FULL, FAST = Durability.FULL, Durability.FAST

ALL: Sequence[Workload] = (
    Reception("durable-ct-1", "CT 530 KB, durable, 1 association", _ct, 1, FULL),
    Reception("durable-ct-4", "CT 530 KB, durable, 4 associations", _ct, 4, FULL, compare_workers=True),
    Reception("durable-ct-8", "CT 530 KB, durable, 8 associations", _ct, 8, FULL),
    Reception("durable-mr-1", "MR 136 KB, durable, 1 association", _mr, 1, FULL),
    Reception("durable-tiny-8", "tiny 8 KB, durable, 8 associations", _tiny, 8, FULL, compare_workers=True),
    Reception("fast-ct-1", "CT 530 KB, no sync, 1 association", _ct, 1, FAST),
    Reception("fast-ct-4", "CT 530 KB, no sync, 4 associations", _ct, 4, FAST, compare_workers=True),
    Reception("fast-mr-1", "MR 136 KB, no sync, 1 association", _mr, 1, FAST),
    Reception("fast-tiny-1", "tiny 8 KB, no sync, 1 association", _tiny, 1, FAST),
    Reception(
        "fast-big-1", "multiframes 21-52 MB, no sync, 1 association", _multiframes, 1, FAST, instances_per_series=4
    ),
    StorescuReception("storescu-ct-1", "CT from storescu, no sync, 1 association", instances.ct, 1, FAST, nagle=False),
    StorescuReception("storescu-ct-4", "CT from storescu, no sync, 4 associations", instances.ct, 4, FAST, nagle=False),
    StorescuReception(
        "plain-ct-1", "CT from plain storescu (Nagle), no sync, 1 association", instances.ct, 1, FAST, nagle=True
    ),
    StorescuReception(
        "plain-mr-1", "MR from plain storescu (Nagle), no sync, 1 association", instances.mr, 1, FAST, nagle=True
    ),
    StorescuReception(
        "plain-durable-ct-1",
        "CT from plain storescu (Nagle), durable, 1 association",
        instances.ct,
        1,
        FULL,
        nagle=True,
    ),
    Finding(500),
    Finding(5000),
    Growth(100_000),
    Retrieval("move-ct", "C-MOVE of a study of 500 CT 530 KB", _ct, 250, moves=True),
    Retrieval("get-ct", "C-GET of a study of 500 CT 530 KB", _ct, 250, moves=False),
    Retrieval("move-big", "C-MOVE of 8 multiframes of 21-52 MB", _multiframes, 4, moves=True),
    Retrieval("get-big", "C-GET of 8 multiframes of 21-52 MB", _multiframes, 4, moves=False),
    AssociationRate(1),
    AssociationRate(60),
    EchoLatency(),
    IdleAssociations(),
    HugeInstance(),
)

QUICK = (
    "durable-ct-1", "durable-ct-4", "durable-tiny-8", "fast-ct-1", "fast-ct-4", "fast-mr-1", "fast-big-1", "plain-ct-1",
    "find-5000", "find-100000", "move-ct", "get-ct", "associations-1", "associations-60", "echo", "idle-200",
)  # fmt: skip
"""Names of the workloads that ``--quick`` runs."""
