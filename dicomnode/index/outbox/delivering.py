"""What waits, for the workers that deliver it: one claims a row for a while, and says what became of it.

A lease is renewed as long as its worker is at it. A worker that crashes in between leaves it to end, and the row is delivered
again: at least once. Whoever receives it has to bear that.
"""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from dicomnode.index.database import Connections
from dicomnode.index.keys import instant, microseconds
from dicomnode.index.outbox.entries import DebtState, OutboxEntry, let_follow, read
from dicomnode.index.writer import Writer

BEHIND_S: Final = 60.0
"""So long a row is not looked at again that waits behind another; when that one goes, it is looked at at once."""

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
_TAKE: Final = """
UPDATE outbox SET lease = :lease, due_at = :until, coalesces = 0 WHERE id = :id AND state = 'waiting' AND lease IS NULL
"""
_DONE: Final = "DELETE FROM outbox WHERE id = :id AND lease = :lease"
_FAILED: Final = """
UPDATE outbox SET lease = NULL, attempts = attempts + 1, failed_at = :now, due_at = :due_at, state = :state, reason = :reason
WHERE id = :id AND lease = :lease
"""
_HURRY: Final = """
UPDATE outbox SET due_at = :now
WHERE state = 'waiting' AND destination = :destination AND due_at > :now AND lease IS NULL AND attempts > 0
"""
_RENEW: Final = "UPDATE outbox SET due_at = ? WHERE lease IN (SELECT value FROM json_each(?))"
_GIVE_BACK: Final = "UPDATE outbox SET due_at = ?, lease = NULL WHERE lease >= ? AND lease < ?"


class Deliveries:
    """What waits, for whoever delivers it. Nothing here waits for the disk: what is lost with the power is a claim or the end of a
    delivery, and then the row is delivered again."""

    def __init__(self, connections: Connections, writer: Writer) -> None:
        self._connections = connections
        self._writer = writer
        self._claims = itertools.count(1)

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
            return read(connection, row[0])

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
            return read(connection, entry)

        return self._writer.note(work)

    def done(self, entry: OutboxEntry) -> bool:
        """It was delivered; False when its lease had ended and another worker took it.

        Raises:
            IndexUnavailableError: the index cannot be written now: it will be delivered again.
        """

        def work(connection: sqlite3.Connection) -> bool:
            is_gone = connection.execute(_DONE, {"id": entry.id, "lease": entry.lease}).rowcount == 1
            if is_gone:
                let_follow(connection, entry.id, entry.destination, entry.key)
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
        self._writer.note(lambda connection: connection.execute(_GIVE_BACK, (now, begin, end)))
