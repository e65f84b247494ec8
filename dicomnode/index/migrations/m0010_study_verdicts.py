"""Verdicts on whole studies."""

from __future__ import annotations

import sqlite3


def upgrade(connection: sqlite3.Connection) -> None:
    """Add the table."""
    connection.execute(
        'CREATE TABLE "study_verdict" ("study_instance_uid" TEXT NOT NULL PRIMARY KEY, "judged_at" INTEGER NOT NULL,'
        ' "instances" INTEGER NOT NULL, "rule_set" TEXT NOT NULL, "findings" TEXT NOT NULL)'
    )
