"""What the node will owe, written in the transaction of what causes it, so that neither is ever there without the other."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from dicomnode.index.keys import instant, microseconds

HERE: Final = ""
"""The destination of what the node owes itself: work that follows from a transaction, and does not belong into it."""

AT_ONCE: Final = instant(0)
"""When a row is due that is to be tried now, whatever was found out about its destination before."""


@dataclass(frozen=True, slots=True)
class Owed:
    """What the node will owe.

    Attributes:
        kind: names the handler that delivers it (``services/delivery.py``).
        destination: a peer's name, or `HERE`. Destinations never wait for one another.
        key: what shares destination and key is delivered in the order in which it was owed; empty when order does not matter.
        payload: what the handler needs, as JSON.
        not_before: when it may be delivered at the earliest; None for now.
        is_urgent: it is tried at once, whatever was found out about its destination before: there is a sign that it is back.
        coalesces: it is only written when no row of its kind, destination and key waits untouched: the handler reads what there is
            to tell when its time has come.
    """

    kind: str
    destination: str
    key: str = ""
    payload: Mapping[str, object] = field(default_factory=dict)
    not_before: datetime | None = None
    is_urgent: bool = False
    coalesces: bool = False


_OWE: Final = """
INSERT OR IGNORE INTO outbox
    (kind, destination, key, coalesces, payload, state, owed_at, not_before, due_at, attempts, reason, "by")
VALUES (:kind, :destination, :key, :coalesces, :payload, 'waiting', :now, :not_before, :due, 0, '', '')
"""
_AGAIN: Final = """
UPDATE outbox SET state = 'waiting', due_at = :due, not_before = :now, attempts = 0
WHERE kind = :kind AND destination = :destination AND key = :key AND key <> ''
    AND (state = 'dead' OR (:is_urgent AND state = 'waiting' AND lease IS NULL AND attempts > 0))
"""
_WAITS: Final = """
SELECT 1 FROM outbox WHERE kind = :kind AND destination = :destination AND key = :key AND key <> '' AND state = 'waiting'
"""


def owe(connection: sqlite3.Connection, owed: Owed) -> int | None:
    """Write what is owed, in the transaction of what causes it; its row, None when it coalesces with one that is there."""
    now = microseconds(datetime.now(UTC))
    not_before = now if owed.not_before is None else microseconds(owed.not_before)
    row = {
        "kind": owed.kind,
        "destination": owed.destination,
        "key": owed.key,
        "coalesces": owed.coalesces,
        "payload": json.dumps(dict(owed.payload), ensure_ascii=False, separators=(",", ":")),
        "now": now,
        "not_before": not_before,
        "due": microseconds(AT_ONCE) if owed.is_urgent else not_before,
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
        "not_before": due,
        "due": due,
    }
    connection.execute(_OWE, row)


def owe_again(
    connection: sqlite3.Connection, kind: str, destination: str, key: str, *, is_urgent: bool = False
) -> bool:
    """Have what was given up of this kind, destination and key tried again, and at once if it is urgent; whether anything waits."""
    now = microseconds(datetime.now(UTC))
    places = {"kind": kind, "destination": destination, "key": key, "now": now, "is_urgent": is_urgent}
    connection.execute(_AGAIN, places | {"due": microseconds(AT_ONCE) if is_urgent else now})
    return connection.execute(_WAITS, places).fetchone() is not None
