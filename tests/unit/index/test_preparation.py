"""The database as it is made, migrated, or refused."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest
from peewee import SqliteDatabase
from unit.index.received import received

from dicomnode.errors import DataFolderError, IndexUnavailableError
from dicomnode.index import Durability, Index, IndexSettings, OnConflict
from dicomnode.index.migrations import MIGRATIONS, Migration
from dicomnode.index.preparation import prepare
from dicomnode.index.schema import (
    availability,
    commitment,
    completeness,
    hierarchy,
    mpps,
    outbox,
    patients,
    studies,
    worklist,
)
from dicomnode.index.writers_lock import WritersLock

NEWEST = len(MIGRATIONS)
TABLES = (
    *hierarchy.TABLES,
    *worklist.TABLES,
    *patients.TABLES,
    *outbox.TABLES,
    *availability.TABLES,
    *commitment.TABLES,
    *mpps.TABLES,
    *completeness.TABLES,
    *studies.TABLES,
)


def add_column(connection: sqlite3.Connection) -> None:
    """A migration of a version to come."""
    connection.execute("ALTER TABLE study ADD COLUMN new TEXT NOT NULL DEFAULT ''")


def fail(connection: sqlite3.Connection) -> None:
    """One that has a fault."""
    connection.execute("ALTER TABLE study ADD COLUMN newer TEXT NOT NULL DEFAULT ''")
    connection.execute("UPDATE study SET missing = 1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with an index of one instance."""
    index = Index(tmp_path, IndexSettings(), durability=Durability.FAST)
    index.prepare()
    index.instances.add(received(), OnConflict())
    index.close()
    return tmp_path


def migrate(folder: Path, *more: Migration) -> object:
    lock = WritersLock(folder, timeout_s=2)
    try:
        return prepare(folder, IndexSettings(), lock, (*MIGRATIONS, *more))
    finally:
        lock.close()


def read(path: Path, sql: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def tables(path: Path) -> set[str]:
    """The definitions of tables and indexes, without white space."""
    rows = read(path, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")
    return {re.sub(r"\s+", " ", str(sql)) for (sql,) in rows}


def test_new_database_is_reported(tmp_path: Path) -> None:
    index = Index(tmp_path, IndexSettings(), durability=Durability.FULL)
    report = index.prepare()
    assert (report.found, report.version, report.backup) == (0, NEWEST, None)
    again = index.prepare()
    assert (again.found, again.version, again.backup) == (NEWEST, NEWEST, None)
    index.close()


def test_migrations_make_the_tables_that_queries_are_compiled_for(folder: Path, tmp_path: Path) -> None:
    database = SqliteDatabase(tmp_path / "by_peewee.sqlite")
    with database.bind_ctx(TABLES):
        database.create_tables(TABLES)
    database.close()
    assert tables(folder / "index.sqlite") == tables(tmp_path / "by_peewee.sqlite")


def test_older_database_is_migrated_after_a_backup(folder: Path) -> None:
    report = migrate(folder, add_column)
    backup = folder / f"index.sqlite.bak-{NEWEST}"
    assert report == type(report)(NEWEST, NEWEST + 1, backup)
    assert read(folder / "index.sqlite", "SELECT new, study_date FROM study") == [("", "20240131")]
    assert read(backup, "SELECT study_date FROM study") == [("20240131",)]
    assert read(backup, "PRAGMA user_version") == [(NEWEST,)]


def test_failed_migration_leaves_the_version_before_it(folder: Path) -> None:
    with pytest.raises(IndexUnavailableError, match="index cannot be prepared: no such column"):
        migrate(folder, add_column, fail)
    assert read(folder / "index.sqlite", "PRAGMA user_version") == [(NEWEST + 1,)]
    assert not any("newer" in sql for sql in tables(folder / "index.sqlite"))
    assert read(folder / "index.sqlite", "SELECT new, study_date FROM study") == [("", "20240131")]


def test_newer_database_is_refused_and_left_alone(folder: Path) -> None:
    migrate(folder, add_column)
    before = (folder / "index.sqlite").read_bytes()
    index = Index(folder, IndexSettings(), durability=Durability.FULL)
    with pytest.raises(DataFolderError, match=f"written by a newer dicomnode .schema {NEWEST + 1}"):
        index.prepare()
    index.close()
    assert (folder / "index.sqlite").read_bytes() == before


def test_database_of_another_program_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "index.sqlite") as connection:
        connection.execute("CREATE TABLE images (id INTEGER)")
    connection.close()
    with pytest.raises(DataFolderError, match="was not made by dicomnode"):
        migrate(tmp_path)
    assert tables(tmp_path / "index.sqlite") == {"CREATE TABLE images (id INTEGER)"}


def test_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "index.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(DataFolderError, match="is damaged"):
        migrate(tmp_path)


@pytest.mark.parametrize("migrations", [(), (add_column,)], ids=["same version", "older"])
@pytest.mark.parametrize("part", ["accepted_instance", "instance", "event"])
def test_database_with_a_damaged_part_is_refused(folder: Path, part: str, migrations: tuple[Migration, ...]) -> None:
    path = folder / "index.sqlite"
    [(page,)] = read(path, f"SELECT rootpage FROM sqlite_schema WHERE name = '{part}'")
    damaged = bytearray(path.read_bytes())
    damaged[(int(str(page)) - 1) * 4096 : int(str(page)) * 4096] = bytes(4096)
    path.write_bytes(damaged)
    with pytest.raises(DataFolderError, match=r"index\.sqlite is damaged \(.*\): put a back-up in its place"):
        migrate(folder, *migrations)
    assert read(path, "PRAGMA user_version") == [(NEWEST,)]


def test_what_was_committed_before_is_in_the_database_itself(folder: Path) -> None:
    index = Index(folder, IndexSettings(), durability=Durability.FAST)
    index.instances.add(received("1.2.5"), OnConflict())
    index.prepare()
    assert (folder / "index.sqlite-wal").stat().st_size == 0
    index.close()


@pytest.mark.parametrize("folder", [".", "missing"])
def test_no_index_is_made_by_using_one(tmp_path: Path, folder: str) -> None:
    index = Index(tmp_path / folder, IndexSettings(), durability=Durability.FULL)
    with pytest.raises(IndexUnavailableError):
        index.instances.known("1.2.3")
    with pytest.raises(IndexUnavailableError):
        index.instances.add(received(), OnConflict())
    index.close()
    assert not (tmp_path / folder / "index.sqlite").exists()
