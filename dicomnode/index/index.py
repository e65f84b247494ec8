"""The index as a whole: what one process has of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from peewee import PeeweeException, SqliteDatabase

from dicomnode.errors import DataFolderError, IndexUnavailableError
from dicomnode.index.database import DATABASE_NAME, Connections
from dicomnode.index.instances import Instances
from dicomnode.index.quarantine import Quarantine
from dicomnode.index.schema import SCHEMA_VERSION, create
from dicomnode.index.settings import Durability, IndexSettings
from dicomnode.index.studies import StudyFilter, StudyRow, studies
from dicomnode.index.writer import Writer


@dataclass(frozen=True, slots=True)
class Summary:
    """How much the node holds."""

    patients: int
    studies: int
    series: int
    instances: int
    quarantined: int
    refused: int
    size_bytes: int


class Index:
    """What the node holds, for all threads of one process."""

    def __init__(self, folder: Path, settings: IndexSettings, *, durability: Durability) -> None:
        self._folder = folder
        self._connections = Connections(folder, settings)
        self._writer = Writer(folder, self._connections, settings, durability)
        self.instances = Instances(self._connections.reader, self._writer)
        self.quarantine = Quarantine(self._connections.reader, self._writer)

    def prepare(self) -> None:
        """Make the database, or bring an older one to this version's schema; one process, before the others.

        Raises:
            DataFolderError: it was written by a newer version.
            IndexUnavailableError: it cannot be read.
        """
        path = self._folder / DATABASE_NAME
        database = SqliteDatabase(path, pragmas={"journal_mode": "wal", "wal_autocheckpoint": 0})
        try:
            version = database.pragma("user_version")
            if version > SCHEMA_VERSION:
                raise DataFolderError(
                    f"index {path} was written by a newer dicomnode (schema {version}; this one knows {SCHEMA_VERSION})"
                )
            if version == 0:
                create(database)
        except (sqlite3.Error, PeeweeException) as error:
            raise IndexUnavailableError(f"index cannot be prepared: {error}") from error
        finally:
            database.close()

    def sync(self) -> None:
        """Make durable everything that was committed so far, by any process: a Success may rest on it."""
        self._writer.sync()

    def studies(self, filters: StudyFilter, *, limit: int = 1_000_000) -> Iterator[StudyRow]:
        """The studies that fit ``filters``, the newest first."""
        return studies(self._connections.reader, filters, limit)

    def summary(self) -> Summary:
        """How much the node holds."""
        row = self._connections.reader().execute(
            "SELECT (SELECT count(*) FROM patient), (SELECT count(*) FROM study), (SELECT count(*) FROM series),"
            " count(*) FILTER (WHERE state = 'accepted'), count(*) FILTER (WHERE state = 'quarantined'),"
            " count(*) FILTER (WHERE state = 'refused'),"
            " coalesce(sum(dataset_size_bytes) FILTER (WHERE state IN ('accepted', 'quarantined')), 0) FROM instance"
        )
        return Summary(*row.fetchone())

    def close(self) -> None:
        """Let go of everything."""
        self._writer.close()
        self._connections.close()
