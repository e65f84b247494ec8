"""What becomes of an instance, by what it meets in the index."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest
from unit.index.received import (
    OTHER_CONTENT,
    OTHER_PATIENT,
    PATIENT_ID,
    PATIENT_NAME,
    received,
    request,
    verdict,
)

from dicomnode.dicom.instance import Severity, State
from dicomnode.errors import IndexUnavailableError
from dicomnode.index import Index, OnConflict, Outcome, StudyFilter

REPORT = OnConflict()


def counts(index: Index) -> tuple[int, int, int]:
    """Accepted, quarantined, refused."""
    held = index.summary()
    return held.instances, held.quarantined, held.refused


def test_stored_instance_is_known(index: Index) -> None:
    came = received(judged=verdict("dates.order", severity=Severity.WARN))
    added = index.instances.add(came, REPORT)
    assert (added.outcome, added.findings, added.existing) == (Outcome.STORED, came.verdict.findings, None)
    known = index.instances.known(came.sop_instance_uid)
    assert known is not None
    assert (known.state, known.location, known.digest) == (State.ACCEPTED, came.location, came.digest)
    assert (known.dataset_offset, known.dataset_size_bytes) == (300, 1000)
    assert known.transfer_syntax_uid == came.transfer_syntax_uid
    assert known.findings == came.verdict.findings


def test_unknown_instance_is_not_known(index: Index) -> None:
    assert index.instances.known("1.2.3") is None


def test_same_content_again_makes_no_second_row(index: Index) -> None:
    first = received(judged=verdict("dates.order", severity=Severity.WARN))
    index.instances.add(first, REPORT)
    again = index.instances.add(received(), REPORT)
    assert again.outcome is Outcome.SAME_CONTENT
    assert again.findings == first.verdict.findings
    assert again.existing is not None
    assert again.existing.location == first.location
    assert counts(index) == (1, 0, 0)


def test_quarantined_instance_is_not_known_and_in_no_study(index: Index) -> None:
    came = received(judged=verdict("patient.id"))
    assert index.instances.add(came, REPORT).outcome is Outcome.QUARANTINED
    assert index.instances.known(came.sop_instance_uid) is None
    assert list(index.studies(StudyFilter())) == []
    assert counts(index) == (0, 1, 0)


def test_retry_of_a_quarantined_instance_is_answered_as_the_first_time(index: Index) -> None:
    index.instances.add(received(judged=verdict("patient.id")), REPORT)
    again = index.instances.add(received(judged=verdict("pixel.size")), REPORT)
    assert again.outcome is Outcome.SAME_CONTENT
    assert again.existing is not None
    assert again.existing.state is State.QUARANTINED
    assert [one.rule for one in again.findings] == ["patient.id"]
    assert counts(index) == (0, 1, 0)


def test_quarantined_instance_stays_so_when_it_comes_with_a_better_verdict(index: Index) -> None:
    index.instances.add(received(judged=verdict("patient.id")), REPORT)
    assert index.instances.add(received(), REPORT).outcome is Outcome.SAME_CONTENT
    assert counts(index) == (0, 1, 0)


def test_accepted_instance_stays_so_when_it_comes_with_a_worse_verdict(index: Index) -> None:
    index.instances.add(received(), REPORT)
    again = index.instances.add(received(judged=verdict("patient.id")), REPORT)
    assert (again.outcome, again.findings) == (Outcome.SAME_CONTENT, ())
    assert counts(index) == (1, 0, 0)


def test_discarded_instance_may_come_again(index: Index) -> None:
    index.instances.add(received(judged=verdict("patient.id")), REPORT)
    [entry] = index.quarantine.list()
    index.quarantine.discard(entry, reason="test images", by="anna")
    assert index.instances.add(received(judged=verdict("patient.id")), REPORT).outcome is Outcome.QUARANTINED
    assert index.instances.add(received("1.2.5"), REPORT).outcome is Outcome.STORED


def test_other_content_is_reported_when_the_caller_asks_for_no_more(index: Index) -> None:
    first = received()
    index.instances.add(first, REPORT)
    added = index.instances.add(received(content="other"), REPORT)
    assert added.outcome is Outcome.OTHER_CONTENT
    assert added.existing is not None
    assert added.existing.digest == first.digest
    assert counts(index) == (1, 0, 0)


def test_other_content_goes_to_quarantine(index: Index) -> None:
    first = received()
    index.instances.add(first, REPORT)
    aside = OnConflict(other_content=OTHER_CONTENT, compared_with=first.digest)
    newcomer = received(content="other", judged=verdict("dates.order", severity=Severity.WARN))
    added = index.instances.add(newcomer, aside)
    assert added.outcome is Outcome.QUARANTINED
    assert added.findings == (*newcomer.verdict.findings, OTHER_CONTENT)
    assert index.instances.add(newcomer._replace(location="abc/1/retry.dcm"), aside).outcome is Outcome.SAME_CONTENT
    known = index.instances.known(first.sop_instance_uid)
    assert known is not None
    assert known.digest == first.digest
    assert counts(index) == (1, 1, 0)


def test_other_content_takes_the_place(index: Index) -> None:
    first, newcomer = received(), received(content="other", size_bytes=70)
    index.instances.add(first, REPORT)
    added = index.instances.add(newcomer, OnConflict(other_content=OTHER_CONTENT, replaces=first.digest))
    assert added.outcome is Outcome.STORED
    known = index.instances.known(first.sop_instance_uid)
    assert known is not None
    assert known.location == newcomer.location
    [entry] = index.quarantine.list()
    assert entry.location == first.location
    assert entry.findings == (OTHER_CONTENT,)
    [study] = index.studies(StudyFilter())
    assert (study.instances, study.size_bytes, study.quarantined) == (1, 70, 1)


def test_replaced_content_does_not_come_back_by_a_late_retry(index: Index) -> None:
    first, second = received(), received(content="second")
    index.instances.add(first, REPORT)
    index.instances.add(second, OnConflict(other_content=OTHER_CONTENT, replaces=first.digest))
    late = first._replace(location="abc/1/late.dcm")
    added = index.instances.add(late, OnConflict(other_content=OTHER_CONTENT, replaces=second.digest))
    assert (added.outcome, added.findings) == (Outcome.SAME_CONTENT, (OTHER_CONTENT,))
    assert counts(index) == (1, 1, 0)


@pytest.mark.parametrize("field", ["replaces", "compared_with"])
def test_what_was_decided_about_another_content_is_not_done(index: Index, field: str) -> None:
    first = received()
    index.instances.add(first, REPORT)
    stale = OnConflict(other_content=OTHER_CONTENT, **{field: received(content="gone by now").digest})
    added = index.instances.add(received(content="other"), stale)
    assert added.outcome is Outcome.OTHER_CONTENT
    assert added.existing is not None
    assert added.existing.digest == first.digest
    assert counts(index) == (1, 0, 0)


def test_study_under_another_patient(index: Index) -> None:
    index.instances.add(received(), REPORT)
    newcomer = received("1.2.840.99.1.1.2", patient={PATIENT_ID: "P2"})
    added = index.instances.add(newcomer, OnConflict(other_patient=OTHER_PATIENT))
    assert (added.outcome, added.findings) == (Outcome.QUARANTINED, (OTHER_PATIENT,))
    assert index.summary().patients == 1


def test_study_under_another_patient_is_accepted_when_no_rule_is_against_it(index: Index) -> None:
    index.instances.add(received(patient={PATIENT_ID: "P1"}), REPORT)
    index.instances.add(received("1.2.840.99.1.1.2", patient={PATIENT_ID: "P2", PATIENT_NAME: "Roe"}), REPORT)
    [study] = index.studies(StudyFilter())
    assert (study.patient_id, study.patient_name, study.instances) == ("P1", "", 2)


def test_newcomer_of_another_patient_replaces_nothing(index: Index) -> None:
    first = received()
    index.instances.add(first, REPORT)
    newcomer = received(content="other", patient={PATIENT_ID: "P2"})
    on_conflict = OnConflict(OTHER_PATIENT, OTHER_CONTENT, replaces=first.digest)
    assert index.instances.add(newcomer, on_conflict).findings == (OTHER_PATIENT,)
    known = index.instances.known(first.sop_instance_uid)
    assert known is not None
    assert known.digest == first.digest


def test_two_rows_never_speak_of_one_file(index: Index) -> None:
    index.instances.add(received(location="abc/1/a.dcm"), REPORT)
    with pytest.raises(IndexUnavailableError) as refused:
        index.instances.add(received("1.2.5", location="abc/1/a.dcm"), REPORT)
    assert refused.value.rolled_back
    assert counts(index) == (1, 0, 0)


def test_location_counts_as_long_as_the_node_holds_the_instance(index: Index) -> None:
    accepted, held_back = received(), received("1.2.5", judged=verdict("patient.id"))
    for came in (accepted, held_back):
        assert not index.instances.has_location(came.location)
        index.instances.add(came, REPORT)
        assert index.instances.has_location(came.location)
    [entry] = index.quarantine.list()
    index.quarantine.discard(entry, reason="test images", by="anna")
    assert not index.instances.has_location(held_back.location)


def test_refusal_is_recorded(index: Index) -> None:
    refused = verdict("core.uids", severity=Severity.REJECT)
    index.refusals.record(request("1" * 200), ("", "", ""), refused, datetime.now(UTC))
    index.refusals.record(request("1" * 200), ("", "", ""), refused, datetime.now(UTC))
    assert counts(index) == (0, 0, 2)
    assert index.instances.known("1" * 64) is None


def test_text_of_any_script_and_length_is_kept(index: Index) -> None:
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう" + "x" * 50_000
    index.instances.add(received(patient={PATIENT_ID: "P1", PATIENT_NAME: name}), REPORT)
    [study] = index.studies(StudyFilter(patient_name="yamada^tarou=山田^*"))
    assert study.patient_name == name


def test_threads_that_bring_one_new_study_make_one_row_each(index: Index) -> None:
    barrier = threading.Barrier(8)

    def send(sender: int) -> list[Outcome]:
        barrier.wait()
        return [index.instances.add(received(f"1.2.{number}"), REPORT).outcome for number in range(50)]

    with ThreadPoolExecutor(8) as pool:
        outcomes = [outcome for each in pool.map(send, range(8)) for outcome in each]
    assert outcomes.count(Outcome.STORED) == 50
    assert outcomes.count(Outcome.SAME_CONTENT) == 350
    held = index.summary()
    assert (held.patients, held.studies, held.series, held.instances) == (1, 1, 1, 50)


def test_of_two_patients_that_race_for_one_study_one_wins(index: Index) -> None:
    barrier = threading.Barrier(2)

    def send(study: int, patient: str) -> Outcome:
        barrier.wait()
        came = received(f"1.2.{study}.{patient}", study=f"1.2.{study}", patient={PATIENT_ID: patient})
        return index.instances.add(came, OnConflict(other_patient=OTHER_PATIENT)).outcome

    with ThreadPoolExecutor(2) as pool:
        for study in range(50):
            outcomes = pool.map(send, (study, study), ("1", "2"))
            assert sorted(outcome.name for outcome in outcomes) == ["QUARANTINED", "STORED"]
    assert counts(index) == (50, 50, 0)


def test_row_whose_file_was_lost_speaks_of_the_one_that_came_again(index: Index) -> None:
    first, again = received(), received()
    index.instances.add(first, REPORT)
    lost = index.instances.known(first.sop_instance_uid)
    assert lost is not None
    assert index.instances.relocate(lost, again)
    known = index.instances.known(first.sop_instance_uid)
    assert known is not None
    assert known.location == again.location
    assert index.instances.has_location(again.location)
    assert not index.instances.has_location(first.location)


def test_row_that_has_changed_meanwhile_is_left_alone(index: Index) -> None:
    first, again, late = received(), received(), received()
    index.instances.add(first, REPORT)
    lost = index.instances.known(first.sop_instance_uid)
    assert lost is not None
    index.instances.relocate(lost, again)
    assert not index.instances.relocate(lost, late)
    assert index.instances.has_location(again.location)
