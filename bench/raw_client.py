"""A fast Service Class User: sends bytes that were encoded before the clock started, over plain sockets.

DCMTK's storescu reads, decodes and encodes each file; beside a fast server it measures itself. This client costs a few
microseconds and one ``send`` an instance. Each association is a process of its own, so that 8 of them do not wait for one another.
"""

from __future__ import annotations

import multiprocessing
import resource
import socket
import struct
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle, islice
from multiprocessing.connection import Connection
from types import TracebackType

from bench import wire
from bench.instances import Template, identities

TIMEOUT_S = 60.0
"""The longest that we wait for the peer to take or say something."""

_FORK = multiprocessing.get_context("fork")


class PeerRefusedError(Exception):
    """The peer rejected the association or context, aborted, or closed the connection."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens, and what it calls itself."""

    port: int
    ae_title: str
    host: str = "127.0.0.1"


class Association:
    """One association with ``address``; leaving the block releases it."""

    def __init__(self, address: Address, abstract_syntaxes: Sequence[str], receives: Sequence[str] = ()) -> None:
        self._socket = socket.create_connection((address.host, address.port), TIMEOUT_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = bytearray()
        try:
            self._socket.sendall(wire.associate_rq(address.ae_title, "BENCH", abstract_syntaxes, receives))
            self.acceptance = wire.parse_associate_ac(self._expect(wire.ASSOCIATE_AC))
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> Association:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.release()
        finally:
            self._socket.close()

    @property
    def socket(self) -> socket.socket:
        """For who reads by himself."""
        return self._socket

    def require(self, context: int) -> int:
        """``context``, which the peer must have accepted."""
        if context not in self.acceptance.accepted_context_ids:
            raise PeerRefusedError(f"presentation context {context} was not accepted")
        return context

    def ask(self, request: bytes | bytearray) -> int:
        """Send one whole request; the status of the response."""
        self._socket.sendall(request)
        return self.status()

    def send(self, part: bytes) -> None:
        """Send a part of a request."""
        self._socket.sendall(part)

    def status(self) -> int:
        """Wait for a response; its status."""
        return wire.response_status(self._expect(wire.P_DATA))

    def release(self) -> None:
        """End the association in order (PS3.8 Section 7.2)."""
        self._socket.sendall(wire.pdu(wire.RELEASE_RQ, bytes(4)))
        self._expect(wire.RELEASE_RP)

    def _expect(self, expected: int) -> bytes:
        header = self._exactly(wire.PDU_HEADER_BYTES)
        pdu_type, length = struct.unpack(">BxL", header)
        body = self._exactly(length)
        if pdu_type != expected:
            raise PeerRefusedError(f"PDU type {pdu_type} came instead of {expected}: {body[:4].hex()}")
        return body

    def _exactly(self, length: int) -> bytes:
        while len(self._received) < length:
            more = self._socket.recv(65536)
            if not more:
                raise PeerRefusedError("the peer closed the connection")
            self._received += more
        taken = bytes(self._received[:length])
        del self._received[:length]
        return taken


def echo(address: Address) -> int:
    """The status of one C-ECHO over an association of its own."""
    with Association(address, [wire.VERIFICATION]) as association:
        return association.ask(wire.echo_rq(association.require(wire.context_id(0))))


# -- load: several associations, a process each ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Load:
    """What each association sends: the templates in turn, until the time is over or so many have gone."""

    templates: tuple[Template, ...]
    duration_s: float
    at_most: int
    warm_up: int
    instances_per_series: int


@dataclass(frozen=True, slots=True)
class Sent:
    """What one association saw; times are of the monotonic clock, which all processes share."""

    started_s: float = 0.0
    ended_s: float = 0.0
    latencies_s: list[float] = field(default_factory=list)
    size_bytes: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    """Answers by status, those to the warm-up too."""
    cpu_s: float = 0.0
    failure: str = ""


class Sender:
    """A process with one open, warmed-up association."""

    def __init__(self, address: Address, load: Load) -> None:
        self._pipe, theirs = _FORK.Pipe()
        self._process = _FORK.Process(target=_sender, args=(theirs, address, load), daemon=True)
        self._process.start()
        theirs.close()

    def wait_until_ready(self) -> None:
        """Return when the association is open and warm.

        Raises:
            PeerRefusedError: it could not be opened, or the warm-up failed.
        """
        if failure := self._receive():
            raise PeerRefusedError(str(failure))

    def go(self) -> None:
        """Begin to send."""
        self._pipe.send("go")

    def sent(self) -> Sent:
        """Wait for the end of the load; the association stays open."""
        sent = self._receive()
        assert isinstance(sent, Sent)
        return sent

    def leave(self) -> None:
        """Release the association and end the process."""
        with suppress(OSError):
            self._pipe.send("leave")
        self._pipe.close()
        self._process.join(TIMEOUT_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _receive(self) -> object:
        try:
            return self._pipe.recv()
        except EOFError:
            raise PeerRefusedError("the sender's process died") from None


def _sender(pipe: Connection, address: Address, load: Load) -> None:
    statuses: Counter[int] = Counter()
    sop_classes = list(dict.fromkeys(template.sop_class_uid for template in load.templates))
    try:
        with Association(address, sop_classes) as association:
            contexts = {uid: association.require(wire.context_id(index)) for index, uid in enumerate(sop_classes)}
            largest = association.acceptance.max_pdu_length
            forms = [wire.store_rq(one, contexts[one.sop_class_uid], largest) for one in load.templates]
            new = identities(load.instances_per_series)
            requests = (form.fill_in(identity) for form, identity in zip(cycle(forms), new, strict=False))
            for request in islice(requests, load.warm_up):
                statuses[association.ask(request)] += 1
            pipe.send(None)
            pipe.recv()
            pipe.send(_send(association, requests, load, statuses))
            pipe.poll(TIMEOUT_S)
    except (PeerRefusedError, OSError, ValueError) as error:
        with suppress(OSError):
            pipe.send(f"{type(error).__name__}: {error}")


def _send(association: Association, requests: Iterator[bytearray], load: Load, statuses: Counter[int]) -> Sent:
    clock, ask = time.monotonic, association.ask
    latencies: list[float] = []
    size_bytes, failure = 0, ""
    cpu_before = _cpu_s()
    started = now = clock()
    deadline = started + load.duration_s
    try:
        for request in islice(requests, load.at_most):
            before = clock()
            statuses[ask(request)] += 1
            now = clock()
            latencies.append(now - before)
            size_bytes += len(request)
            if now > deadline:
                break
    except (PeerRefusedError, OSError, ValueError) as error:
        failure = f"{type(error).__name__}: {error}"
    return Sent(started, now, latencies, size_bytes, statuses, _cpu_s() - cpu_before, failure)


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
