"""The worklist follows a folder."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from unit.dicom.worklist_entries import attributes, entry

from dicomnode.dicom.procedure import StepStatus, WorklistEntry
from dicomnode.index import (
    ChangeKind,
    Durability,
    Index,
    IndexSettings,
    Origin,
    PatientChange,
    StepKey,
    WorklistFilter,
    change_patient,
)
from dicomnode.services.worklist.files import file_of
from dicomnode.services.worklist.folder import Followed, WatchedFolder, synchronise

LONG_AGO = 1_700_000_000


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    data = tmp_path / "data"
    data.mkdir()
    opened = Index(data, IndexSettings(lock_timeout_s=0.2), durability=Durability.FAST)
    opened.prepare()
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "worklist"
    made.mkdir()
    return made


def write(path: Path, made: WorklistEntry | bytes, *, at: int = LONG_AGO) -> WorklistEntry | bytes:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(made if isinstance(made, bytes) else file_of(made))
    os.utime(path, (at, at))
    return made


def steps(index: Index) -> dict[str, str]:
    return {one.entry.step_id: one.source for one in index.worklist.entries(WorklistFilter())}


def test_files_that_come_change_and_go_are_followed(index: Index, folder: Path) -> None:
    write(folder / "a.wl", first := entry(ScheduledProcedureStepID="A"))
    write(folder / "b.wl", entry(ScheduledProcedureStepID="B"))
    write(folder / "c.txt", b"no worklist file")
    assert synchronise(index, folder) == Followed(read=2)
    assert steps(index) == {"A": "a.wl", "B": "b.wl"}
    assert synchronise(index, folder) == Followed()

    assert isinstance(first, WorklistEntry)
    changed = entry(
        ScheduledProcedureStepID="A", StudyInstanceUID=first.study_instance_uid, PatientID="corrected", Modality="MR"
    )
    write(folder / "a.wl", changed, at=LONG_AGO + 1)
    (folder / "b.wl").unlink()
    assert synchronise(index, folder) == Followed(read=1, removed=1)
    found = index.worklist.entry(*StepKey.of(changed))
    assert found is not None
    assert (found.patient_id, found.modality) == ("corrected", "MR")
    assert steps(index) == {"A": "a.wl"}


def test_subfolders_are_looked_into_unless_a_writer_has_locked_them(index: Index, folder: Path) -> None:
    write(folder / "CT_ROOM" / "a.wl", entry(ScheduledProcedureStepID="A"))
    (folder / "CT_ROOM" / "lockfile").touch()
    with (folder / "CT_ROOM" / "lockfile").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert synchronise(index, folder) == Followed()
    assert synchronise(index, folder) == Followed(read=1)
    assert steps(index) == {"A": "CT_ROOM/a.wl"}
    with (folder / "CT_ROOM" / "lockfile").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (folder / "CT_ROOM" / "a.wl").unlink()
        assert synchronise(index, folder) == Followed()
    assert synchronise(index, folder) == Followed(removed=1)


def test_bad_file_is_told_once_and_left(index: Index, folder: Path) -> None:
    write(folder / "bad.wl", b"no DICOM")
    write(folder / "good.wl", entry(ScheduledProcedureStepID="A"))
    with capture_logs() as logged:
        assert synchronise(index, folder) == Followed(read=1, refused=1)
        assert synchronise(index, folder) == Followed()
    assert [line["file"] for line in logged if line["event"] == "worklist_file.refused"] == ["bad.wl"]
    assert (folder / "bad.wl").exists()
    assert steps(index) == {"A": "good.wl"}


def test_entry_stays_while_its_file_is_bad(index: Index, folder: Path) -> None:
    write(folder / "a.wl", made := entry(ScheduledProcedureStepID="A"))
    synchronise(index, folder)
    write(folder / "a.wl", b"cut off", at=LONG_AGO + 1)
    assert synchronise(index, folder) == Followed(refused=1)
    assert steps(index) == {"A": "a.wl"}
    write(folder / "a.wl", made, at=LONG_AGO + 2)
    assert synchronise(index, folder) == Followed(read=1)


def test_file_that_is_still_being_written_is_tried_again(index: Index, folder: Path) -> None:
    path = folder / "a.wl"
    path.write_bytes(file_of(entry())[:-5])
    assert synchronise(index, folder) == Followed()
    os.utime(path, (LONG_AGO, LONG_AGO))
    assert synchronise(index, folder) == Followed(refused=1)


def test_renamed_file_keeps_its_entry(index: Index, folder: Path) -> None:
    write(folder / "b.wl", made := entry(ScheduledProcedureStepID="A"))
    synchronise(index, folder)
    assert isinstance(made, WorklistEntry)
    index.worklist.set_status(*StepKey.of(made), StepStatus.STARTED, by="CT1")
    (folder / "b.wl").rename(folder / "a.wl")
    assert synchronise(index, folder) == Followed(read=1, removed=1)
    assert index.worklist.entry(*StepKey.of(made)) == made.with_status(StepStatus.STARTED)


def test_file_without_a_study_keeps_the_one_it_was_given(index: Index, folder: Path) -> None:
    dataset = entry(ScheduledProcedureStepID="A", AccessionNumber="A1").dataset()
    del dataset["0020000D"]
    for second, patient in enumerate(("P1", "P2")):
        dataset["00100020"]["Value"] = [patient]
        write(folder / "a.wl", _without_study(dataset), at=LONG_AGO + second)
        synchronise(index, folder)
    [one] = index.worklist.entries(WorklistFilter())
    assert [record.kind for record in index.worklist.history(*StepKey.of(one.entry))] == ["scheduled", "changed"]


def test_steps_of_one_procedure_in_two_files_without_a_study_share_one(index: Index, folder: Path) -> None:
    for step in ("A", "B"):
        dataset = attributes(
            ScheduledProcedureStepID=step,
            PatientID="P1",
            AccessionNumber="A1",
            RequestedProcedureID="R1",
            StudyInstanceUID=None,
        )
        write(folder / f"{step}.wl", _without_study(dataset))
    assert synchronise(index, folder) == Followed(read=2)
    assert len({one.entry.study_instance_uid for one in index.worklist.entries(WorklistFilter())}) == 1


def test_folder_that_is_not_there_changes_nothing_and_is_told_of_once(index: Index, folder: Path) -> None:
    write(folder / "a.wl", entry(ScheduledProcedureStepID="A"))
    watched = WatchedFolder(index, folder)
    watched.look()
    folder.rename(folder.with_name("away"))
    with capture_logs() as logged:
        watched.look()
        watched.look()
    assert [line["event"] for line in logged] == ["worklist_folder.unreadable"]
    assert steps(index) == {"A": "a.wl"}
    folder.with_name("away").rename(folder)
    (folder / "a.wl").unlink()
    watched.look()
    assert steps(index) == {}


def test_entries_that_came_another_way_stay(index: Index, folder: Path) -> None:
    index.worklist.put(entry(ScheduledProcedureStepID="ORDER"), by="ris")
    write(folder / "a.wl", entry(ScheduledProcedureStepID="A"))
    synchronise(index, folder)
    (folder / "a.wl").unlink()
    synchronise(index, folder)
    assert steps(index) == {"ORDER": ""}


def _without_study(dataset: dict[str, object]) -> bytes:
    made = WorklistEntry.of(dataset)
    return file_of(WorklistEntry({name: one for name, one in made.attributes.items() if name != "0020000D"}))


def test_file_that_names_a_merged_patient_is_the_survivors(index: Index, folder: Path) -> None:
    """Also when it is written anew after the merge, with another start for instance."""
    write(folder / "a.wl", first := entry(PatientID="P1", IssuerOfPatientID="HOSPITAL"))
    assert isinstance(first, WorklistEntry)
    synchronise(index, folder)
    merge = PatientChange(ChangeKind.MERGED, ("P2", "HOSPITAL"), {}, ("P1", "HOSPITAL"))
    origin = Origin("RIS", "10.0.0.1", "1", datetime.now(UTC))
    index._writer.run(lambda connection: change_patient(connection, merge, origin))
    again = entry(
        PatientID="P1", IssuerOfPatientID="HOSPITAL", StudyInstanceUID=first.study_instance_uid, Modality="MR"
    )
    write(folder / "a.wl", again, at=LONG_AGO + 1)
    assert synchronise(index, folder) == Followed(read=1)
    found = index.worklist.entry(*StepKey.of(again))
    assert found is not None
    assert (found.patient_id, found.modality) == ("P2", "MR")
