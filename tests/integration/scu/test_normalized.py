"""Normalized services as SCU; the peer is stock pynetdicom."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, evt
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ModalityPerformedProcedureStep,
    StorageCommitmentPushModel,
)

from dicomnode.dicom.peer import PeerSettings
from dicomnode.errors import NoContextError, PeerError
from dicomnode.scu.caller import Caller
from dicomnode.scu.normalized import n_action, n_create, n_event_report, n_set, opened, transfer_syntax
from dicomnode.scu.settings import ScuSettings
from dicomnode.upper_layer.operations import NormalizedAnswer, NormalizedRequest

STEP, COMMITMENT = ModalityPerformedProcedureStep, StorageCommitmentPushModel
INSTANCE = "1.2.840.10008.1.20.1.1"

Listen = Callable[..., Caller]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Start a peer with these handlers; gives who calls it."""
    servers: list[Any] = []

    def start(handlers: Sequence[Any] = (), *, scp_role: bool = False) -> Caller:
        ae = AE("PEER")
        ae.add_supported_context(STEP, ExplicitVRLittleEndian)
        roles = {"scu_role": False, "scp_role": True} if scp_role else {}
        ae.add_supported_context(COMMITMENT, ExplicitVRLittleEndian, **roles)
        servers.append(ae.start_server(("127.0.0.1", 0), block=False, evt_handlers=list(handlers)))
        port = servers[-1].socket.getsockname()[1]
        peer = PeerSettings(ae_title="PEER", host="127.0.0.1", port=port)
        return Caller(peer, "NODE", ScuSettings(answer_timeout_s=5))

    yield start
    for server in servers:
        server.shutdown()


def encoded(**values: str) -> bytes:
    dataset = Dataset()
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    data = encode(dataset, is_implicit_vr=False, is_little_endian=True)
    assert data is not None
    return data


def test_step_is_created_and_set(listen: Listen) -> None:
    came: list[tuple[str, str]] = []

    def create(event: evt.Event) -> tuple[int, Dataset]:
        came.append((event.request.AffectedSOPInstanceUID, event.attribute_list.PerformedProcedureStepStatus))
        return 0, event.attribute_list

    def change(event: evt.Event) -> tuple[Any, None]:
        came.append((event.request.RequestedSOPInstanceUID, event.modification_list.PerformedProcedureStepStatus))
        answer = Dataset()
        answer.Status, answer.ErrorComment, answer.ErrorID = 0x0110, "no longer", 0xA710
        return answer, None

    uid = generate_uid()
    caller = listen([(evt.EVT_N_CREATE, create), (evt.EVT_N_SET, change)])
    with opened(caller, STEP) as association:
        assert transfer_syntax(association, STEP) == ExplicitVRLittleEndian
        created = n_create(association, STEP, uid, encoded(PerformedProcedureStepStatus="IN PROGRESS"))
        changed = n_set(association, STEP, uid, encoded(PerformedProcedureStepStatus="COMPLETED"))
    assert came == [(uid, "IN PROGRESS"), (uid, "COMPLETED")]
    assert (created.is_success, created.sop_instance_uid, b"IN PROGRESS" in created.dataset) == (True, uid, True)
    assert (changed.is_success, changed.told()) == (False, "0x0110 processing failure: no longer")
    assert changed.error_id == 0xA710


def test_report_that_comes_over_the_association_is_answered(listen: Listen) -> None:
    reports: list[NormalizedRequest] = []

    def act(event: evt.Event) -> tuple[int, None]:
        event.assoc.send_n_event_report(event.action_information, 1, COMMITMENT, INSTANCE)
        return 0, None

    def take(request: NormalizedRequest) -> NormalizedAnswer:
        reports.append(request)
        return NormalizedAnswer(0)

    caller = listen([(evt.EVT_N_ACTION, act)])
    with opened(caller, COMMITMENT, reports=take) as association:
        assert n_action(association, COMMITMENT, INSTANCE, 1, encoded(TransactionUID="1.2.3")).is_success
        assert association.read_until(lambda: bool(reports), 5)
        assert not association.read_until(lambda: len(reports) > 1, 0.05)
    (report,) = reports
    assert (str(report.kind), report.sop_class_uid, report.type_id) == ("N-EVENT-REPORT", COMMITMENT, 1)
    assert b"1.2.3" in report.dataset
    assert report.transfer_syntax_uid == ExplicitVRLittleEndian


def test_report_is_brought_as_scp(listen: Listen) -> None:
    came: list[tuple[int, str]] = []

    def take(event: evt.Event) -> tuple[int, None]:
        came.append((event.event_type, event.event_information.TransactionUID))
        return 0, None

    caller = listen([(evt.EVT_N_EVENT_REPORT, take)], scp_role=True)
    with opened(caller, COMMITMENT, is_scp=True) as association:
        answer = n_event_report(association, COMMITMENT, INSTANCE, 2, encoded(TransactionUID="1.2.3"))
    assert answer.is_success
    assert came == [(2, "1.2.3")]


def test_peer_that_does_not_take_the_class_is_an_error(listen: Listen) -> None:
    with opened(listen(), STEP) as association:
        with pytest.raises(NoContextError, match="no context for Storage Commitment Push Model SOP Class"):
            n_action(association, COMMITMENT, INSTANCE, 1, b"")
        association.release()


def test_peer_that_ends_instead_of_answering_is_an_error(listen: Listen) -> None:
    caller = listen([(evt.EVT_N_ACTION, lambda event: event.assoc.abort())])
    with (
        pytest.raises(PeerError, match="no answer to N-ACTION from PEER"),
        opened(caller, COMMITMENT) as association,
    ):
        n_action(association, COMMITMENT, INSTANCE, 1, encoded(TransactionUID="1.2.3"))
