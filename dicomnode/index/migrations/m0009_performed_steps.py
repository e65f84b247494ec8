"""Performed Procedure Steps, and which studies are complete; those that are here already are none that anybody waits for."""

from __future__ import annotations

import sqlite3

_STATEMENTS = """
CREATE TABLE "awaited_instance" ("study_instance_uid" TEXT NOT NULL, "sop_instance_uid" TEXT NOT NULL, PRIMARY KEY
    ("study_instance_uid", "sop_instance_uid"));
CREATE INDEX "awaited_sop_instance_uid" ON "awaited_instance" ("sop_instance_uid");
CREATE TABLE "study_completion" ("id" INTEGER NOT NULL PRIMARY KEY, "study_instance_uid" TEXT NOT NULL, "round" INTEGER
    NOT NULL, "at" INTEGER NOT NULL, "source" TEXT NOT NULL, "instances" INTEGER NOT NULL, "missing" INTEGER NOT NULL);
CREATE UNIQUE INDEX "completion_study_instance_uid_round" ON "study_completion" ("study_instance_uid", "round");
CREATE TABLE "study_growth" ("study_instance_uid" TEXT NOT NULL PRIMARY KEY, "last_received_at" INTEGER NOT NULL,
    "heard_at" INTEGER NOT NULL, "source" TEXT NOT NULL, "announced" INTEGER NOT NULL, "is_given_up" INTEGER NOT NULL);
CREATE TABLE "growth_mark" ("id" INTEGER NOT NULL PRIMARY KEY, "last_instance" INTEGER NOT NULL);
CREATE TABLE "performed_step" ("id" INTEGER NOT NULL PRIMARY KEY, "sop_instance_uid" TEXT NOT NULL, "status" TEXT NOT
    NULL, "station_ae_title" TEXT NOT NULL, "modality" TEXT NOT NULL, "patient_id" TEXT NOT NULL, "start_date" TEXT NOT
    NULL, "start_time" TEXT NOT NULL, "calling_ae_title" TEXT NOT NULL, "peer" TEXT, "character_set" TEXT NOT NULL,
    "created_at" INTEGER NOT NULL, "changed_at" INTEGER NOT NULL, "attributes" TEXT NOT NULL);
CREATE UNIQUE INDEX "performedsteprow_sop_instance_uid" ON "performed_step" ("sop_instance_uid");
CREATE INDEX "performedsteprow_created_at" ON "performed_step" ("created_at");
CREATE TABLE "performed_step_event" ("id" INTEGER NOT NULL PRIMARY KEY, "step" INTEGER NOT NULL, "at" INTEGER NOT NULL,
    "status" TEXT NOT NULL, "calling_ae_title" TEXT NOT NULL, FOREIGN KEY ("step") REFERENCES "performed_step" ("id"));
CREATE INDEX "performedstepevent_step" ON "performed_step_event" ("step");
CREATE TABLE "performed_step_study" ("study_instance_uid" TEXT NOT NULL, "step" INTEGER NOT NULL, PRIMARY KEY
    ("study_instance_uid", "step"), FOREIGN KEY ("step") REFERENCES "performed_step" ("id"));
CREATE INDEX "performedstepstudy_step" ON "performed_step_study" ("step")
"""


def upgrade(connection: sqlite3.Connection) -> None:
    """Add the tables."""
    for statement in _STATEMENTS.split(";"):
        connection.execute(statement.strip())
    connection.execute("INSERT INTO growth_mark (id, last_instance) SELECT 1, coalesce(max(id), 0) FROM instance")
