from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from unit.index.received import MR, SERIES, STUDY, received, verdict

from dicomnode.errors import UnknownInstanceError
from dicomnode.index import Holding, Index, OnConflict, Outcome, RemovedInstance, Scope, StudyFilter

OF_STUDY = Scope(study_instance_uid=STUDY)


def add(index: Index, uid: str, **given: Any) -> Outcome:
    return index.instances.add(received(uid, **given), OnConflict()).outcome


def remove(index: Index, scope: Scope, limit: int = 100) -> list[RemovedInstance]:
    return index.removal.remove(index.removal.holding(scope), limit=limit, reason="sent by mistake", by="anna")


def rows(folder: Path, sql: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(folder / "index.sqlite") as connection:
        return connection.execute(sql).fetchall()


def test_tells_what_is_held_of_a_study_a_series_and_an_instance(index: Index) -> None:
    add(index, "1.2.1", size_bytes=10)
    add(index, "1.2.2", size_bytes=20, series="1.4.2")
    add(index, "1.2.3", size_bytes=40, series="1.4.2", judged=verdict("patient.id"))
    add(index, "1.2.4", size_bytes=80, study="1.3.2", series="1.4.3")

    def told(scope: Scope) -> tuple[int, int, int, int]:
        held: Holding = index.removal.holding(scope)
        return held.series, held.instances, held.size_bytes, held.quarantined

    assert told(OF_STUDY) == (2, 2, 30, 1)
    assert told(Scope(series_instance_uid="1.4.2")) == (1, 1, 20, 1)
    assert told(Scope(sop_instance_uid="1.2.1")) == (1, 1, 10, 0)
    assert told(Scope(sop_instance_uid="1.2.3")) == (0, 0, 0, 1)
    with pytest.raises(UnknownInstanceError):
        index.removal.holding(Scope(study_instance_uid="1.2.1"))


def test_a_batch_is_no_larger_than_asked_for_and_the_last_is_empty(index: Index) -> None:
    for number in range(5):
        add(index, f"1.2.{number}")
    holding = index.removal.holding(OF_STUDY)
    batches = [len(index.removal.remove(holding, limit=2, reason="", by="anna")) for _ in range(4)]
    assert batches == [2, 2, 1, 0]
    assert index.summary().patients == 0


def test_the_rest_of_the_study_is_told_anew(index: Index) -> None:
    add(index, "1.2.1", size_bytes=10)
    add(index, "1.2.2", size_bytes=20, series="1.4.2", sop_class=MR, of_series={0x00080060: "MR"})
    remove(index, Scope(series_instance_uid=SERIES))
    [study] = index.studies(StudyFilter())
    assert (study.series, study.instances, study.size_bytes, study.modalities) == (1, 1, 20, ("MR",))


def test_the_record_says_who_and_why_but_nothing_of_the_patient(index: Index, tmp_path: Path) -> None:
    add(index, "1.2.1")
    remove(index, OF_STUDY)
    index.close()
    [row] = rows(
        tmp_path,
        "SELECT kind, by, reason, state, sop_instance_uid, study_instance_uid, series_instance_uid FROM event"
        " JOIN instance ON instance.id = event.instance",
    )
    assert row == ("deleted", "anna", "sent by mistake", "deleted", "1.2.1", STUDY, SERIES)
    assert rows(tmp_path, "SELECT attributes, higher_attributes FROM instance") == [("{}", None)]


def test_quarantined_instances_stay(index: Index) -> None:
    add(index, "1.2.1")
    add(index, "1.2.2", judged=verdict("patient.id"))
    remove(index, OF_STUDY)
    assert [entry.sop_instance_uid for entry in index.quarantine.list()] == ["1.2.2"]


def test_what_came_after_the_question_stays(index: Index) -> None:
    add(index, "1.2.1")
    holding = index.removal.holding(OF_STUDY)
    add(index, "1.2.2")
    assert len(index.removal.remove(holding, limit=100, reason="", by="anna")) == 1
    assert index.removal.remove(holding, limit=100, reason="", by="anna") == []
    assert index.instances.known("1.2.2") is not None


def test_the_same_instance_comes_again_as_a_new_one(index: Index) -> None:
    add(index, "1.2.1")
    remove(index, OF_STUDY)
    assert index.instances.known("1.2.1") is None
    assert add(index, "1.2.1") is Outcome.STORED
    assert index.summary().instances == 1


def test_files_are_to_be_removed_until_they_are_said_to_be_gone(index: Index) -> None:
    add(index, "1.2.1", location="abc/1/a.dcm")
    add(index, "1.2.2", location="abc/1/b.dcm")
    removed = remove(index, OF_STUDY)
    assert [one.location for one in index.removal.unfinished(10)] == ["abc/1/a.dcm", "abc/1/b.dcm"]
    assert not index.instances.has_location("abc/1/a.dcm")
    index.removal.finished(removed[:1])
    assert [one.location for one in index.removal.unfinished(10)] == ["abc/1/b.dcm"]
    index.removal.finished(removed)
    assert index.removal.unfinished(10) == []


def test_a_file_that_is_not_ours_is_not_to_be_removed(index: Index) -> None:
    add(index, "1.2.1", location="/mnt/archive/a.dcm")
    assert [one.location for one in remove(index, OF_STUDY)] == [None]
    assert index.removal.unfinished(10) == []
    assert add(index, "1.2.1", location="/mnt/archive/a.dcm") is Outcome.STORED
