"""Messages about procedure steps, told on to another system; it is stock pynetdicom."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from modality import EXPLICIT_LE, begun, dataset, written
from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import ModalityPerformedProcedureStep  # type: ignore[attr-defined]

from dicomnode.dicom.json_text import attributes_of
from dicomnode.dicom.peer import PeerSettings
from dicomnode.errors import DeliveryError, NoContextError, PeerError, UndeliverableError
from dicomnode.index.outbox import DebtState, OutboxEntry
from dicomnode.scu.settings import ScuSettings
from dicomnode.services.mpps_forwarding import MppsForwarding

UID = "1.2.3"
NOW = datetime.now(UTC)

Ris = Callable[..., MppsForwarding]


@pytest.fixture
def ris() -> Iterator[Ris]:
    """Start a RIS with these handlers; gives what delivers to it."""
    servers: list[Any] = []

    def start(handlers: Sequence[Any] = (), sop_class: str = ModalityPerformedProcedureStep, **peer: Any) -> Any:
        entity = AE("RIS")
        entity.add_supported_context(sop_class)
        servers.append(entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=list(handlers)))
        port = servers[-1].socket.getsockname()[1]
        settings = PeerSettings(ae_title="RIS", host="127.0.0.1", port=port, **peer)
        return MppsForwarding({"ris": settings}, ScuSettings(answer_timeout_s=5), ae_title="NODE")

    yield start
    for server in servers:
        server.shutdown()


def owed(made: Dataset, operation: str = "create", destination: str = "ris") -> OutboxEntry:
    attributes, character_set = attributes_of(written(made), EXPLICIT_LE)
    payload = {
        "operation": operation,
        "sop_instance_uid": UID,
        "character_set": character_set,
        "attributes": attributes,
    }
    return OutboxEntry(
        1, "mpps", destination, UID, payload, DebtState.WAITING, NOW, NOW, NOW, 0, None, "", "", "worker/1"
    )


def answers(code: int, error_id: int | None = None) -> list[Any]:
    """Handlers that answer everything so."""
    answer = Dataset()
    answer.Status = code
    if error_id is not None:
        answer.ErrorID = error_id
    return [(event, lambda _: (answer, None)) for event in (evt.EVT_N_CREATE, evt.EVT_N_SET)]


def test_message_arrives_in_the_character_set_that_it_came_in(ris: Ris) -> None:
    came: list[tuple[str, str, str]] = []

    def take(event: evt.Event) -> tuple[int, None]:
        made = event.attribute_list
        came.append((event.request.AffectedSOPInstanceUID, made.SpecificCharacterSet, str(made.PatientName)))
        return 0, None

    ris([(evt.EVT_N_CREATE, take)])(owed(begun(PatientName="Müller^Änne", SpecificCharacterSet="ISO_IR 100")))
    assert came == [(UID, "ISO_IR 100", "Müller^Änne")]


def test_message_arrives_in_the_only_character_set_that_the_peer_knows(ris: Ris) -> None:
    came: list[str] = []

    def take(event: evt.Event) -> tuple[int, None]:
        came.append(event.modification_list.PerformedProcedureStepDescription)
        return 0, None

    forwarding = ris([(evt.EVT_N_SET, take)], character_set="ISO_IR 100")
    made = dataset(SpecificCharacterSet="ISO_IR 192", PerformedProcedureStepDescription="Schädel Łódź")
    forwarding(owed(made, "set"))
    assert came == ["Schädel Lódz"]


@pytest.mark.parametrize(
    ("operation", "handlers"),
    [("create", answers(0x0111)), ("set", answers(0x0110, 0xA710)), ("set", answers(0x0107)), ("create", answers(0))],
    ids=["duplicate", "final", "warning", "success"],
)
def test_message_that_is_there_already_is_delivered(ris: Ris, operation: str, handlers: list[Any]) -> None:
    ris(handlers)(owed(begun(), operation))


@pytest.mark.parametrize("code", [0x0110, 0x0124, 0x0213])
def test_failure_that_may_pass_is_tried_again(ris: Ris, code: int) -> None:
    with pytest.raises(DeliveryError, match=f"answered with {code:#06x}"):
        ris(answers(code))(owed(begun()))


@pytest.mark.parametrize("code", [0x0106, 0x0112, 0x0120])
def test_failure_that_will_not_pass_is_given_up(ris: Ris, code: int) -> None:
    with pytest.raises(UndeliverableError, match=f"answered with {code:#06x}"):
        ris(answers(code))(owed(begun()))


def test_peer_that_does_not_take_the_class_is_no_dead_destination(ris: Ris) -> None:
    with pytest.raises(NoContextError):
        ris(sop_class="1.2.840.10008.1.1")(owed(begun()))


def test_peer_that_is_not_there_is_a_dead_destination() -> None:
    settings = PeerSettings(ae_title="RIS", host="127.0.0.1", port=1)
    with pytest.raises(PeerError):
        MppsForwarding({"ris": settings}, ScuSettings(), ae_title="NODE")(owed(begun()))


def test_peer_that_is_configured_no_more_is_given_up(ris: Ris) -> None:
    with pytest.raises(UndeliverableError, match="no peer is named gone"):
        ris()(owed(begun(), destination="gone"))
