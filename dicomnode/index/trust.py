"""Whether what the write-ahead log holds may be taken for what a sync has put on the disk; known to all processes.

A sync that failed tells only those who have the file open then. A process that starts later syncs what the system has already
given up, and hears of no error; so the one that heard of it leaves a mark, for those beside it and after it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

MARK_NAME: Final = "index.trust"

_TRUSTED: Final = b"+"
_LOST: Final = b"-"


class Trust:
    """The mark, a file of one byte: to change that takes no room on the disk."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / MARK_NAME
        self._fd: int | None = None
        self._is_lost_here = False

    def open(self) -> None:
        """Open the mark; it is made when it is not there.

        Raises:
            OSError: it cannot be opened or made.
        """
        if self._fd is None:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not os.pread(self._fd, 1, 0):
            os.pwrite(self._fd, _TRUSTED, 0)

    def close(self) -> None:
        """Let go of the file."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    @property
    def is_lost(self) -> bool:
        """Whether a sync has failed, in any process, since all of the log was last known to be on the disk."""
        return self._is_lost_here or self._fd is None or os.pread(self._fd, 1, 0) == _LOST

    def lose(self) -> None:
        """A sync has failed.

        Raises:
            OSError: only this process knows it now.
        """
        self._is_lost_here = True
        if self._fd is not None:
            os.pwrite(self._fd, _LOST, 0)

    def regain(self) -> None:
        """All of the log is on the disk, in the database itself; the caller holds the writers' lock since before it was.

        Raises:
            OSError: nobody knows it now.
        """
        assert self._fd is not None
        os.pwrite(self._fd, _TRUSTED, 0)
        self._is_lost_here = False
