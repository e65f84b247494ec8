"""Which files are still to be removed after their instances were deleted, found without looking through all instances."""

from __future__ import annotations

import sqlite3


def upgrade(connection: sqlite3.Connection) -> None:
    """Add the index."""
    connection.execute(
        'CREATE INDEX "file_to_remove" ON "instance" ("id") WHERE state = \'deleted\' AND location_key IS NOT NULL'
    )
