"""What queries look for: names group by group, without accents; indices on Study ID and Series Instance UID."""

from __future__ import annotations

import sqlite3

from dicomnode.dicom.query.person_name import name_groups

_STATEMENTS = """
ALTER TABLE "patient" ADD COLUMN "ideographic_key" TEXT NOT NULL DEFAULT '';
ALTER TABLE "patient" ADD COLUMN "phonetic_key" TEXT NOT NULL DEFAULT '';
CREATE INDEX "patient_ideographic_key" ON "patient" ("ideographic_key") WHERE ideographic_key <> '';
CREATE INDEX "patient_phonetic_key" ON "patient" ("phonetic_key") WHERE phonetic_key <> '';
CREATE INDEX "study_study_id" ON "study" ("study_id");
CREATE INDEX "series_series_instance_uid" ON "series" ("series_instance_uid")
"""
_KEYS = "UPDATE patient SET name_key = ?, ideographic_key = ?, phonetic_key = ? WHERE id = ?"


def upgrade(connection: sqlite3.Connection) -> None:
    """Add them, within the caller's transaction."""
    for statement in _STATEMENTS.split(";"):
        connection.execute(statement.strip())
    last = 0
    while rows := connection.execute(
        "SELECT id, patient_name FROM patient WHERE id > ? ORDER BY id LIMIT 10000", (last,)
    ).fetchall():
        connection.executemany(_KEYS, [(*name_groups(name), patient) for patient, name in rows])
        last = rows[-1][0]
