"""Associations that we asked for: pynetdicom's own, whose `send_c_echo`, `send_c_find` ... read by themselves what is answered.

There is no thread: what comes is read by whoever waits for it, and every wait has an end. What a peer asks between two of our
requests (a release, an N-EVENT-REPORT) is seen with the next one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import structlog
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.pdu import A_ABORT_RQ
from pynetdicom.transport import AddressInformation

from dicomnode.dicom import status
from dicomnode.dicom.peer import Sender
from dicomnode.upper_layer import commands, normalized, pdus
from dicomnode.upper_layer.agreements import Agreements
from dicomnode.upper_layer.commands import Command
from dicomnode.upper_layer.connection import Connection
from dicomnode.upper_layer.faults import UNEXPECTED_PDU, Gone, TimedOut, Violation
from dicomnode.upper_layer.messages import Messages
from dicomnode.upper_layer.operations import NormalizedAnswer
from dicomnode.upper_layer.provider import P_DATA_TF, PulledDIMSE, PulledDUL
from dicomnode.upper_layer.settings import UpperLayerSettings

if TYPE_CHECKING:
    from pynetdicom import AE
    from pynetdicom.transport import AssociationSocket

    from dicomnode.upper_layer.association import PulledAssociation
    from dicomnode.upper_layer.operations import NormalizedRequest, Storage

Reports = Callable[["NormalizedRequest"], NormalizedAnswer]
"""Who takes the N-EVENT-REPORTs that a peer sends over an association of ours."""

log = structlog.get_logger()

_MAX_CONTROL_PDU_BYTES = 128 * 1024
"""Room for an A-ASSOCIATE-AC with 128 contexts, and user information of the 64 KiB that its length can say."""
_LINGER_S = 1.0
"""Time for a peer to read an A-ABORT and close."""
_WHOLE_COMMAND, _LAST_OF_DATASET = 0x03, 0x02
"""Message control header: command and last fragment, data set and last fragment (PS3.8 Annex E.2)."""
_CONNECTED, _CONNECTION_CLOSED = "Evt2", "Evt17"
"""Of the state machine (PS3.8 Table 9-10)."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long a peer may take, in s, for each step."""

    connect_s: float = 10.0
    """For the connection, all addresses of the host together; and again for a TLS handshake."""
    associate_s: float = 30.0
    """For the answer to an A-ASSOCIATE-RQ or an A-RELEASE-RQ."""
    answer_s: float = 60.0
    """For each response to a request."""


class RequestedAssociation(Association):
    """pynetdicom's association as requestor, without its threads."""

    dul: _RequestorDUL
    dimse: PulledDIMSE
    messages: Answers
    agreements: Agreements | None = None
    fault = ""
    """Why it ended, when the peer neither released nor aborted it."""

    def __init__(
        self,
        ae: AE,
        connection: Connection,
        settings: UpperLayerSettings,
        deadlines: Deadlines,
        sender: Sender,
        storage: Storage | None,
        reports: Reports | None,
    ) -> None:
        super().__init__(ae, "requestor")
        self.reports = reports
        self.sender = sender
        """The peer, as the sender of instances in a C-GET."""
        self.operations = storage
        self.connection = connection
        self.settings = settings
        self.requestor.address_info = AddressInformation(*connection.local_address)
        self.acceptor.address_info = AddressInformation(*connection.peer_address)
        self.dul = _RequestorDUL(self)
        self.dimse = PulledDIMSE(cast("PulledAssociation", self))
        self.messages = Answers(self)
        self.acse_timeout = deadlines.associate_s
        self.dimse_timeout = deadlines.answer_s
        self.network_timeout = None

    @property
    def _is_paused(self) -> bool:
        """Always: their reactor, which would have to pause while somebody waits for an answer, does not run."""
        return True

    @_is_paused.setter
    def _is_paused(self, value: bool) -> None:
        """They set it around each service."""

    def has_usable_contexts(self) -> bool:
        """Whether a context was accepted in which something can be sent: one without a transfer syntax counts as refused."""
        self._accepted_cx = {
            number: context for number, context in self._accepted_cx.items() if context.transfer_syntax
        }
        return bool(self._accepted_cx)

    def kill(self) -> None:
        """End; the connection is closed."""
        self._kill = True
        self.is_established = False
        self.messages.discard()
        self.dul.kill_dul()
        self.connection.close(linger_s=_LINGER_S if self._sent_abort else 0.0)

    def _abort_blocking(self, block: bool = True) -> None:  # noqa: ARG002, FBT001, FBT002 - theirs
        """Theirs, without its sleep."""
        if self._sent_abort or self.is_released:
            return
        self._sent_abort = True
        self.acse.send_abort(0)
        evt.trigger(self, evt.EVT_ABORTED, {})
        self.kill()

    def give_up(self) -> None:
        """Abort past the state machine, which may be anywhere (PS3.8 Section 9.3.8)."""
        pdu = A_ABORT_RQ()
        pdu.source, pdu.reason_diagnostic = 0, 0
        self._sent_abort = True
        self.send(pdu.encode())
        self.kill()

    def send(self, data: bytes) -> bool:
        """Send an encoded PDU; False when the connection has ended, or the peer does not take it."""
        try:
            self.connection.send(data)
        except (Gone, Violation):
            return False
        return True

    def answer_report(self, context_id: int, request: NormalizedRequest) -> None:
        """Answer an N-EVENT-REPORT (PS3.7 Section 10.1.1)."""
        try:
            answer = self.reports(request) if self.reports else NormalizedAnswer(status.UNRECOGNIZED_OPERATION)
        except Exception:  # a bug of ours; what it costs is told
            log.exception("operation.failed", operation=str(request.kind), called_ae_title=self.acceptor.ae_title)
            answer = NormalizedAnswer(status.PROCESSING_FAILURE)
        command = normalized.response(request, answer)
        ours = self.settings.maximum_pdu_bytes
        maximum_length = min(self.acceptor.maximum_length or ours, ours)
        self.connection.send(b"".join(pdus.fragmented(context_id, command, answer.dataset, maximum_length)))

    def read_until(self, is_done: Callable[[], bool], timeout_s: float) -> bool:
        """Whether ``is_done`` came true in time, by what the peer sent: a report."""
        deadline = time.monotonic() + timeout_s
        while not is_done():
            if not self.is_established or (left_s := deadline - time.monotonic()) <= 0:
                return False
            self.dul.read(left_s)
        return True

    def has_ended(self) -> None:
        """The peer released or aborted it, or the connection ended, while nobody asked for that."""
        if not self.is_established or self._sent_release or self._sent_abort:
            return
        if self.acse.is_release_requested():
            self.acse.send_release(is_response=True)
            self.is_released = True
            evt.trigger(self, evt.EVT_RELEASED, {})
            self.kill()
        elif self.acse.is_aborted():
            self.is_aborted = True
            evt.trigger(self, evt.EVT_ABORTED, {})
            self.kill()

    def read_what_has_come(self) -> None:
        """Nothing: reading is left to whoever waits for an answer."""

    def pdu_limit(self, kind: int) -> int:
        """The most bytes that the body of a PDU may have."""
        return self.settings.maximum_pdu_bytes if kind == P_DATA_TF else _MAX_CONTROL_PDU_BYTES


