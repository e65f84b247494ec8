"""What pynetdicom provides and we do not replace works over the pulled upper layer; the peer is stock pynetdicom."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from factories import ct
from integration.upper_layer.stock_peer import COMMITMENT, MPPS, associate, identifier
from pydicom import Dataset
from pydicom.tag import Tag
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.dsutils import encode
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SOPClassCommonExtendedNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    Verification,
)
from waiting import wait_for

from dicomnode.upper_layer.operations import NormalizedAnswer, NormalizedRequest, Reporter

INSTANCE = "1.2.840.10008.1.20.1.1"


# -- the hot messages ------------------------------------------------------------------------------------------------


def test_echo_is_answered(listen: Any) -> None:
    node = listen()
    association = associate(node.port, Verification)
    assert association.send_c_echo().Status == 0
    association.release()
    wait_for(lambda: node.operations.endings)
    assert str(node.operations.endings[0][0]) == "released"


def test_instance_arrives_byte_for_byte(listen: Any) -> None:
    node = listen()
    association = associate(node.port, CTImageStorage)
    instance = ct(rows=512, columns=512)
    assert association.send_c_store(instance, originator_aet="MOVER", originator_id=7).Status == 0
    association.release()
    request, data = node.operations.stored[0]
    assert (request.sop_instance_uid, request.sop_class_uid) == (instance.SOPInstanceUID, CTImageStorage)
    assert (request.move_originator_ae_title, request.move_originator_message_id) == ("MOVER", 7)
    assert instance.PixelData in data


# -- N-services --------------------------------------------------------------------------------------------------------


def test_normalized_requests_reach_their_service_as_they_came(listen: Any) -> None:
    node = listen()
    asked = node.operations.asked
    association = associate(node.port, MPPS)
    created, changed = generate_uid(), generate_uid()
    step = identifier(PerformedProcedureStepStatus="IN PROGRESS")
    assert association.send_n_create(step, MPPS, created)[0].Status == 0
    assert association.send_n_set(step, MPPS, changed)[0].Status == 0
    assert association.send_n_get([Tag(0x0040, 0x0252), Tag(0x0008, 0x0060)], MPPS, changed)[0].Status == 0
    assert association.send_n_action(step, 7, MPPS, changed)[0].Status == 0
    assert association.send_n_delete(MPPS, changed).Status == 0
    association.release()
    assert [str(request.kind) for request in asked] == ["N-CREATE", "N-SET", "N-GET", "N-ACTION", "N-DELETE"]
    assert {request.sop_class_uid for request in asked} == {MPPS}
    assert [request.sop_instance_uid for request in asked] == [created, *[changed] * 4]
    assert [bool(request.dataset) for request in asked] == [True, True, False, True, False]
    assert asked[2].attributes == (0x00400252, 0x00080060)
    assert [request.type_id for request in asked] == [None, None, None, 7, None]


def test_response_says_what_the_service_says(listen: Any) -> None:
    node = listen()
    heard: list[Dataset] = []
    hear = (evt.EVT_DIMSE_RECV, lambda event: heard.append(event.message.command_set))
    association = associate(node.port, MPPS, evt_handlers=[hear])
    uid = generate_uid()
    node.operations.answer = lambda _: NormalizedAnswer(0x0110, comment="x" * 80, error_id=0xA710)
    answered, _ = association.send_n_set(identifier(), MPPS, uid)
    assert (answered.Status, answered.ErrorComment, answered.ErrorID) == (0x0110, "x" * 64, 0xA710)
    node.operations.answer = lambda _: NormalizedAnswer(0x0120, offending_elements=(0x00400253,), comment="not told")
    association.send_n_create(identifier(), MPPS, uid)
    assert (heard[-1].Status, heard[-1].AttributeIdentifierList) == (0x0120, 0x00400253)
    assert "ErrorComment" not in heard[-1]  # this status has none (PS3.7 Annex C)
    assigned = generate_uid()
    node.operations.answer = lambda _: NormalizedAnswer(0, sop_instance_uid=assigned)
    association.send_n_create(identifier(), MPPS, None)
    assert heard[-1].AffectedSOPInstanceUID == assigned
    node.operations.answer = lambda request: NormalizedAnswer(0, dataset=step)
    step = encode(identifier(PerformedProcedureStepStatus="COMPLETED"), is_implicit_vr=False, is_little_endian=True)
    _, got = association.send_n_get([Tag(0x0040, 0x0252)], MPPS, uid)
    assert got.PerformedProcedureStepStatus == "COMPLETED"
    association.release()


def test_service_that_fails_costs_its_operation_only(listen: Any) -> None:
    node = listen()
    association = associate(node.port, MPPS)

    def fail(request: NormalizedRequest) -> NormalizedAnswer:
        raise ValueError(request.kind)

    node.operations.answer = fail
    assert association.send_n_delete(MPPS, generate_uid()).Status == 0x0110
    node.operations.answer = lambda _: NormalizedAnswer(0)
    assert association.send_n_delete(MPPS, generate_uid()).Status == 0
    association.release()


def test_report_follows_its_answer_over_the_same_association(listen: Any) -> None:
    reported: list[tuple[int, str]] = []
    answered: list[int | None] = []
    uid = generate_uid()
    information = encode(identifier(TransactionUID=uid), is_implicit_vr=False, is_little_endian=True)

    def on_report(event: evt.Event) -> tuple[int, None]:
        reported.append((event.event_type, event.event_information.TransactionUID))
        return 0x0112, None

    node = listen()
    node.operations.answer = lambda _: NormalizedAnswer(
        0, afterwards=lambda reporter: answered.append(reporter.report(COMMITMENT, INSTANCE, 2, information))
    )
    association = associate(node.port, COMMITMENT, Verification, evt_handlers=[(evt.EVT_N_EVENT_REPORT, on_report)])
    status, _ = association.send_n_action(identifier(TransactionUID=uid), 1, COMMITMENT, INSTANCE)
    assert status.Status == 0
    wait_for(lambda: answered)
    assert (reported, answered) == ([(2, uid)], [0x0112])
    assert association.send_c_echo().Status == 0
    association.release()


def test_report_goes_in_the_context_of_its_request(listen: Any) -> None:
    """It is encoded as the request was: in another context of that class the peer might read it in another transfer syntax."""
    reported: list[tuple[int, str]] = []
    uid = generate_uid()
    information = encode(identifier(TransactionUID=uid), is_implicit_vr=False, is_little_endian=True)

    def on_report(event: evt.Event) -> tuple[int, None]:
        reported.append((event.context.context_id, event.event_information.TransactionUID))
        return 0, None

    answered: list[int | None] = []
    node = listen()
    node.operations.answer = lambda _: NormalizedAnswer(
        0, afterwards=lambda reporter: answered.append(reporter.report(COMMITMENT, INSTANCE, 1, information))
    )
    ae = AE("PEER")
    contexts = [build_context(COMMITMENT, ExplicitVRLittleEndian) for _ in range(2)]
    handlers = [(evt.EVT_N_EVENT_REPORT, on_report)]
    association = ae.associate("127.0.0.1", node.port, contexts=contexts, evt_handlers=handlers)
    first = association._accepted_cx.pop(1)  # the one that they would send the request in
    status, _ = association.send_n_action(identifier(TransactionUID=uid), 1, COMMITMENT, INSTANCE)
    association._accepted_cx[1] = first
    assert status.Status == 0
    wait_for(lambda: answered)
    assert (reported, answered) == ([(3, uid)], [0])
    association.release()


def test_reporter_of_a_peer_that_left_says_so(listen: Any) -> None:
    answered: list[int | None] = []
    left = threading.Event()

    def report(reporter: Reporter) -> None:
        left.wait(10)
        answered.append(reporter.report(COMMITMENT, INSTANCE, 1, b""))
        answered.append(reporter.report(COMMITMENT, INSTANCE, 1, b""))

    node = listen()
    node.operations.answer = lambda _: NormalizedAnswer(0, afterwards=report)
    association = associate(node.port, COMMITMENT)
    association.send_n_action(identifier(), 1, COMMITMENT, INSTANCE)
    association.abort()
    left.set()
    wait_for(lambda: len(answered) > 1)
    assert answered == [None, None]
    wait_for(lambda: node.acceptor.associations == 0)


def test_report_of_a_peer_that_is_scp_reaches_its_service(listen: Any) -> None:
    node = listen()
    association = associate(node.port, COMMITMENT, ext_neg=[build_role(COMMITMENT, scp_role=True)])
    status, _ = association.send_n_event_report(identifier(TransactionUID="1.2"), 1, COMMITMENT, INSTANCE)
    assert status.Status == 0
    assert [(str(request.kind), request.type_id) for request in node.operations.asked] == [("N-EVENT-REPORT", 1)]
    association.accepted_contexts[0]._as_scu = True  # what was not agreed on
    status, _ = association.send_n_action(identifier(TransactionUID="1.2"), 1, COMMITMENT, INSTANCE)
    assert status.Status == 0x0211  # it wanted to be SCP only
    association.release()


def test_request_of_another_class_than_its_context_is_refused(listen: Any) -> None:
    node = listen()
    association = associate(node.port, MPPS)
    answered, _ = association.send_n_set(identifier(), MPPS, generate_uid(), meta_uid=MPPS)
    assert answered.Status == 0
    answered, _ = association.send_n_set(identifier(), COMMITMENT, generate_uid(), meta_uid=MPPS)
    assert answered.Status == 0x0118
    association.release()


# -- extended negotiation ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_valid", [True, False])
def test_user_identity_is_asked_for(listen: Any, *, is_valid: bool) -> None:
    seen: list[tuple[int, bytes]] = []

    def on_identity(event: evt.Event) -> tuple[bool, bytes | None]:
        seen.append((event.user_id_type, event.primary_field))
        return is_valid, b"welcome"

    item = UserIdentityNegotiation()
    item.user_identity_type, item.primary_field = 3, b"ticket"
    item.positive_response_requested = True
    node = listen([(evt.EVT_USER_ID, on_identity)])
    ae = AE("PEER")
    ae.add_requested_context(Verification)
    ae.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    heard: list[
        str
    ] = []  # a rejection that comes fast is lost on pynetdicom: it takes the closed connection for one never made
    association = ae.associate(
        "127.0.0.1",
        node.port,
        ext_neg=[item],
        evt_handlers=[(evt.EVT_PDU_RECV, lambda event: heard.append(type(event.pdu).__name__))],
    )
    assert association.is_established == is_valid
    assert heard == ["A_ASSOCIATE_AC" if is_valid else "A_ASSOCIATE_RJ"]
    assert seen == [(3, b"ticket")]
    if is_valid:
        assert association.acceptor.user_identity.server_response == b"welcome"
        association.release()


def test_sop_class_common_extended_negotiation_is_taken(listen: Any) -> None:
    common: list[str] = []

    def on_common(event: evt.Event) -> dict[str, Any]:
        common.extend(event.items)
        return dict(event.items)

    item = SOPClassCommonExtendedNegotiation()
    item.sop_class_uid, item.service_class_uid = "1.2.3.4", "1.2.840.10008.4.2"
    node = listen([(evt.EVT_SOP_COMMON, on_common)])
    association = associate(node.port, Verification, CTImageStorage, ext_neg=[item])
    assert common == ["1.2.3.4"]
    association.release()


def test_asynchronous_operations_window_is_answered(listen: Any) -> None:
    def on_window(event: evt.Event) -> tuple[int, int]:
        assert (event.nr_invoked, event.nr_performed) == (5, 5)
        return 2, 3

    item = AsynchronousOperationsWindowNegotiation()
    item.maximum_number_operations_invoked = item.maximum_number_operations_performed = 5
    node = listen([(evt.EVT_ASYNC_OPS, on_window)])
    association = associate(node.port, CTImageStorage, ext_neg=[item])
    assert association.acceptor.asynchronous_operations == (1, 1)  # pynetdicom itself performs one at a time
    association.release()


def test_notification_handlers_are_told(listen: Any) -> None:
    told: list[str] = []
    events = (evt.EVT_REQUESTED, evt.EVT_ACCEPTED, evt.EVT_ESTABLISHED, evt.EVT_RELEASED, evt.EVT_PDU_RECV)
    node = listen([(event, lambda event: told.append(event.event.name)) for event in events])
    associate(node.port, CTImageStorage).release()
    wait_for(lambda: node.acceptor.associations == 0)
    assert told == [
        "EVT_PDU_RECV",
        "EVT_REQUESTED",
        "EVT_ACCEPTED",
        "EVT_ESTABLISHED",
        "EVT_PDU_RECV",
        "EVT_RELEASED",
    ]
