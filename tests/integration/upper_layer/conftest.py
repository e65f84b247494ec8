"""A listener with the pulled upper layer in this process; stock pynetdicom is the peer."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.events import EventHandlerType

from dicomnode.dicom import status
from dicomnode.dicom.instance import StoreAnswer, StoreRequest
from dicomnode.dicom.peer import Sender
from dicomnode.upper_layer import Acceptor, UpperLayerSettings
from dicomnode.upper_layer.operations import AssociationRequest, DataSink, Ending


class EveryContext:
    """A policy that supports everything, in Explicit VR Little Endian, in both roles."""

    def supports(self, abstract_syntax: str) -> bool:
        return True

    def choose(self, abstract_syntax: str, proposed: Sequence[str]) -> str | None:
        return ExplicitVRLittleEndian if ExplicitVRLittleEndian in proposed else None

    def roles(self, abstract_syntax: str) -> tuple[bool, bool]:
        return True, True


class Bytes:
    """A sink in memory."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.is_discarded = False

    def write(self, fragment: memoryview) -> None:
        self.data += fragment

    def discard(self) -> None:
        self.is_discarded = True


@dataclass
class Admitted:
    """Tells how the association ended."""

    sender: Sender
    endings: list[tuple[Ending, str]]

    def end(self, ending: Ending, reason: str) -> None:
        self.endings.append((ending, reason))


@dataclass
class Everybody:
    """Operations that admit everybody and remember what came."""

    endings: list[tuple[Ending, str]] = field(default_factory=list)
    stored: list[tuple[StoreRequest, bytes]] = field(default_factory=list)
    sinks: list[Bytes] = field(default_factory=list)

    def admit(self, request: AssociationRequest) -> Admitted:
        return Admitted(Sender(request.calling_ae_title, request.called_ae_title, request.address, None), self.endings)

    def open_sink(self, request: StoreRequest) -> DataSink:
        self.sinks.append(Bytes())
        return self.sinks[-1]

    def store(self, request: StoreRequest, sink: DataSink) -> StoreAnswer:
        assert isinstance(sink, Bytes)
        self.stored.append((request, bytes(sink.data)))
        return StoreAnswer(status.SUCCESS)

    def echo(self, sender: Sender) -> int:
        return status.SUCCESS


@dataclass
class Node:
    """What listens, and what it did."""

    port: int
    acceptor: Acceptor
    operations: Everybody


Listen = Callable[..., Node]


@pytest.fixture
def listen() -> Iterator[Listen]:
    """Starts a listener with these event handlers; it ends with the test, and so must its associations."""
    ended = threading.Event()
    running: list[tuple[threading.Thread, Acceptor]] = []

    def start(evt_handlers: Sequence[EventHandlerType] = (), **settings: float) -> Node:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        operations = Everybody()
        acceptor = Acceptor(
            listener,
            ae=AE("NODE"),
            operations=operations,
            policy=EveryContext(),
            settings=UpperLayerSettings.model_validate(settings),
            evt_handlers=evt_handlers,
        )

        def accept() -> None:
            poll = select.poll()
            poll.register(acceptor)
            while not ended.is_set():
                if poll.poll(50):
                    acceptor.accept()

        thread = threading.Thread(target=accept)
        thread.start()
        running.append((thread, acceptor))
        return Node(listener.getsockname()[1], acceptor, operations)

    yield start
    ended.set()
    for thread, acceptor in running:
        thread.join()
        acceptor.abort(5)
        acceptor.stop()
        assert acceptor.associations == 0
