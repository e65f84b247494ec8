"""An association as acceptor: one thread that reads a PDU when it needs one, from the first byte to the last log line."""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import structlog
from pynetdicom import evt
from pynetdicom.association import Association
from pynetdicom.pdu import A_ABORT_RQ
from pynetdicom.transport import AddressInformation

from dicomnode.dicom.peer import Sender
from dicomnode.upper_layer.agreements import Agreements
from dicomnode.upper_layer.connection import Connection
from dicomnode.upper_layer.exchange import Exchanges
from dicomnode.upper_layer.faults import UNSPECIFIED, Gone, TimedOut, Violation
from dicomnode.upper_layer.messages import Messages
from dicomnode.upper_layer.negotiation import APPLICATION_CONTEXT_NAME, Policy, PolicyACSE
from dicomnode.upper_layer.operations import Admission, AssociationRequest, Ending, Operations, Rejection
from dicomnode.upper_layer.provider import P_DATA_TF, PulledDUL

if TYPE_CHECKING:
    from pynetdicom import AE

    from dicomnode.upper_layer.settings import UpperLayerSettings

log = structlog.get_logger()

_BATCH_BYTES = 256 * 1024
"""What a peer has the send timeout to take."""
_MAX_NAMED = 5
"""SOP Classes of refused presentation contexts that the log names."""
_UID_LENGTH = 64
_NODE_STOPS = "the node stops"
_LINGER_S = 2.0
"""Time for a peer to read the last PDU and close."""
_APPLICATION_CONTEXT_NOT_SUPPORTED = (1, 1, 2)
"""A-ASSOCIATE-RJ: result, source, reason (PS3.8 Table 9-21)."""
_MAX_CONTROL_PDU_BYTES = 256 * 1024
"""Room for an A-ASSOCIATE-RQ with 128 contexts of 30 transfer syntaxes each: about 110 KB."""


