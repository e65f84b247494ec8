"""The one way to write: whoever waits shares a transaction, and its sync (group commit).

A thread that finds nobody leading takes all that waits and runs it in one transaction, under the lock that orders the writers of
all processes. Each piece of work has a savepoint of its own, so that one that fails takes none of its neighbours along. Once it is
committed, the lead goes to the first of those who came meanwhile; the leader syncs the log and wakes those whose work he did. An
association that is alone never waits for another thread.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Generic, TypeVar

import structlog

from dicomnode.errors import IndexUnavailableError
from dicomnode.index.database import Connections
from dicomnode.index.settings import Durability, IndexSettings
from dicomnode.index.write_ahead_log import WriteAheadLog
from dicomnode.index.writers_lock import WritersLock

log = structlog.get_logger()

Result = TypeVar("Result")
Transaction = sqlite3.Connection
"""What those who know no SQL hand on, from one piece of work to the next of the same transaction."""
Work = Callable[[Transaction], Result]

_SYNC_FAILED: Final = frozenset({sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_DIR_FSYNC})
_CERTAINLY_NOT_COMMITTED: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY})
"""Errors of COMMIT after which no complete transaction can be in the log: the frame that ends it is written last."""

_NEARLY_ALL: Final = 0.95
"""Of the time-out: with so much of it left, a connection's own is as good."""

_INTERRUPTED: Final = IndexUnavailableError("index was not written: its writer was interrupted")


class _Request(Generic[Result]):
    """A piece of work that waits for its transaction."""

    __slots__ = ("_news", "error", "is_done", "needs_sync", "result", "since", "work")

    def __init__(self, work: Work[Result], *, needs_sync: bool) -> None:
        self.work = work
        self.needs_sync = needs_sync
        self.since = time.monotonic()
        self.is_done = False
        self.result: Result | None = None
        self.error: Exception | None = None
        self._news: threading.Lock | None = None

    def expect_news(self) -> threading.Lock:
        """What its thread waits for, until somebody calls `tell`."""
        self._news = news = threading.Lock()
        news.acquire()
        return news

    def tell(self) -> None:
        """Have its thread go on, if that waits: it is done, or it is its turn to lead."""
        if self._news is not None:
            self._news.release()

    def fail(self, failure: IndexUnavailableError) -> None:
        """It fails with all others of its batch, unless it failed by itself; each with an exception of his own thread."""
        if self.error is None:
            self.error = IndexUnavailableError(str(failure), rolled_back=failure.rolled_back)
            self.error.__cause__ = failure.__cause__


