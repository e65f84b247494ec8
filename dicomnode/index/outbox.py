"""What the node owes others: written with what caused it, taken by one worker at a time, kept until it was delivered.

`owe` writes a row in the transaction of whoever causes it, so that neither is ever there without the other. The delivery worker
claims a row for a while (its lease, which it renews as long as it is at it) and says what became of it. A worker that crashes in
between leaves its lease to end, and the row is delivered again: at least once. Whoever receives it has to bear that.

Rows with the same destination and key are delivered in their order: one waits until all before it are gone, also behind one that
was given up, until a person has it tried again or drops it.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

from peewee import SQL

from dicomnode.errors import UnknownEntryError
from dicomnode.index.database import Connections
from dicomnode.index.keys import instant, microseconds
from dicomnode.index.schema.outbox import Debt
from dicomnode.index.schema.statements import bound, compiled
from dicomnode.index.writer import Writer

HERE: Final = ""
"""The destination of what the node owes itself: work that follows from a transaction, and does not belong into it."""
AT_ONCE: Final = instant(0)
"""When a row is due that a person wants to have tried now, whatever was found out about its destination before."""
BEHIND_S: Final = 60.0
"""So long a row is not looked at again that waits behind another; when that one goes, it is looked at at once."""
_PAGE: Final = 500
_Row = tuple[int, str, str, str, str, str, int, int, int, int, int | None, str, str, str | None]


class DebtState(StrEnum):
    """What is with a row that is still there."""

    WAITING = "waiting"
    """It is delivered when it is due, and tried again when that fails."""
    DEAD = "dead"
    """It was given up; a person has it tried again, or drops it."""
    DROPPED = "dropped"
    """A person decided against it; it stays as the record for a while."""


@dataclass(frozen=True, slots=True)
class Owed:
    """What the node will owe.

    Attributes:
        kind: names the handler that delivers it (``services/delivery.py``).
        destination: a peer's name, or `HERE`. Destinations never wait for one another.
        key: what shares destination and key is delivered in the order in which it was owed; empty when order does not matter.
        payload: what the handler needs, as JSON.
        not_before: when it may be delivered at the earliest; None for now.
        coalesces: it is only written when no row of its kind, destination and key waits untouched: the handler reads what there is
            to tell when its time has come.
    """

    kind: str
    destination: str
    key: str = ""
    payload: Mapping[str, object] = field(default_factory=dict)
    not_before: datetime | None = None
    coalesces: bool = False


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One row.

    Attributes:
        attempts: how often it was tried before.
        reason: why the last attempt failed, or why it was dropped; empty when nothing happened yet.
        not_before: since when it may be delivered: it is given up so long after that.
        due_at: when it is tried next; while a worker has it, when its lease ends.
        by: the person who decided on it last.
        lease: who has it; None for nobody.
    """

    id: int
    kind: str
    destination: str
    key: str
    payload: Mapping[str, object]
    state: DebtState
    owed_at: datetime
    not_before: datetime
    due_at: datetime
    attempts: int
    failed_at: datetime | None
    reason: str
    by: str
    lease: str | None

    @property
    def is_leased(self) -> bool:
        """Whether a worker has it now."""
        return self.lease is not None


