"""What a worker and its parent say to one another: single bytes over one socket pair.

The worker says that it accepts, and about each second that it is alive. The parent says that it shall leave. If the parent
dies, the kernel closes its end, and the worker leaves too: no worker outlives its parent for longer than the grace period.
"""

from __future__ import annotations

import contextlib
import socket
import time
from enum import IntEnum

READY = b"r"
HEARTBEAT = b"h"
DRAIN = b"d"
ABORT = b"a"

HEARTBEAT_INTERVAL_S = 1.0
"""How often a worker says that it is alive: the longest that its loop should wait for anything else."""


class Stop(IntEnum):
    """What the parent wants of a worker; it never goes back."""

    NO = 0
    """Go on."""
    DRAIN = 1
    """Accept nothing new, and leave when the last association has ended."""
    ABORT = 2
    """Abort what is left, and leave now."""


class WorkerChannel:
    """A worker's side, for its main thread: a target gets it as its first argument.

    The target calls `ready` once it accepts; from then on its loop waits, at most `HEARTBEAT_INTERVAL_S` at a time, for its
    listeners and for this channel (which has a ``fileno``), calls `heartbeat`, and looks at `stop`. A target that returns
    ends its process.
    """

    def __init__(
        self, end: socket.socket, *, name: str, place: int, sockets: list[socket.socket], grace_s: float
    ) -> None:
        end.settimeout(0)
        self._end = end
        self._grace_s = grace_s
        self._stop = Stop.NO
        self._orphaned_at: float | None = None
        self.name = name
        """What the logs call this worker."""
        self.place = place
        """This worker's number in the node's tables; no other living worker has it."""
        self.sockets = sockets
        """The shared listeners, not blocking: another worker may win the race for a connection."""

    def fileno(self) -> int:
        """Readable when the parent said something, or died."""
        return self._end.fileno()

    def ready(self) -> None:
        """This worker accepts."""
        self._say(READY)

    def heartbeat(self) -> None:
        """This worker is alive; one that is silent for long is killed and replaced."""
        self._say(HEARTBEAT)

    def stop(self) -> Stop:
        """What the parent wants, as of now; never waits."""
        if self._orphaned_at is None:
            self._listen()
        elif time.monotonic() - self._orphaned_at > self._grace_s:
            self._stop = Stop.ABORT
        return self._stop

    def _listen(self) -> None:
        try:
            said = self._end.recv(64)
        except BlockingIOError:
            return
        except ConnectionError:
            said = b""
        if ABORT in said:
            self._stop = Stop.ABORT
        elif DRAIN in said or not said:
            self._stop = max(self._stop, Stop.DRAIN)
        if not said:
            self._orphaned_at = time.monotonic()

    def _say(self, word: bytes) -> None:
        # Full: the parent is late, and has enough heartbeats to read. Broken: it died, which `stop` notices.
        with contextlib.suppress(BlockingIOError, ConnectionError):
            self._end.send(word)
