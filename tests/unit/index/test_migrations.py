"""What each migration makes of an older database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from unit.index.queries import asked, found

from dicomnode.index import Durability, Index, IndexSettings
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
