"""What peers were told of the instances that can be retrieved."""

from __future__ import annotations

import sqlite3


def upgrade(connection: sqlite3.Connection) -> None:
    """Make the table."""
    connection.execute(
        'CREATE TABLE "notified" ("id" INTEGER NOT NULL PRIMARY KEY, "destination" TEXT NOT NULL,'
        ' "study_instance_uid" TEXT NOT NULL, "last_instance" INTEGER NOT NULL, "last_event" INTEGER NOT NULL)'
    )
    connection.execute(
        'CREATE UNIQUE INDEX "notified_destination_study_instance_uid" ON "notified" ("destination", "study_instance_uid")'
    )
