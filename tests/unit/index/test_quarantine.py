"""What was held back, and what people decide about it."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from unit.index.received import (
    OTHER_CONTENT,
    OTHER_PATIENT,
    PATIENT_ID,
    SENDER,
    SERIES,
    STUDY,
    finding,
    received,
    verdict,
)

from dicomnode.errors import NotReleasableError, UnknownInstanceError
from dicomnode.index import Index, OnConflict, Outcome, QuarantineEntry, StudyFilter


def hold_back(index: Index, uid: str = "1.2.840.99.1.1.1", **changes: object) -> QuarantineEntry:
    index.instances.add(received(uid, judged=verdict("patient.id"), **changes), OnConflict())  # type: ignore[arg-type]
    return list(index.quarantine.list())[-1]


def events(folder: Path) -> list[tuple[str, int, str, str, int]]:
    with sqlite3.connect(folder / "index.sqlite") as connection:
        return connection.execute('SELECT kind, instance, "by", reason, at FROM event ORDER BY id').fetchall()


def test_entry_says_what_is_held_back_and_why(index: Index) -> None:
    before = datetime.now(UTC)
    came = received(judged=verdict("patient.id", "pixel.size"))
    index.instances.add(came, OnConflict())
    [entry] = index.quarantine.list()
    assert (entry.sop_instance_uid, entry.sop_class_uid) == (came.sop_instance_uid, came.sop_class_uid)
    assert (entry.study_instance_uid, entry.series_instance_uid) == (STUDY, SERIES)
    assert (entry.calling_ae_title, entry.peer) == (SENDER.calling_ae_title, SENDER.peer)
    assert (entry.location, entry.dataset_size_bytes) == (came.location, 1000)
    assert entry.findings == came.verdict.findings
    assert before <= entry.received_at <= datetime.now(UTC)
    assert index.quarantine.get(entry.id) == entry


def test_lists_all_entries_the_oldest_first(index: Index) -> None:
    for number in range(1203):
        index.instances.add(received(f"1.2.{number}", judged=verdict("patient.id")), OnConflict())
    assert [entry.sop_instance_uid for entry in index.quarantine.list()] == [f"1.2.{number}" for number in range(1203)]


def test_released_instance_is_accepted(index: Index, tmp_path: Path) -> None:
    entry = hold_back(index)
    assert index.quarantine.release(entry.id, reason="trauma", by="anna") == entry
    known = index.instances.known(entry.sop_instance_uid)
    assert known is not None
    assert known.location == entry.location
    [study] = index.studies(StudyFilter())
    assert (study.patient_id, study.modalities, study.instances, study.quarantined) == ("P1", ("CT",), 1, 0)
    [(kind, instance, by, reason, at)] = events(tmp_path)
    assert (kind, instance, by, reason) == ("released", entry.id, "anna", "trauma")
    assert abs(datetime.fromtimestamp(at / 1e6, UTC) - datetime.now(UTC)) < timedelta(minutes=1)


def test_released_instance_is_answered_as_known_when_it_comes_again(index: Index) -> None:
    entry = hold_back(index)
    index.quarantine.release(entry.id, reason="trauma", by="anna")
    again = index.instances.add(received(judged=verdict("patient.id")), OnConflict())
    assert (again.outcome, again.findings) == (Outcome.SAME_CONTENT, entry.findings)


def test_release_is_refused_below_another_patients_study_unless_that_is_wanted(index: Index, tmp_path: Path) -> None:
    index.instances.add(received("1.2.5"), OnConflict())
    entry = hold_back(index, patient={PATIENT_ID: "P2"})
    with pytest.raises(NotReleasableError, match="under another Patient ID"):
        index.quarantine.release(entry.id, reason="typing error at the scanner", by="anna")
    assert (list(index.quarantine.list()), events(tmp_path)) == ([entry], [])
    index.quarantine.release(entry.id, reason="typing error at the scanner", by="anna", under_study_patient=True)
    [study] = index.studies(StudyFilter())
    assert (study.patient_id, study.instances) == ("P1", 2)


def test_release_is_refused_beside_an_accepted_one_with_its_uid(index: Index, tmp_path: Path) -> None:
    index.instances.add(received(content="first"), OnConflict())
    entry = hold_back(index)
    with pytest.raises(UnknownInstanceError, match="another instance with this SOP Instance UID is accepted"):
        index.quarantine.release(entry.id, reason="it is the better one", by="anna")
    assert list(index.quarantine.list()) == [entry]
    assert events(tmp_path) == []


def test_release_may_take_the_place_of_an_accepted_one(index: Index, tmp_path: Path) -> None:
    first = received(content="first")
    index.instances.add(first, OnConflict())
    entry = hold_back(index)
    put_aside = finding("quarantine.replaced")
    index.quarantine.release(entry.id, reason="it is the better one", by="anna", replaces=put_aside)
    known = index.instances.known(entry.sop_instance_uid)
    assert known is not None
    assert known.location == entry.location
    [other] = index.quarantine.list()
    assert (other.location, other.findings) == (first.location, (put_aside,))
    assert [kind for kind, *_ in events(tmp_path)] == ["replaced", "released"]


def test_replaced_instance_can_be_released_with_all_that_it_was_known_by(index: Index) -> None:
    first = received(content="first")
    index.instances.add(first, OnConflict())
    elsewhere = received(content="second", study="1.2.7", series="1.2.7.1")
    index.instances.add(elsewhere, OnConflict(other_content=OTHER_CONTENT, replaces=first.digest))
    [before] = index.studies(StudyFilter())
    assert before.study_instance_uid == "1.2.7"
    [entry] = index.quarantine.list()
    index.quarantine.release(entry.id, reason="back", by="anna", replaces=OTHER_CONTENT)
    [after] = index.studies(StudyFilter())
    assert (after.study_instance_uid, after.patient_name, after.study_date) == (STUDY, "Doe^Jane", "20240131")


def test_discarded_entry_is_gone_and_recorded(index: Index, tmp_path: Path) -> None:
    entry = hold_back(index)
    assert index.quarantine.discard(entry, reason="test images", by="anna").location == entry.location
    assert list(index.quarantine.list()) == []
    assert index.instances.known(entry.sop_instance_uid) is None
    assert [event[:4] for event in events(tmp_path)] == [("discarded", entry.id, "anna", "test images")]


@pytest.mark.parametrize("decide", ["get", "release", "discard"])
def test_decided_entry_is_no_entry(index: Index, decide: str) -> None:
    entry = hold_back(index)
    index.quarantine.discard(entry, reason="test images", by="anna")
    arguments = {} if decide == "get" else {"reason": "again", "by": "anna"}
    with pytest.raises(UnknownInstanceError, match=f"no entry {entry.id} in quarantine"):
        getattr(index.quarantine, decide)(entry if decide == "discard" else entry.id, **arguments)


AMENDED = {"judged": verdict(), "patient": {PATIENT_ID: "P9"}}
FOUND = OnConflict(other_patient=OTHER_PATIENT, other_content=OTHER_CONTENT)


def test_amended_entry_is_what_it_was_changed_to_and_still_held(index: Index, tmp_path: Path) -> None:
    entry = hold_back(index)
    changed = received("1.2.840.77", content="amended", study="1.2.9", **AMENDED)  # type: ignore[arg-type]
    now = index.quarantine.amend(entry, changed, FOUND, reason="typing error", by="anna")
    assert list(index.quarantine.list()) == [now]
    assert (now.id, now.received_at) == (entry.id, entry.received_at)
    assert (now.sop_instance_uid, now.study_instance_uid, now.findings) == ("1.2.840.77", "1.2.9", ())
    assert (now.location, now.digest, now.calling_ae_title) == (
        changed.location,
        changed.digest,
        entry.calling_ae_title,
    )
    with sqlite3.connect(tmp_path / "index.sqlite") as connection:
        [event] = connection.execute('SELECT kind, "by", reason, digest_before, digest_after FROM event').fetchall()
    assert event == ("amended", "anna", "typing error", entry.digest, changed.digest)


def test_amended_entry_is_known_when_it_comes_again_as_it_came_first(index: Index) -> None:
    entry = hold_back(index)
    changed = received(content="amended", judged=verdict())
    index.quarantine.amend(entry, changed, FOUND, reason="typing error", by="anna")
    again = index.quarantine.amend(
        index.quarantine.get(entry.id), received(content="twice", judged=verdict()), FOUND, reason="another", by="anna"
    )
    held = index.instances.held(entry.sop_instance_uid, entry.digest)
    assert held is not None
    assert held.location == again.location
    assert index.instances.add(received(judged=verdict("patient.id")), OnConflict()).outcome is Outcome.SAME_CONTENT
    index.quarantine.release(entry.id, reason="clean", by="anna")
    assert index.instances.add(received(judged=verdict("patient.id")), OnConflict()).outcome is Outcome.SAME_CONTENT


def test_amended_entry_is_held_against_what_is_here(index: Index) -> None:
    index.instances.add(received("1.2.5"), OnConflict())
    entry = hold_back(index)
    now = index.quarantine.amend(
        entry,
        received("1.2.5", content="amended", judged=verdict(), patient={PATIENT_ID: "P2"}),
        FOUND,
        reason="x",
        by="anna",
    )
    assert now.findings == (OTHER_PATIENT, OTHER_CONTENT)


def test_entry_that_was_changed_meanwhile_is_not_amended(index: Index) -> None:
    entry = hold_back(index)
    index.quarantine.amend(entry, received(content="first", judged=verdict()), FOUND, reason="x", by="anna")
    with pytest.raises(UnknownInstanceError, match="changed meanwhile"):
        index.quarantine.amend(entry, received(content="second", judged=verdict()), FOUND, reason="x", by="bert")


@pytest.mark.parametrize("decide", ["amend", "discard"])
def test_entry_whose_lost_file_was_put_back_is_looked_at_again(index: Index, decide: str) -> None:
    """The file that is removed would be the lost one, and the other one nobody's."""
    entry = hold_back(index)
    lost = index.instances.held(entry.sop_instance_uid, entry.digest)
    assert lost is not None
    assert index.instances.relocate(lost, received())
    amended = (received(content="amended", judged=verdict()), FOUND) if decide == "amend" else ()
    with pytest.raises(UnknownInstanceError, match="changed meanwhile"):
        getattr(index.quarantine, decide)(entry, *amended, reason="x", by="anna")
    [still] = index.quarantine.list()
    getattr(index.quarantine, decide)(still, *amended, reason="x", by="anna")


def test_says_what_the_patient_of_its_study_is_known_by(index: Index) -> None:
    entry = hold_back(index, patient={PATIENT_ID: "P2"})
    assert index.quarantine.above(entry) is None
    index.instances.add(received("1.2.5"), OnConflict())
    above = index.quarantine.above(entry)
    assert above is not None
    assert (above.held[0][PATIENT_ID], above.known[0][PATIENT_ID]) == ("P2", "P1")


def test_each_decision_is_recorded_with_the_digest_before_and_after(index: Index, tmp_path: Path) -> None:
    released, discarded = hold_back(index), hold_back(index, "1.2.5", content="other")
    index.quarantine.release(released.id, reason="r", by="b")
    index.quarantine.discard(discarded, reason="r", by="b")
    with sqlite3.connect(tmp_path / "index.sqlite") as connection:
        digests = connection.execute("SELECT digest_before, digest_after FROM event ORDER BY id").fetchall()
    assert digests == [(released.digest, released.digest), (discarded.digest, None)]
