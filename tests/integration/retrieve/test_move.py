"""C-MOVE: whatever the destination does, the counts add up, the rest is sent, and the final status says what happened."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from factories import ct
from integration.retrieve.retrieving import (
    MOVE,
    PENDING,
    Destine,
    Responses,
    Serve,
    events,
    let_go_on_until,
    move,
    read,
    study_identifier,
)
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage, RLELossless
from waiting import wait_for

SUCCESS, SOME_FAILED, ALL_FAILED, CANCEL = 0x0000, 0xB000, 0xA702, 0xFE00


def test_everything_succeeds(serve: Serve, destination: Destine) -> None:
    dest = destination()
    node = serve(dest)
    study, slices = node.fill(5)
    answered = move(node, study, 5)
    assert answered.status == SUCCESS
    assert answered.counts == {"completed": 5, "failed": 0, "warning": 0}
    assert answered.identifier is None
    assert answered.pending
    assert [uid for uid, *_ in dest.received] == [one.SOPInstanceUID for one in slices]
    assert {request.MoveOriginatorApplicationEntityTitle for *_, request in dest.received} == {"PEER"}
    assert {request.MoveOriginatorMessageID for *_, request in dest.received} == {7}


def test_nothing_to_do_is_a_success(serve: Serve, destination: Destine) -> None:
    answered = move(serve(destination()), "1.2.3", 0)
    assert (answered.status, answered.counts, answered.identifier) == (
        SUCCESS,
        {"completed": 0, "failed": 0, "warning": 0},
        None,
    )


def test_refusals_and_warnings_are_told_apart(serve: Serve, destination: Destine, log: list[Any]) -> None:
    dest = destination({1: 0xA700, 2: 0xB000, 4: 0xC123})
    node = serve(dest)
    study, slices = node.fill(6)
    answered = move(node, study, 6)
    assert answered.status == SOME_FAILED
    assert answered.counts == {"completed": 3, "failed": 2, "warning": 1}
    assert answered.failed_uids == [slices[1].SOPInstanceUID, slices[4].SOPInstanceUID]
    assert [line["status"] for line in events(log, "retrieve.failed")] == ["A700", "C123"]


@pytest.mark.parametrize(
    ("answers", "status", "counts"),
    [
        ({0: 0xB007, 1: 0xB007}, SOME_FAILED, {"completed": 0, "failed": 0, "warning": 2}),
        ({0: 0xA900, 1: 0x0110}, ALL_FAILED, {"completed": 0, "failed": 2, "warning": 0}),
        ({0: 0xB000, 1: 0x0122}, SOME_FAILED, {"completed": 0, "failed": 1, "warning": 1}),
    ],
)
def test_final_status(
    serve: Serve, destination: Destine, answers: dict[int, int], status: int, counts: dict[str, int]
) -> None:
    node = serve(destination(answers))
    study, _ = node.fill(2)
    answered = move(node, study, 2)
    assert (answered.status, answered.counts) == (status, counts)
    assert len(answered.failed_uids) == counts["failed"]


@pytest.mark.parametrize("fault", ["abort", "vanish"])
def test_destination_that_is_lost_on_the_way_gets_the_rest_anew(serve: Serve, destination: Destine, fault: str) -> None:
    dest = destination({2: fault})
    node = serve(dest)
    study, slices = node.fill(5)
    answered = move(node, study, 5)
    assert answered.status == SUCCESS
    assert answered.counts == {"completed": 5, "failed": 0, "warning": 0}
    assert dest.associations == 2
    assert {uid for uid, *_ in dest.received} == {one.SOPInstanceUID for one in slices}


def test_destination_that_takes_too_long_costs_the_instance_not_the_rest(serve: Serve, destination: Destine) -> None:
    dest = destination({0: "wait", 1: "wait"})
    node = serve(dest, scu={"answer_timeout_s": 0.3})
    study, _ = node.fill(3)
    answered = move(node, study, 3)
    assert answered.counts["completed"] + answered.counts["failed"] == 3
    assert answered.counts["failed"] >= 1
    assert answered.status in (SOME_FAILED, ALL_FAILED)


def test_requester_hears_of_progress_while_the_destination_thinks(serve: Serve, destination: Destine) -> None:
    dest = destination({0: "wait"})
    node = serve(dest, retrieve={"pending_interval_s": 0.05})
    study, _ = node.fill(2)
    association = node.associate(MOVE)
    responses = association.send_c_move(study_identifier(study), "DEST", MOVE)
    for _ in range(3):
        status, _ = next(responses)
        assert status.Status == PENDING
        assert status.NumberOfRemainingSuboperations == 2
    dest.permits.release()
    assert read(responses, 2).status == SUCCESS
    association.release()


def test_destination_that_is_down_fails_everything(serve: Serve, destination: Destine, log: list[Any]) -> None:
    node = serve(peers={"dest": {"ae_title": "DEST", "host": "127.0.0.1", "port": 1}})
    study, slices = node.fill(3)
    answered = move(node, study, 3)
    assert answered.status == ALL_FAILED
    assert answered.counts == {"completed": 0, "failed": 3, "warning": 0}
    assert sorted(answered.failed_uids) == sorted(one.SOPInstanceUID for one in slices)
    assert all("no connection" in line["reason"] for line in events(log, "retrieve.failed"))


def test_no_context_is_a_failure_of_that_instance(serve: Serve, destination: Destine) -> None:
    node = serve(destination())
    mr = ct(SOPClassUID=MRImageStorage, Modality="MR")
    study, _ = node.fill(2, mr)
    answered = move(node, study, 3)
    assert answered.status == SOME_FAILED
    assert answered.counts == {"completed": 2, "failed": 1, "warning": 0}
    assert answered.failed_uids == [mr.SOPInstanceUID]


def test_cancel_ends_it_after_the_sub_operation_in_progress(serve: Serve, destination: Destine) -> None:
    dest = destination(dict.fromkeys(range(1, 6), "wait"))
    node = serve(dest)
    study, _ = node.fill(6)
    association = node.associate(MOVE)
    responses = association.send_c_move(study_identifier(study), "DEST", MOVE, msg_id=9)
    wait_for(lambda: len(dest.received) == 2)
    association.send_c_cancel(9, query_model=MOVE)
    answered: list[Responses] = []
    reader = threading.Thread(target=lambda: answered.append(read(responses, 6)))
    reader.start()
    let_go_on_until(dest, lambda: not reader.is_alive())
    [final] = answered
    assert final.status == CANCEL
    assert final.counts["remaining"] == 6 - len(dest.received) > 0
    assert sum(final.counts.values()) == 6
    assert not final.identifier
    association.release()


def test_requester_that_aborts_ends_it_after_the_sub_operation_in_progress(
    serve: Serve, destination: Destine, log: list[Any]
) -> None:
    dest = destination(dict.fromkeys(range(1, 6), "wait"))
    node = serve(dest)
    study, _ = node.fill(6)
    association = node.associate(MOVE)
    association.send_c_move(study_identifier(study), "DEST", MOVE)
    wait_for(lambda: len(dest.received) == 2)
    association.abort()
    let_go_on_until(dest, lambda: events(log, "retrieve.completed"))
    [line] = events(log, "retrieve.completed")
    assert (line["completed"], line["failed"], line["status"]) == (len(dest.received), 0, None)
    assert line["remaining"] == 6 - len(dest.received) > 0
    assert "requester" in line["reason"]


def test_several_associations_share_the_work(serve: Serve, destination: Destine) -> None:
    dest = destination({1: 0xA700})
    node = serve(dest, {"parallel_associations": 3})
    study, slices = node.fill(10)
    answered = move(node, study, 10)
    assert answered.status == SOME_FAILED
    assert answered.counts == {"completed": 9, "failed": 1, "warning": 0}
    assert dest.associations == 3
    assert sorted(uid for uid, *_ in dest.received) == sorted(one.SOPInstanceUID for one in slices)
    assert answered.failed_uids == [dest.received[1][0]]


def test_destination_that_takes_fewer_associations_gets_everything_over_those(
    serve: Serve, destination: Destine
) -> None:
    dest = destination(maximum_associations=1)
    node = serve(dest, {"parallel_associations": 3})
    study, _ = node.fill(9)
    answered = move(node, study, 9)
    assert answered.status == SUCCESS
    assert answered.counts == {"completed": 9, "failed": 0, "warning": 0}
    assert len(dest.received) == 9


def test_what_is_stored_in_another_syntax_is_transcoded_for_whom_it_is_needed(
    serve: Serve, destination: Destine
) -> None:
    dest = destination(syntaxes=[ImplicitVRLittleEndian])
    node = serve(dest)
    study, _ = node.fill(1)
    assert move(node, study, 1).status == SUCCESS
    assert [syntax for _, syntax, *_ in dest.received] == [ImplicitVRLittleEndian]


@pytest.mark.parametrize(
    ("taken", "came"),
    [
        ([ExplicitVRLittleEndian, RLELossless], RLELossless),
        ([ExplicitVRLittleEndian], ExplicitVRLittleEndian),
        ([RLELossless], RLELossless),
    ],
)
def test_compresses_for_a_destination_that_wants_it_and_takes_it(
    serve: Serve, destination: Destine, taken: list[str], came: str
) -> None:
    dest = destination(syntaxes=taken)
    node = serve(dest, {"compress": "rle"})
    study, _ = node.fill(2)
    assert move(node, study, 2).status == SUCCESS
    assert [syntax for _, syntax, *_ in dest.received] == [came] * 2


def test_without_transcoding_it_fails(serve: Serve, destination: Destine, log: list[Any]) -> None:
    node = serve(destination(syntaxes=[ImplicitVRLittleEndian]), {"transcode": False})
    study, _ = node.fill(1)
    answered = move(node, study, 1)
    assert (answered.status, answered.counts["failed"]) == (ALL_FAILED, 1)
    assert "Explicit VR Little Endian" in events(log, "retrieve.failed")[0]["reason"]


def test_damaged_file_fails_alone_and_is_an_error(serve: Serve, destination: Destine, log: list[Any]) -> None:
    dest = destination()
    node = serve(dest)
    study, slices = node.fill(3)
    path = node.file_of(slices[1])
    path.write_bytes(path.read_bytes()[:-10])
    answered = move(node, study, 3)
    assert (answered.status, answered.failed_uids) == (SOME_FAILED, [slices[1].SOPInstanceUID])
    [line] = events(log, "retrieve.failed")
    assert (line["log_level"], line["sop_instance_uid"]) == ("error", slices[1].SOPInstanceUID)
    assert len(dest.received) == 2
