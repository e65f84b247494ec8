"""Attributes filled in from files while other processes decide about the same instances."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from unit.index.received import SERIES, STUDY, received, verdict

from dicomnode.dicom.instance import Attributes
from dicomnode.index import Index, OnConflict, Scope

COMMENTS = 0x00204000
MORE = Attributes(patient={}, study={}, series={}, instance={COMMENTS: "Jane's knee"})


def attributes(folder: Path) -> list[str]:
    with sqlite3.connect(folder / "index.sqlite") as connection:
        return [text for (text,) in connection.execute("SELECT attributes FROM instance ORDER BY id")]


def test_record_of_what_was_deleted_since_its_file_was_read_stays_empty(index: Index, tmp_path: Path) -> None:
    for number in (1, 2):
        index.instances.add(received(f"1.2.{number}"), OnConflict())
    kept, deleted = index.refilling.batch(0, 10)
    removal = index.removal
    removal.remove(removal.holding(Scope(sop_instance_uid="1.2.2")), limit=9, reason="", by="anna")
    assert index.refilling.fill([(kept, MORE), (deleted, MORE)]) == 1
    filled, record = attributes(tmp_path)
    assert "knee" in filled
    assert record == "{}"


def test_attribute_that_was_taken_away_since_the_file_was_read_stays_away(index: Index, tmp_path: Path) -> None:
    index.instances.add(received(judged=verdict("patient.id")), OnConflict())
    [held] = index.refilling.batch(0, 10)
    [entry] = index.quarantine.list()
    edited = received(content="edited", study=STUDY, series=SERIES, judged=verdict())
    index.quarantine.amend(entry, edited, OnConflict(), reason="not to be told", by="anna")
    assert index.refilling.fill([(held, MORE)]) == 0
    assert "knee" not in attributes(tmp_path)[0]