_OWE: Final = """
INSERT OR IGNORE INTO outbox
    (kind, destination, key, coalesces, payload, state, owed_at, not_before, due_at, attempts, reason, "by")
VALUES (:kind, :destination, :key, :coalesces, :payload, 'waiting', :now, :due, :due, 0, '', '')
"""
_DESTINATIONS: Final = """
WITH RECURSIVE waiting(destination) AS (
    SELECT min(destination) FROM outbox WHERE state = 'waiting'
    UNION ALL
    SELECT (SELECT min(destination) FROM outbox WHERE state = 'waiting' AND destination > waiting.destination)
    FROM waiting WHERE waiting.destination IS NOT NULL
)
SELECT destination,
    (SELECT min(due_at) FROM outbox WHERE state = 'waiting' AND outbox.destination = waiting.destination)
FROM waiting WHERE destination IS NOT NULL
"""
_ENTRIES: Final = Debt.select(
    Debt.id,
    Debt.kind,
    Debt.destination,
    Debt.key,
    Debt.payload,
    Debt.state,
    Debt.owed_at,
    Debt.not_before,
    Debt.due_at,
    Debt.attempts,
    Debt.failed_at,
    Debt.reason,
    Debt.by,
    Debt.lease,
)
_ENTRY: Final = compiled(_ENTRIES.where(Debt.id == bound("id")))
_PAGE_OF_ENTRIES: Final = compiled(_ENTRIES.where(Debt.id > bound("last")).order_by(Debt.id).limit(bound("limit")))
_CLAIM: Final = """
UPDATE outbox SET lease = :lease, due_at = :until, coalesces = 0
WHERE id = (
    SELECT id FROM outbox AS one
    WHERE state = 'waiting' AND destination = :destination AND due_at <= :now AND NOT EXISTS (
        SELECT 1 FROM outbox AS earlier
        WHERE earlier.destination = :destination AND earlier.key = one.key AND earlier.key <> '' AND earlier.id < one.id
            AND earlier.state <> 'dropped'
    )
    ORDER BY due_at, id LIMIT 1
)
RETURNING id
"""
_STAY_BEHIND: Final = (
    "UPDATE outbox SET due_at = :until WHERE state = 'waiting' AND destination = :destination AND due_at <= :now"
)
_NEXT_IN_ORDER: Final = """
UPDATE outbox SET not_before = max(not_before, :now), due_at = max(not_before, :now)
WHERE id = (
    SELECT min(id) FROM outbox WHERE destination = :destination AND key = :key AND key <> '' AND id > :id
        AND state <> 'dropped'
) AND state = 'waiting' AND lease IS NULL
"""
_DONE: Final = "DELETE FROM outbox WHERE id = :id AND lease = :lease"
_FAILED: Final = """
UPDATE outbox SET lease = NULL, attempts = attempts + 1, failed_at = :now, due_at = :due_at, state = :state, reason = :reason
WHERE id = :id AND lease = :lease
"""
_AGAIN: Final = """
UPDATE outbox SET state = 'waiting', due_at = :now, not_before = :now, attempts = 0
WHERE kind = :kind AND destination = :destination AND key = :key AND key <> '' AND state = 'dead'
"""
_WAITS: Final = """
SELECT 1 FROM outbox WHERE kind = :kind AND destination = :destination AND key = :key AND key <> '' AND state = 'waiting'
"""
_TAKE: Final = """
UPDATE outbox SET lease = :lease, due_at = :until, coalesces = 0 WHERE id = :id AND state = 'waiting' AND lease IS NULL
"""
_RETRY: Final = """
UPDATE outbox SET state = 'waiting', due_at = 0, not_before = :now, attempts = 0, "by" = :by
WHERE id = :id AND state IN ('waiting', 'dead') AND lease IS NULL
"""
_DROP: Final = """
UPDATE outbox SET state = 'dropped', failed_at = :now, coalesces = 0, reason = :reason, "by" = :by
WHERE id = :id AND state IN ('waiting', 'dead') AND lease IS NULL RETURNING destination, key
"""
_HURRY: Final = """
UPDATE outbox SET due_at = :now
WHERE state = 'waiting' AND destination = :destination AND due_at > :now AND lease IS NULL AND attempts > 0
"""
_COUNTS: Final = compiled(
    Debt.select(
        SQL("count(*) FILTER (WHERE state = 'waiting')"),
        SQL("count(*) FILTER (WHERE state = 'dead')"),
    )
)
_RENEW: Final = "UPDATE outbox SET due_at = ? WHERE lease IN (SELECT value FROM json_each(?))"
_REMOVE_OLD: Final = "DELETE FROM outbox WHERE state = 'dropped' AND failed_at < ?"


def owe(connection: sqlite3.Connection, owed: Owed) -> int | None:
    """Write what is owed, in the transaction of what causes it; its row, None when it coalesces with one that is there."""
    now = microseconds(datetime.now(UTC))
    row = {
        "kind": owed.kind,
        "destination": owed.destination,
        "key": owed.key,
        "coalesces": owed.coalesces,
        "payload": json.dumps(dict(owed.payload), ensure_ascii=False, separators=(",", ":")),
        "now": now,
        "due": now if owed.not_before is None else microseconds(owed.not_before),
    }
    written = connection.execute(_OWE, row)
    return written.lastrowid if written.rowcount else None


