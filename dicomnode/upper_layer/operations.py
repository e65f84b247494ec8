"""What the upper layer asks of those who stand above it: admit an association, take in a data set, answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from dicomnode.dicom.instance import StoreAnswer, StoreRequest
from dicomnode.dicom.outgoing import OutgoingInstance
from dicomnode.dicom.peer import Sender
from dicomnode.dicom.sub_operations import SubOperations


@dataclass(frozen=True, slots=True)
class AssociationRequest:
    """What an A-ASSOCIATE-RQ says of who asks (PS3.8 Section 9.3.2); titles without outer spaces."""

    calling_ae_title: str
    called_ae_title: str
    address: str
    """IP address; an IPv4-mapped IPv6 address stands as IPv4."""
    is_tls: bool


@dataclass(frozen=True, slots=True)
class Rejection:
    """An A-ASSOCIATE-RJ (PS3.8 Section 9.3.4)."""

    result: int
    source: int
    reason: int
    why: str
    """For the log."""


class Ending(StrEnum):
    """How an association ended."""

    RELEASED = "released"
    ABORTED_BY_PEER = "aborted by peer"
    ABORTED_BY_US = "aborted by us"
    CONNECTION_LOST = "connection lost"
    REJECTED = "rejected"


class Admission(Protocol):
    """An admitted association: who it is with, and its place among the node's associations."""

    @property
    def sender(self) -> Sender:
        """The other side, as matched with the configured peers."""

    def end(self, ending: Ending, reason: str) -> None:
        """Give the place back; called exactly once, when nothing more is served."""


class DataSink(Protocol):
    """Where the bytes of one data set go. It never raises: what fails is told when the data set is complete."""

    def write(self, fragment: memoryview) -> None:
        """Take the next bytes; the buffer is reused after the call."""

    def discard(self) -> None:
        """The instance has been answered, or never will be: let go of what came."""


class IdentifierKind(StrEnum):
    """The operations whose request carries an Identifier (PS3.7 Sections 9.1.2-9.1.4)."""

    FIND = "C-FIND"
    MOVE = "C-MOVE"
    GET = "C-GET"


@dataclass(frozen=True, slots=True)
class IdentifierRequest:
    """A C-FIND, C-MOVE or C-GET request with its Identifier (PS3.7 Sections 9.1.2-9.1.4).

    Attributes:
        sop_class_uid: of the presentation context that carries it.
        transfer_syntax_uid: of that context; the Identifiers of responses are encoded in it, too.
        identifier: the data set as it came, not looked at.
        move_destination: Move Destination (0000,0600) without outer spaces; empty unless it is a C-MOVE.
        extended_negotiation: the service class application information that we agreed to for this SOP Class
            (PS3.4 Sections C.5.1.1, C.5.2.1, C.5.3.1); empty when the peer proposed none.
    """

    kind: IdentifierKind
    sop_class_uid: str
    message_id: int
    transfer_syntax_uid: str
    identifier: bytes
    move_destination: str
    sender: Sender
    extended_negotiation: bytes = b""


@dataclass(frozen=True, slots=True)
class FinalAnswer:
    """The last response to a request with an Identifier.

    Attributes:
        identifier: encoded; of C-MOVE and C-GET only, with the Failed SOP Instance UID List (0008,0058).
        counts: of C-MOVE and C-GET; the remaining ones are told only when the status is Cancel (PS3.4 Section C.4.2.1.6).
    """

    status: int
    offending_elements: tuple[int, ...] = ()
    comment: str = ""
    identifier: bytes = b""
    counts: SubOperations | None = None


class NormalizedKind(StrEnum):
    """The operations on normalized objects, and the notification of an event (PS3.7 Section 10.1)."""

    CREATE = "N-CREATE"
    SET = "N-SET"
    GET = "N-GET"
    ACTION = "N-ACTION"
    DELETE = "N-DELETE"
    EVENT_REPORT = "N-EVENT-REPORT"


