"""What the node owes others."""

from __future__ import annotations

import sqlite3


def upgrade(connection: sqlite3.Connection) -> None:
    """Make the table, and the indexes by which the delivery worker finds what is due."""
    connection.execute(
        'CREATE TABLE "outbox" ("id" INTEGER NOT NULL PRIMARY KEY, "kind" TEXT NOT NULL, "destination" TEXT NOT NULL,'
        ' "key" TEXT NOT NULL, "coalesces" INTEGER NOT NULL, "payload" TEXT NOT NULL, "state" TEXT NOT NULL,'
        ' "owed_at" INTEGER NOT NULL, "not_before" INTEGER NOT NULL, "due_at" INTEGER NOT NULL, "lease" TEXT,'
        ' "attempts" INTEGER NOT NULL, "failed_at" INTEGER, "reason" TEXT NOT NULL, "by" TEXT NOT NULL)'
    )
    connection.execute('CREATE INDEX "outbox_waiting" ON "outbox" ("destination", "due_at") WHERE state = \'waiting\'')
    connection.execute('CREATE INDEX "outbox_in_order" ON "outbox" ("destination", "key") WHERE key <> \'\'')
    connection.execute(
        'CREATE UNIQUE INDEX "outbox_coalescing" ON "outbox" ("kind", "destination", "key") WHERE coalesces = 1'
    )
    connection.execute('CREATE INDEX "outbox_leased" ON "outbox" ("lease") WHERE lease IS NOT NULL')
    connection.execute('CREATE INDEX "outbox_at_rest" ON "outbox" ("state", "failed_at") WHERE state <> \'waiting\'')
