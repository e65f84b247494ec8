"""The worklist: its entries, what was done with them, what was asked of them, and the files they come from."""

from __future__ import annotations

import sqlite3

_STATEMENTS = """
CREATE TABLE "worklist_event" ("id" INTEGER NOT NULL PRIMARY KEY, "at" INTEGER NOT NULL, "kind" TEXT NOT NULL,
    "study_instance_uid" TEXT NOT NULL, "step_id" TEXT NOT NULL, "status" TEXT NOT NULL, "by" TEXT NOT NULL, "reason" TEXT NOT
    NULL);
CREATE INDEX "worklistevent_study_instance_uid_step_id" ON "worklist_event" ("study_instance_uid", "step_id");
CREATE TABLE "worklist_file" ("name" TEXT NOT NULL PRIMARY KEY, "modified_ns" INTEGER NOT NULL, "size_bytes" INTEGER NOT NULL,
    "problem" TEXT NOT NULL);
CREATE TABLE "worklist_query" ("id" INTEGER NOT NULL PRIMARY KEY, "at" INTEGER NOT NULL, "calling_ae_title" TEXT NOT NULL,
    "peer" TEXT, "keys" TEXT NOT NULL, "shown" TEXT NOT NULL, "matches" INTEGER NOT NULL, "status" INTEGER NOT NULL,
    "reason" TEXT NOT NULL);
CREATE INDEX "worklistquery_calling_ae_title_at" ON "worklist_query" ("calling_ae_title", "at");
CREATE INDEX "worklistquery_at" ON "worklist_query" ("at");
CREATE TABLE "worklist_step" ("id" INTEGER NOT NULL PRIMARY KEY, "study_instance_uid" TEXT NOT NULL, "step_id" TEXT NOT NULL,
    "requested_procedure_id" TEXT NOT NULL, "accession_number" TEXT NOT NULL, "patient_id" TEXT NOT NULL, "issuer" TEXT NOT NULL,
    "name_key" TEXT NOT NULL, "ideographic_key" TEXT NOT NULL, "phonetic_key" TEXT NOT NULL, "modality" TEXT NOT NULL,
    "start_date" TEXT NOT NULL, "start_time" TEXT NOT NULL, "performing_physician" TEXT NOT NULL, "status" TEXT NOT NULL, "source"
    TEXT NOT NULL, "changed_at" INTEGER NOT NULL, "attributes" TEXT NOT NULL);
CREATE INDEX "workliststep_accession_number" ON "worklist_step" ("accession_number");
CREATE INDEX "workliststep_patient_id" ON "worklist_step" ("patient_id");
CREATE UNIQUE INDEX "workliststep_study_instance_uid_step_id" ON "worklist_step" ("study_instance_uid", "step_id");
CREATE INDEX "workliststep_start_date_start_time_status" ON "worklist_step" ("start_date", "start_time", "status");
CREATE INDEX "workliststep_source" ON "worklist_step" ("source");
CREATE TABLE "worklist_station" ("ae_title" TEXT NOT NULL, "step" INTEGER NOT NULL, PRIMARY KEY ("ae_title", "step"), FOREIGN
    KEY ("step") REFERENCES "worklist_step" ("id") ON DELETE CASCADE);
CREATE INDEX "workliststation_step" ON "worklist_station" ("step")
"""


def upgrade(connection: sqlite3.Connection) -> None:
    """Add the tables."""
    for statement in _STATEMENTS.split(";"):
        connection.execute(statement.strip())
