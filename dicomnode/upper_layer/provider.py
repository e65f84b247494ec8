"""pynetdicom's service providers, pulled: no threads and no queues to poll; whoever needs a PDU reads it.

What pynetdicom's ACSE and service classes call works as before: `receive_pdu` reads until there is a primitive, `send_pdu` runs the
state machine at once, `get_msg` reads until there is a message. What `messages` serves itself never gets here.
tests/unit/upper_layer/test_seams.py holds the private names that this leans on.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, cast

from pynetdicom import evt
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.dimse_primitives import C_CANCEL
from pynetdicom.dul import _PDU_TYPES, DULServiceProvider
from pynetdicom.pdu_primitives import P_DATA

from dicomnode.upper_layer import proposals
from dicomnode.upper_layer.agreements import FIXED_BYTES, KnownRequest, check_items, titles, version
from dicomnode.upper_layer.faults import INVALID_PARAMETER, UNRECOGNIZED_PDU, Gone, Violation

if TYPE_CHECKING:
    from pynetdicom.transport import AssociationSocket

    from dicomnode.upper_layer.association import PulledAssociation

_A_ASSOCIATE_RQ, _A_ASSOCIATE_AC = 1, 2
P_DATA_TF = 4
_ASSOCIATION_REQUEST_CAME = "Evt6"
"""Of the state machine (PS3.8 Table 9-10)."""
_FOREVER_S = 10 * 365 * 86400.0


class _SocketSeam:
    """What pynetdicom's state machine asks of a socket; the association itself closes the connection at its end."""

    socket = None

    def __init__(self, dul: PulledDUL) -> None:
        self._dul = dul

    def send(self, data: bytes) -> None:
        """Send an encoded PDU."""
        self._dul._assoc.connection.send(data)

    def close(self) -> None:
        """The state machine is through with the connection."""
        self._dul.kill_dul()

    def _shutdown_socket(self) -> None:
        self._dul.kill_dul()


