"""What an instance is compared with before it is taken in: frames of reference by their UID, numbers within a series."""

from __future__ import annotations

import sqlite3


def upgrade(connection: sqlite3.Connection) -> None:
    """Add the column, and have the index of a series' instances hold their numbers."""
    connection.execute("""ALTER TABLE "series" ADD COLUMN "frame_of_reference_uid" TEXT NOT NULL DEFAULT ''""")
    connection.execute(
        """UPDATE series SET frame_of_reference_uid = coalesce(json_extract(attributes, '$.00200052'), '')"""
    )
    connection.execute(
        """CREATE INDEX "series_frame_of_reference" ON "series" ("frame_of_reference_uid")"""
        " WHERE frame_of_reference_uid <> ''"
    )
    connection.execute('DROP INDEX "instance_of_series"')
    connection.execute(
        'CREATE INDEX "instance_of_series" ON "instance" ("series", "instance_number") WHERE series IS NOT NULL'
    )
