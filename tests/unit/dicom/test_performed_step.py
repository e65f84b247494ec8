"""What a Performed Procedure Step has to say, and what may change."""

from __future__ import annotations

from typing import Any

import pytest
from modality import EXPLICIT_LE, begun, dataset, ended, reason, scheduled, series, written
from pydicom import Dataset
from pydicom.datadict import tag_for_keyword

from dicomnode.dicom.json_form import Json
from dicomnode.dicom.json_text import attributes_of
from dicomnode.dicom.performed_step import PerformedStatus, PerformedStep, ScheduledStep
from dicomnode.errors import FinalStateError, InvalidValuesError, MissingAttributesError, MissingValuesError


def told(made: Dataset) -> Json:
    return attributes_of(written(made), EXPLICIT_LE)[0]


def step(*steps: Dataset, **values: Any) -> PerformedStep:
    return PerformedStep.created(told(begun(*steps, **values)))


def tag(keyword: str) -> int:
    number = tag_for_keyword(keyword)
    assert number is not None
    return number


ONCE_NEEDED = [
    "PerformedProcedureStepID",
    "PerformedStationAETitle",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
    "Modality",
    "PerformedProcedureStepStatus",
]
ASKED = [
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "ReferencedPatientSequence",
    "StudyID",
    "PerformedStationName",
    "PerformedLocation",
    "PerformedProcedureStepDescription",
    "PerformedProcedureTypeDescription",
    "ProcedureCodeSequence",
    "PerformedProtocolCodeSequence",
    "PerformedProcedureStepEndDate",
    "PerformedProcedureStepEndTime",
    "PerformedSeriesSequence",
]
ASKED_OF_SCHEDULED = [
    "AccessionNumber",
    "ReferencedStudySequence",
    "RequestedProcedureID",
    "RequestedProcedureDescription",
    "ScheduledProcedureStepID",
    "ScheduledProcedureStepDescription",
    "ScheduledProtocolCodeSequence",
]


# -- creation ------------------------------------------------------------------------------------------------------------


def test_complete_step_begins_in_progress() -> None:
    made = step(scheduled("1.2.3", ScheduledProcedureStepID="S1", AccessionNumber="A1"), scheduled("1.2.4"))
    assert made.status is PerformedStatus.IN_PROGRESS
    assert made.scheduled_steps == (ScheduledStep("1.2.3", "S1", "A1"), ScheduledStep("1.2.4", "", ""))
    assert made.study_instance_uids == ("1.2.3", "1.2.4")


@pytest.mark.parametrize("keyword", [*ONCE_NEEDED, "ScheduledStepAttributesSequence", *ASKED])
def test_step_that_lacks_an_attribute_is_refused(keyword: str) -> None:
    with pytest.raises(MissingAttributesError) as refused:
        step(**{keyword: None})
    assert refused.value.attributes == (tag(keyword),)


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", *ASKED_OF_SCHEDULED])
def test_scheduled_step_that_lacks_an_attribute_is_refused(keyword: str) -> None:
    with pytest.raises(MissingAttributesError) as refused:
        step(scheduled(**{keyword: None}))
    assert refused.value.attributes == (tag(keyword),)


@pytest.mark.parametrize("keyword", ONCE_NEEDED)
def test_step_that_lacks_a_value_is_refused(keyword: str) -> None:
    with pytest.raises(MissingValuesError) as refused:
        step(**{keyword: ""})
    assert refused.value.attributes == (tag(keyword),)


def test_all_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(MissingAttributesError) as refused:
        step(scheduled(AccessionNumber=None), PatientName=None, Modality=None)
    assert set(refused.value.attributes) == {tag("Modality"), tag("PatientName"), tag("AccessionNumber")}


@pytest.mark.parametrize("keyword", ASKED)
def test_lenient_node_takes_what_is_missing_for_empty(keyword: str) -> None:
    made = PerformedStep.created(told(begun(**{keyword: None})), is_lenient=True)
    assert made.status is PerformedStatus.IN_PROGRESS


def test_lenient_node_still_needs_what_is_of_type_1() -> None:
    with pytest.raises(MissingAttributesError):
        PerformedStep.created(told(begun(Modality=None)), is_lenient=True)


@pytest.mark.parametrize("status", ["COMPLETED", "DISCONTINUED", "SCHEDULED", "in progress"])
def test_step_begins_in_no_other_state(status: str) -> None:
    with pytest.raises(InvalidValuesError) as refused:
        step(PerformedProcedureStepStatus=status)
    assert refused.value.attributes == (tag("PerformedProcedureStepStatus"),)


def test_study_that_is_no_uid_is_refused() -> None:
    made = begun()
    attributes = dict(told(made))
    attributes["00400270"] = {"vr": "SQ", "Value": [{**attributes["00400270"]["Value"][0]}]}
    attributes["00400270"]["Value"][0]["0020000D"] = {"vr": "UI", "Value": ["1.2'; DROP TABLE study"]}
    with pytest.raises(InvalidValuesError):
        PerformedStep.created(attributes)


def test_unscheduled_work_may_have_no_item_at_all() -> None:
    made = step(ScheduledStepAttributesSequence=[])
    assert (made.scheduled_steps, made.study_instance_uids) == ((), ())


# -- change --------------------------------------------------------------------------------------------------------------


def test_what_was_created_may_be_set() -> None:
    changed, refused = step().changed(told(dataset(PerformedProcedureStepDescription="Head")))
    assert (changed.text(0x00400254), refused) == ("Head", ())


