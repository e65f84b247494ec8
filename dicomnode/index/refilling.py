"""Attributes added to instances that are here already, and to all that is above them: what is there is never changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dicomnode.dicom.instance import Attributes
from dicomnode.dicom.tags import INSTANCE_NUMBER
from dicomnode.index.database import Connections
from dicomnode.index.hierarchy import Newcomer, fill_above, filled_up
from dicomnode.index.texts import level_text, levels_of, levels_text
from dicomnode.index.writer import Writer

_BATCH: Final = (
    "SELECT id, location FROM instance WHERE id > ? AND state IN ('accepted', 'quarantined') ORDER BY id LIMIT ?"
)
_COUNT: Final = "SELECT count(*) FROM instance WHERE state = 'accepted' OR (state = 'quarantined' AND series IS NULL)"
_ROW: Final = """
SELECT instance.state, instance.attributes, instance.higher_attributes, instance.sop_class_uid, study.study_instance_uid,
    series.series_instance_uid
FROM instance LEFT JOIN series ON instance.series = series.id LEFT JOIN study ON series.study = study.id
WHERE instance.id = ? AND instance.location = ? AND instance.state IN ('accepted', 'quarantined')
"""


@dataclass(frozen=True, slots=True)
class HeldInstance:
    """A row, and its file relative to the folder of files."""

    row: int
    location: str


class Refilling:
    """Goes through all instances that the node holds, accepted or in quarantine."""

    def __init__(self, connections: Connections, writer: Writer) -> None:
        self._connections = connections
        self._writer = writer

    def count(self) -> int:
        """How many there are.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        with self._connections.reading() as connection:
            (count,) = connection.execute(_COUNT).fetchone()
        return int(count)

    def batch(self, after: int, limit: int) -> list[HeldInstance]:
        """Those that came next after the row ``after``, 0 for the first.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        with self._connections.reading() as connection:
            return [HeldInstance(*row) for row in connection.execute(_BATCH, (after, limit)).fetchall()]

    def fill(self, described: Sequence[tuple[HeldInstance, Attributes]]) -> int:
        """Add what these rows and those above them lack, in one transaction; how many of the rows changed.

        One that was deleted since stays the record that it is, and one that has another file now tells what that one says.

        Raises:
            IndexUnavailableError: it could not be written; nothing of it is there.
        """
        return self._writer.run(lambda connection: sum([_fill(connection, held, level) for held, level in described]))


def _fill(connection: sqlite3.Connection, held: HeldInstance, attributes: Attributes) -> bool:
    row = held.row
    found = connection.execute(_ROW, (row, held.location)).fetchone()
    if found is None:  # deleted, discarded or edited since
        return False
    state, text, higher, sop_class_uid, study_instance_uid, series_instance_uid = found
    changed = False
    if state == "accepted":
        newcomer = Newcomer(study_instance_uid, series_instance_uid, sop_class_uid, attributes, 0, 0, "")
        changed = fill_above(connection, newcomer)
    else:
        levels = attributes.patient, attributes.study, attributes.series
        fuller = levels_text(tuple({**level, **here} for level, here in zip(levels, levels_of(higher), strict=True)))
        changed = fuller != higher
        connection.execute("UPDATE instance SET higher_attributes = ? WHERE id = ?", (fuller, row))
    if own := filled_up(text, attributes.instance):
        number = own.get(INSTANCE_NUMBER, "")
        connection.execute(
            "UPDATE instance SET attributes = ?, instance_number = ? WHERE id = ?", (level_text(own), number, row)
        )
    return changed or bool(own)
