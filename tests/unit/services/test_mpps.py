"""Performed Procedure Steps as a modality tells them, with all that follows: worklist, studies, other systems."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from modality import EXPLICIT_LE, begun, dataset, ended, reason, scheduled, series, written
from pydicom import Dataset
from pydicom.uid import generate_uid
from unit.dicom.worklist_entries import entry

from dicomnode.dicom.json_text import attributes_of
from dicomnode.dicom.peer import Sender
from dicomnode.dicom.performed_step import PerformedStatus
from dicomnode.dicom.procedure import StepStatus, WorklistEntry
from dicomnode.errors import (
    DatasetError,
    DicomNodeError,
    DuplicateObjectError,
    FinalStateError,
    InvalidObjectError,
    InvalidValuesError,
    NormalizedError,
    TooLargeError,
    UnknownObjectError,
)
from dicomnode.index import Durability, Index, IndexSettings
from dicomnode.index.mpps import Recorded, StepFilter
from dicomnode.services.mpps import MppsSettings, PerformedProcedureSteps

CT1 = Sender("CT1", "DICOMNODE", "127.0.0.1", "ct1")
IMPLICIT_LE = "1.2.840.10008.1.2"


@pytest.fixture
def steps(index: Index) -> PerformedProcedureSteps:
    return PerformedProcedureSteps(index, MppsSettings())


def create(steps: PerformedProcedureSteps, *of: Dataset, uid: str = "", **values: object) -> tuple[str, Recorded]:
    return steps.create(uid, written(begun(*of, **values)), EXPLICIT_LE, CT1)


def change(steps: PerformedProcedureSteps, uid: str, made: Dataset) -> Recorded:
    return steps.change(uid, written(made), EXPLICIT_LE, CT1)


def of(entry: WorklistEntry, **values: object) -> Dataset:
    """The item that a scanner makes of a worklist entry."""
    usual = {"ScheduledProcedureStepID": entry.step_id, "AccessionNumber": entry.accession_number}
    return scheduled(entry.study_instance_uid, **(usual | values))


def status_of(index: Index, entry: WorklistEntry) -> StepStatus:
    found = index.worklist.entry(entry.study_instance_uid, entry.step_id)
    assert found is not None
    return found.status


# -- what is kept ----------------------------------------------------------------------------------------------------------


def test_step_is_kept_whole(index: Index, steps: PerformedProcedureSteps) -> None:
    made = begun(scheduled("1.2.3"), CommentsOnThePerformedProcedureStep="kept, too")
    made.add_new(0x00091001, "LO", "private")
    uid, _ = steps.create("1.2.99", written(made), EXPLICIT_LE, CT1)
    assert uid == "1.2.99"
    kept = index.performed_steps.get(uid)
    assert kept.step.attributes == attributes_of(written(made), EXPLICIT_LE)[0]
    assert (kept.calling_ae_title, kept.peer) == ("CT1", "ct1")


def test_step_without_a_uid_is_given_one(index: Index, steps: PerformedProcedureSteps) -> None:
    uid, _ = create(steps)
    assert uid.startswith("2.25.")
    assert index.performed_steps.get(uid).step.status is PerformedStatus.IN_PROGRESS


@pytest.mark.parametrize("uid", ["x", "1..2", "1.02", "1." + "2" * 64, "1.2/../3"])
def test_uid_that_is_none_is_refused(steps: PerformedProcedureSteps, uid: str) -> None:
    with pytest.raises(InvalidObjectError):
        create(steps, uid=uid)


def test_second_step_of_a_uid_is_refused_and_the_first_one_stays(index: Index, steps: PerformedProcedureSteps) -> None:
    uid, _ = create(steps, PatientID="first")
    with pytest.raises(DuplicateObjectError):
        create(steps, uid=uid, PatientID="second")
    assert index.performed_steps.get(uid).step.text(0x00100020) == "first"


def test_unknown_step_cannot_be_changed_or_read(steps: PerformedProcedureSteps) -> None:
    with pytest.raises(UnknownObjectError):
        change(steps, "1.2.3", ended())
    with pytest.raises(UnknownObjectError):
        steps.get("1.2.3", (), EXPLICIT_LE)


def test_refused_change_changes_nothing(index: Index, steps: PerformedProcedureSteps) -> None:
    uid, _ = create(steps)
    before = index.performed_steps.get(uid)
    with pytest.raises(NormalizedError):
        change(steps, uid, ended(PerformedProcedureStepEndDate="", PerformedProcedureStepDescription="not kept"))
    assert index.performed_steps.get(uid) == before


def test_changes_are_recorded(index: Index, steps: PerformedProcedureSteps) -> None:
    uid, _ = create(steps)
    change(steps, uid, ended())
    assert [(one.status, one.calling_ae_title) for one in index.performed_steps.history(uid)] == [
        ("IN PROGRESS", "CT1"),
        ("COMPLETED", "CT1"),
    ]


def test_steps_are_listed_newest_first_by_what_is_asked(index: Index, steps: PerformedProcedureSteps) -> None:
    first, _ = create(steps, scheduled("1.2.3"), Modality="MR")
    second, _ = create(steps, scheduled("1.2.3"), scheduled("1.2.4"))
    change(steps, first, ended())

    def listed(**filters: object) -> list[str]:
        return [one.sop_instance_uid for one in index.performed_steps.list(StepFilter(**filters))]  # type: ignore[arg-type]  # as given

    assert listed() == [second, first]
    assert listed(statuses=(PerformedStatus.COMPLETED,)) == [first]
    assert listed(study_instance_uid="1.2.4") == [second]
    assert listed(modality="MR", study_instance_uid="1.2.3") == [first]
    assert listed(date_from="20270101") == []


# -- how it is read ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transfer_syntax_uid", [EXPLICIT_LE, IMPLICIT_LE])
def test_attributes_that_are_asked_for_are_given(steps: PerformedProcedureSteps, transfer_syntax_uid: str) -> None:
    uid, _ = create(steps, PatientName="Müller^Anna", SpecificCharacterSet="ISO_IR 100")
    data, unknown = steps.get(uid, (0x00100010, 0x00400252, 0x00104000), transfer_syntax_uid)
    attributes, character_set = attributes_of(data, transfer_syntax_uid)
    assert unknown == (0x00104000,)
    assert character_set == "ISO_IR 100"
    assert attributes == {
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Anna"}]},
        "00400252": {"vr": "CS", "Value": ["IN PROGRESS"]},
    }


def test_all_attributes_are_given_when_none_is_asked_for(index: Index, steps: PerformedProcedureSteps) -> None:
    uid, _ = create(steps)
    data, _ = steps.get(uid, (), EXPLICIT_LE)
    assert attributes_of(data, EXPLICIT_LE)[0] == index.performed_steps.get(uid).step.attributes


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ISO_IR 100", "Müller^Anna"),
        ("ISO_IR 144", "Жилищный"),
        ("ISO_IR 192", "山田^太郎"),
        ("\\ISO 2022 IR 87", "山田^太郎"),
    ],
)
def test_text_of_any_character_set_is_kept_as_it_was_meant(
    index: Index, steps: PerformedProcedureSteps, name: str, text: str
) -> None:
    sets = name.split("\\") if "\\" in name else name
    uid, _ = create(steps, PatientName=text, SpecificCharacterSet=sets)
    assert index.performed_steps.get(uid).step.text(0x00100010) == text
    change(steps, uid, dataset(SpecificCharacterSet="ISO_IR 192", PerformedProcedureStepDescription="Schädel 頭"))
    kept = index.performed_steps.get(uid)
    assert (kept.step.text(0x00100010), kept.step.text(0x00400254)) == (text, "Schädel 頭")
    data, _ = steps.get(uid, (), EXPLICIT_LE)
    assert attributes_of(data, EXPLICIT_LE)[0] == kept.step.attributes


@pytest.mark.parametrize("name", ["ISO_IR 999", "ISO_IR 192"])
def test_text_that_cannot_be_decoded_is_refused(steps: PerformedProcedureSteps, name: str) -> None:
    data = written(begun(SpecificCharacterSet=name, PatientName="MARKER")).replace(b"MARKER", b"M\xfcller")
    with pytest.raises(InvalidValuesError) as refused:
        steps.create("", data, EXPLICIT_LE, CT1)
    assert refused.value.attributes == (0x00080005,)


@pytest.mark.parametrize("cut", [3, 40, -5])
def test_data_set_that_breaks_off_is_refused(steps: PerformedProcedureSteps, cut: int) -> None:
    with pytest.raises(DatasetError):
        steps.create("1.2.3", written(begun())[:cut], EXPLICIT_LE, CT1)


def test_data_set_that_is_too_large_is_refused(index: Index) -> None:
    small = PerformedProcedureSteps(index, MppsSettings(maximum_mb=1))
    with pytest.raises(TooLargeError):
        create(small, CommentsOnThePerformedProcedureStep="x" * 2_000_000)


# -- the worklist ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (ended(), StepStatus.COMPLETED),
        (ended(status="DISCONTINUED"), StepStatus.DISCONTINUED),
        (ended(status="DISCONTINUED", **reason("110513")), StepStatus.DISCONTINUED),
        (ended(status="DISCONTINUED", **reason("110514")), StepStatus.SCHEDULED),
        (dataset(PerformedProcedureStepDescription="Head"), StepStatus.STARTED),
    ],
)
def test_scheduled_step_follows(
    index: Index, steps: PerformedProcedureSteps, last: Dataset, expected: StepStatus
) -> None:
    entries = [entry(), entry()]
    index.worklist.put(entries, by="ris")
    uid, recorded = create(steps, *map(of, entries))
    assert len(recorded.done) == 2
    assert [status_of(index, one) for one in entries] == [StepStatus.STARTED] * 2
    change(steps, uid, last)
    assert [status_of(index, one) for one in entries] == [expected] * 2


@pytest.mark.parametrize("meanwhile", [StepStatus.CANCELED, StepStatus.COMPLETED])
def test_wrong_entry_is_scheduled_again_only_if_nothing_else_became_of_it(
    index: Index, steps: PerformedProcedureSteps, meanwhile: StepStatus
) -> None:
    """The order was canceled, or the right step was done, before the wrong one was discontinued."""
    made = entry()
    index.worklist.put(made, by="ris")
    uid, _ = create(steps, of(made))
    index.worklist.set_status(made.study_instance_uid, made.step_id, meanwhile, by="ris")
    change(steps, uid, ended(status="DISCONTINUED", **reason("110514")))
    assert status_of(index, made) is meanwhile


def test_change_that_moves_no_status_leaves_the_worklist_alone(index: Index, steps: PerformedProcedureSteps) -> None:
    made = entry()
    index.worklist.put(made, by="ris")
    uid, _ = create(steps, of(made))
    index.worklist.set_status(made.study_instance_uid, made.step_id, StepStatus.DEPARTED, by="ris")
    change(steps, uid, dataset(PerformedProcedureStepDescription="Head"))
    assert status_of(index, made) is StepStatus.DEPARTED
    change(steps, uid, ended())
    assert status_of(index, made) is StepStatus.COMPLETED


def test_scheduled_step_of_another_study_is_found_by_its_accession_number(
    index: Index, steps: PerformedProcedureSteps
) -> None:
    one, other = entry(AccessionNumber="A1"), entry(AccessionNumber="A1")
    index.worklist.put([one, other], by="ris")
    _, recorded = create(steps, scheduled(ScheduledProcedureStepID=one.step_id, AccessionNumber="A1"))
    assert len(recorded.done) == 1
    assert (status_of(index, one), status_of(index, other)) == (StepStatus.STARTED, StepStatus.SCHEDULED)


def test_accession_number_that_leaves_a_choice_decides_nothing(index: Index, steps: PerformedProcedureSteps) -> None:
    entries = [entry(AccessionNumber="A1"), entry(AccessionNumber="A1")]
    index.worklist.put(entries, by="ris")
    _, recorded = create(steps, scheduled(AccessionNumber="A1"))
    assert (recorded.done, recorded.unknown) == ((), 1)
    assert [status_of(index, one) for one in entries] == [StepStatus.SCHEDULED] * 2


def test_unscheduled_work_is_recorded_and_nobody_guesses(index: Index, steps: PerformedProcedureSteps) -> None:
    waiting = entry(PatientID="4711")
    index.worklist.put(waiting, by="ris")
    uid, recorded = create(steps, scheduled())
    assert (recorded.done, recorded.unknown) == ((), 0)
    assert status_of(index, waiting) is StepStatus.SCHEDULED
    assert index.performed_steps.get(uid).step.status is PerformedStatus.IN_PROGRESS


# -- other systems -----------------------------------------------------------------------------------------------------------


def test_messages_are_owed_to_other_systems_in_order(index: Index) -> None:
    steps = PerformedProcedureSteps(index, MppsSettings(forward_to=("ris", "ct1", "archive")))
    uid, _ = create(steps, PatientName="Müller", SpecificCharacterSet="ISO_IR 100")
    change(steps, uid, dataset(PerformedProcedureStepDescription="Head"))
    owed = list(index.outbox.list())
    assert [(one.destination, one.key, one.payload["operation"]) for one in owed] == [
        ("ris", uid, "create"),
        ("archive", uid, "create"),
        ("ris", uid, "set"),
        ("archive", uid, "set"),
    ]
    assert owed[0].payload["attributes"]["00100010"]["Value"] == [{"Alphabetic": "Müller"}]  # type: ignore[index]  # JSON
    assert owed[2].payload["attributes"] == {"00400254": {"vr": "LO", "Value": ["Head"]}}


def test_refused_message_is_not_told_on(index: Index) -> None:
    steps = PerformedProcedureSteps(index, MppsSettings(forward_to=("ris",)))
    uid, _ = create(steps)
    with pytest.raises(NormalizedError):
        change(steps, uid, dataset(PerformedProcedureStepStatus="COMPLETED"))
    assert len(list(index.outbox.list())) == 1


# -- at once -----------------------------------------------------------------------------------------------------------------


def test_of_two_workers_that_end_a_step_one_is_refused(tmp_path: Path, index: Index) -> None:
    others = [Index(tmp_path, IndexSettings(), durability=Durability.FAST) for _ in range(2)]
    uid, _ = create(PerformedProcedureSteps(index, MppsSettings()))
    outcomes: list[str] = []
    start = threading.Barrier(2)

    def end(other: Index, status: str) -> None:
        start.wait()
        try:
            change(PerformedProcedureSteps(other, MppsSettings()), uid, ended(status=status))
            outcomes.append(status)
        except FinalStateError:
            outcomes.append("refused")

    threads = [
        threading.Thread(target=end, args=pair) for pair in zip(others, ("COMPLETED", "DISCONTINUED"), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (done,) = set(outcomes) - {"refused"}
    assert "refused" in outcomes
    assert index.performed_steps.get(uid).step.status == done
    for other in others:
        other.close()


# -- any bytes ---------------------------------------------------------------------------------------------------------------

WHOLE = written(ended("1.2.3", SpecificCharacterSet="ISO_IR 192", PerformedProcedureStepDescription="Schädel"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_spoiled_message_is_refused_or_done_but_never_a_bug(
    index: Index, steps: PerformedProcedureSteps, data: st.DataObject
) -> None:
    spoiled = bytearray(WHOLE)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(spoiled) - 1))
        spoiled[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=6))
    uid, _ = create(steps)
    before = index.performed_steps.get(uid)
    try:
        recorded = steps.change(uid, bytes(spoiled), data.draw(st.sampled_from([EXPLICIT_LE, IMPLICIT_LE])), CT1)
    except DicomNodeError:
        assert index.performed_steps.get(uid) == before
    else:
        assert index.performed_steps.get(uid).step == recorded.step
        steps.get(uid, (), EXPLICIT_LE)


# -- any sequence of messages ------------------------------------------------------------------------------------------------

TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"], exclude_characters="\\"),
    max_size=12,
)
STATUSES = st.sampled_from(["IN PROGRESS", "COMPLETED", "DISCONTINUED", "SCHEDULED", ""])


class Modality(RuleBasedStateMachine):
    """A node and a small model of it get the same messages."""

    uids = Bundle("uids")

    @initialize()
    def start(self) -> None:
        import tempfile  # noqa: PLC0415 - hypothesis gives no tmp_path to a machine

        self.folder = tempfile.TemporaryDirectory()
        self.index = Index(Path(self.folder.name), IndexSettings(), durability=Durability.FAST)
        self.index.prepare()
        self.steps = PerformedProcedureSteps(self.index, MppsSettings())
        self.model: dict[str, dict[str, str]] = {}

    def teardown(self) -> None:
        if hasattr(self, "index"):
            self.index.close()
            self.folder.cleanup()

    @rule(target=uids, uid=st.integers(1, 4), status=STATUSES, text=TEXTS, has_comment=st.booleans())
    def create(self, uid: int, status: str, text: str, *, has_comment: bool) -> str:
        name = f"1.2.{uid}"
        more = {"CommentsOnThePerformedProcedureStep": text} if has_comment else {}
        data = begun(SpecificCharacterSet="ISO_IR 192", PerformedProcedureStepStatus=status, **more)
        try:
            self.steps.create(name, written(data), EXPLICIT_LE, CT1)
        except DuplicateObjectError:
            assert name in self.model
        except NormalizedError:
            assert status != "IN PROGRESS"
        else:
            assert name not in self.model
            assert status == "IN PROGRESS"
            self.model[name] = {"status": status, "description": ""} | ({"comment": text} if has_comment else {})
        return name

    @rule(
        uid=uids,
        status=STATUSES | st.none(),
        text=TEXTS,
        comment=TEXTS | st.none(),
        series_count=st.integers(0, 2),
        has_end=st.booleans(),
        patient=st.sampled_from(["4711", "other", None]),
    )
    def change(
        self,
        uid: str,
        status: str | None,
        text: str,
        comment: str | None,
        series_count: int,
        patient: str | None,
        *,
        has_end: bool,
    ) -> None:
        end = "20260105" if has_end else None
        made = dataset(
            SpecificCharacterSet="ISO_IR 192",
            PatientID=patient,
            PerformedProcedureStepStatus=status,
            PerformedProcedureStepDescription=text,
            CommentsOnThePerformedProcedureStep=comment,
            PerformedProcedureStepEndDate=end,
            PerformedProcedureStepEndTime="1015" if has_end else None,
            PerformedSeriesSequence=[series(generate_uid()) for _ in range(series_count)] if series_count else None,
        )
        known = self.model.get(uid)
        before = None if known is None else self.index.performed_steps.get(uid)
        try:
            recorded = self.steps.change(uid, written(made), EXPLICIT_LE, CT1)
        except UnknownObjectError:
            assert known is None
        except FinalStateError:
            assert known is not None
            assert known["status"] != "IN PROGRESS"
            assert self.index.performed_steps.get(uid) == before
        except NormalizedError:
            assert known is not None
            is_final = status in ("COMPLETED", "DISCONTINUED")
            lacks = not (has_end or known.get("end")) or not (series_count or known.get("series"))
            assert status in ("SCHEDULED", "") or (is_final and lacks)
            assert self.index.performed_steps.get(uid) == before
        else:
            assert known is not None
            assert known["status"] == "IN PROGRESS"
            may_comment = comment is None or "comment" in known
            assert (0x00400280 in recorded.refused) == (not may_comment)
            assert (0x00100020 in recorded.refused) == (patient == "other")
            known |= {"status": status or known["status"], "description": text}
            known |= {"end": "there"} if has_end else {}
            known |= {"series": "there"} if series_count else {}
            if comment is not None and may_comment:
                known["comment"] = comment

    @invariant()
    def node_has_what_the_model_has(self) -> None:
        if not hasattr(self, "index"):
            return
        kept = {one.sop_instance_uid: one.step for one in self.index.performed_steps.list(StepFilter())}
        assert {uid: step.status for uid, step in kept.items()} == {
            uid: known["status"] for uid, known in self.model.items()
        }
        for uid, known in self.model.items():
            assert kept[uid].text(0x00400254) == known["description"]
            assert kept[uid].text(0x00400280) == known.get("comment", "")
            assert kept[uid].text(0x00100020) == "4711"


TestAnySequenceOfMessages = Modality.TestCase
TestAnySequenceOfMessages.settings = settings(
    max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
