"""C-MOVE and C-GET of one study, again and again: the server sends, and what it sends is thrown away (`receiving`)."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from bench import measure, wire
from bench.effort import Effort
from bench.instances import Template, identities
from bench.raw_client import Address, Association, PeerRefusedError
from bench.receiving import Receiver
from bench.servers import (
    DESTINATION_AE_TITLE,
    NODE,
    PROJECT,
    READY_WITHIN_S,
    Durability,
    Running,
    Server,
    move_destination_port,
)


@dataclass(frozen=True, slots=True)
class Retrieval:
    """A study of ``instances_per_series`` in each of two series, retrieved until the time is over."""

    name: str
    title: str
    templates: Callable[[], tuple[Template, ...]]
    instances_per_series: int
    moves: bool
    """By C-MOVE; by C-GET otherwise."""
    headline: str = "megabytes_per_s"
    durability: Durability = Durability.FAST
    nagle: bool = False

    def takes(self, server: Server) -> bool:
        return server.name in {NODE.name, "Orthanc", "dcmqrscp"}

    def measure(self, running: Running, scratch: Path, effort: Effort) -> Mapping[str, float]:  # noqa: ARG002 - keeps nothing
        templates = self.templates()
        count = 2 * self.instances_per_series
        study_uid, size_bytes = _fill(running.address, templates, count, self.instances_per_series)
        with ExitStack() as stack:
            if self.moves:
                stack.enter_context(_destination())
            retrieve = stack.enter_context(_retriever(running.address, templates, study_uid, moves=self.moves))
            retrieve()  # the first one warms up
            cpu_before = measure.cpu_s(running.pid)
            durations: list[float] = []
            failed = 0
            while sum(durations) < effort.duration_s:
                began = time.monotonic()
                failed += retrieve()
                durations.append(time.monotonic() - began)
            cpu_s = measure.cpu_s(running.pid) - cpu_before
            memory = measure.memory(running.pid)
        took, sent = sum(durations), count * len(durations)
        return {
            "megabytes_per_s": size_bytes * len(durations) / took / 1e6,
            "instances_per_s": sent / took,
            "instances": sent,
            "took_s": took,
            "cpu_us": cpu_s / sent * 1e6,
            "unsuccessful": failed,
            "peak_mb": memory.peak / 2**20,
            "pss_mb": memory.proportional / 2**20,
        }


def _fill(address: Address, templates: Sequence[Template], count: int, per_series: int) -> tuple[str, int]:
    """Store a study of ``count`` instances; its UID, and the bytes of its data sets."""
    classes = list(dict.fromkeys(template.sop_class_uid for template in templates))
    size_bytes, study_uid = 0, ""
    with Association(address, classes) as association:
        largest = association.acceptance.max_pdu_length
        contexts = {uid: association.require(wire.context_id(index)) for index, uid in enumerate(classes)}
        forms = [(one, wire.store_rq(one, contexts[one.sop_class_uid], largest)) for one in templates]
        for (template, form), identity in islice(zip(cycle(forms), identities(per_series), strict=False), count):
            study_uid = identity.study_uid
            size_bytes += template.size_bytes
            if association.ask(form.fill_in(identity)) != wire.SUCCESS:
                raise PeerRefusedError("the study could not be stored")
    return study_uid, size_bytes


@contextmanager
def _retriever(
    address: Address, templates: Sequence[Template], study_uid: str, *, moves: bool
) -> Iterator[Callable[[], int]]:
    """Retrieves the study once and says how many sub-operations did not succeed."""
    receives = () if moves else tuple(dict.fromkeys(template.sop_class_uid for template in templates))
    model = wire.STUDY_ROOT_MOVE if moves else wire.STUDY_ROOT_GET
    with Association(address, [model, *receives], receives) as association:
        context = association.require(wire.context_id(0))
        request = wire.retrieve_rq(context, study_uid, DESTINATION_AE_TITLE if moves else "")
        receiver = Receiver(association.socket)

        def retrieve() -> int:
            association.send(request)
            while True:
                response = receiver.next_message()
                if response is None:
                    raise PeerRefusedError("the association ended within a retrieval")
                status = wire.element(response, 0x0900)
                if status not in (wire.PENDING, wire.SUCCESS, wire.SOME_FAILED):
                    raise PeerRefusedError(f"the retrieval ended with {status:04X}")
                if status != wire.PENDING:
                    return wire.element(response, 0x1022) if status != wire.SUCCESS else 0

        yield retrieve


@contextmanager
def _destination() -> Iterator[None]:
    """A Move Destination in a process of its own."""
    process = subprocess.Popen([sys.executable, "-m", "bench.receiving", str(move_destination_port())], cwd=PROJECT)
    try:
        deadline = time.monotonic() + READY_WITHIN_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", move_destination_port())).close()
                break
            except ConnectionRefusedError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        yield
    finally:
        process.kill()
        process.wait()
