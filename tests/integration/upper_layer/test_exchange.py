"""Requests with Identifiers: they come whole, their responses go out, the peer can cancel them; it is stock pynetdicom."""

from __future__ import annotations

import threading
from io import BytesIO
from typing import Any

import pytest
from factories import ct
from integration.upper_layer.stock_peer import FIND, MOVE, associate, identifier
from pydicom import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom.dimse_primitives import C_FIND
from pynetdicom.dsutils import encode
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    PatientRootQueryRetrieveInformationModelFind,
    Verification,
)
from raw_peer import A_ASSOCIATE_AC, COMMAND, LAST, P_DATA_TF, RawPeer, command, pdu, pdv
from waiting import wait_for

from dicomnode.dicom.sub_operations import SubOperations
from dicomnode.upper_layer.faults import Gone
from dicomnode.upper_layer.operations import Exchange, FinalAnswer, IdentifierKind, IdentifierRequest


def encoded(dataset: Dataset) -> bytes:
    data = encode(dataset, False, True)
    assert data is not None
    return data


def numbered(*numbers: int) -> list[bytes]:
    return [encoded(identifier(PatientID=str(number))) for number in numbers]


def patient_ids(answers: list[tuple[Dataset, Dataset | None]]) -> list[str]:
    return [answer.PatientID for _, answer in answers if answer]