class Writer:
    """Runs pieces of work against the index, from any thread of this process."""

    def __init__(
        self, lock: WritersLock, connections: Connections, settings: IndexSettings, durability: Durability
    ) -> None:
        self._connections = connections
        self._timeout_s = settings.lock_timeout_s
        self._is_durable = durability is Durability.FULL
        self._lock = lock
        self._log = WriteAheadLog(connections.path, limit_bytes=settings.checkpoint_mb << 20)
        self._mutex = threading.Lock()
        self._waiting: list[_Request[object]] = []
        self._has_leader = False
        self._connection: sqlite3.Connection | None = None

    def run(self, work: Work[Result]) -> Result:
        """What ``work`` returns, once it is committed and, with full durability, on the disk.

        Raises:
            IndexUnavailableError: it could not be written, or not be made durable.
        """
        return self._run(_Request(work, needs_sync=self._is_durable))

    def note(self, work: Work[Result]) -> Result:
        """The same for what nobody is promised: committed, but not synced."""
        return self._run(_Request(work, needs_sync=False))

    def sync(self) -> None:
        """Make durable everything that any process has committed so far.

        Raises:
            IndexUnavailableError: it may not be.
        """
        if not self._is_durable:
            return
        if self._connection is not None and self._log.is_trusted:
            self._log.sync(self._log.ticket())
        else:
            self.run(_nothing)

    def close(self) -> None:
        """Let go of the connection; nobody may write any more."""
        self._log.close()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _run(self, request: _Request[Result]) -> Result:
        news = None
        with self._mutex:
            if self._has_leader:
                news = request.expect_news()
                self._waiting.append(request)  # type: ignore[arg-type]  # the queue does not look at results
            self._has_leader = True
        if news is None:  # while nobody leads, nobody waits
            self._lead([request])  # type: ignore[list-item]  # nor does the leader
        else:
            news.acquire()
            if not request.is_done:
                self._lead(self._take_waiting())
        if request.error is not None:
            raise request.error
        return request.result  # type: ignore[return-value]  # it is done and had no error

    def _take_waiting(self) -> list[_Request[object]]:
        with self._mutex:
            batch, self._waiting = self._waiting, []
        return batch

    def _lead(self, batch: list[_Request[object]]) -> None:
        failure: IndexUnavailableError | None = _INTERRUPTED
        unsynced: IndexUnavailableError | None = _INTERRUPTED
        try:
            try:
                ticket = self._commit(batch)
            finally:
                self._hand_over()
            failure = None
            for request in batch:
                if request.needs_sync and request.error is None:
                    self._log.sync(ticket)
                    break
            unsynced = None
        except IndexUnavailableError as error:
            if failure is not None:
                failure = error
            unsynced = error
        finally:
            for request in batch:
                if fault := unsynced if request.needs_sync else failure:
                    request.fail(fault)
                request.is_done = True
                request.tell()

    def _hand_over(self) -> None:
        with self._mutex:
            self._has_leader = bool(self._waiting)
            if self._has_leader:
                self._waiting[0].tell()

    def _commit(self, batch: list[_Request[object]]) -> int:
        """Commit the batch; the ticket that its sync needs."""
        deadline = batch[0].since + self._timeout_s  # nobody waits longer, also not behind one who waited in vain
        self._lock.acquire(deadline)
        try:
            try:
                connection = self._open()
                self._begin(connection, deadline)
                self._transact(connection, batch)
            except (sqlite3.Error, OSError) as error:
                self._forget_connection()
                raise IndexUnavailableError(f"index cannot be written: {error}", rolled_back=True) from error
            except BaseException:
                self._forget_connection()
                raise
            ticket = self._log.ticket()
            self._fold_if_due(connection)
        finally:
            self._lock.release()
        return ticket

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            connection = self._connections.for_writing()
            try:
                self._log.open(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection  # last: `sync` takes it for a sign that the log is open
        if not self._log.is_trusted:
            self._log.restore_trust(self._connection)
        return self._connection

    def _begin(self, connection: sqlite3.Connection, deadline: float) -> None:
        """Only a program that is none of ours can have the database locked: ours wait for each other before."""
        left_s = deadline - time.monotonic()
        if left_s > self._timeout_s * _NEARLY_ALL:
            connection.execute("BEGIN IMMEDIATE")
            return
        connection.execute(f"PRAGMA busy_timeout = {max(round(left_s * 1000), 1)}")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"PRAGMA busy_timeout = {round(self._timeout_s * 1000)}")

    def _transact(self, connection: sqlite3.Connection, batch: list[_Request[object]]) -> None:
        if len(batch) == 1:
            _run(connection, batch[0], undo="ROLLBACK")
            if batch[0].error is not None:
                return
        else:
            for request in batch:
                connection.execute("SAVEPOINT request")
                _run(connection, request, undo="ROLLBACK TO request")
                connection.execute("RELEASE request")
        if self._is_durable:
            self._log.make_room()
        try:
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            is_certain = error.sqlite_errorcode & 0xFF in _CERTAINLY_NOT_COMMITTED
            raise IndexUnavailableError(f"index cannot be written: {error}", rolled_back=is_certain) from error

    def _forget_connection(self) -> None:
        """After an error begin anew: the database may be repaired or put in place anew by then. Closing rolls back what is open."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(sqlite3.Error):
                connection.close()
        self._connections.forget()

    def _fold_if_due(self, connection: sqlite3.Connection) -> None:
        try:
            if self._log.is_due():
                self._log.fold(connection)
        except (sqlite3.Error, OSError) as error:
            # what is committed stays so; the log grows until a checkpoint succeeds
            if getattr(error, "sqlite_errorcode", None) in _SYNC_FAILED:
                self._log.distrust()
            log.warning("checkpoint.failed", reason=str(error))


def _run(connection: sqlite3.Connection, request: _Request[object], *, undo: str) -> None:
    try:
        request.result = request.work(connection)
    except Exception as error:  # handed to the thread whose work it is
        if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
            raise  # the database itself is in trouble: nobody in this batch can go on
        connection.execute(undo)
        request.error = _translated(error)


def _translated(error: Exception) -> Exception:
    if not isinstance(error, sqlite3.Error):
        return error
    translated = IndexUnavailableError(f"index does not take it: {error}", rolled_back=True)
    translated.__cause__ = error
    return translated


def _nothing(_: sqlite3.Connection) -> None:
    """Work for a sync that needs a connection, or a log that is trusted again."""
