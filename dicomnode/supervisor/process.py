"""One worker process: how it is described, what its parent does with it, and where it begins."""

from __future__ import annotations

import faulthandler
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog

from dicomnode.errors import ConfigurationError, DataFolderError, DicomNodeError
from dicomnode.supervisor import channel
from dicomnode.supervisor.channel import WorkerChannel
from dicomnode.supervisor.launch import launch

EXIT_FAILED = 1
"""Something failed that may be mended by another try."""
EXIT_UNUSABLE = 2
"""The configuration or the data folder is wrong: another try fails the same way."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """A worker to run.

    Attributes:
        name: what logs and ``ps`` call it, e.g. ``association-1``.
        target: called in the worker as ``target(channel, *args)``.
        args: the worker's own copies.
        sockets: listeners that it shares, in ``channel.sockets``.
        descriptors: others that it has, under the same numbers.
    """

    name: str
    target: Callable[..., None]
    args: tuple[object, ...] = ()
    sockets: tuple[socket.socket, ...] = ()
    descriptors: tuple[int, ...] = ()


class WorkerProcess:
    """The parent's side of one running worker; times are monotonic, in s."""

    def __init__(self, spec: WorkerSpec, place: int, grace_s: float) -> None:
        self.spec = spec
        self.place = place
        self.is_ready = False
        self.started_at = self.last_sign_at = time.monotonic()
        self.kill_at: float | None = None
        self._end, theirs = socket.socketpair()
        self._end.settimeout(0)
        listeners = (listener.fileno() for listener in spec.sockets)
        with theirs:
            start = partial(_begin, spec, theirs, place, grace_s)
            self._process = launch(spec.name, start, (theirs.fileno(), *listeners, *spec.descriptors))

    def fileno(self) -> int:
        """Readable when the worker said something, or died."""
        return self._end.fileno()

    @property
    def pid(self) -> int:
        return self._process.pid

    def listen(self) -> None:
        """Take in what the worker said since the last time."""
        try:
            said = self._end.recv(4096)
        except (BlockingIOError, ConnectionError):
            return
        if said:
            self.last_sign_at = time.monotonic()
            self.is_ready = self.is_ready or channel.READY in said

    def exit_code(self) -> int | None:
        """How it ended, negative for a signal; None while it runs."""
        return self._process.poll()

    def drain(self) -> None:
        """Have it accept nothing new, and leave when its associations have ended."""
        self._say(channel.DRAIN)

    def abort(self, kill_at: float) -> None:
        """Have it abort what is left, and leave; it is killed if it has not by ``kill_at``."""
        self.kill_at = kill_at
        self._say(channel.ABORT)

    def dump_and_kill(self, kill_at: float) -> None:
        """Have a stuck worker write where each of its threads stands, and die; by SIGKILL if it has not by ``kill_at``."""
        self.kill_at = kill_at
        self._process.send_signal(signal.SIGABRT)

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        """Let go of the channel of a worker that ended."""
        self._end.close()

    def _say(self, word: bytes) -> None:
        try:
            self._end.send(word)
        except OSError as error:  # it died, or has not read for very long: its end is dealt with where that shows
            log.debug("worker.unreachable", worker=self.spec.name, worker_pid=self.pid, reason=str(error))


def _begin(spec: WorkerSpec, end: socket.socket, place: int, grace_s: float) -> None:
    """Where a worker process begins and ends."""
    # The parent alone decides when a worker leaves, also when a signal goes to all processes of the service.
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    faulthandler.enable()
    for listener in spec.sockets:
        listener.settimeout(0)
    worker = WorkerChannel(end, name=spec.name, place=place, sockets=list(spec.sockets), grace_s=grace_s)
    try:
        spec.target(worker, *spec.args)
    except DicomNodeError as error:
        log.error("worker.failed", worker=spec.name, reason=str(error))
        sys.exit(EXIT_UNUSABLE if isinstance(error, ConfigurationError | DataFolderError) else EXIT_FAILED)
    except Exception:
        log.exception("worker.failed", worker=spec.name)
        sys.exit(EXIT_FAILED)
