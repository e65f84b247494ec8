"""What is owed, for people: what waits, what was given up and why, and what they decide about it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from peewee import SQL

from dicomnode.errors import UnknownEntryError
from dicomnode.index.database import Connections
from dicomnode.index.keys import microseconds
from dicomnode.index.outbox.entries import DebtState, OutboxEntry, let_follow, read, read_page
from dicomnode.index.outbox.owing import Owed, owe
from dicomnode.index.schema.outbox import Debt
from dicomnode.index.schema.statements import compiled
from dicomnode.index.writer import Writer

_COUNTS: Final = compiled(
    Debt.select(
        SQL("count(*) FILTER (WHERE state = 'waiting')"),
        SQL("count(*) FILTER (WHERE state = 'dead')"),
    )
)
_RETRY: Final = """
UPDATE outbox SET state = 'waiting', due_at = 0, not_before = :now, attempts = 0, "by" = :by
WHERE id = :id AND state IN ('waiting', 'dead') AND lease IS NULL
"""
_DROP: Final = """
UPDATE outbox SET state = 'dropped', failed_at = :now, coalesces = 0, reason = :reason, "by" = :by
WHERE id = :id AND state IN ('waiting', 'dead') AND lease IS NULL RETURNING destination, key
"""
_REMOVE_OLD: Final = "DELETE FROM outbox WHERE state = 'dropped' AND failed_at < ?"


class Outbox:
    """What waits and what was given up; a decision is on the disk when its method returns."""

    def __init__(self, connections: Connections, writer: Writer) -> None:
        self._connections = connections
        self._writer = writer

    def owe(self, *owed: Owed) -> None:
        """Write what is owed for nothing but itself; on the disk when this returns.

        Raises:
            IndexUnavailableError: the index cannot be written now.
        """

        def work(connection: sqlite3.Connection) -> None:
            for one in owed:
                owe(connection, one)

        self._writer.run(work)

    def counts(self) -> tuple[int, int]:
        """How many wait, and how many were given up.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        with self._connections.reading() as connection:
            waiting, dead = connection.execute(_COUNTS).fetchone()
        return waiting, dead

    def list(self, *states: DebtState) -> Iterator[OutboxEntry]:
        """All rows, or those in these states, in the order in which they were owed.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        last = 0
        while True:
            with self._connections.reading() as connection:
                page = read_page(connection, last)
            yield from (entry for entry in page if not states or entry.state in states)
            if not page:
                return
            last = page[-1].id

    def get(self, entry: int) -> OutboxEntry:
        """One row.

        Raises:
            UnknownEntryError: there is none.
            IndexUnavailableError: the index cannot be read.
        """
        with self._connections.reading() as connection:
            there = read(connection, entry)
        if there is None:
            raise UnknownEntryError(f"no entry {entry} in the outbox: it was delivered, or never there")
        return there

    def retry(self, entry: int, *, by: str) -> None:
        """Have it tried now, as if it were new; recorded.

        Raises:
            UnknownEntryError: there is none that waits or was given up, or it is being delivered.
            IndexUnavailableError: the index cannot be written now.
        """
        places = {"id": entry, "now": microseconds(datetime.now(UTC)), "by": by}
        if not self._writer.run(lambda connection: connection.execute(_RETRY, places).rowcount):
            raise UnknownEntryError(f"entry {entry} cannot be tried again: {self._why_not(entry)}")

    def drop(self, entry: int, *, reason: str, by: str) -> None:
        """Decide against it; recorded.

        Raises:
            UnknownEntryError: there is none that waits or was given up, or it is being delivered.
            IndexUnavailableError: the index cannot be written now.
        """
        places = {"id": entry, "now": microseconds(datetime.now(UTC)), "reason": reason, "by": by}

        def work(connection: sqlite3.Connection) -> bool:
            row = connection.execute(_DROP, places).fetchone()
            if row:
                let_follow(connection, entry, *row)
            return row is not None

        if not self._writer.run(work):
            raise UnknownEntryError(f"entry {entry} cannot be dropped: {self._why_not(entry)}")

    def remove_dropped(self, before: datetime) -> int:
        """Remove the records of what people dropped before; how many there were.

        Raises:
            IndexUnavailableError: the index cannot be written now.
        """
        return self._writer.note(lambda connection: connection.execute(_REMOVE_OLD, (microseconds(before),)).rowcount)

    def _why_not(self, entry: int) -> str:
        try:
            there = self.get(entry)
        except UnknownEntryError:
            return "it was delivered, or never there"
        return "it is being delivered just now" if there.is_leased else f"it is {there.state}"
