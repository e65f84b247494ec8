"""What each migration makes of an older database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from unit.index.queries import asked, found

from dicomnode.index import Durability, Index, IndexSettings, Owed
from dicomnode.index.migrations import MIGRATIONS
from dicomnode.index.preparation import prepare
from dicomnode.index.writers_lock import WritersLock


def database_of_version(version: int, folder: Path, *statements: str) -> None:
    """An index as a node of that schema version left it."""
    lock = WritersLock(folder, timeout_s=2)
    prepare(folder, IndexSettings(), lock, MIGRATIONS[:version])
    lock.close()
    with closing(sqlite3.connect(folder / "index.sqlite")) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def test_names_of_version_1_are_found_by_component_group(tmp_path: Path) -> None:
    names = [(number, f"Müller{number}^Anna=山田^太郎=やまだ^たろう") for number in range(1, 10_500)]
    database_of_version(1, tmp_path)
    with closing(sqlite3.connect(tmp_path / "index.sqlite")) as connection, connection:
        connection.executemany(
            "INSERT INTO patient VALUES (?1, 'P' || ?1, '', ?2, lower(?2), '', '', '', '{}')",
            names,
        )
    index = Index(tmp_path, IndexSettings(), durability=Durability.FAST)
    index.prepare()
    assert found(index, asked("PATIENT", PatientName="MULLER10499^A*"), "PatientID") == [("P10499",)]
    assert len(found(index, asked("PATIENT", PatientName="山田*"), "PatientID")) == len(names)
    assert len(found(index, asked("PATIENT", PatientName="=山田*=やま*"), "PatientID")) == len(names)
    index.close()


def test_outbox_of_version_12_keeps_its_entries_and_their_numbers(tmp_path: Path) -> None:
    database_of_version(
        12,
        tmp_path,
        "INSERT INTO outbox VALUES (3, 'report', 'a', 'k', 0, '{\"request\":7}', 'dead', 1, 2, 3, NULL, 5, 6, 'no', 'jane'),"
        " (7, 'availability', 'b', '1.2', 1, '{}', 'waiting', 1, 2, 3, NULL, 0, NULL, '', '')",
    )
    before = rows_of_outbox(tmp_path)
    index = Index(tmp_path, IndexSettings(), durability=Durability.FAST)
    index.prepare()
    assert rows_of_outbox(tmp_path) == before
    index.outbox.owe(Owed("availability", "b", "1.2", coalesces=True))
    assert [entry.id for entry in index.outbox.list()] == [3, 7], "it still coalesces with the one that waits"
    index.outbox.drop(7, reason="gone", by="jane")
    index.outbox.remove_dropped(datetime.now(UTC) + timedelta(days=1))
    index.outbox.owe(Owed("report", "a"))
    first, new = index.outbox.list()
    assert first.id == 3
    assert new.id > 7
    index.close()


def rows_of_outbox(folder: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "index.sqlite")) as connection:
        return connection.execute("SELECT * FROM outbox ORDER BY id").fetchall()