class _ConnectedSocket:
    """What pynetdicom's ACSE and state machine ask of a socket, when the connection is there already."""

    socket = None
    _is_connected = True

    def __init__(self, association: RequestedAssociation) -> None:
        self._association = association
        self._ready = threading.Event()
        self._ready.set()

    def connect(self, primitive: Any) -> None:
        """Say that it is connected."""
        primitive.result = _CONNECTED
        self._association.dul.to_provider_queue.put(primitive)
        self._association.dul.event_queue.put(_CONNECTED)

    def send(self, data: bytes) -> None:
        """Send an encoded PDU; a failure is an event, as with theirs."""
        if not self._association.send(data):
            self._association.dul.event_queue.put(_CONNECTION_CLOSED)

    def close(self) -> None:
        """The state machine is through with the connection."""
        self._association.dul.kill_dul()

    def _shutdown_socket(self) -> None:
        self._association.dul.kill_dul()


class _RequestorDUL(PulledDUL):
    """Turns what goes wrong into the primitives that pynetdicom's users know."""

    def __init__(self, association: RequestedAssociation) -> None:
        super().__init__(cast("PulledAssociation", association))
        self._requested = association
        self.socket = cast("AssociationSocket", _ConnectedSocket(association))

    def read(self, idle_timeout_s: float, pdu_timeout_s: float | None = None) -> None:
        """Read one PDU, if one comes in time."""
        longest_s = min(idle_timeout_s, pdu_timeout_s or self._requested.settings.pdu_timeout_s)
        try:
            super().read(idle_timeout_s, longest_s)
        except TimedOut:
            return  # whoever waits looks at his own clock
        except (Gone, Violation) as fault:
            self._requested.fault = str(fault)
            if isinstance(fault, Violation):
                pdu = A_ABORT_RQ()
                pdu.source, pdu.reason_diagnostic = 2, fault.reason
                self._requested.send(pdu.encode())
            self.event_queue.put(_CONNECTION_CLOSED)
            self.run_events()
        self._requested.has_ended()

    def send_pdu(self, primitive: Any) -> None:
        """Send at once; nothing when the association has ended, which the wait for an answer will tell."""
        if self._kill_thread:
            return
        super().send_pdu(primitive)
        self._requested.has_ended()


class Answers(Messages):
    """As requestor only the answers to `sending.store`, reports and what a C-GET brings are read here, all else by pynetdicom."""

    store_response: Command | None = None
    is_storing = False
    """Whether a C-STORE is under way: sent in part, or not answered."""

    def __init__(self, association: RequestedAssociation) -> None:
        super().__init__(cast("PulledAssociation", association))
        self._requested = association

    def _serve(self, command: Command) -> None:
        assert self._context_id is not None
        field = command.number(commands.COMMAND_FIELD)
        if self.is_storing:
            if field != commands.C_STORE_RSP or self.store_response is not None:
                raise Violation("message that nobody asked for", UNEXPECTED_PDU)
            self.store_response = command
            self._finish()
            return
        if field == commands.C_STORE_RQ and self._association.operations is not None:
            super()._serve(command)
            return
        if field == normalized.N_EVENT_REPORT_RQ:
            super()._serve(command)
            return
        self._requested.dimse.fragment(self._context_id, _WHOLE_COMMAND, bytes(self._command_bytes))
        if command.number(commands.COMMAND_DATASET_TYPE) == commands.NO_DATASET:
            self._finish()

    def _whole(self, command: Command, dataset: bytes) -> None:
        """A report has come."""
        assert self._context_id is not None
        context_id, request = self._context_id, self._normalized_request(command, dataset)
        self._finish()
        self._requested.answer_report(context_id, request)

    def _other_fragment(self, fragment: memoryview, *, is_last: bool) -> None:
        assert self._context_id is not None
        self._grow(len(fragment), self._requested.settings.maximum_message_mb)
        self._requested.dimse.fragment(self._context_id, _LAST_OF_DATASET if is_last else 0, bytes(fragment))
        if is_last:
            self._finish()

    def _is_ours(self, context_id: int) -> bool:  # noqa: ARG002
        """Always: who asks for instances has proposed to be their SCP, and some peers send them without agreeing to that."""
        return True