class PulledAssociation(Association):
    """pynetdicom's association, with its moving parts replaced by ones that need no polling."""

    dul: PulledDUL

    def __init__(
        self,
        ae: AE,
        *,
        connection: Connection,
        address: tuple[str, int],
        operations: Operations,
        policy: Policy,
        agreements: Agreements | None,
        settings: UpperLayerSettings,
        tls: ssl.SSLContext | None,
        ended: Callable[[PulledAssociation], None],
    ) -> None:
        super().__init__(ae, "acceptor")
        self.connection = connection
        self.operations = operations
        self.policy = policy
        self.agreements = agreements
        self.settings = settings
        self._address = address[0]
        self.sender: Sender = Sender("", "", self._address)
        self._tls = tls
        self._ended = ended
        self._admission: Admission | None = None
        self._is_interrupted = False
        self._request: AssociationRequest | None = None
        self._began = time.monotonic()
        self.requestor.address_info = AddressInformation(*address)
        self.acceptor.address_info = AddressInformation(*connection.local_address)
        self.acse = PolicyACSE(self)
        self.dul = PulledDUL(self)
        self.extended_negotiation: Mapping[str, bytes] = {}
        """What was agreed on for each SOP Class (PS3.7 Section D.3.3.5)."""
        self.exchanges = Exchanges(self)
        self.messages = Messages(self)

    # -- its life -----------------------------------------------------------------------------------------------------

    def run_reactor(self) -> None:
        """From the first byte to the last log line; the thread's target."""
        ending, reason = Ending.CONNECTION_LOST, ""
        try:
            ending, reason = self._live()
        except Gone as error:
            ending, reason = self._ending_of_lost(), str(error)
            if self._is_interrupted and self.is_established:
                reason = _NODE_STOPS
                self._send_abort(UNSPECIFIED)
        except Violation as violation:
            ending, reason = Ending.ABORTED_BY_US, str(violation)
            self._send_abort(violation.reason)
        except Exception:
            log.exception("association.failed", address=self._address)
            ending, reason = Ending.ABORTED_BY_US, "internal error"
            self._send_abort(UNSPECIFIED)
        finally:
            self._end(ending, reason)

    @property
    def is_stranger(self) -> bool:
        """Whether it was not admitted, and not interrupted either."""
        return self._admission is None and not self._is_interrupted

    @property
    def is_over(self) -> bool:
        """Whether the peer aborted it, or the node stops: nothing more is to be sent."""
        return self._is_interrupted or self._kill or not self.dul.is_alive()

    @property
    def is_leaving(self) -> bool:
        """Whether it is over, or the peer asked to release it: it answers nothing more."""
        return self.is_over or self.acse.is_release_requested()

    @property
    def maximum_length(self) -> int:
        """Of the body of a P-DATA-TF PDU that we send, in bytes (PS3.8 Annex D.1)."""
        ours = self.settings.maximum_pdu_bytes
        return min(self.requestor.maximum_length or ours, ours)

    def send(self, data: bytes) -> None:
        """Send encoded PDUs.

        Raises:
            Gone: the association has ended.
            TimedOut: the peer does not take them.
        """
        if self.is_over:
            raise Gone("association has ended")
        for start in range(0, len(data), _BATCH_BYTES):
            self.connection.send(data[start : start + _BATCH_BYTES])

    def interrupt(self) -> None:
        """Have it aborted by its own thread, as soon as that looks for input; called by another one."""
        self._is_interrupted = True
        self.connection.interrupt()

    def _live(self) -> tuple[Ending, str]:
        if self._tls is not None:
            self.connection.handshake(self._tls, self.settings.tls_handshake_timeout_s)
        self.dul.event_queue.put("Evt5")  # transport connection indication
        try:
            request = self.dul.receive_pdu(wait=True, timeout=self.settings.association_request_timeout_s)
        except TimedOut as late:  # the ARTIM timer: closed without an A-ABORT (PS3.8 Table 9-10, action AA-2)
            return Ending.ABORTED_BY_US, str(late)
        if self.dul.state_machine.current_state != "Sta3":
            return Ending.CONNECTION_LOST, "no association request came"
        self.requestor.primitive = request
        self._request = AssociationRequest(
            str(request.calling_ae_title).strip(), str(request.called_ae_title).strip(), self._address, bool(self._tls)
        )
        evt.trigger(self, evt.EVT_REQUESTED, {})
        if str(request.application_context_name).rstrip("\0 ") != APPLICATION_CONTEXT_NAME:
            self.acse.send_reject(*_APPLICATION_CONTEXT_NOT_SUPPORTED)
            return Ending.REJECTED, f"application context {request.application_context_name}"
        admission = self.operations.admit(self._request)
        if isinstance(admission, Rejection):
            self.acse.send_reject(admission.result, admission.source, admission.reason)
            return Ending.REJECTED, admission.why
        self._admission, self.sender = admission, admission.sender
        self.acse.negotiate_association()
        if not self.is_established:
            return Ending.REJECTED, "user identity was refused"
        self._log_accepted()
        return self._serve()

    def _serve(self) -> tuple[Ending, str]:
        """Serve messages until the association ends; hot ones are served while they are read."""
        while not self._kill:
            if self._is_interrupted:
                raise Violation(_NODE_STOPS)
            self.dul.read(self.settings.idle_timeout_s)
            self.exchanges.serve()
            if not self.dul.to_user_queue.queue:  # it was a message, as nearly all are
                continue
            if self.acse.is_release_requested():
                self.acse.send_release(is_response=True)
                self.is_released, self.is_established = True, False
                evt.trigger(self, evt.EVT_RELEASED, {})
                return Ending.RELEASED, ""
            if self.acse.is_aborted():
                self.dul.receive_pdu(wait=False)
                self.is_aborted, self.is_established = True, False
                evt.trigger(self, evt.EVT_ABORTED, {})
                return Ending.ABORTED_BY_PEER, ""
        return (Ending.ABORTED_BY_US, "a service aborted") if self.is_aborted else (Ending.RELEASED, "")

    def read_what_has_come(self) -> None:
        """Read PDUs that are here already, without waiting: a C-CANCEL, an abort."""
        while self.is_established and not self._kill and not self.exchanges.is_full and self.connection.has_input():
            self.dul.read(0)

    def pdu_limit(self, kind: int) -> int:
        """The most bytes that the body of a PDU may have."""
        return self.settings.maximum_pdu_bytes if kind == P_DATA_TF else _MAX_CONTROL_PDU_BYTES

    # -- its end ------------------------------------------------------------------------------------------------------

    def _ending_of_lost(self) -> Ending:
        if self._is_interrupted:
            return Ending.ABORTED_BY_US
        return Ending.ABORTED_BY_PEER if self.acse.is_aborted() else Ending.CONNECTION_LOST

    def _send_abort(self, reason: int) -> None:
        """Abort past the state machine, which may be anywhere (PS3.8 Section 9.3.8)."""
        pdu = A_ABORT_RQ()
        pdu.source, pdu.reason_diagnostic = 2, reason
        with contextlib.suppress(Gone, Violation):
            self.connection.send(pdu.encode())
        self.is_aborted, self.is_established = True, False
        evt.trigger(self, evt.EVT_ABORTED, {})

    def _end(self, ending: Ending, reason: str) -> None:
        self._kill = True
        self.is_established = False
        self.dul.kill_dul()
        try:
            self.messages.discard()
            if self._admission is not None:
                self._admission.end(ending, reason)
        except Exception:  # a bug of ours; the connection is closed all the same
            log.exception("association.failed", address=self._address)
        has_said_last = ending in (Ending.RELEASED, Ending.REJECTED) or (
            ending is Ending.ABORTED_BY_US and self.is_aborted
        )
        self.connection.close(linger_s=_LINGER_S if has_said_last and not self._is_interrupted else 0.0)
        self._ended(self)
        self._log_ended(ending, reason)

    # -- what the log says ----------------------------------------------------------------------------------------------

    def _names(self) -> dict[str, Any]:
        request = self._request
        return {
            "calling_ae_title": request.calling_ae_title if request else None,
            "called_ae_title": request.called_ae_title if request else None,
            "address": self._address,
            "peer": self.sender.peer,
        }

    def _log_accepted(self) -> None:
        write = log.warning if self.sender.peer is None else log.info
        fields: dict[str, Any] = {"contexts": len(self._accepted_cx), "contexts_refused": len(self._rejected_cx)}
        if self._rejected_cx:
            refused = dict.fromkeys(str(context.abstract_syntax)[:_UID_LENGTH] for context in self._rejected_cx)
            fields["refused_sop_classes"] = list(refused)[:_MAX_NAMED]
        write("association.accepted", **self._names(), tls=bool(self._tls), **fields)

    def _log_ended(self, ending: Ending, reason: str) -> None:
        fields = self._names() | {
            "ending": str(ending),
            "reason": reason,
            "instances": self.messages.instances,
            "received_bytes": self.connection.received_bytes,
            "duration_ms": round((time.monotonic() - self._began) * 1000, 1),
        }
        if ending is Ending.RELEASED:
            log.info("association.released", **fields)
        elif ending is Ending.REJECTED:
            log.warning("association.rejected", **fields)
        elif ending is Ending.CONNECTION_LOST and self._tls is None and not self.connection.received_bytes:
            log.debug("connection.unused", address=self._address)  # a load balancer that looks whether the port is open
        else:
            log.warning("association.aborted", **fields)
