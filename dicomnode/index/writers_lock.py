"""The lock that orders the writers of all processes: a file that one of them holds by flock.

The kernel lets go of it when its holder dies, however that dies. SQLite's own lock does not cover checkpoints, and who waits for it
sleeps for ever longer times.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from dicomnode.errors import IndexUnavailableError

LOCK_NAME = "index.lock"

_SHORT_PAUSE_S: Final = 0.00005
_LONG_PAUSE_S: Final = 0.001
_EAGER_S: Final = 0.02
"""So long a waiting writer looks for the lock as often as it can: mostly it is held for a fraction of a millisecond."""


class WritersLock:
    """The lock, for one thread of this process at a time; its file is made when it is first held."""

    def __init__(self, folder: Path, timeout_s: float) -> None:
        self._path = folder / LOCK_NAME
        self._timeout_s = timeout_s
        self._fd: int | None = None

    @contextmanager
    def held(self, deadline: float | None = None) -> Iterator[None]:
        """Hold it; see `acquire`."""
        self.acquire(deadline)
        try:
            yield
        finally:
            self.release()

    def acquire(self, deadline: float | None = None) -> None:
        """Take it; the caller calls `release`.

        Args:
            deadline: when to give up, as `time.monotonic` tells it; a lock that is free then is had all the same.

        Raises:
            IndexUnavailableError: another writer did not let go of it in time, or its file cannot be opened.
        """
        if self._fd is None:
            self._fd = self._open()
        started = 0.0
        while True:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                now = time.monotonic()
                started = started or now
                if now > (deadline or started + self._timeout_s):
                    raise IndexUnavailableError("index is held by another writer", rolled_back=True) from None
                time.sleep(_SHORT_PAUSE_S if now - started < _EAGER_S else _LONG_PAUSE_S)
            else:
                return

    def release(self) -> None:
        """Let go of it."""
        assert self._fd is not None
        fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise IndexUnavailableError(f"index cannot be locked: {error.strerror}", rolled_back=True) from error