def test_request_reaches_the_service_with_all_it_says(listen: Any) -> None:
    got: list[IdentifierRequest] = []

    def serve(request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        got.append(request)
        return FinalAnswer(0x0000)

    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid, extended.service_class_application_information = MOVE, b"\x01\x00\x01"
    association = associate(listen(serve=serve).port, MOVE, FIND, ext_neg=[extended])
    assert association.acceptor.sop_class_extended == {MOVE: b"\x01\x00"}
    asked = identifier(StudyInstanceUID="1.2.3")
    list(association.send_c_find(asked, FIND, msg_id=65535))
    list(association.send_c_move(asked, "DESTINATION", MOVE, msg_id=8))
    association.release()
    find, move = got
    assert (find.kind, find.sop_class_uid, find.message_id) == (IdentifierKind.FIND, FIND, 65535)
    assert (find.identifier, find.transfer_syntax_uid) == (encoded(asked), ExplicitVRLittleEndian)
    assert (find.move_destination, find.extended_negotiation) == ("", b"")
    assert (move.kind, move.message_id, move.move_destination) == (IdentifierKind.MOVE, 8, "DESTINATION")
    assert (move.extended_negotiation, move.sender.calling_ae_title) == (b"\x01\x00", "PEER")


@pytest.mark.parametrize("maximum_length", [0, 64, 200, 16382])
def test_responses_arrive_whatever_length_the_peer_takes(listen: Any, maximum_length: int) -> None:
    large = identifier(PatientID="large", PatientComments="x" * 9000)

    def serve(request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        exchange.matches([*numbered(*range(300)), encoded(large)], status=0xFF01)
        return FinalAnswer(0x0000)

    association = associate(listen(serve=serve).port, FIND, max_pdu=maximum_length)
    answers = list(association.send_c_find(identifier(PatientID=""), FIND))
    association.release()
    assert patient_ids(answers) == [*map(str, range(300)), "large"]
    assert {status.Status for status, _ in answers[:-1]} == {0xFF01}
    assert answers[-1][0].Status == 0x0000


def test_final_answer_says_what_is_wrong(listen: Any) -> None:
    def serve(request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        return FinalAnswer(0xA900, (0x0020000D, 0x00080052), "no such level")

    association = associate(listen(serve=serve).port)
    [(status, answer)] = association.send_c_find(identifier(), FIND)
    association.release()
    assert (status.Status, status.ErrorComment, answer) == (0xA900, "no such level", None)
    assert list(status.OffendingElement) == [0x0020000D, 0x00080052]


def test_counts_of_sub_operations_are_told(listen: Any) -> None:
    failed = Dataset()
    failed.FailedSOPInstanceUIDList = ["1.2", "1.3"]

    def serve(request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        exchange.progress(SubOperations(remaining=70_000, completed=2, failed=1, warning=3))
        return FinalAnswer(0xB000, identifier=encoded(failed), counts=SubOperations(0, 7, 2, 3))

    association = associate(listen(serve=serve).port, MOVE)
    (pending, nothing), (final, uids) = association.send_c_move(identifier(), "DESTINATION", MOVE)
    association.release()
    assert (pending.Status, pending.NumberOfRemainingSuboperations, nothing) == (0xFF00, 65535, None)
    assert (pending.NumberOfCompletedSuboperations, pending.NumberOfFailedSuboperations) == (2, 1)
    assert (final.Status, final.NumberOfWarningSuboperations) == (0xB000, 3)
    assert "NumberOfRemainingSuboperations" not in final
    assert uids is not None
    assert list(uids.FailedSOPInstanceUIDList) == ["1.2", "1.3"]


def test_cancel_stops_its_own_request_and_no_later_one(listen: Any) -> None:
    def serve(request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        for number in range(1_000_000):
            if exchange.is_cancelled():
                return FinalAnswer(0xFE00)
            exchange.matches(numbered(number), status=0xFF00)
            if request.message_id == 6:
                return FinalAnswer(0x0000)
        raise AssertionError("never cancelled")

    association = associate(listen(serve=serve).port)
    responses = association.send_c_find(identifier(), FIND, msg_id=5)
    assert next(responses)[0].Status == 0xFF00
    association.send_c_cancel(5, query_model=FIND)
    assert [status.Status for status, _ in responses][-1] == 0xFE00
    association.send_c_cancel(5, query_model=FIND)  # too late, and about nothing
    association.send_c_cancel(6, query_model=FIND)  # too early
    assert [status.Status for status, _ in association.send_c_find(identifier(), FIND, msg_id=6)] == [0xFF00, 0]
    association.release()


def test_service_hears_that_the_peer_is_gone(listen: Any) -> None:
    heard: list[str] = []

    def serve(request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        try:
            while not exchange.is_cancelled():
                exchange.matches(numbered(1), status=0xFF00)
        except Gone as gone:
            heard.append(str(gone))
            raise
        raise AssertionError("cancelled by nobody")

    node = listen(serve=serve)
    association = associate(node.port)
    next(association.send_c_find(identifier(), FIND))
    association.abort()
    wait_for(lambda: node.acceptor.associations == 0)
    assert len(heard) == 1
    assert str(node.operations.endings[0][0]) in ("aborted by peer", "connection lost")


def test_peer_that_reads_nothing_is_given_up(listen: Any) -> None:
    page = numbered(1) * 10_000

    def serve(request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        while not exchange.is_cancelled():
            exchange.matches(page, status=0xFF00)
        raise AssertionError("cancelled by nobody")

    node = listen(serve=serve, send_timeout_s=0.2)
    request = command(AffectedSOPClassUID=FIND, CommandField=0x0020, MessageID=1, Priority=0, CommandDataSetType=1)
    with RawPeer(node.port) as sleeper:
        assert sleeper.associate(contexts=((FIND, (ExplicitVRLittleEndian,)),)) == A_ASSOCIATE_AC
        sleeper.send(pdu(P_DATA_TF, pdv(1, COMMAND | LAST, request) + pdv(1, LAST, encoded(identifier()))))
        wait_for(lambda: node.operations.endings)
    ending, reason = node.operations.endings[0]
    assert (str(ending), "take an answer" in reason) == ("aborted by us", True)


def test_bug_in_a_service_costs_the_operation_not_the_association(listen: Any) -> None:
    def serve(request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        raise ZeroDivisionError

    association = associate(listen(serve=serve).port, FIND, Verification)
    [(status, _)] = association.send_c_find(identifier(), FIND)
    assert status.Status == 0xC000
    assert association.send_c_echo().Status == 0
    association.release()


def test_request_without_identifier_is_refused(listen: Any) -> None:
    node = listen()
    association = associate(node.port)
    request = find_request(3)
    request.Identifier = None
    association._reactor_checkpoint.clear()
    wait_for(lambda: association._is_paused)
    association.dimse.send_msg(request, 1)
    _, response = association.dimse.get_msg(block=True)
    assert response is not None
    assert response.Status == 0x0212
    association._reactor_checkpoint.set()
    association.release()


def test_identifier_past_the_limit_ends_the_association(listen: Any) -> None:
    node = listen(maximum_message_mb=1)
    association = associate(node.port)
    list(association.send_c_find(identifier(TextValue="x" * (1024 * 1024)), FIND))
    wait_for(lambda: node.acceptor.associations == 0)
    assert "MiB" in node.operations.endings[0][1]
    association.kill()


def test_requests_sent_ahead_are_answered_in_their_order(listen: Any) -> None:
    all_sent = threading.Event()
    order: list[int] = []

    def serve(request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        assert all_sent.wait(20)
        while request.message_id == 1 and not exchange.is_cancelled():
            pass
        order.append(request.message_id)
        return FinalAnswer(0xFE00 if exchange.is_cancelled() else 0x0000)

    node = listen(serve=serve)
    association = associate(node.port, FIND, PatientRootQueryRetrieveInformationModelFind)
    association._reactor_checkpoint.clear()
    wait_for(lambda: association._is_paused)
    for number in (1, 2, 3):
        association.dimse.send_msg(find_request(number), 1)
    association._reactor_checkpoint.set()
    association.send_c_cancel(3, query_model=FIND)
    association.send_c_cancel(1, query_model=FIND)
    association._reactor_checkpoint.clear()
    wait_for(lambda: association._is_paused)
    all_sent.set()
    answers = [association.dimse.get_msg(block=True)[1] for _ in range(3)]
    assert [(answer.MessageIDBeingRespondedTo, answer.Status) for answer in answers if answer] == [
        (1, 0xFE00),
        (2, 0x0000),
        (3, 0xFE00),
    ]
    assert order == [1, 2, 3]
    association._reactor_checkpoint.set()
    association.release()


def test_instances_go_on_beside_queries(listen: Any) -> None:
    def serve(request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        exchange.matches([request.identifier], status=0xFF00)
        return FinalAnswer(0x0000)

    node = listen(serve=serve)
    association = associate(node.port, CTImageStorage, FIND, Verification)
    for number in range(5):
        assert association.send_c_store(ct()).Status == 0
        answers = list(association.send_c_find(identifier(PatientID=str(number)), FIND))
        assert patient_ids(answers) == [str(number)]
        assert association.send_c_echo().Status == 0
    association.release()
    assert len(node.operations.stored) == 5


def find_request(message_id: int) -> C_FIND:
    request = C_FIND()
    request.MessageID, request.AffectedSOPClassUID, request.Priority = message_id, FIND, 2
    request.Identifier = BytesIO(encoded(identifier(PatientID="")))
    return request