@dataclass(frozen=True, slots=True)
class NormalizedRequest:
    """A request of a normalized service (PS3.7 Section 10.1).

    Attributes:
        sop_class_uid: Affected or Requested SOP Class UID, as the command set has it.
        sop_instance_uid: Affected or Requested SOP Instance UID; not looked at, and empty when there is none.
        transfer_syntax_uid: of the presentation context; the data set of the response is encoded in it, too.
        dataset: as it came, not looked at; empty when there is none.
        type_id: Action Type ID or Event Type ID; None when there is none.
        attributes: Attribute Identifier List of an N-GET; empty for all.
    """

    kind: NormalizedKind
    sop_class_uid: str
    sop_instance_uid: str
    message_id: int
    transfer_syntax_uid: str
    dataset: bytes
    type_id: int | None
    attributes: tuple[int, ...]
    sender: Sender


class Reporter(Protocol):
    """The peer of an association, while that is open."""

    def report(self, sop_class_uid: str, sop_instance_uid: str, event_type_id: int, dataset: bytes) -> int | None:
        """The status that answers this N-EVENT-REPORT (PS3.7 Section 10.1.1); None when the association ended before it came.

        Args:
            sop_class_uid: that of the request whose answer brought this reporter: the report goes in the same context.
            dataset: encoded as that request was.
        """


@dataclass(frozen=True, slots=True)
class NormalizedAnswer:
    """The response to a normalized request.

    Attributes:
        sop_instance_uid: Affected SOP Instance UID; empty for the request's.
        dataset: encoded in the request's transfer syntax; empty for none.
        offending_elements: for the Attribute Identifier List (0000,1005).
        comment: Error Comment, sent only with statuses that may have one (PS3.7 Annex C).
        error_id: Error ID (0000,0903).
        afterwards: called once the response is sent, in the association's thread and with the association still open.
    """

    status: int
    sop_instance_uid: str = ""
    dataset: bytes = b""
    offending_elements: tuple[int, ...] = ()
    comment: str = ""
    error_id: int | None = None
    afterwards: Callable[[Reporter], None] | None = None


class Exchange(Protocol):
    """The peer, while its request is served. All methods raise `faults.Gone` when it is lost; that has to pass."""

    def is_cancelled(self) -> bool:
        """Whether a C-CANCEL for this request has come; looks at what is here, never waits."""

    def matches(self, identifiers: Sequence[bytes], *, status: int) -> None:
        """Send one Pending C-FIND response with each of these Identifiers."""

    def progress(self, counts: SubOperations) -> None:
        """Send a Pending response to a C-MOVE or C-GET."""

    def storage_contexts(self) -> Sequence[tuple[str, str]]:
        """SOP Class and transfer syntax of each context in which the peer takes instances; of a C-GET only."""

    def store(self, instance: OutgoingInstance, message_id: int) -> StoreAnswer | None:
        """Send an instance on this association as a sub-operation of a C-GET, and wait for the answer (PS3.4 Section C.4.3.3).

        None when no context carries it as it is.

        Raises:
            DicomNodeError: its data set cannot be had; nothing was sent.
        """


class Storage(Protocol):
    """Where instances go, called in the association's own thread."""

    def open_sink(self, request: StoreRequest) -> DataSink:
        """A sink for the data set of a C-STORE request whose command set has just come."""

    def store(self, request: StoreRequest, sink: DataSink) -> StoreAnswer:
        """Judge and keep the instance, now whole in the sink; what is answered is final."""


class Operations(Storage, Protocol):
    """The hot operations of one listener, called in the association's own thread."""

    def admit(self, request: AssociationRequest) -> Admission | Rejection:
        """Decide on an association, before anything is negotiated."""

    def echo(self, sender: Sender) -> int:
        """The status of a C-ECHO (PS3.7 Section 9.1.5)."""

    def find(self, request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        """C-FIND (PS3.7 Section 9.1.2)."""

    def move(self, request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        """C-MOVE (PS3.7 Section 9.1.4)."""

    def get(self, request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        """C-GET (PS3.7 Section 9.1.3)."""

    def normalized(self, request: NormalizedRequest) -> NormalizedAnswer:
        """N-CREATE, N-SET, N-GET, N-ACTION, N-DELETE or N-EVENT-REPORT (PS3.7 Section 10.1)."""