def test_sequence_replaces_all_items() -> None:
    first, _ = step().changed(told(dataset(PerformedSeriesSequence=[series("1.2.1"), series("1.2.2")])))
    second, _ = first.changed(told(dataset(PerformedSeriesSequence=[series("1.2.3")])))
    assert (first.sop_instance_uids, second.sop_instance_uids) == (("1.2.1", "1.2.2"), ("1.2.3",))


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("PatientID", "other"), ("PerformedProcedureStepID", "P2"), ("Modality", "MR"), ("StudyID", "1")],
)
def test_what_may_not_change_stays_and_is_named(keyword: str, value: str) -> None:
    before = step()
    changed, refused = before.changed(told(dataset(**{keyword: value, "PerformedProcedureStepDescription": "Head"})))
    assert refused == (tag(keyword),)
    assert changed.text(tag(keyword)) == before.text(tag(keyword))
    assert changed.text(0x00400254) == "Head"


def test_what_is_told_again_as_it_is_changes_nothing() -> None:
    before = step()
    assert before.changed(before.attributes) == (before, ())


def test_what_was_not_created_may_not_be_set() -> None:
    before = step()
    changed, refused = before.changed(told(dataset(CommentsOnThePerformedProcedureStep="late")))
    assert (changed, refused) == (before, (0x00400280,))
    changed, refused = before.changed(told(dataset(CommentsOnThePerformedProcedureStep="late")), is_lenient=True)
    assert (changed.text(0x00400280), refused) == ("late", ())


def test_optional_attribute_that_was_created_may_be_set() -> None:
    changed, refused = step(CommentsOnThePerformedProcedureStep="").changed(
        told(dataset(CommentsOnThePerformedProcedureStep="in time"))
    )
    assert (changed.text(0x00400280), refused) == ("in time", ())


@pytest.mark.parametrize("status", ["SCHEDULED", "completed"])
def test_status_that_is_none_is_refused(status: str) -> None:
    with pytest.raises(InvalidValuesError):
        step().changed(told(dataset(PerformedProcedureStepStatus=status)))


def test_empty_status_is_refused() -> None:
    with pytest.raises(MissingValuesError):
        step().changed(told(dataset(PerformedProcedureStepStatus="")))


# -- the end -------------------------------------------------------------------------------------------------------------


def test_completed_step_tells_all_instances() -> None:
    not_images = [dataset(ReferencedSOPClassUID="1.2", ReferencedSOPInstanceUID="1.2.9")]
    both = [series("1.2.1", "1.2.2"), series("1.2.2", ReferencedNonImageCompositeSOPInstanceSequence=not_images)]
    changed, _ = step().changed(told(ended(PerformedSeriesSequence=both)))
    assert changed.status is PerformedStatus.COMPLETED
    assert changed.sop_instance_uids == ("1.2.1", "1.2.2", "1.2.9")


@pytest.mark.parametrize("status", ["COMPLETED", "DISCONTINUED"])
@pytest.mark.parametrize("keyword", ["PerformedProcedureStepEndDate", "PerformedProcedureStepEndTime"])
def test_final_step_needs_its_end(keyword: str, status: str) -> None:
    with pytest.raises(MissingValuesError) as refused:
        step().changed(told(ended(status=status, **{keyword: ""})))
    assert refused.value.attributes == (tag(keyword),)


def test_final_step_needs_a_series_maybe_without_instances() -> None:
    with pytest.raises(MissingValuesError):
        step().changed(told(ended(PerformedSeriesSequence=[])))
    changed, _ = step().changed(told(ended()))
    assert (changed.status.is_final, changed.sop_instance_uids) == (True, ())


@pytest.mark.parametrize(
    "keyword",
    [
        "SeriesInstanceUID",
        "ProtocolName",
        "PerformingPhysicianName",
        "OperatorsName",
        "SeriesDescription",
        "RetrieveAETitle",
        "ReferencedImageSequence",
        "ReferencedNonImageCompositeSOPInstanceSequence",
    ],
)
def test_series_of_a_final_step_that_lacks_an_attribute_is_refused(keyword: str) -> None:
    with pytest.raises(MissingAttributesError) as refused:
        step().changed(told(ended(PerformedSeriesSequence=[series(**{keyword: None})])))
    assert refused.value.attributes == (tag(keyword),)


def test_step_without_a_series_may_be_discontinued_where_the_node_is_lenient() -> None:
    changed, _ = step().changed(told(dataset(PerformedProcedureStepStatus="DISCONTINUED")), is_lenient=True)
    assert changed.status is PerformedStatus.DISCONTINUED
    with pytest.raises(MissingValuesError):
        step().changed(told(dataset(PerformedProcedureStepStatus="COMPLETED")), is_lenient=True)


@pytest.mark.parametrize("status", ["COMPLETED", "DISCONTINUED"])
def test_final_step_may_no_longer_be_updated(status: str) -> None:
    final, _ = step().changed(told(ended(status=status)))
    with pytest.raises(FinalStateError, match="may no longer be updated"):
        final.changed(told(dataset(PerformedProcedureStepDescription="late")))


@pytest.mark.parametrize(
    ("code", "status", "is_wrong"),
    [
        (("110514", "DCM"), "DISCONTINUED", True),
        (("110513", "DCM"), "DISCONTINUED", False),
        (("110514", "99LOCAL"), "DISCONTINUED", False),
        (("110514", "DCM"), "COMPLETED", False),
    ],
)
def test_reason_says_whether_the_wrong_entry_was_selected(code: tuple[str, str], status: str, is_wrong: bool) -> None:
    changed, refused = step().changed(told(ended(status=status, **reason(*code))))
    assert (changed.is_of_the_wrong_entry, refused) == (is_wrong, ())
