"""Connections to the index, all of them set so that several processes may write.

SQLite 3.7.0-3.51.2 can corrupt a database when two checkpoints race a commit, so no connection ever checkpoints by itself:
checkpoints run only under the writers' lock (`dicomnode.index.writer`). The database file itself is never opened beside SQLite:
closing it would drop SQLite's own locks, because POSIX advisory locks belong to the process.
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from dicomnode.errors import IndexUnavailableError
from dicomnode.index import functions
from dicomnode.index.settings import IndexSettings

DATABASE_NAME = "index.sqlite"
IDLE_READERS = 8
"""Connections for reading that are kept open while nobody reads."""
READERS_SHARE = 16
"""A reader has this part of the memory that the writer has for pages: the operating system keeps them as well."""
STATEMENTS = 256
"""Compiled statements that a connection keeps."""


class Reading:
    """A connection while one thread reads with it; a class, because a generator costs as much as a look into an index."""

    __slots__ = ("_age", "_connection", "_connections")

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def __enter__(self) -> sqlite3.Connection:
        self._connection, self._age = self._connections.take()
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            self._connection.close()
            self._connections.forget()
            raise IndexUnavailableError(f"index cannot be read: {error}", rolled_back=True) from error
        self._connections.give_back(self._connection, self._age)


class Connections:
    """Where a process gets its connections from."""

    def __init__(self, folder: Path, settings: IndexSettings) -> None:
        self.path = folder.absolute() / DATABASE_NAME
        self._settings = settings
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._age = 0

    def for_writing(self, *, may_create: bool = False) -> sqlite3.Connection:
        """A new connection, in autocommit mode; the caller closes it.

        Raises:
            IndexUnavailableError: it cannot be opened.
        """
        return self._connect(self._settings.cache_mb * 1024, "rwc" if may_create else "rw")

    def reading(self) -> Reading:
        """A connection for one thread to read with, for a short time: a transaction that stays open keeps the log from shrinking.

        To be entered by ``with``, which raises IndexUnavailableError when it cannot be opened, or the index cannot be read.
        """
        return Reading(self)

    def forget(self) -> None:
        """Read with new connections from now on: after an error the database may have been repaired or put in place anew."""
        with self._lock:
            self._age += 1
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def take(self) -> tuple[sqlite3.Connection, int]:
        """A connection for `Reading`, and how often all were forgotten before it was made."""
        with self._lock:
            age = self._age
            if self._idle:
                return self._idle.pop(), age
        return self._connect(self._settings.cache_mb * 1024 // READERS_SHARE, "rw"), age

    def give_back(self, connection: sqlite3.Connection, age: int) -> None:
        """Keep what `take` gave for the next one, or close it."""
        with self._lock:
            if age == self._age and len(self._idle) < IDLE_READERS:
                self._idle.append(connection)
                return
        connection.close()

    def _connect(self, cache_kib: int, mode: str) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                f"{self.path.as_uri()}?mode={mode}",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=self._settings.lock_timeout_s,
                cached_statements=STATEMENTS,
            )
        except sqlite3.Error as error:
            raise IndexUnavailableError(f"index cannot be opened: {error}", rolled_back=True) from error
        try:
            for pragma in (
                "journal_mode = WAL",
                "synchronous = NORMAL",
                "wal_autocheckpoint = 0",
                "mmap_size = 0",
                "foreign_keys = ON",
                "temp_store = MEMORY",
                f"cache_size = -{cache_kib}",
            ):
                connection.execute(f"PRAGMA {pragma}")
            functions.install(connection)
        except sqlite3.Error as error:
            connection.close()
            raise IndexUnavailableError(f"index cannot be opened: {error}", rolled_back=True) from error
        return connection
