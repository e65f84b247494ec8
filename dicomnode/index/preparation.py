"""The database made, or brought to this version's tables, by one process before the others open it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dicomnode.errors import DataFolderError, IndexUnavailableError
from dicomnode.index.database import Connections
from dicomnode.index.migrations import MIGRATIONS, Migration
from dicomnode.index.settings import IndexSettings
from dicomnode.index.writers_lock import WritersLock

APPLICATION_ID: Final = 0x44434D4E
"""``PRAGMA application_id`` of our databases: DCMN."""

_DAMAGE: Final = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT})


@dataclass(frozen=True, slots=True)
class PrepareReport:
    """What was done to the database.

    Attributes:
        found: schema version that it had; 0 when there was none yet.
        version: schema version that it has now.
        backup: the copy that was made before it was changed.
    """

    found: int
    version: int
    backup: Path | None = None


def prepare(
    folder: Path, settings: IndexSettings, lock: WritersLock, migrations: Sequence[Migration] = MIGRATIONS
) -> PrepareReport:
    """Make the database, or look it through and migrate it; afterwards the write-ahead log is empty, and all of it on the disk.

    To look it through takes about a second for a million instances. Nobody else may have it open. Killed in the middle, it has
    the tables of the last migration that was committed, and goes on from there the next time.

    Raises:
        DataFolderError: it was written by a newer version or by another program, or it is damaged.
        IndexUnavailableError: it cannot be read or written.
    """
    connections = Connections(folder, settings)
    try:
        with lock.held(), closing(connections.for_writing(may_create=True)) as connection:
            report = _migrate(connection, connections.path, migrations)
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            _sync(folder)
    except (sqlite3.Error, OSError, IndexUnavailableError) as error:
        if _is_damage(error) or _is_damage(error.__cause__):
            raise _damaged(connections.path, error) from error
        if isinstance(error, IndexUnavailableError):
            raise
        raise IndexUnavailableError(f"index cannot be prepared: {error}", rolled_back=True) from error
    if busy:
        raise IndexUnavailableError("index cannot be prepared: another program reads it", rolled_back=True)
    return report


def _is_damage(error: BaseException | None) -> bool:
    return isinstance(error, sqlite3.DatabaseError) and getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE


def _migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration]) -> PrepareReport:
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    is_empty = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
    if not is_empty and connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise DataFolderError(f"index {path} was not made by dicomnode")
    if found > len(migrations):
        raise DataFolderError(
            f"index {path} was written by a newer dicomnode (schema {found}; this one knows {len(migrations)}): "
            "upgrade, or put a back-up in its place"
        )
    _look_through(connection, path)
    if found == len(migrations):
        return PrepareReport(found, found)
    backup = None if is_empty else _back_up(connection, path, found)
    for version, migration in enumerate(migrations[found:], start=found + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            migration(connection)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {version}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
    return PrepareReport(found, len(migrations), backup)


def _look_through(connection: sqlite3.Connection, path: Path) -> None:
    """Find damage now, and not when an instance meets it: what is written into a damaged database may be lost, or spoil more."""
    (faults,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if faults != "ok":
        raise _damaged(path, " ".join(faults.split()))


def _damaged(path: Path, why: object) -> DataFolderError:
    return DataFolderError(f"index {path} is damaged ({why}): put a back-up in its place")


def _back_up(connection: sqlite3.Connection, path: Path, version: int) -> Path:
    """A copy of the database beside it, whole and on the disk before it gets its name."""
    backup = path.with_name(f"{path.name}.bak-{version}")
    unfinished = path.with_name(f"{backup.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    connection.execute("VACUUM INTO ?", (str(unfinished),))
    with unfinished.open("rb") as copy:
        os.fsync(copy.fileno())
    unfinished.replace(backup)
    _sync(path.parent)
    return backup


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
