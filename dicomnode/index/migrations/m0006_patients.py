"""Patients that were corrected by HL7 messages: what is said of them now, who they were; and the messages."""

from __future__ import annotations

import sqlite3

_STATEMENTS = """
ALTER TABLE "patient" ADD COLUMN "corrected" TEXT;

CREATE TABLE "former_identity" ("id" INTEGER NOT NULL PRIMARY KEY, "patient_id" TEXT NOT NULL, "issuer" TEXT NOT NULL,
    "current_patient_id" TEXT NOT NULL, "current_issuer" TEXT NOT NULL, "corrected" TEXT NOT NULL);
CREATE UNIQUE INDEX "formeridentity_patient_id_issuer" ON "former_identity" ("patient_id", "issuer");
CREATE INDEX "formeridentity_current_patient_id_current_issuer" ON "former_identity" ("current_patient_id", "current_issuer");

CREATE TABLE "patient_event" ("id" INTEGER NOT NULL PRIMARY KEY, "at" INTEGER NOT NULL, "kind" TEXT NOT NULL,
    "patient_id" TEXT NOT NULL, "issuer" TEXT NOT NULL, "prior_patient_id" TEXT NOT NULL, "prior_issuer" TEXT NOT NULL,
    "by" TEXT NOT NULL, "address" TEXT NOT NULL, "control_id" TEXT NOT NULL, "before" TEXT, "after" TEXT, "studies" TEXT NOT NULL);
CREATE INDEX "patientevent_patient_id_issuer" ON "patient_event" ("patient_id", "issuer");

CREATE TABLE "hl7_message" ("id" INTEGER NOT NULL PRIMARY KEY, "at" INTEGER NOT NULL, "sender" TEXT NOT NULL,
    "address" TEXT NOT NULL, "control_id" TEXT NOT NULL, "type" TEXT NOT NULL, "digest" BLOB NOT NULL, "code" TEXT NOT NULL,
    "reason" TEXT NOT NULL, "answer" BLOB NOT NULL, "content" BLOB);
CREATE INDEX "accepted_message" ON "hl7_message" ("control_id", "digest") WHERE code = 'AA'
"""


def upgrade(connection: sqlite3.Connection) -> None:
    """Add them, within the caller's transaction."""
    for statement in _STATEMENTS.split(";"):
        connection.execute(statement.strip())
