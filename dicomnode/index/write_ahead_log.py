"""The write-ahead log of the index: what of it is on the disk, and when it has to be folded into the database.

A commit is in the log, but not on the disk; the log is synced outside the writers' lock, by whoever comes first for all that
committed before. A checkpoint that runs in between syncs log and database itself, so a sync may rest on what the log holds now.

When a sync fails, the system may have dropped what it could not write, and a second sync would report success without having
written anything. So from then on no process trusts the log: nobody is told that anything is durable until a complete checkpoint
has copied every commit into the database and synced that.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

from dicomnode.errors import IndexUnavailableError
from dicomnode.index.trust import Trust

# sqlite.org/fileformat2.html, section 4.1: a header, then frames, each a frame header and a page. A frame belongs to the log if it
# has the two salts of the header; what is left from before the log began anew has others.
_HEADER_BYTES: Final = 32
_FRAME_HEADER_BYTES: Final = 24
_HEADER_SALTS: Final = slice(16, 24)
_FRAME_SALTS: Final = slice(8, 16)

_ROOM: Final = bytes(1 << 20)
_RETRY_SHARE: Final = 4
"""A checkpoint that readers kept from the end is tried again after a quarter of the limit more."""
_FORCE_AT: Final = 4
"""At so many times the limit writers wait for the readers to leave the log, and with each limit more if they did not."""
_FORCE_WAIT_MS: Final = 250
"""Longer than any reader of ours reads; a foreign one may stay for hours."""


class WriteAheadLog:
    """The log as one process sees it; open while the process has a connection for writing."""

    def __init__(self, database: Path, *, limit_bytes: int) -> None:
        self._path = database.with_name(f"{database.name}-wal")
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._counting = threading.Lock()
        self._fd: int | None = None
        self._page_bytes = 0
        self._tickets = 0
        self._synced = 0
        self._trust = Trust(database.parent)
        self._folded_salts = b""
        self._due_frames = 0

    def open(self, connection: sqlite3.Connection) -> None:
        """Open the log's file, which is there as long as ``connection`` is.

        Raises:
            OSError: it cannot be opened, or its name not be made durable.
        """
        self._trust.open()
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # the first read makes the file
        page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
        folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        with self._lock:
            self._close()
            self._fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
            self._page_bytes = page_bytes

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._close()
            self._trust.close()

    @property
    def is_trusted(self) -> bool:
        """Whether no sync has failed, in any process, since all of it was last known to be on the disk."""
        return not self._trust.is_lost

    def ticket(self) -> int:
        """A number for what is committed by now, to `sync` for."""
        with self._counting:
            self._tickets += 1
            return self._tickets

    def sync(self, ticket: int) -> None:
        """Return once all that was committed when ``ticket`` was taken is on the disk.

        Raises:
            IndexUnavailableError: it may not be.
        """
        with self._lock:
            if self._synced >= ticket:
                return
            tickets = self._tickets
            try:
                if self._fd is not None:
                    os.fdatasync(self._fd)
            except OSError as error:
                self.distrust()
                raise IndexUnavailableError(f"index cannot be made durable: {error.strerror}") from error
            if self._fd is None or not self.is_trusted:
                raise IndexUnavailableError("index cannot be made durable: an earlier sync of its log failed")
            if os.fstat(self._fd).st_nlink == 0:  # SQLite itself removes it only when nobody has the database open
                raise IndexUnavailableError("index cannot be made durable: its log was removed: restart the node")
            self._synced = tickets

    def distrust(self) -> None:
        """Take nothing for durable any more, in no process, until `restore_trust`."""
        with suppress(OSError):  # then no other process is told; this one knows all the same
            self._trust.lose()

    def make_room(self) -> None:
        """Write zeros after its end if little room is left; the caller has a transaction open, so that nobody else writes to it.

        To sync what overwrites them takes half as long as to sync a file that grows. Room that cannot be had is no failure.
        """
        assert self._fd is not None
        size_bytes = os.lseek(self._fd, 0, os.SEEK_END)  # a quarter of what fstat costs
        if size_bytes >= self._limit_bytes:
            return
        salts = os.pread(self._fd, _HEADER_BYTES, 0)[_HEADER_SALTS]
        near_end = max(size_bytes - len(_ROOM) // 2, 0) // (_FRAME_HEADER_BYTES + self._page_bytes)
        if salts and (near_end == 0 or self._salts_of_frame(near_end) == salts):
            with suppress(OSError):
                os.pwrite(self._fd, _ROOM, size_bytes)

    def is_due(self) -> bool:
        """Whether it has grown so that it should be folded; two short reads, because SQLite does not tell its length."""
        if self._fd is None or os.lseek(self._fd, 0, os.SEEK_END) < self._limit_bytes:
            return False
        salts = os.pread(self._fd, _HEADER_BYTES, 0)[_HEADER_SALTS]
        frames = self._due_frames if salts == self._folded_salts else self._frames(self._limit_bytes)
        return bool(salts) and self._salts_of_frame(frames) == salts

    def fold(self, connection: sqlite3.Connection) -> None:
        """Copy it into the database; it begins anew with the next commit if no reader needs it. The caller holds the writers' lock.

        Raises:
            sqlite3.Error: it cannot be done now; nothing is lost, and it is tried again later.
        """
        assert self._fd is not None
        limit = self._frames(self._limit_bytes)
        salts = os.pread(self._fd, _HEADER_BYTES, 0)[_HEADER_SALTS]
        before = self._due_frames if salts == self._folded_salts else limit
        self._folded_salts, self._due_frames = salts, before + limit // _RETRY_SHARE
        _, frames, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()  # waits for nobody
        self._due_frames = frames + limit // _RETRY_SHARE
        if frames >= limit * _FORCE_AT and not _truncate(connection):
            self._due_frames = frames + limit

    def restore_trust(self, connection: sqlite3.Connection) -> None:
        """After a failed sync: have all that is committed on the disk all the same. The caller holds the writers' lock.

        Raises:
            IndexUnavailableError: readers keep that from being done now.
            sqlite3.Error: it cannot be done now.
            OSError: it cannot be told to the other processes.
        """
        if not _truncate(connection):
            raise IndexUnavailableError(
                "index cannot be made durable: an earlier sync of its log failed", rolled_back=True
            )
        with self._lock:
            self._trust.regain()
            self._synced = self._tickets

    def _salts_of_frame(self, number: int) -> bytes:
        assert self._fd is not None
        place = _HEADER_BYTES + (number - 1) * (_FRAME_HEADER_BYTES + self._page_bytes)
        return os.pread(self._fd, _FRAME_HEADER_BYTES, place)[_FRAME_SALTS]

    def _frames(self, size_bytes: int) -> int:
        return max(size_bytes // (_FRAME_HEADER_BYTES + self._page_bytes), 1)

    def _close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _truncate(connection: sqlite3.Connection) -> bool:
    """Copy all of the log, once no reader is in it; whether that was done in time."""
    (before,) = connection.execute("PRAGMA busy_timeout").fetchone()
    connection.execute(f"PRAGMA busy_timeout = {_FORCE_WAIT_MS}")
    try:
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {before}")
    return not busy