class PulledDUL(DULServiceProvider):
    """The DICOM Upper Layer Service provider (PS3.8 Section 9), driven by its association's own thread."""

    _assoc: PulledAssociation

    def __init__(self, assoc: PulledAssociation) -> None:
        super().__init__(assoc)
        self.socket = cast("AssociationSocket", _SocketSeam(self))
        self.known_request: KnownRequest | None = None
        """The association request, when its proposal needs no negotiation."""

    def start(self) -> None:
        """There is no thread to start."""
        self._assoc._dul_ready.set()

    def is_alive(self) -> bool:
        """Whether the state machine may still be driven."""
        return not self._kill_thread

    def stop_dul(self) -> bool:
        """End; what is left to send has been sent already."""
        self._kill_thread = True
        return True

    def idle_timer_expired(self) -> bool:
        """Reads have their own deadlines."""
        return False

    def receive_pdu(self, wait: bool = False, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002 - theirs
        """The next primitive; reads until there is one, at most ``timeout`` seconds. None when there is none."""
        deadline = time.monotonic() + (_FOREVER_S if timeout is None else timeout)
        self.run_events()
        while wait and self.to_user_queue.empty() and not self._kill_thread:
            if (left_s := deadline - time.monotonic()) <= 0:
                break
            self.read(left_s, min(left_s, self._assoc.settings.pdu_timeout_s))
        return super().receive_pdu(wait=False)

    def send_pdu(self, primitive: Any) -> None:
        """Send at once.

        Raises:
            Gone: the association has ended.
        """
        if self._kill_thread:
            raise Gone("association has ended")
        super().send_pdu(primitive)
        self._process_recv_primitive()
        self.run_events()

    def send_accept(self, pdu: bytes) -> None:
        """Send an A-ASSOCIATE-AC that is encoded already (PS3.8 Table 9-10, action AE-7)."""
        self._assoc.connection.send(pdu)
        self.state_machine.transition("Sta6")

    def read(self, idle_timeout_s: float, pdu_timeout_s: float | None = None) -> None:
        """Read one PDU, and do what it asks for; ``pdu_timeout_s`` is the settings' unless it is given."""
        association = self._assoc
        kind, body = association.connection.read_pdu(
            idle_timeout_s, pdu_timeout_s or association.settings.pdu_timeout_s, association.pdu_limit
        )
        if kind == P_DATA_TF and self.state_machine.current_state == "Sta6":
            association.messages.take(body)
            return
        self._hand_over(kind, body)

    def run_events(self) -> None:
        """Let the state machine act on all that has happened."""
        while not self.event_queue.empty():
            self.state_machine.do_action(self.event_queue.get_nowait())

    def _hand_over(self, kind: int, body: memoryview) -> None:
        """A PDU of pynetdicom's kinds to its state machine."""
        try:
            pdu, event = self._decode(kind, body)
        except Violation:
            raise
        except Exception as error:  # whatever their decoder stumbles over is the peer's fault
            raise Violation(f"PDU of type {kind} is malformed", INVALID_PARAMETER) from error
        self._recv_pdu.put(pdu)
        self.event_queue.put(event)
        self.run_events()

    def _decode(self, kind: int, body: memoryview) -> tuple[Any, str]:
        """The PDU, and what it is to the state machine."""
        if kind == _A_ASSOCIATE_RQ:
            agreements = self._assoc.agreements
            self.known_request = agreements.request(body) if agreements else None
            if self.known_request is not None:
                return self.known_request, _ASSOCIATION_REQUEST_CAME
            check_items(bytes(body[FIXED_BYTES:]))
            pdu, event = self._decode_theirs(kind, _readable(body))
            pdu.protocol_version = version(bytes(body[:2]))
            pdu.to_primitive()  # what cannot be one shows here, as the peer's fault
            return pdu, event
        if kind == _A_ASSOCIATE_AC:
            with contextlib.suppress(Violation):  # their decoder makes the best of what is cut off
                return self._decode_theirs(kind, _readable(body))
        return self._decode_theirs(kind, body.tobytes())

    def _decode_theirs(self, kind: int, body: bytes) -> tuple[Any, str]:
        whole = kind.to_bytes(1) + b"\0" + len(body).to_bytes(4) + body
        if whole[:1] not in _PDU_TYPES:
            raise Violation(f"PDU type {kind:#04x} is none", UNRECOGNIZED_PDU)
        return self._decode_pdu(bytearray(whole))


def _readable(body: memoryview) -> bytes:
    """An A-ASSOCIATE-RQ or -AC without what their decoder stumbles over: items that it does not know, titles padded with NUL."""
    fixed = bytes(body[:FIXED_BYTES])
    return fixed[:4] + b"".join(titles(fixed)) + fixed[36:] + proposals.recognized(bytes(body[FIXED_BYTES:]))


class PulledDIMSE(DIMSEServiceProvider):
    """The DIMSE service provider (PS3.7 Section 7), for all messages but the hot ones."""

    def __init__(self, assoc: PulledAssociation) -> None:
        self._pulled = assoc
        super().__init__(assoc)

    def get_msg(self, block: bool = False) -> Any:  # noqa: FBT001, FBT002 - theirs
        """The next message; reads until there is one, at most the DIMSE timeout."""
        timeout_s = self.dimse_timeout
        deadline = time.monotonic() + (_FOREVER_S if timeout_s is None else timeout_s)
        while block and self.msg_queue.empty() and self.dul.is_alive():
            if (left_s := deadline - time.monotonic()) <= 0:
                break
            self._pulled.dul.read(left_s)
        return super().get_msg(block=False)

    def fragment(self, context_id: int, header: int, fragment: bytes) -> None:
        """Take a fragment of a message that is not hot."""
        primitive = P_DATA()
        value = [context_id, bytes((header,)) + fragment]  # a list, whatever their annotation says: they ask for one
        primitive.presentation_data_value_list = [cast("tuple[int, bytes]", value)]
        self.receive_primitive(primitive)

    def receive_primitive(self, primitive: P_DATA) -> None:
        """Take a fragment, and queue its message when it is whole.

        Theirs serves an N-EVENT-REPORT in a thread of its own; here everything is done in the association's.
        """
        message = self.message or DIMSEMessage()
        try:
            self.message = None if message.decode_msg(primitive, self.assoc) else message
            if self.message is not None:
                return
            evt.trigger(self.assoc, evt.EVT_DIMSE_RECV, {"message": message})
            request = message.message_to_primitive()
        except Exception as error:  # whatever their decoder stumbles over is the peer's fault
            raise Violation("DIMSE message is malformed", INVALID_PARAMETER) from error
        if not isinstance(request, C_CANCEL):  # nobody asked us for anything that it could cancel
            self.msg_queue.put((cast(int, message.context_id), request))
