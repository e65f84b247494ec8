"""Requests for storage commitment."""

from __future__ import annotations

import sqlite3


def upgrade(connection: sqlite3.Connection) -> None:
    """Make the table."""
    connection.execute(
        'CREATE TABLE "commitment" ("id" INTEGER NOT NULL PRIMARY KEY, "is_ours" INTEGER NOT NULL,'
        ' "transaction_uid" TEXT NOT NULL, "peer" TEXT NOT NULL, "ae_title" TEXT NOT NULL, "our_ae_title" TEXT NOT NULL,'
        ' "address" TEXT NOT NULL, "references" TEXT NOT NULL, "is_repeated" INTEGER NOT NULL,'
        ' "requested_at" INTEGER NOT NULL, "reported_at" INTEGER, "failures" TEXT)'
    )
    connection.execute('CREATE INDEX "commitment_transaction" ON "commitment" ("transaction_uid")')
    connection.execute(
        'CREATE INDEX "commitment_reported" ON "commitment" ("requested_at") WHERE reported_at IS NOT NULL'
    )
