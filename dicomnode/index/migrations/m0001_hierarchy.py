"""The tables of the first version: the hierarchy of patient, study, series and instance, and events."""

from __future__ import annotations

import sqlite3

_STATEMENTS = """
CREATE TABLE "patient" ("id" INTEGER NOT NULL PRIMARY KEY, "patient_id" TEXT NOT NULL, "issuer" TEXT NOT NULL,
    "patient_name" TEXT NOT NULL, "name_key" TEXT NOT NULL, "birth_date" TEXT NOT NULL, "birth_time" TEXT NOT NULL,
    "sex" TEXT NOT NULL, "attributes" TEXT NOT NULL);
CREATE INDEX "patient_name_key" ON "patient" ("name_key");
CREATE UNIQUE INDEX "patient_identity" ON "patient" ("patient_id", "issuer") WHERE patient_id <> '';

CREATE TABLE "study" ("id" INTEGER NOT NULL PRIMARY KEY, "patient" INTEGER NOT NULL, "study_instance_uid" TEXT NOT NULL,
    "study_date" TEXT NOT NULL, "study_time" TEXT NOT NULL, "accession_number" TEXT NOT NULL, "study_id" TEXT NOT NULL,
    "referring_physician_name" TEXT NOT NULL, "study_description" TEXT NOT NULL, "patient_age" TEXT NOT NULL,
    "patient_size" TEXT NOT NULL, "patient_weight" TEXT NOT NULL, "modalities_in_study" TEXT NOT NULL,
    "sop_classes_in_study" TEXT NOT NULL, "series_count" INTEGER NOT NULL, "instance_count" INTEGER NOT NULL,
    "size_bytes" INTEGER NOT NULL, "last_received_at" INTEGER NOT NULL, "last_calling_ae_title" TEXT NOT NULL,
    "attributes" TEXT NOT NULL, FOREIGN KEY ("patient") REFERENCES "patient" ("id"));
CREATE INDEX "study_patient" ON "study" ("patient");
CREATE UNIQUE INDEX "study_study_instance_uid" ON "study" ("study_instance_uid");
CREATE INDEX "study_study_date" ON "study" ("study_date");
CREATE INDEX "study_accession_number" ON "study" ("accession_number");

CREATE TABLE "series" ("id" INTEGER NOT NULL PRIMARY KEY, "study" INTEGER NOT NULL, "series_instance_uid" TEXT NOT NULL,
    "modality" TEXT NOT NULL, "series_number" TEXT NOT NULL, "series_description" TEXT NOT NULL,
    "instance_count" INTEGER NOT NULL, "attributes" TEXT NOT NULL, FOREIGN KEY ("study") REFERENCES "study" ("id"));
CREATE UNIQUE INDEX "series_study_series_instance_uid" ON "series" ("study", "series_instance_uid");

CREATE TABLE "instance" ("id" INTEGER NOT NULL PRIMARY KEY, "series" INTEGER, "state" TEXT NOT NULL,
    "sop_instance_uid" TEXT NOT NULL, "sop_class_uid" TEXT NOT NULL, "study_instance_uid" TEXT, "series_instance_uid" TEXT,
    "transfer_syntax_uid" TEXT NOT NULL, "instance_number" TEXT NOT NULL, "location" TEXT, "location_key" INTEGER,
    "dataset_offset" INTEGER NOT NULL, "dataset_size_bytes" INTEGER NOT NULL, "digest" BLOB NOT NULL,
    "digest_algorithm" TEXT NOT NULL, "received_at" INTEGER NOT NULL, "calling_ae_title" TEXT NOT NULL,
    "called_ae_title" TEXT NOT NULL, "address" TEXT NOT NULL, "peer" TEXT, "rule_set" TEXT NOT NULL, "findings" TEXT NOT NULL,
    "higher_attributes" TEXT, "attributes" TEXT NOT NULL, FOREIGN KEY ("series") REFERENCES "series" ("id"));
CREATE UNIQUE INDEX "instance_location_key" ON "instance" ("location_key");
CREATE UNIQUE INDEX "accepted_instance" ON "instance" ("sop_instance_uid") WHERE state = 'accepted';
CREATE UNIQUE INDEX "quarantined_instance" ON "instance" ("sop_instance_uid", "digest") WHERE state = 'quarantined';
CREATE INDEX "quarantined_of_study" ON "instance" ("study_instance_uid") WHERE state = 'quarantined';
CREATE INDEX "instance_without_series" ON "instance" ("state", "received_at") WHERE series IS NULL;
CREATE INDEX "instance_of_series" ON "instance" ("series") WHERE series IS NOT NULL;

CREATE TABLE "event" ("id" INTEGER NOT NULL PRIMARY KEY, "at" INTEGER NOT NULL, "kind" TEXT NOT NULL, "instance" INTEGER NOT NULL,
    "by" TEXT NOT NULL, "reason" TEXT NOT NULL, FOREIGN KEY ("instance") REFERENCES "instance" ("id"));
CREATE INDEX "event_instance" ON "event" ("instance")
"""


def upgrade(connection: sqlite3.Connection) -> None:
    """Make them in an empty database, within the caller's transaction."""
    for statement in _STATEMENTS.split(";"):
        connection.execute(statement.strip())
