"""Entries of the worklist, checked as they come."""

from __future__ import annotations

from typing import Any

import pytest
from unit.dicom.worklist_entries import attributes, entry

from dicomnode.dicom.procedure import StepStatus, WorklistEntry, steps_of
from dicomnode.dicom.worklist_attributes import PROCEDURE_DESCRIPTION, START_TIME, STEP_DESCRIPTION
from dicomnode.errors import WorklistError

NEEDED = (
    "PatientName",
    "PatientID",
    "ScheduledStationAETitle",
    "ScheduledProcedureStepStartDate",
    "ScheduledProcedureStepID",
    "Modality",
)


def test_entry_says_what_it_is_known_by() -> None:
    made = entry(
        PatientID="4711",
        IssuerOfPatientID="HIS",
        AccessionNumber="A1",
        StudyInstanceUID="1.2.3",
        ScheduledProcedureStepID="S1",
        RequestedProcedureID="R1",
        ScheduledStationAETitle="CT1\\CT2",
    )
    assert (made.patient_id, made.issuer, made.accession_number) == ("4711", "HIS", "A1")
    assert (made.study_instance_uid, made.step_id, made.requested_procedure_id) == ("1.2.3", "S1", "R1")
    assert made.scheduled_station_ae_titles == ("CT1", "CT2")
    assert made.start == "202611240930"
    assert made.status is StepStatus.SCHEDULED


@pytest.mark.parametrize("keyword", NEEDED)
def test_refuses_entry_without_an_attribute_of_type_1(keyword: str) -> None:
    with pytest.raises(WorklistError, match=keyword):
        entry(**{keyword: None})


def test_refuses_entry_without_any_description() -> None:
    with pytest.raises(WorklistError, match="RequestedProcedureDescription"):
        entry(RequestedProcedureDescription=None)


def test_one_description_stands_for_the_other() -> None:
    made = entry(RequestedProcedureDescription="CT Thorax")
    assert made.step_text(STEP_DESCRIPTION) == made.text(PROCEDURE_DESCRIPTION) == "CT Thorax"


def test_codes_do_in_place_of_descriptions() -> None:
    code = {"00080100": {"vr": "SH", "Value": ["CT1"]}}
    made = entry(
        RequestedProcedureDescription=None,
        RequestedProcedureCodeSequence=[code],
        ScheduledProtocolCodeSequence=[code],
    )
    assert "00321060" not in made.attributes


def test_study_gets_a_uid_of_its_own() -> None:
    first, second = entry(StudyInstanceUID=None), entry(StudyInstanceUID=None)
    assert first.study_instance_uid.startswith("2.25.")
    assert first.study_instance_uid != second.study_instance_uid


def test_accession_number_stands_for_the_requested_procedure() -> None:
    assert entry(RequestedProcedureID=None, AccessionNumber="A7").requested_procedure_id == "A7"
    with pytest.raises(WorklistError, match="RequestedProcedureID"):
        entry(RequestedProcedureID=None, AccessionNumber=None)


def test_day_without_a_time_begins_at_midnight() -> None:
    assert entry(ScheduledProcedureStepStartTime=None).step_text(START_TIME) == "000000"


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("AccessionNumber", "x" * 17),
        ("ScheduledProcedureStepID", "x" * 17),
        ("ScheduledStationAETitle", "x" * 17),
        ("ScheduledProcedureStepStartDate", "20261324"),
        ("ScheduledProcedureStepStartDate", "20261124-20261125"),
        ("ScheduledProcedureStepStartTime", "2500"),
        ("Modality", "ct"),
        ("StudyInstanceUID", "1.02"),
        ("PatientWeight", "heavy"),
        ("PatientName", "x" * 65),
        ("PatientID", [{"00080100": 1}]),
        ("PregnancyStatus", [True]),
        ("ScheduledProcedureStepStatus", "ASLEEP"),
    ],
)
def test_refuses_value_that_its_vr_does_not_allow(keyword: str, value: object) -> None:
    with pytest.raises(WorklistError, match=keyword) as caught:
        entry(**{keyword: value})
    assert "heavy" not in str(caught.value)


def test_says_all_that_is_wrong_at_once() -> None:
    with pytest.raises(WorklistError) as caught:
        entry(PatientID=None, Modality="ct")
    assert len(caught.value.problems) == len(("PatientID is missing", "Modality is no CS", "Modality is missing"))


def test_old_forms_of_date_and_time_are_brought_into_the_new_one() -> None:
    made = entry(ScheduledProcedureStepStartDate="2026.11.24", ScheduledProcedureStepStartTime="09:30:00")
    assert made.start == "20261124093000"


def test_status_is_taken_and_given_back() -> None:
    made = entry(ScheduledProcedureStepStatus="ARRIVED")
    assert made.status is StepStatus.ARRIVED
    assert "00400020" not in made.step
    assert made.dataset()["00400100"]["Value"][0]["00400020"]["Value"] == ["ARRIVED"]


def test_several_steps_are_as_many_entries() -> None:
    dataset = attributes()
    dataset["00400100"]["Value"] *= 3
    assert [len(one["00400100"]["Value"]) for one in steps_of(dataset)] == [1, 1, 1]
    with pytest.raises(WorklistError, match="3 items"):
        WorklistEntry.of(dataset)


def test_character_set_file_meta_and_empty_values_are_left_out() -> None:
    dataset = attributes(PatientComments=[None])
    dataset |= {"00080005": {"vr": "CS", "Value": ["ISO_IR 100"]}, "00020010": {"vr": "UI", "Value": ["1.2"]}}
    made = WorklistEntry.of(dataset)
    assert not {"00080005", "00020010", "00104000"} & made.attributes.keys()


@pytest.mark.parametrize(
    "broken", [{"PatientName": "x"}, {"00100010": "x"}, {"00100010": {"vr": "PN", "Value": "x"}}, [], None]
)
def test_refuses_what_is_no_dicom_json(broken: Any) -> None:
    with pytest.raises(WorklistError, match=r"not DICOM JSON|items|missing"):
        WorklistEntry.of({**attributes(), **broken} if isinstance(broken, dict) else broken)


def test_endless_nesting_is_refused() -> None:
    inner: dict[str, Any] = {}
    for _ in range(100):
        inner = {"00080096": {"vr": "SQ", "Value": [inner]}}
    with pytest.raises(WorklistError):
        WorklistEntry.of({**attributes(), **inner})
