"""What is owed, as it stands in the outbox, and what comes after it in its order."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from dicomnode.index.keys import instant, microseconds
from dicomnode.index.schema.outbox import Debt
from dicomnode.index.schema.statements import bound, compiled

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
_NEXT_IN_ORDER: Final = """
UPDATE outbox SET not_before = max(not_before, :now), due_at = max(not_before, :now)
WHERE id = (
    SELECT min(id) FROM outbox WHERE destination = :destination AND key = :key AND key <> '' AND id > :id
        AND state <> 'dropped'
) AND state = 'waiting' AND lease IS NULL
"""


def read(connection: sqlite3.Connection, entry: int) -> OutboxEntry | None:
    """One row, as this connection sees it; None when there is none."""
    row = connection.execute(_ENTRY, {"id": entry}).fetchone()
    return None if row is None else _entry(row)


def read_page(connection: sqlite3.Connection, after: int) -> list[OutboxEntry]:
    """The next rows after that one, in the order in which they were owed; none when there are no more."""
    rows = connection.execute(_PAGE_OF_ENTRIES, {"last": after, "limit": _PAGE})
    return [_entry(row) for row in rows]


def let_follow(connection: sqlite3.Connection, entry: int, destination: str, key: str) -> None:
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
