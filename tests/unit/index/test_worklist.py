"""Entries of the worklist in the index."""

from __future__ import annotations

import pytest
from unit.dicom.worklist_entries import entry

from dicomnode.dicom.procedure import StepStatus
from dicomnode.errors import UnknownStepError
from dicomnode.index import Index, Put, StepKey, WorklistFilter, change_status


def keys(index: Index, **filters: object) -> list[str]:
    return [one.entry.step_id for one in index.worklist.entries(WorklistFilter(**filters))]  # type: ignore[arg-type]  # as given


def test_entry_is_given_back_as_it_was_put(index: Index) -> None:
    made = entry(ScheduledProcedureStepStatus="ARRIVED", PatientName="Müller^Anna=山田^太郎")
    assert index.worklist.put(made, by="anna") == (Put.ADDED,)
    assert index.worklist.entry(made.study_instance_uid, made.step_id) == made
    assert index.worklist.put(made, by="anna") == (Put.UNCHANGED,)


def test_change_keeps_the_status_that_the_step_has_reached(index: Index) -> None:
    made = entry(PatientWeight=[70])
    index.worklist.put(made, by="ris")
    index.worklist.set_status(made.study_instance_uid, made.step_id, StepStatus.STARTED, by="CT1")
    changed = entry(StudyInstanceUID=made.study_instance_uid, ScheduledProcedureStepID=made.step_id, PatientID="new")
    assert index.worklist.put(changed, by="ris") == (Put.CHANGED,)
    found = index.worklist.entry(made.study_instance_uid, made.step_id)
    assert found is not None
    assert (found.status, found.patient_id) == (StepStatus.STARTED, "new")


def test_canceled_step_is_scheduled_again(index: Index) -> None:
    made = entry()
    index.worklist.put(made, by="ris")
    index.worklist.set_status(made.study_instance_uid, made.step_id, StepStatus.CANCELED, by="ris")
    index.worklist.put(made, by="ris")
    assert index.worklist.entry(made.study_instance_uid, made.step_id) == made


def test_several_entries_are_put_together_or_not_at_all(index: Index) -> None:
    good = entry()
    with pytest.raises(AttributeError):
        index.worklist.put([good, None], by="ris")  # type: ignore[list-item]  # what a fault of ours would be
    assert index.worklist.entry(good.study_instance_uid, good.step_id) is None


def test_replaced_entries_go_in_the_same_transaction(index: Index) -> None:
    old, new = entry(), entry()
    index.worklist.put(old, by="ris")
    index.worklist.put(new, by="ris", replaces=[StepKey.of(old), StepKey.of(new)])
    assert keys(index) == [new.step_id]


def test_everything_that_is_done_is_recorded(index: Index) -> None:
    made = entry()
    key = StepKey.of(made)
    index.worklist.put(made, by="ris", reason="ORM")
    index.worklist.set_status(*key, StepStatus.STARTED, by="CT1")
    index.worklist.set_status(*key, StepStatus.STARTED, by="CT1")
    assert index.worklist.remove([key, key], by="anna", reason="test") == 1
    assert [(one.kind, one.status, one.by, one.reason) for one in index.worklist.history(*key)] == [
        ("scheduled", "SCHEDULED", "ris", "ORM"),
        ("status", "STARTED", "CT1", ""),
        ("removed", "STARTED", "anna", "test"),
    ]


def test_status_of_an_unknown_step_cannot_change(index: Index) -> None:
    with pytest.raises(UnknownStepError):
        index.worklist.set_status("1.2", "S", StepStatus.STARTED, by="CT1")


def test_status_changes_within_another_transaction(index: Index) -> None:
    made = entry()
    index.worklist.put(made, by="ris")
    outcomes = index._writer.run(
        lambda connection: [
            change_status(connection, made.study_instance_uid, step, StepStatus.COMPLETED, by="CT1")
            for step in (made.step_id, "other")
        ]
    )
    assert outcomes == [True, False]
    assert index.worklist.entry(*StepKey.of(made)) == made.with_status(StepStatus.COMPLETED)


def test_entries_are_listed_by_their_start_and_filtered(index: Index) -> None:
    late = entry(
        ScheduledProcedureStepStartDate="20261125", ScheduledStationAETitle="CT1\\CT2", AccessionNumber="A-late"
    )
    early = entry(ScheduledProcedureStepStartTime="07", Modality="MR", ScheduledStationAETitle="MR1", PatientID="early")
    index.worklist.put([late, early], by="ris")
    index.worklist.put(later := entry(ScheduledProcedureStepStatus="READY"), by="ris", source="x.wl")
    assert keys(index) == [early.step_id, later.step_id, late.step_id]
    assert keys(index, ae_title="CT2") == [late.step_id]
    assert keys(index, modality="MR", patient_id="early") == [early.step_id]
    assert keys(index, date_from="20261125", date_to="20261125") == [late.step_id]
    assert keys(index, accession_number="A-late", study_instance_uid=late.study_instance_uid) == [late.step_id]
    assert keys(index, statuses=(StepStatus.READY, StepStatus.STARTED)) == keys(index, source="x.wl") == [later.step_id]


def test_knows_what_is_scheduled_for_a_patient(index: Index) -> None:
    made = entry(PatientID="P1", AccessionNumber="A1", StudyInstanceUID="1.2.3")
    index.worklist.put(made, by="ris")
    assert index.worklist.knows("A1")
    assert index.worklist.knows("A1", "P1")
    assert index.worklist.knows("other", "P1", "1.2.3")
    assert not index.worklist.knows("A1", "P2")
    assert not index.worklist.knows("", "P1", "1.2.4")


def test_removed_entry_leaves_no_station_behind(index: Index) -> None:
    made = entry()
    index.worklist.put(made, by="ris")
    index.worklist.remove([StepKey.of(made)], by="ris")
    with index._connections.reading() as connection:
        assert connection.execute("SELECT count(*) FROM worklist_station").fetchone() == (0,)


def test_old_entries_go_unless_they_follow_a_file(index: Index) -> None:
    old = entry(ScheduledProcedureStepStartDate="20250101")
    index.worklist.put([old, recent := entry()], by="ris")
    index.worklist.put(followed := entry(ScheduledProcedureStepStartDate="20250101"), by="folder", source="x.wl")
    assert index.worklist.remove_old("20261001", by="node") == 1
    assert set(keys(index)) == {recent.step_id, followed.step_id}
    assert [one.kind for one in index.worklist.history(*StepKey.of(old))] == ["scheduled", "removed"]
