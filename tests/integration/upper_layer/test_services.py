"""What pynetdicom provides and we do not replace works over the pulled upper layer; the peer is stock pynetdicom."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from factories import ct
from pydicom import Dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SOPClassCommonExtendedNegotiation,
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
