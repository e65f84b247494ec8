"""What pynetdicom provides and we do not replace works over the pulled upper layer; the peer is stock pynetdicom."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from factories import ct
from pydicom import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, build_context, build_role, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ModalityPerformedProcedureStep,
    StorageCommitmentPushModel,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

FIND = StudyRootQueryRetrieveInformationModelFind
GET = StudyRootQueryRetrieveInformationModelGet
MOVE = StudyRootQueryRetrieveInformationModelMove
MPPS = ModalityPerformedProcedureStep
COMMITMENT = StorageCommitmentPushModel


def associate(port: int, *abstract_syntaxes: str, **options: Any) -> Association:
    """An association with the node."""
    ae = AE("PEER")
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
    for uid in abstract_syntaxes:
        ae.add_requested_context(uid, ExplicitVRLittleEndian)
    association = ae.associate("127.0.0.1", port, **options)
    assert association.is_established
    return association


def wait_for(condition: Callable[[], object], timeout_s: float = 10) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def identifier(**keys: str) -> Dataset:
    dataset = Dataset()
    for keyword, value in ({"QueryRetrieveLevel": "STUDY"} | keys).items():
        setattr(dataset, keyword, value)
    return dataset


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


def test_instances_go_on_beside_other_messages(listen: Any) -> None:
    def on_find(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        yield 0xFF00, identifier(PatientID=event.identifier.PatientID)

    node = listen([(evt.EVT_C_FIND, on_find)])
    association = associate(node.port, CTImageStorage, FIND, Verification)
    for number in range(5):
        assert association.send_c_store(ct()).Status == 0
        answers = list(association.send_c_find(identifier(PatientID=str(number)), FIND))
        assert [answer.PatientID for _, answer in answers if answer] == [str(number)]
        assert association.send_c_echo().Status == 0
    association.release()
    assert len(node.operations.stored) == 5


# -- C-FIND, C-MOVE, C-GET -------------------------------------------------------------------------------------------


def test_find_gives_many_responses(listen: Any) -> None:
    def on_find(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        assert event.assoc.requestor.ae_title == "PEER"
        for number in range(500):
            yield 0xFF00, identifier(PatientID=str(number))

    node = listen([(evt.EVT_C_FIND, on_find)])
    association = associate(node.port, FIND)
    answers = list(association.send_c_find(identifier(PatientID=""), FIND))
    association.release()
    assert [answer.PatientID for _, answer in answers if answer] == [str(number) for number in range(500)]
    assert answers[-1][0].Status == 0


def test_find_stops_when_it_is_cancelled(listen: Any) -> None:
    goes_on = threading.Event()

    def on_find(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        for number in range(100_000):
            if event.is_cancelled:
                yield 0xFE00, None
                return
            yield 0xFF00, identifier(PatientID=str(number))
            goes_on.wait(0.001)

    node = listen([(evt.EVT_C_FIND, on_find)])
    association = associate(node.port, FIND)
    statuses = []
    for status, _ in association.send_c_find(identifier(PatientID=""), FIND, msg_id=5):
        statuses.append(status.Status)
        if len(statuses) == 10:
            association.send_c_cancel(5, query_model=FIND)
    assert statuses[-1] == 0xFE00
    assert len(statuses) < 5000
    status, _ = next(association.send_c_find(identifier(PatientID=""), FIND, msg_id=6))  # one cancel, one query
    assert status.Status == 0xFF00
    association.abort()


def test_find_ends_when_the_peer_aborts(listen: Any) -> None:
    asked: list[int] = []

    def on_find(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        for number in range(1_000_000):
            asked.append(number)
            if event.is_cancelled:
                yield 0xFE00, None
                return
            yield 0xFF00, identifier(PatientID=str(number))

    node = listen([(evt.EVT_C_FIND, on_find)])
    association = associate(node.port, FIND)
    next(association.send_c_find(identifier(PatientID=""), FIND))
    association.abort()
    wait_for(lambda: node.acceptor.associations == 0)
    assert len(asked) < 1_000_000
    assert str(node.operations.endings[0][0]) in ("aborted by peer", "connection lost")


def test_get_sends_instances_over_the_same_association(listen: Any) -> None:
    instances = [ct() for _ in range(20)]
    got: list[str] = []

    def on_get(event: evt.Event) -> Iterator[Any]:
        yield len(instances)
        for instance in instances:
            yield 0xFF00, instance

    def on_store(event: evt.Event) -> int:
        got.append(event.dataset.SOPInstanceUID)
        return 0

    node = listen([(evt.EVT_C_GET, on_get)])
    association = associate(
        node.port,
        GET,
        CTImageStorage,
        ext_neg=[build_role(CTImageStorage, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, on_store)],
    )
    statuses = [status for status, _ in association.send_c_get(identifier(StudyInstanceUID="1"), GET)]
    association.release()
    assert got == [instance.SOPInstanceUID for instance in instances]
    assert (statuses[-1].Status, statuses[-1].NumberOfCompletedSuboperations) == (0, 20)
    assert node.operations.stored == []


def test_peer_in_both_roles_also_sends(listen: Any) -> None:
    node = listen()
    association = associate(
        node.port, CTImageStorage, ext_neg=[build_role(CTImageStorage, scu_role=True, scp_role=True)]
    )
    assert association.send_c_store(ct()).Status == 0
    association.release()
    assert len(node.operations.stored) == 1


def test_peer_that_only_receives_sends_nothing_to_us(listen: Any) -> None:
    node = listen()
    association = associate(node.port, CTImageStorage, ext_neg=[build_role(CTImageStorage, scp_role=True)])
    association.accepted_contexts[0]._as_scu = True  # the peer breaks what was agreed on
    assert association.send_c_store(ct()).Status >= 0xC000
    assert node.operations.stored == []
    association.release()


def test_move_sends_to_the_destination(listen: Any) -> None:
    target = listen()
    instances = [ct() for _ in range(5)]

    def on_move(event: evt.Event) -> Iterator[Any]:
        assert event.move_destination == "TARGET"
        yield "127.0.0.1", target.port, {"contexts": [build_context(CTImageStorage, ExplicitVRLittleEndian)]}
        yield len(instances)
        for instance in instances:
            yield 0xFF00, instance

    node = listen([(evt.EVT_C_MOVE, on_move)])
    association = associate(node.port, MOVE)
    statuses = [status for status, _ in association.send_c_move(identifier(StudyInstanceUID="1"), "TARGET", MOVE)]
    association.release()
    assert (statuses[-1].Status, statuses[-1].NumberOfCompletedSuboperations) == (0, 5)
    assert [request.sop_instance_uid for request, _ in target.operations.stored] == [
        instance.SOPInstanceUID for instance in instances
    ]


# -- N-services --------------------------------------------------------------------------------------------------------


def test_normalized_services_reach_their_handlers(listen: Any) -> None:
    steps: dict[str, Dataset] = {}

    def on_create(event: evt.Event) -> tuple[int, Dataset]:
        steps[event.request.AffectedSOPInstanceUID] = event.attribute_list
        return 0, event.attribute_list

    def on_set(event: evt.Event) -> tuple[int, Dataset]:
        steps[event.request.RequestedSOPInstanceUID].update(event.modification_list)
        return 0, event.modification_list

    node = listen([(evt.EVT_N_CREATE, on_create), (evt.EVT_N_SET, on_set)])
    association = associate(node.port, MPPS)
    uid = generate_uid()
    status, _ = association.send_n_create(identifier(PerformedProcedureStepStatus="IN PROGRESS"), MPPS, uid)
    assert status.Status == 0
    status, _ = association.send_n_set(identifier(PerformedProcedureStepStatus="COMPLETED"), MPPS, uid)
    assert status.Status == 0
    association.release()
    assert steps[uid].PerformedProcedureStepStatus == "COMPLETED"


def test_action_is_answered_and_reported_over_the_same_association(listen: Any) -> None:
    reported: list[str] = []

    def on_action(event: evt.Event) -> tuple[int, None]:
        assert event.action_type == 1
        return 0, None

    def on_report(event: evt.Event) -> tuple[int, None]:
        reported.append(event.event_information.TransactionUID)
        return 0, None

    node = listen([(evt.EVT_N_ACTION, on_action), (evt.EVT_N_EVENT_REPORT, on_report)])
    association = associate(node.port, COMMITMENT)
    uid = generate_uid()
    status, _ = association.send_n_action(identifier(TransactionUID=uid), 1, COMMITMENT, "1.2.840.10008.1.20.1.1")
    assert status.Status == 0
    status, _ = association.send_n_event_report(identifier(TransactionUID=uid), 1, COMMITMENT, "1.2.840.10008.1.20.1.1")
    assert status.Status == 0
    association.release()
    assert reported == [uid]


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
    association = ae.associate("127.0.0.1", node.port, ext_neg=[item])
    assert (association.is_established, association.is_rejected) == (is_valid, not is_valid)
    assert seen == [(3, b"ticket")]
    if is_valid:
        assert association.acceptor.user_identity.server_response == b"welcome"
        association.release()


def test_sop_class_extended_negotiation_is_answered(listen: Any) -> None:
    def on_extended(event: evt.Event) -> dict[str, bytes]:
        return dict(event.app_info)

    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid, extended.service_class_application_information = FIND, b"\x01\x01"
    node = listen([(evt.EVT_SOP_EXTENDED, on_extended)])
    association = associate(node.port, FIND, ext_neg=[extended])
    assert association.acceptor.sop_class_extended == {FIND: b"\x01\x01"}
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
