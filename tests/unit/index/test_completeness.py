"""When a study is complete, and which instances it lacks."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from modality import EXPLICIT_LE, begun, dataset, ended, scheduled, series, written
from unit.index.received import STUDY, received, verdict

from dicomnode.dicom.peer import Sender
from dicomnode.index import Index, OnConflict
from dicomnode.index.completeness import Waiting
from dicomnode.index.growth import CompleteStudy, Source, announce_committed
from dicomnode.services.mpps import MppsSettings, PerformedProcedureSteps

LONG, NONE = timedelta(hours=1), timedelta(microseconds=-1)
"""More silence than a test has; and as much as there always is."""
CT1 = Sender("CT1", "DICOMNODE", "127.0.0.1", "ct1")
OTHER = "1.2.840.99.2"


def store(index: Index, *uids: str, study: str = STUDY) -> None:
    for uid in uids:
        index.instances.add(received(uid, study=study), OnConflict())


def steps_of(index: Index) -> PerformedProcedureSteps:
    return PerformedProcedureSteps(index, MppsSettings())


def begin(index: Index, *studies: str) -> str:
    items = [scheduled(study) for study in studies or (STUDY,)]
    uid, _ = steps_of(index).create("", written(begun(*items)), EXPLICIT_LE, CT1)
    return uid


def end(index: Index, uid: str, *instances: str, status: str = "COMPLETED") -> tuple[CompleteStudy, ...]:
    return steps_of(index).change(uid, written(ended(*instances, status=status)), EXPLICIT_LE, CT1).complete


def commit(index: Index, *instances: str) -> list[CompleteStudy]:
    return index._writer.run(lambda connection: announce_committed(connection, instances))


def told(studies: Sequence[CompleteStudy]) -> list[tuple[str, int, str, int]]:
    return [(one.study_instance_uid, one.round, str(one.source), one.instances) for one in studies]


def waiting(index: Index) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(one.study_instance_uid, str(one.waits_for), one.missing) for one in index.completeness.incomplete()]


# -- silence -------------------------------------------------------------------------------------------------------------


def test_study_is_complete_after_silence_once(index: Index) -> None:
    store(index, "1.1", "1.2")
    assert index.completeness.look(LONG) == []
    assert waiting(index) == [(STUDY, "silence", ())]
    assert told(index.completeness.look(NONE)) == [(STUDY, 1, "silence", 2)]
    assert index.completeness.look(NONE) == []
    assert waiting(index) == []


def test_study_that_grows_again_is_complete_again(index: Index) -> None:
    store(index, "1.1")
    index.completeness.look(NONE)
    store(index, "1.1", "1.2")
    assert told(index.completeness.look(NONE)) == [(STUDY, 2, "silence", 2)]
    assert [source for _, source in index.completeness.rounds(STUDY)] == [Source.SILENCE] * 2


def test_instance_that_is_here_already_does_not_make_it_grow(index: Index) -> None:
    store(index, "1.1")
    index.completeness.look(NONE)
    store(index, "1.1")
    assert index.completeness.look(NONE) == []


def test_quarantined_instance_counts(index: Index) -> None:
    index.instances.add(received("1.1", judged=verdict("core.patient-id")), OnConflict())
    assert told(index.completeness.look(NONE)) == [(STUDY, 1, "silence", 1)]


def test_completion_is_owed_in_its_transaction(index: Index) -> None:
    store(index, "1.1")
    index.completeness.look(NONE)
    [owed] = index.outbox.list()
    assert (owed.kind, owed.key) == ("study-complete", STUDY)
    assert owed.payload == {"study_instance_uid": STUDY, "round": 1, "source": "silence", "instances": 1, "missing": 0}


def test_one_of_many_processes_tells_it(index: Index, open_index: Callable[..., Index]) -> None:
    others = [open_index() for _ in range(4)]
    store(index, "1.1")
    found: list[CompleteStudy] = []
    start = threading.Barrier(len(others))

    def look(other: Index) -> None:
        start.wait()
        found.extend(other.completeness.look(NONE))

    threads = [threading.Thread(target=look, args=(other,)) for other in others]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told(found) == [(STUDY, 1, "silence", 1)]
    assert len(list(index.outbox.list())) == 1


# -- performed procedure steps -------------------------------------------------------------------------------------------


def test_step_in_progress_keeps_the_study_open(index: Index) -> None:
    begin(index)
    store(index, "1.1")
    assert index.completeness.look(NONE) == []
    assert waiting(index) == [(STUDY, "performed-step", ())]


def test_study_is_complete_when_its_step_ends_and_all_is_here(index: Index) -> None:
    uid = begin(index)
    store(index, "1.1", "1.2")
    assert told(end(index, uid, "1.1", "1.2")) == [(STUDY, 1, "performed-step", 2)]
    assert index.completeness.look(NONE) == []


@pytest.mark.parametrize("status", ["COMPLETED", "DISCONTINUED"])
def test_missing_instances_are_named_until_the_last_one_comes(index: Index, status: str) -> None:
    uid = begin(index)
    store(index, "1.1")
    assert end(index, uid, "1.1", "1.2", "1.3", status=status) == ()
    assert index.completeness.look(NONE) == []
    assert waiting(index) == [(STUDY, "instances", ("1.2", "1.3"))]
    store(index, "1.3")
    assert index.completeness.look(NONE) == []
    assert waiting(index) == [(STUDY, "instances", ("1.2",))]
    store(index, "1.2")
    assert told(index.completeness.look(LONG)) == [(STUDY, 1, "performed-step", 3)]


def test_study_whose_step_ended_before_anything_came(index: Index) -> None:
    assert end(index, begin(index), "1.1", "1.2") == ()
    [one] = index.completeness.incomplete()
    assert (one.waits_for, one.last_received_at, one.announced, one.missing) == (
        Waiting.INSTANCES,
        None,
        2,
        ("1.1", "1.2"),
    )
    store(index, "1.1", "1.2")
    assert told(index.completeness.look(LONG)) == [(STUDY, 1, "performed-step", 2)]


def test_second_step_in_progress_keeps_the_study_open(index: Index) -> None:
    first, second = begin(index), begin(index)
    store(index, "1.1")
    assert end(index, first, "1.1") == ()
    assert index.completeness.look(NONE) == []
    assert told(end(index, second, "1.1")) == [(STUDY, 1, "performed-step", 1)]


def test_step_that_made_nothing_leaves_it_to_silence(index: Index) -> None:
    uid = begin(index)
    store(index, "1.1")
    assert end(index, uid, status="DISCONTINUED") == ()
    assert index.completeness.look(LONG) == []
    assert told(index.completeness.look(NONE)) == [(STUDY, 1, "silence", 1)]


def test_step_of_a_study_that_nothing_is_here_of_completes_nothing(index: Index) -> None:
    assert end(index, begin(index), status="DISCONTINUED") == ()
    assert index.completeness.look(NONE) == []
    assert waiting(index) == []


def test_step_that_ends_after_the_study_was_complete_tells_nothing_new(index: Index) -> None:
    store(index, "1.1")
    index.completeness.look(NONE)
    assert end(index, begin(index), "1.1") == ()
    assert index.completeness.look(NONE) == []


def test_step_for_two_studies_completes_the_one_that_the_instances_are_in(index: Index) -> None:
    uid = begin(index, STUDY, OTHER)
    assert end(index, uid, "1.1") == ()
    assert waiting(index) == [(STUDY, "instances", ("1.1",)), (OTHER, "instances", ("1.1",))]
    store(index, "1.1")
    assert told(index.completeness.look(LONG)) == [(STUDY, 1, "performed-step", 1)]
    assert waiting(index) == []


def test_first_step_in_progress_for_another_study_does_not_matter(index: Index) -> None:
    begin(index, OTHER)
    store(index, "1.1")
    assert told(index.completeness.look(NONE)) == [(STUDY, 1, "silence", 1)]


def test_instances_of_every_series_and_kind_are_expected(index: Index) -> None:
    not_images = [dataset(ReferencedSOPClassUID="1.2", ReferencedSOPInstanceUID="1.9")]
    made = [series("1.1"), series("1.2", ReferencedNonImageCompositeSOPInstanceSequence=not_images)]
    steps_of(index).change(begin(index), written(ended(PerformedSeriesSequence=made)), EXPLICIT_LE, CT1)
    assert waiting(index) == [(STUDY, "instances", ("1.1", "1.2", "1.9"))]


# -- what never comes ----------------------------------------------------------------------------------------------------


def test_what_never_comes_is_given_up_and_still_named(index: Index) -> None:
    uid = begin(index)
    store(index, "1.1")
    end(index, uid, "1.1", "1.2")
    assert index.completeness.look(LONG, LONG) == []
    [complete] = index.completeness.look(LONG, NONE)
    assert (complete.source, complete.instances, complete.missing) == (Source.SILENCE, 1, 1)
    assert index.completeness.look(LONG, NONE) == []
    assert waiting(index) == [(STUDY, "nothing", ("1.2",))]


def test_given_up_instance_that_comes_after_all_completes_the_study_again(index: Index) -> None:
    uid = begin(index)
    store(index, "1.1")
    end(index, uid, "1.1", "1.2")
    index.completeness.look(LONG, NONE)
    store(index, "1.2")
    assert told(index.completeness.look(LONG)) == [(STUDY, 2, "performed-step", 2)]
    assert waiting(index) == []


def test_study_that_nothing_is_here_of_is_never_given_up(index: Index) -> None:
    end(index, begin(index), "1.1")
    assert index.completeness.look(NONE, NONE) == []
    assert waiting(index) == [(STUDY, "instances", ("1.1",))]


# -- commitment ----------------------------------------------------------------------------------------------------------


def test_commitment_of_all_that_is_here_completes_the_study(index: Index) -> None:
    store(index, "1.1", "1.2")
    assert told(commit(index, "1.1", "1.2")) == [(STUDY, 1, "commitment", 2)]


def test_commitment_of_a_part_leaves_it_to_silence(index: Index) -> None:
    store(index, "1.1", "1.2")
    assert commit(index, "1.1") == []
    assert index.completeness.look(LONG) == []
    assert told(index.completeness.look(NONE)) == [(STUDY, 1, "silence", 2)]


def test_what_a_commitment_lists_and_is_not_here_is_missing(index: Index) -> None:
    store(index, "1.1")
    assert commit(index, "1.1", "1.2") == []
    assert index.completeness.look(NONE) == []
    assert waiting(index) == [(STUDY, "instances", ("1.2",))]
    store(index, "1.2")
    assert told(index.completeness.look(LONG)) == [(STUDY, 1, "commitment", 2)]


def test_commitment_over_several_studies_says_of_none_what_it_lacks(index: Index) -> None:
    store(index, "1.1")
    store(index, "2.1", study=OTHER)
    assert sorted(told(commit(index, "1.1", "2.1", "9.9"))) == [
        (STUDY, 1, "commitment", 1),
        (OTHER, 1, "commitment", 1),
    ]


def test_commitment_of_what_nobody_knows_says_nothing(index: Index) -> None:
    assert commit(index, "9.9") == []
    assert waiting(index) == []


def test_step_goes_before_commitment(index: Index) -> None:
    uid = begin(index)
    store(index, "1.1")
    assert commit(index, "1.1") == []
    assert end(index, uid, "1.1", "1.2") == ()
    store(index, "1.2")
    assert told(index.completeness.look(LONG)) == [(STUDY, 1, "performed-step", 2)]


def test_commitment_does_not_overrule_a_step_that_ended(index: Index) -> None:
    assert end(index, begin(index), "1.1", "1.2") == ()
    store(index, "1.1")
    assert commit(index, "1.1") == []
    assert waiting(index) == [(STUDY, "instances", ("1.2",))]


# -- many ----------------------------------------------------------------------------------------------------------------


def test_more_instances_than_one_look_takes(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicomnode.index.growth._LOOKED_AT", 2)
    store(index, *(f"1.{number}" for number in range(5)))
    assert told(index.completeness.look(NONE)) == [(STUDY, 1, "silence", 5)]
    assert index.completeness.look(NONE) == []
