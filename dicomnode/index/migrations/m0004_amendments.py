"""Instances that were changed here: what they were as they came, and by which step they became what they are."""

from __future__ import annotations

import sqlite3


def upgrade(connection: sqlite3.Connection) -> None:
    """Add the columns, and the index by which what is sent again is known."""
    connection.execute('ALTER TABLE "instance" ADD COLUMN "received_digest" BLOB')
    connection.execute(
        'CREATE INDEX "amended_instance" ON "instance" ("sop_instance_uid", "received_digest")'
        " WHERE received_digest IS NOT NULL"
    )
    connection.execute('ALTER TABLE "event" ADD COLUMN "digest_before" BLOB')
    connection.execute('ALTER TABLE "event" ADD COLUMN "digest_after" BLOB')
