"""HL7 messages that came: each done once, in one transaction with the record of it; the last ones are kept for a while."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from dicomnode.index.database import Connections
from dicomnode.index.keys import instant, microseconds
from dicomnode.index.schema.patients import Hl7Message
from dicomnode.index.schema.statements import insert_into
from dicomnode.index.writer import Writer

_NEW: Final = insert_into(Hl7Message)
_ACCEPTED: Final = (
    "SELECT answer FROM hl7_message WHERE control_id = ? AND digest = ? AND sender = ? AND code = 'AA'"
    " ORDER BY id DESC LIMIT 1"
)
_OLD: Final = """
DELETE FROM hl7_message WHERE id IN (
    SELECT id FROM (SELECT id, at FROM hl7_message ORDER BY id LIMIT 16) WHERE id <= :last - :kept OR at < :since
)
"""
"""Sixteen for each one that comes: a smaller bound takes effect soon, and no message pays for all that are too old."""
_RECENT: Final = "SELECT id, at, sender, address, control_id, type, code, reason, content FROM hl7_message"


@dataclass(frozen=True, slots=True)
class ArrivedMessage:
    """A message as it is kept.

    Attributes:
        sender: sending application and facility, joined by ``|``.
        digest: the same for the same message sent again.
        content: None when its text is not to be kept.
    """

    at: datetime
    sender: str
    address: str
    control_id: str
    type: str
    digest: bytes
    content: bytes | None


@dataclass(frozen=True, slots=True)
class KeptMessage:
    """A message that came, and what it was answered."""

    key: int
    at: datetime
    sender: str
    address: str
    control_id: str
    type: str
    code: str
    reason: str
    content: bytes | None


@dataclass(frozen=True, slots=True)
class Retention:
    """How many messages are kept, and for how many days."""

    messages: int
    days: int


class Messages:
    """Takes messages, and knows the last ones."""

    def __init__(self, connections: Connections, writer: Writer) -> None:
        self._connections = connections
        self._writer = writer

    def take(
        self, message: ArrivedMessage, work: Callable[[sqlite3.Connection], None], answer: bytes, retention: Retention
    ) -> bytes:
        """Do ``work`` and record the message, in one transaction; a message that was done before is not done again.

        Whatever ``work`` raises undoes all of it.

        Returns:
            ``answer``, or what the message was answered the first time.

        Raises:
            IndexUnavailableError: it could not be written.
        """

        def run(connection: sqlite3.Connection) -> bytes:
            key = message.control_id, message.digest, message.sender
            if earlier := connection.execute(_ACCEPTED, key).fetchone():
                return bytes(earlier[0])
            work(connection)
            _keep(connection, message, "AA", "", answer, retention)
            return answer

        return self._writer.run(run)

    def note(self, message: ArrivedMessage, code: str, reason: str, answer: bytes, retention: Retention) -> None:
        """Record a message that was not done.

        Raises:
            IndexUnavailableError: it could not be written.
        """
        self._writer.note(lambda connection: _keep(connection, message, code, reason, answer, retention))

    def recent(self, limit: int, *, control_id: str | None = None) -> list[KeptMessage]:
        """The last messages, the newest first.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        where, values = (" WHERE control_id = ?", [control_id]) if control_id is not None else ("", [])
        with self._connections.reading() as connection:
            rows = connection.execute(f"{_RECENT}{where} ORDER BY id DESC LIMIT ?", [*values, limit]).fetchall()
        return [KeptMessage(row[0], instant(row[1]), *row[2:]) for row in rows]


def _keep(
    connection: sqlite3.Connection, message: ArrivedMessage, code: str, reason: str, answer: bytes, retention: Retention
) -> None:
    row = {
        "at": microseconds(message.at),
        "sender": message.sender,
        "address": message.address,
        "control_id": message.control_id,
        "type": message.type,
        "digest": message.digest,
        "code": code,
        "reason": reason,
        "answer": answer,
        "content": message.content,
    }
    last = connection.execute(_NEW, row).lastrowid
    since = microseconds(message.at - timedelta(days=retention.days))
    connection.execute(_OLD, {"last": last, "kept": retention.messages, "since": since})
