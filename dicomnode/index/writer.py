"""The one way to write: whoever waits shares a transaction, and its sync (group commit).

A thread that finds nobody leading takes everything that waits and runs it in one transaction, under the lock that orders the
writers of all processes; each piece of work has a savepoint of its own, so that one that fails takes none of its neighbours
along. The write-ahead log is synced outside of the lock, by whoever comes first for all that were committed before him.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Generic, TypeVar

from dicomnode.errors import IndexUnavailableError
from dicomnode.index.database import LOCK_NAME, Connections
from dicomnode.index.settings import Durability, IndexSettings

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Result]


class _Request(Generic[Result]):
    """A piece of work that waits for its transaction."""

    __slots__ = ("commit", "error", "is_done", "result", "work")

    def __init__(self, work: Work[Result]) -> None:
        self.work = work
        self.is_done = False
        self.result: Result | None = None
        self.error: Exception | None = None
        self.commit = 0


class Writer:
    """Runs pieces of work against the index, from any thread of this process."""

    def __init__(self, folder: Path, connections: Connections, settings: IndexSettings, durability: Durability) -> None:
        self._folder = folder
        self._connections = connections
        self._settings = settings
        self._is_durable = durability is Durability.FULL
        self._queue: list[_Request[object]] = []
        self._queue_lock = threading.Lock()
        self._lead = threading.Lock()
        self._log = _Log(connections.path)
        self._connection: sqlite3.Connection | None = None
        self._order = os.open(folder / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def run(self, work: Work[Result]) -> Result:
        """What ``work`` returns, once it is committed and, with full durability, on the disk.

        Raises:
            IndexUnavailableError: it could not be written, or not be made durable.
        """
        request: _Request[Result] = _Request(work)
        with self._queue_lock:
            self._queue.append(request)  # type: ignore[arg-type]  # the queue does not look at results
        with self._lead:
            if not request.is_done:
                self._commit_all_that_wait()
        if request.error is not None:
            raise request.error
        if self._is_durable:
            self._log.sync(request.commit)
        return request.result  # type: ignore[return-value]  # it is done and had no error

    def sync(self) -> None:
        """Make durable everything that any process has committed so far."""
        if self._is_durable:
            self._log.sync_now()

    def close(self) -> None:
        """Let go of the connection and the locks."""
        with self._lead:
            self._log.close()
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            os.close(self._order)

    def _commit_all_that_wait(self) -> None:
        with self._queue_lock:
            batch, self._queue = self._queue, []
        try:
            with self._ordered():
                connection = self._open()
                connection.execute("BEGIN IMMEDIATE")
                try:
                    for request in batch:
                        _run_in_savepoint(connection, request)
                    connection.execute("COMMIT")
                except BaseException:
                    connection.execute("ROLLBACK") if connection.in_transaction else None
                    raise
                commit = self._log.committed()
                self._log.checkpoint_if_due(connection, self._settings.checkpoint_mb * 1024 * 1024)
            for request in batch:
                request.commit = commit
        except (sqlite3.Error, OSError, IndexUnavailableError) as error:
            self._forget_connection()
            for request in batch:
                request.error = request.error or IndexUnavailableError(
                    f"index cannot be written: {error}", rolled_back=True
                )
        finally:
            for request in batch:
                request.is_done = True

    @contextmanager
    def _ordered(self) -> Iterator[None]:
        """Hold the lock that orders the writers of all processes."""
        deadline = time.monotonic() + self._settings.lock_timeout_s
        pause_s = 0.0001
        while True:
            try:
                fcntl.flock(self._order, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise IndexUnavailableError("index is held by another writer", rolled_back=True) from None
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 0.005)
        try:
            yield
        finally:
            fcntl.flock(self._order, fcntl.LOCK_UN)

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = self._connections.connect()
            self._log.open()
        return self._connection

    def _forget_connection(self) -> None:
        """After an error the next writer begins with a fresh one: the database may have been replaced or repaired."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._log.close()
            with suppress(sqlite3.Error):
                connection.close()


def _run_in_savepoint(connection: sqlite3.Connection, request: _Request[object]) -> None:
    connection.execute("SAVEPOINT instance")
    try:
        request.result = request.work(connection)
    except sqlite3.OperationalError:
        raise  # the database itself is in trouble: nobody in this batch can go on
    except Exception as error:  # noqa: BLE001 - handed to the thread whose work it is
        connection.execute("ROLLBACK TO instance")
        request.error = error
    connection.execute("RELEASE instance")


class _Log:
    """The write-ahead log: what of it is committed, and what is on the disk."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + "-wal")
        self._lock = threading.Lock()
        self._fd: int | None = None
        self._committed = 0
        self._synced = 0
        self._is_suspect = False

    def open(self) -> None:
        self._fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def committed(self) -> int:
        """One more commit; its number."""
        self._committed += 1
        return self._committed

    def sync(self, commit: int) -> None:
        """Return once the commit of this number is on the disk."""
        if self._synced >= commit:
            return
        with self._lock:
            if self._synced < commit:
                self._sync()

    def sync_now(self) -> None:
        """Make durable whatever any process has committed."""
        with self._lock:
            self._sync()

    def checkpoint_if_due(self, connection: sqlite3.Connection, limit_bytes: int) -> None:
        """Fold the log into the database when it has grown past ``limit_bytes``; the caller holds the writers' lock."""
        if os.fstat(self._require_fd()).st_size < limit_bytes:
            return
        # PASSIVE waits for nobody; what readers still need stays in the log until the next time
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _sync(self) -> None:
        committed = self._committed
        try:
            os.fdatasync(self._require_fd())
        except OSError as error:
            self._is_suspect = True
            raise IndexUnavailableError(f"index cannot be made durable: {error.strerror}") from error
        self._synced = committed

    def _require_fd(self) -> int:
        if self._fd is None:
            raise IndexUnavailableError("index is closed")
        return self._fd