def owe_once(connection: sqlite3.Connection, kind: str, destination: str, key: str, *, now: int, due: int) -> None:
    """What coalesces and has no payload, for a transaction in a hurry; ``now`` and ``due`` in microseconds since 1970."""
    row = {
        "kind": kind,
        "destination": destination,
        "key": key,
        "coalesces": 1,
        "payload": "{}",
        "now": now,
        "due": due,
    }
    connection.execute(_OWE, row)


def owe_again(connection: sqlite3.Connection, kind: str, destination: str, key: str) -> bool:
    """Have what was given up of this kind, destination and key tried again; whether anything waits now."""
    places = {"kind": kind, "destination": destination, "key": key, "now": microseconds(datetime.now(UTC))}
    connection.execute(_AGAIN, places)
    return connection.execute(_WAITS, places).fetchone() is not None


class Outbox:
    """What waits, for whoever delivers it and for people who look. Nothing here waits for the disk: what is lost with the power is
    a claim or the end of a delivery, and then the row is delivered again."""

    def __init__(self, connections: Connections, writer: Writer) -> None:
        self._connections = connections
        self._writer = writer
        self._claims = itertools.count(1)

    def owe(self, *owed: Owed) -> None:
        """Write what is owed for nothing but itself; on the disk when this returns.

        Raises:
            IndexUnavailableError: the index cannot be written now.
        """

        def work(connection: sqlite3.Connection) -> None:
            for one in owed:
                owe(connection, one)

        self._writer.run(work)

    # -- for the delivery worker --------------------------------------------------------------------------------------

    def destinations(self) -> list[tuple[str, datetime]]:
        """The destinations for which something waits, and when the first of it is due; some microseconds, however much waits.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        with self._connections.reading() as connection:
            rows = connection.execute(_DESTINATIONS).fetchall()
        return sorted(((destination, instant(due_at)) for destination, due_at in rows), key=lambda row: row[1])

    def claim(self, destination: str, worker: str, lease_s: float) -> OutboxEntry | None:
        """The row for ``destination`` that is due longest, for this worker alone until its lease ends; None when there is none.

        Raises:
            IndexUnavailableError: the index cannot be written now.
        """
        lease = f"{worker}/{next(self._claims)}"

        def work(connection: sqlite3.Connection) -> OutboxEntry | None:
            now = datetime.now(UTC)
            places = {
                "destination": destination,
                "now": microseconds(now),
                "lease": lease,
                "until": microseconds(now + timedelta(seconds=lease_s)),
            }
            row = connection.execute(_CLAIM, places).fetchone()
            if row is None:  # what is due waits behind another
                places["until"] = microseconds(now + timedelta(seconds=BEHIND_S))
                connection.execute(_STAY_BEHIND, places)
                return None
            return _entry(connection.execute(_ENTRY, {"id": row[0]}).fetchone())

        return self._writer.note(work)

    def take(self, entry: int, worker: str, lease_s: float) -> OutboxEntry | None:
        """One row for this worker alone, due or not, whatever is before it; None when it is gone, given up or taken.

        Raises:
            IndexUnavailableError: the index cannot be written now.
        """
        lease = f"{worker}/{next(self._claims)}"
        until = microseconds(datetime.now(UTC) + timedelta(seconds=lease_s))

        def work(connection: sqlite3.Connection) -> OutboxEntry | None:
            if not connection.execute(_TAKE, {"id": entry, "lease": lease, "until": until}).rowcount:
                return None
            return _entry(connection.execute(_ENTRY, {"id": entry}).fetchone())

        return self._writer.note(work)

    def done(self, entry: OutboxEntry) -> bool:
        """It was delivered; False when its lease had ended and another worker took it.

        Raises:
            IndexUnavailableError: the index cannot be written now: it will be delivered again.
        """

        def work(connection: sqlite3.Connection) -> bool:
            is_gone = connection.execute(_DONE, {"id": entry.id, "lease": entry.lease}).rowcount == 1
            if is_gone:
                _let_follow(connection, entry.id, entry.destination, entry.key)
            return is_gone

        return self._writer.note(work)

    def failed(self, entry: OutboxEntry, reason: str, retry_at: datetime | None) -> bool:
        """It was not delivered: it is due again at ``retry_at``, or given up when that is None; False as with `done`.

        Raises:
            IndexUnavailableError: the index cannot be written now: it will be tried again when its lease ends.
        """
        now = datetime.now(UTC)
        row = {
            "id": entry.id,
            "lease": entry.lease,
            "now": microseconds(now),
            "due_at": microseconds(retry_at or now),
            "state": DebtState.WAITING if retry_at else DebtState.DEAD,
            "reason": reason,
        }
        return self._writer.note(lambda connection: connection.execute(_FAILED, row).rowcount == 1)

    def hurry(self, destination: str) -> None:
        """Have everything for this destination that failed tried again at once: it is back.

        Raises:
            IndexUnavailableError: the index cannot be written now.
        """
        places = {"destination": destination, "now": microseconds(datetime.now(UTC))}
        self._writer.note(lambda connection: connection.execute(_HURRY, places))

    def renew(self, leases: Iterable[str], lease_s: float) -> None:
        """Let these leases end that much later than now: those of what is under way, and no others of the same worker.

        Raises:
            IndexUnavailableError: the index cannot be written now.
        """
        until = microseconds(datetime.now(UTC) + timedelta(seconds=lease_s))
        self._writer.note(lambda connection: connection.execute(_RENEW, (until, json.dumps(list(leases)))))

    def give_back(self, worker: str | None = None) -> None:
        """Let all leases of this worker end now; those of all workers when none is named: none may live.

        Raises:
            IndexUnavailableError: the index cannot be written now.
        """
        now = microseconds(datetime.now(UTC))
        begin, end = (f"{worker}/", f"{worker}0") if worker else ("", "\U0010ffff")
        self._writer.note(
            lambda connection: connection.execute(
                "UPDATE outbox SET due_at = ?, lease = NULL WHERE lease >= ? AND lease < ?", (now, begin, end)
            )
        )

    def remove_dropped(self, before: datetime) -> int:
        """Remove the records of what people dropped before; how many there were.

        Raises:
            IndexUnavailableError: the index cannot be written now.
        """
        return self._writer.note(lambda connection: connection.execute(_REMOVE_OLD, (microseconds(before),)).rowcount)

    # -- for people ---------------------------------------------------------------------------------------------------

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
                rows = connection.execute(_PAGE_OF_ENTRIES, {"last": last, "limit": _PAGE}).fetchall()
            for row in rows:
                entry = _entry(row)
                if not states or entry.state in states:
                    yield entry
            if len(rows) < _PAGE:
                return
            last = rows[-1][0]

    def get(self, entry: int) -> OutboxEntry:
        """One row.

        Raises:
            UnknownEntryError: there is none.
            IndexUnavailableError: the index cannot be read.
        """
        with self._connections.reading() as connection:
            row = connection.execute(_ENTRY, {"id": entry}).fetchone()
        if row is None:
            raise UnknownEntryError(f"no entry {entry} in the outbox: it was delivered, or never there")
        return _entry(row)

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
                _let_follow(connection, entry, *row)
            return row is not None

        if not self._writer.run(work):
            raise UnknownEntryError(f"entry {entry} cannot be dropped: {self._why_not(entry)}")

    def _why_not(self, entry: int) -> str:
        try:
            there = self.get(entry)
        except UnknownEntryError:
            return "it was delivered, or never there"
        return "it is being delivered just now" if there.is_leased else f"it is {there.state}"


def _let_follow(connection: sqlite3.Connection, entry: int, destination: str, key: str) -> None:
    """Have the next in order looked at, now that the one before it is gone."""
    places = {"id": entry, "destination": destination, "key": key, "now": microseconds(datetime.now(UTC))}
    connection.execute(_NEXT_IN_ORDER, places)


def _entry(row: _Row) -> OutboxEntry:
    (
        key,
        kind,
        destination,
        order,
        payload,
        state,
        owed_at,
        not_before,
        due_at,
        attempts,
        failed_at,
        reason,
        by,
        lease,
    ) = row
    return OutboxEntry(
        id=key,
        kind=kind,
        destination=destination,
        key=order,
        payload=json.loads(payload),
        state=DebtState(state),
        owed_at=instant(owed_at),
        not_before=instant(not_before),
        due_at=instant(due_at),
        attempts=attempts,
        failed_at=None if failed_at is None else instant(failed_at),
        reason=reason,
        by=by,
        lease=lease,
    )
