"""Numbers of entries in the outbox that are never given twice."""

from __future__ import annotations

import sqlite3


def upgrade(connection: sqlite3.Connection) -> None:
    """Make the table anew: AUTOINCREMENT cannot be added to one that is there."""
    connection.execute('ALTER TABLE "outbox" RENAME TO "outbox_before"')
    connection.execute(
        'CREATE TABLE "outbox" ("id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "kind" TEXT NOT NULL,'
        ' "destination" TEXT NOT NULL, "key" TEXT NOT NULL, "coalesces" INTEGER NOT NULL, "payload" TEXT NOT NULL,'
        ' "state" TEXT NOT NULL, "owed_at" INTEGER NOT NULL, "not_before" INTEGER NOT NULL, "due_at" INTEGER NOT NULL,'
        ' "lease" TEXT, "attempts" INTEGER NOT NULL, "failed_at" INTEGER, "reason" TEXT NOT NULL, "by" TEXT NOT NULL)'
    )
    columns = (
        '"id", "kind", "destination", "key", "coalesces", "payload", "state", "owed_at", "not_before", "due_at",'
        ' "lease", "attempts", "failed_at", "reason", "by"'
    )
    connection.execute(f'INSERT INTO "outbox" ({columns}) SELECT {columns} FROM "outbox_before"')  # noqa: S608
    connection.execute('DROP TABLE "outbox_before"')  # with its indexes, whose names are free now
    connection.execute('CREATE INDEX "outbox_waiting" ON "outbox" ("destination", "due_at") WHERE state = \'waiting\'')
    connection.execute('CREATE INDEX "outbox_in_order" ON "outbox" ("destination", "key") WHERE key <> \'\'')
    connection.execute(
        'CREATE UNIQUE INDEX "outbox_coalescing" ON "outbox" ("kind", "destination", "key") WHERE coalesces = 1'
    )
    connection.execute('CREATE INDEX "outbox_leased" ON "outbox" ("lease") WHERE lease IS NOT NULL')
    connection.execute('CREATE INDEX "outbox_at_rest" ON "outbox" ("state", "failed_at") WHERE state <> \'waiting\'')
