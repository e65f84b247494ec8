"""Accepted instances taken out, a batch a transaction; a row of each stays as the record, without anything of its patient.

The row is the journal, too: it keeps the location until the file is known to be gone (`Removal.finished`), so whatever ends the
work in between, `Removal.unfinished` tells what is left to do.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dicomnode.errors import UnknownInstanceError
from dicomnode.index.database import Connections
from dicomnode.index.events import EventKind, record
from dicomnode.index.hierarchy import Leaver, unlink
from dicomnode.index.writer import Writer


@dataclass(frozen=True, slots=True)
class Scope:
    """A study, a series or an instance: exactly one of the UIDs is given."""

    study_instance_uid: str = ""
    series_instance_uid: str = ""
    sop_instance_uid: str = ""

    @property
    def uid(self) -> str:
        """The one that is given."""
        return self.study_instance_uid or self.series_instance_uid or self.sop_instance_uid

    @property
    def level(self) -> str:
        """What it is a UID of, for people."""
        return "study" if self.study_instance_uid else "series" if self.series_instance_uid else "instance"


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held of a scope at one moment.

    Attributes:
        size_bytes: of the data sets of its accepted instances.
        quarantined: instances of it that are held back; none of the other numbers counts them.
        newest: no instance of it has a larger row number; those that come later do.
    """

    scope: Scope
    series: int
    instances: int
    size_bytes: int
    quarantined: int
    newest: int


@dataclass(frozen=True, slots=True)
class RemovedInstance:
    """An instance that is out of the index.

    Attributes:
        location: of the file that is now to be removed; None when that is not the node's.
    """

    id: int
    dataset_size_bytes: int
    location: str | None


_ACCEPTED_OF: Final = {
    "study": "series IN (SELECT series.id FROM series JOIN study ON study.id = series.study WHERE study_instance_uid = :uid)",
    "series": "series IN (SELECT id FROM series WHERE series_instance_uid = :uid)",
    "instance": "sop_instance_uid = :uid AND state = 'accepted'",
}
_QUARANTINED_OF: Final = {
    "study": "study_instance_uid = :uid",
    "series": "series_instance_uid = :uid AND series IS NULL",
    "instance": "sop_instance_uid = :uid",
}
_ACCEPTED: Final = """
SELECT count(DISTINCT series), count(*), coalesce(sum(dataset_size_bytes), 0), (SELECT max(id) FROM instance)
FROM instance WHERE {}
"""
_QUARANTINED: Final = "SELECT count(*) FROM instance WHERE state = 'quarantined' AND {}"
_BATCH: Final = """
SELECT instance.id, instance.series, instance.sop_class_uid, instance.dataset_size_bytes, instance.location,
    study.study_instance_uid, series.series_instance_uid
FROM (SELECT * FROM instance WHERE {} AND id <= :newest ORDER BY series, id LIMIT :limit) AS instance
JOIN series ON series.id = instance.series JOIN study ON study.id = series.study
"""
_DELETED: Final = """
UPDATE instance SET state = 'deleted', series = NULL, study_instance_uid = ?, series_instance_uid = ?, attributes = '{}',
    location = ?, location_key = iif(? IS NULL, NULL, location_key) WHERE id = ?
"""
_UNFINISHED: Final = """
SELECT id, dataset_size_bytes, location FROM instance WHERE state = 'deleted' AND location_key IS NOT NULL ORDER BY id LIMIT ?
"""
_FINISHED: Final = """
UPDATE instance SET location = NULL, location_key = NULL WHERE id IN (SELECT value FROM json_each(?)) AND state = 'deleted'
"""


class Removal:
    """Takes accepted instances out of the index."""

    def __init__(self, connections: Connections, writer: Writer) -> None:
        self._connections = connections
        self._writer = writer

    def holding(self, scope: Scope) -> Holding:
        """How much is held of ``scope`` now.

        Raises:
            UnknownInstanceError: nothing, neither accepted nor in quarantine.
            IndexUnavailableError: the index cannot be read.
        """
        accepted = _ACCEPTED.format(_ACCEPTED_OF[scope.level])
        quarantined = _QUARANTINED.format(_QUARANTINED_OF[scope.level])
        with self._connections.reading() as connection:
            series, instances, size_bytes, newest = connection.execute(accepted, {"uid": scope.uid}).fetchone()
            (held_back,) = connection.execute(quarantined, {"uid": scope.uid}).fetchone()
        if not instances and not held_back:
            raise UnknownInstanceError(f"no {scope.level} {scope.uid}")
        return Holding(scope, series, instances, size_bytes, held_back, newest)

    def remove(self, holding: Holding, *, limit: int, reason: str, by: str) -> list[RemovedInstance]:
        """Take at most ``limit`` instances of ``holding`` out, and record that; empty when none is left.

        Returns once that is on the disk (with full durability): the caller then removes the files, and says so to `finished`.

        Args:
            by: the person's user name.

        Raises:
            IndexUnavailableError: the index cannot be written now.
        """
        batch = _BATCH.format(_ACCEPTED_OF[holding.scope.level])
        which = {"uid": holding.scope.uid, "newest": holding.newest, "limit": limit}

        def work(connection: sqlite3.Connection) -> list[RemovedInstance]:
            removed, leavers, rows = [], [], []
            for key, series, sop_class, size, place, study_uid, series_uid in connection.execute(batch, which):
                location = None if place.startswith("/") else place
                removed.append(RemovedInstance(key, size, location))
                leavers.append(Leaver(series, sop_class, size))
                rows.append((study_uid, series_uid, location, location, key))
            connection.executemany(_DELETED, rows)
            for instance in removed:
                record(connection, EventKind.DELETED, instance.id, by=by, reason=reason)
            unlink(connection, leavers)
            return removed

        return self._writer.run(work)

    def unfinished(self, limit: int) -> list[RemovedInstance]:
        """Instances that are out, but whose files may be there still; the oldest first.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        with self._connections.reading() as connection:
            return [RemovedInstance(*row) for row in connection.execute(_UNFINISHED, (limit,))]

    def finished(self, removed: Sequence[RemovedInstance]) -> None:
        """Their files are gone for good. Nobody waits until this is on the disk: at worst they are looked for once more.

        Raises:
            IndexUnavailableError: the index cannot be written now.
        """
        keys = json.dumps([instance.id for instance in removed if instance.location is not None])
        self._writer.note(lambda connection: connection.execute(_FINISHED, (keys,)).rowcount)
