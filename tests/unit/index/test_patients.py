"""Patients corrected: updated, merged, given another ID; queries, late instances and the worklist follow."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from unit.dicom.worklist_entries import entry as worklist_entry
from unit.index.queries import asked, found
from unit.index.received import ISSUER, OTHER_PATIENT, PATIENT_ID, PATIENT_NAME, STUDY, received

from dicomnode.dicom.procedure import WorklistEntry
from dicomnode.dicom.query.identifier import Level, Selection
from dicomnode.index import (
    ChangeKind,
    Index,
    OnConflict,
    Origin,
    Outcome,
    PatientChange,
    StoredInstance,
    WorklistFilter,
    change_patient,
)

BIRTH_DATE = 0x00100030
ORIGIN = Origin("RIS|HOSPITAL", "10.0.0.1", "c1", datetime(2026, 1, 5, tzinfo=UTC))
STRICT = OnConflict(other_patient=OTHER_PATIENT)


def change(
    index: Index,
    patient_id: str,
    prior: str | None = None,
    issuer: str = "",
    kind: ChangeKind = ChangeKind.UPDATED,
    **attributes: str,
) -> bool:
    tags = {"name": PATIENT_NAME, "born": BIRTH_DATE}
    said = {tags[name]: value for name, value in attributes.items()}
    if prior is not None:
        kind = ChangeKind.MERGED
    it = PatientChange(kind, (patient_id, issuer), said, None if prior is None else (prior, issuer))
    return index._writer.run(lambda connection: change_patient(connection, it, ORIGIN))


def add(index: Index, uid: str = "1.2.840.99.1.1.1", **more: Any) -> Outcome:
    return index.instances.add(received(uid, content=uid, **more), STRICT).outcome


def patient(patient_id: str, name: str = "Doe^Jane", **more: str) -> dict[int, str]:
    return {PATIENT_NAME: name, PATIENT_ID: patient_id} | ({ISSUER: more["issuer"]} if "issuer" in more else {})


def studies(index: Index) -> list[tuple[str | None, ...]]:
    identifier = asked("STUDY", StudyInstanceUID="", PatientID="", PatientName="")
    return sorted(found(index, identifier, "StudyInstanceUID", "PatientID", "PatientName"))  # type: ignore[type-var]


def selected(index: Index, study: str = STUDY) -> list[StoredInstance]:
    return index.select(Selection(Level.STUDY, study_uids=(study,)))


def events(index: Index) -> list[tuple[Any, ...]]:
    with index._connections.reading() as connection:
        return connection.execute(
            "SELECT kind, patient_id, prior_patient_id, by, address, control_id, before, after, studies FROM patient_event"
        ).fetchall()


def test_update_is_found_and_recorded_with_what_was_before(index: Index) -> None:
    add(index)
    assert change(index, "P1", name="SMITH^JANE")
    assert studies(index) == [(STUDY, "P1", "SMITH^JANE")]
    assert found(index, asked("STUDY", PatientName="smith*", StudyInstanceUID=""), "StudyInstanceUID") == [(STUDY,)]
    assert found(index, asked("STUDY", PatientName="doe*", StudyInstanceUID=""), "StudyInstanceUID") == []
    [(kind, patient_id, _, by, address, control_id, before, after, moved)] = events(index)
    assert (kind, patient_id, by, address, control_id, moved) == (
        "updated",
        "P1",
        "RIS|HOSPITAL",
        "10.0.0.1",
        "c1",
        "[]",
    )
    assert json.loads(before)["00100010"] == "Doe^Jane"
    assert json.loads(after)["00100010"] == "SMITH^JANE"


def test_update_that_says_what_is_known_leaves_no_trace(index: Index) -> None:
    add(index)
    assert not change(index, "P1", name="Doe^Jane")
    assert events(index) == []
    assert selected(index)[0].corrections == {}


def test_update_that_comes_twice_changes_once(index: Index) -> None:
    add(index)
    change(index, "P1", name="SMITH^JANE")
    assert not change(index, "P1", name="SMITH^JANE")
    assert len(events(index)) == 1


def test_update_of_an_unknown_patient_does_nothing(index: Index) -> None:
    assert not change(index, "P9", name="SMITH^JANE")
    add(index)
    assert studies(index) == [(STUDY, "P1", "Doe^Jane")]


def test_nobody_without_an_id_is_updated(index: Index) -> None:
    add(index, patient={PATIENT_NAME: "Doe^Jane", PATIENT_ID: ""})
    assert not change(index, "", name="SMITH^JANE")


def test_what_was_deleted_does_not_come_back_with_the_next_instance(index: Index) -> None:
    add(index, patient=patient("P1") | {BIRTH_DATE: "19700101"})
    change(index, "P1", born="")
    add(index, "1.2.840.99.1.1.2", patient=patient("P1") | {BIRTH_DATE: "19700101"})
    identifier = asked("STUDY", StudyInstanceUID=STUDY, PatientBirthDate="")
    assert found(index, identifier, "PatientBirthDate") == [("",)]


def test_instances_know_what_was_corrected(index: Index) -> None:
    add(index)
    change(index, "P1", name="SMITH^JANE")
    change(index, "P1", born="19800101")
    assert selected(index)[0].corrections == {PATIENT_NAME: "SMITH^JANE", BIRTH_DATE: "19800101"}


def test_merge_moves_the_studies_to_the_surviving_patient(index: Index) -> None:
    add(index)
    add(index, "1.2.840.99.2.1.1", study="1.2.840.99.2", series="1.2.840.99.2.1", patient=patient("P2", "SMITH^JANE"))
    assert change(index, "P2", prior="P1")
    assert studies(index) == [(STUDY, "P2", "SMITH^JANE"), ("1.2.840.99.2", "P2", "SMITH^JANE")]
    assert index.summary().patients == 1
    assert selected(index)[0].corrections == {PATIENT_ID: "P2", PATIENT_NAME: "SMITH^JANE"}
    assert json.loads(events(index)[0][-1]) == [STUDY]


def test_merge_into_a_patient_without_studies_renames(index: Index) -> None:
    add(index)
    change(index, "P2", prior="P1", name="SMITH^JANE")
    assert studies(index) == [(STUDY, "P2", "SMITH^JANE")]


def test_late_instance_of_a_merged_patient_belongs_to_the_survivor(index: Index) -> None:
    add(index)
    change(index, "P2", prior="P1", name="SMITH^JANE")
    assert add(index, "1.2.840.99.1.1.2") is Outcome.STORED
    assert studies(index) == [(STUDY, "P2", "SMITH^JANE")]
    assert len(selected(index)) == 2
    assert index.summary().patients == 1


def test_instance_of_another_patient_is_still_held_back(index: Index) -> None:
    add(index)
    change(index, "P2", prior="P1")
    assert add(index, "1.2.840.99.1.1.2", patient=patient("P3")) is Outcome.QUARANTINED


def test_late_study_under_a_former_id_belongs_to_the_survivor(index: Index) -> None:
    change(index, "P2", prior="P1", name="SMITH^JANE")
    add(index)
    assert studies(index) == [(STUDY, "P2", "SMITH^JANE")]
    assert selected(index)[0].corrections == {PATIENT_ID: "P2", PATIENT_NAME: "SMITH^JANE"}


def test_late_study_makes_all_of_the_survivor_say_the_same(index: Index) -> None:
    add(index, "1.2.840.99.2.1.1", study="1.2.840.99.2", series="1.2.840.99.2.1", patient=patient("P2", "SMITH^JANE"))
    change(index, "P2", prior="P1")
    add(index)
    assert selected(index)[0].corrections == {PATIENT_ID: "P2", PATIENT_NAME: "SMITH^JANE"}


def test_merges_follow_one_another(index: Index) -> None:
    add(index)
    change(index, "P2", prior="P1")
    change(index, "P3", prior="P2")
    assert studies(index) == [(STUDY, "P3", "Doe^Jane")]
    assert add(index, "1.2.840.99.1.1.2", patient=patient("P1")) is Outcome.STORED
    assert add(index, "1.2.840.99.1.1.3", patient=patient("P2")) is Outcome.STORED
    assert studies(index) == [(STUDY, "P3", "Doe^Jane")]


def test_merge_back_ends_the_former_one(index: Index) -> None:
    add(index)
    change(index, "P2", prior="P1")
    change(index, "P1", prior="P2")
    assert studies(index) == [(STUDY, "P1", "Doe^Jane")]
    assert add(index, "1.2.840.99.1.1.2", patient=patient("P2")) is Outcome.STORED
    assert studies(index) == [(STUDY, "P1", "Doe^Jane")]


def test_merge_that_comes_twice_changes_once(index: Index) -> None:
    add(index)
    change(index, "P2", prior="P1")
    assert not change(index, "P2", prior="P1")
    assert len(events(index)) == 1


def test_issuer_tells_patients_apart(index: Index) -> None:
    add(index, patient=patient("P1", issuer="A"))
    assert not change(index, "P1", issuer="B", name="SMITH^JANE")
    assert change(index, "P1", issuer="A", name="SMITH^JANE")


@pytest.fixture
def entry(index: Index) -> WorklistEntry:
    entry = worklist_entry(PatientID="P1", PatientName="Doe^Jane")
    index.worklist.put([entry], by="test", source="folder/entry.wl")
    return entry


def listed(index: Index) -> list[tuple[str, str, str, str]]:
    entries = index.worklist.entries(WorklistFilter())
    return [(one.entry.patient_id, one.entry.issuer, one.entry.patient_name, one.source) for one in entries]


def test_worklist_follows_an_update(index: Index, entry: WorklistEntry) -> None:
    issuer = entry.issuer
    assert change(index, "P1", issuer=issuer, name="SMITH^JANE")
    assert listed(index) == [("P1", issuer, "SMITH^JANE", "folder/entry.wl")]


def test_worklist_keeps_what_a_scanner_needs(index: Index, entry: WorklistEntry) -> None:
    assert change(index, "P1", issuer=entry.issuer, name="")
    assert listed(index) == [("P1", entry.issuer, "Doe^Jane", "folder/entry.wl")]


def test_worklist_follows_a_merge(index: Index, entry: WorklistEntry) -> None:
    issuer = entry.issuer
    assert change(index, "P2", prior="P1", issuer=issuer, name="SMITH^JANE")
    assert listed(index) == [("P2", issuer, "SMITH^JANE", "folder/entry.wl")]
