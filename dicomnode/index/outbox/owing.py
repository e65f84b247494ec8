"""What the node will owe, written in the transaction of what causes it, so that neither is ever there without the other."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from dicomnode.index.keys import microseconds

HERE: Final = ""
"""The destination of what the node owes itself: work that follows from a transaction, and does not belong into it."""


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


_OWE: Final = """
INSERT OR IGNORE INTO outbox
    (kind, destination, key, coalesces, payload, state, owed_at, not_before, due_at, attempts, reason, "by")
VALUES (:kind, :destination, :key, :coalesces, :payload, 'waiting', :now, :due, :due, 0, '', '')
"""
_AGAIN: Final = """
UPDATE outbox SET state = 'waiting', due_at = :now, not_before = :now, attempts = 0
WHERE kind = :kind AND destination = :destination AND key = :key AND key <> '' AND state = 'dead'
"""
_WAITS: Final = """
SELECT 1 FROM outbox WHERE kind = :kind AND destination = :destination AND key = :key AND key <> '' AND state = 'waiting'
"""


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
