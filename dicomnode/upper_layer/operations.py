"""What the upper layer asks of those who stand above it: admit an association, take in a data set, answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from dicomnode.dicom.instance import StoreAnswer, StoreRequest
from dicomnode.dicom.peer import Sender


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


class Operations(Protocol):
    """The hot operations of one listener, called in the association's own thread."""

    def admit(self, request: AssociationRequest) -> Admission | Rejection:
        """Decide on an association, before anything is negotiated."""

    def open_sink(self, request: StoreRequest) -> DataSink:
        """A sink for the data set of a C-STORE request whose command set has just come."""

    def store(self, request: StoreRequest, sink: DataSink) -> StoreAnswer:
        """Judge and keep the instance, now whole in the sink; what is answered is final."""

    def echo(self, sender: Sender) -> int:
        """The status of a C-ECHO (PS3.7 Section 9.1.5)."""
