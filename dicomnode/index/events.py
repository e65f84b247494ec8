"""The record of what was done with instances that the node holds: who, when, why."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from dicomnode.index.keys import microseconds
from dicomnode.index.schema.hierarchy import Event
from dicomnode.index.schema.statements import insert_into

_NEW_EVENT: Final = insert_into(Event)


class EventKind(StrEnum):
    """What was done."""

    RELEASED = "released"
    """A person let it out of quarantine."""
    DISCARDED = "discarded"
    """A person decided against it."""
    DELETED = "deleted"
    """A person took it out of the archive."""
    AMENDED = "amended"
    """A person changed some of its elements; it stays in quarantine."""
    REPLACED = "replaced"
    """Another instance with its UID took its place; it went to quarantine."""


def record(
    connection: sqlite3.Connection,
    kind: EventKind,
    instance: int,
    *,
    by: str,
    reason: str,
    digests: tuple[bytes | None, bytes | None] = (None, None),
) -> None:
    """Record an event that happens now, in the transaction that makes it happen.

    Args:
        by: a person's user name, or the calling AE title of whoever sent what caused it.
        digests: of the data set before and after, where the event is about the data set; None for none.
    """
    before, after = digests
    row = {
        "at": microseconds(datetime.now(UTC)),
        "kind": kind,
        "instance": instance,
        "by": by,
        "reason": reason,
        "digest_before": before,
        "digest_after": after,
    }
    connection.execute(_NEW_EVENT, row)
