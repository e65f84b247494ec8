"""Connections to the index, the lock that orders its writers, and the sync of its write-ahead log.

SQLite 3.7.0-3.51.2 can corrupt a database when two checkpoints race a commit, so no connection ever checkpoints by itself:
checkpoints run only under the writers' lock. The database file itself is never opened beside SQLite: closing it would drop
SQLite's own locks (POSIX advisory locks belong to the process).
"""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from dicomnode.errors import IndexUnavailableError
from dicomnode.index.settings import IndexSettings

DATABASE_NAME = "index.sqlite"
LOCK_NAME = "index.lock"


class Connections:
    """One connection for the writer and one for each reading thread, all with the pragmas that several processes need."""

    def __init__(self, folder: Path, settings: IndexSettings) -> None:
        self.path = folder / DATABASE_NAME
        self._settings = settings
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []

    def connect(self) -> sqlite3.Connection:
        """A new connection, in autocommit mode.

        Raises:
            IndexUnavailableError: it cannot be opened.
        """
        try:
            connection = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, timeout=1.0)
            for pragma in (
                "journal_mode=WAL",
                "synchronous=NORMAL",
                "wal_autocheckpoint=0",
                "mmap_size=0",
                "foreign_keys=ON",
                "temp_store=MEMORY",
                f"cache_size=-{self._settings.cache_mb * 1024}",
            ):
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error as error:
            raise IndexUnavailableError(f"index cannot be opened: {error}", rolled_back=True) from error
        return connection

    def reader(self) -> sqlite3.Connection:
        """This thread's own connection for reading."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self.connect()
            self._readers.append(connection)
        return connection

    def close(self) -> None:
        """Close every reader; nobody may read any more."""
        for connection in self._readers:
            connection.close()
        self._readers.clear()
