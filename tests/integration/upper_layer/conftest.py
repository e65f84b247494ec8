"""A listener with the pulled upper layer in this process; stock pynetdicom is the peer."""

from __future__ import annotations

import datetime
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.events import EventHandlerType

from dicomnode.dicom import status
from dicomnode.dicom.instance import StoreAnswer, StoreRequest
from dicomnode.dicom.peer import Sender
from dicomnode.upper_layer import Acceptor, UpperLayerSettings
from dicomnode.upper_layer.operations import (
    AssociationRequest,
    DataSink,
    Ending,
    Exchange,
    FinalAnswer,
    IdentifierRequest,
    NormalizedAnswer,
    NormalizedRequest,
)

Serve = Callable[[IdentifierRequest, Exchange], FinalAnswer]
Normalized = Callable[[NormalizedRequest], NormalizedAnswer]


class EveryContext:
    """A policy that supports everything, in Explicit VR Little Endian, in both roles."""

    def supports(self, abstract_syntax: str) -> bool:
        return True

    def choose(self, abstract_syntax: str, proposed: Sequence[str], *, receives: bool) -> str | None:
        return ExplicitVRLittleEndian if ExplicitVRLittleEndian in proposed else None

    def roles(self, abstract_syntax: str, proposed: frozenset[str]) -> tuple[bool, bool]:
        return True, True

    def assumed_roles(self, abstract_syntax: str, proposed: frozenset[str]) -> tuple[bool, bool]:
        return True, False

    def extended(self, abstract_syntax: str, offered: bytes) -> bytes:
        return offered[:2]


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
    serve: Serve = lambda request, exchange: FinalAnswer(status.SUCCESS)
    answer: Normalized = lambda request: NormalizedAnswer(status.SUCCESS)
    """To a normalized request."""
    asked: list[NormalizedRequest] = field(default_factory=list)

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

    def find(self, request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        return self.serve(request, exchange)

    def move(self, request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        return self.serve(request, exchange)

    def get(self, request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        return self.serve(request, exchange)

    def normalized(self, request: NormalizedRequest) -> NormalizedAnswer:
        self.asked.append(request)
        return self.answer(request)


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

    def start(evt_handlers: Sequence[EventHandlerType] = (), *, serve: Serve | None = None, **settings: float) -> Node:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        operations = Everybody()
        if serve is not None:
            operations.serve = serve
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


@pytest.fixture(scope="session")
def tls_contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS for who is called, as localhost, and for a caller who trusts him."""
    folder: Path = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "certificate").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(folder / "certificate", folder / "key")
    return server, ssl.create_default_context(cafile=str(folder / "certificate"))
