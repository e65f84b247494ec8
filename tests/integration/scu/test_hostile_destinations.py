"""Destinations that break the protocol: they cost time within bounds, and the outcome says what they did."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEG2000Lossless

from dicomnode.dicom.outgoing import OutgoingInstance
from dicomnode.dicom.peer import PeerSettings
from dicomnode.scu.settings import ScuSettings
from dicomnode.scu.storage import Sent, StorageSCU
from dicomnode.upper_layer import commands

SOON_S = 20.0
ABORT = struct.pack(">BxIBBBB", 7, 4, 0, 0, 0, 0)
RELEASE_RQ, RELEASE_RP = struct.pack(">BxII", 5, 4, 0), struct.pack(">BxII", 6, 4, 0)

Answer = Callable[["Conversation", commands.Command], None]


def received(connection: socket.socket, size_bytes: int) -> bytes:
    data = b""
    while len(data) < size_bytes:
        piece = connection.recv(size_bytes - len(data))
        if not piece:
            raise ConnectionError
        data += piece
    return data


def item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(body)) + body


def response(request: commands.Command, *, message_id: int | None = None, status: int = 0) -> bytes:
    """A C-STORE-RSP in context 1."""
    if message_id is not None:
        request = commands.Command(request.elements | {commands.MESSAGE_ID: struct.pack("<H", message_id)})
    return commands.response_pdu(request, 1, status)


class Conversation:
    """One association with a destination that accepts context 1, and then answers as it is told."""

    def __init__(self, connection: socket.socket, syntax: str, maximum_length: int) -> None:
        self.connection = connection
        self.dataset = b""
        request = self.pdu()[1]
        user = item(0x51, struct.pack(">I", maximum_length)) + item(0x52, b"1.2.3")
        contexts = item(0x21, b"\x01\0\0\0" + item(0x40, syntax.encode()))
        contexts += item(0x21, b"\x03\0\x03\0" + item(0x40, syntax.encode()))
        body = request[:68] + item(0x10, b"1.2.840.10008.3.1.1.1") + contexts + item(0x50, user)
        connection.sendall(struct.pack(">BxI", 2, len(body)) + body)

    def pdu(self) -> tuple[int, bytes]:
        kind, length = struct.unpack(">BxI", received(self.connection, 6))
        return kind, received(self.connection, length)

    def message(self) -> commands.Command | None:
        """The command set of the next C-STORE-RQ, when its data set has come; None at a release."""
        command, self.dataset = b"", b""
        while True:
            kind, body = self.pdu()
            if kind == 5:
                self.connection.sendall(RELEASE_RP)
                return None
            if kind != 4:
                raise ConnectionError
            header = body[5]
            if header & 1:
                command += body[6:]
            else:
                self.dataset += body[6:]
                if header & 2:
                    return commands.decode(command)


class Destination:
    """Listens, and holds one conversation after the other."""

    def __init__(self, answer: Answer, syntax: str, maximum_length: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._answer = answer
        self._with = syntax, maximum_length
        self.datasets: list[bytes] = []
        self.associations = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                conversation = Conversation(connection, *self._with)
                self.associations += 1
                while (request := conversation.message()) is not None:
                    self.datasets.append(conversation.dataset)
                    self._answer(conversation, request)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(SOON_S)
        self._listener.close()


@pytest.fixture
def destination() -> Iterator[Callable[..., Destination]]:
    running: list[Destination] = []

    def start(answer: Answer, syntax: str = ExplicitVRLittleEndian, maximum_length: int = 16384) -> Destination:
        running.append(Destination(answer, syntax, maximum_length))
        return running[-1]

    yield start
    for one in running:
        one.close()


def send(port: int, count: int = 2, dataset: bytes = bytes(1000)) -> list[Sent]:
    peer = PeerSettings(ae_title="PEER", host="127.0.0.1", port=port)
    settings = ScuSettings(answer_timeout_s=0.5, association_timeout_s=SOON_S)
    scu = StorageSCU(peer, calling_ae_title="NODE", settings=settings, transcode=None)
    instances = [
        OutgoingInstance(CTImageStorage, f"1.2.3.{number}", ExplicitVRLittleEndian, lambda: memoryview(dataset))
        for number in range(count)
    ]
    began = time.monotonic()
    sent = list(scu.send(instances))
    assert [one.instance for one in sent] == instances
    assert time.monotonic() - began < SOON_S
    return sent


def trickle(conversation: Conversation, request: commands.Command) -> None:
    conversation.connection.settimeout(0.05)
    for number in response(request):
        conversation.connection.sendall(bytes([number]))
        with contextlib.suppress(TimeoutError):
            conversation.connection.recv(1)
            raise ConnectionError


HOSTILE: dict[str, tuple[Answer, str]] = {
    "another message": (lambda c, rq: c.connection.sendall(response(rq, message_id=99)), "response to another request"),
    "garbage": (lambda c, _: c.connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n"), "PDU of 1414541105 bytes"),
    "abort": (lambda c, _: c.connection.sendall(ABORT), "the peer aborted it"),
    "release": (lambda c, _: c.connection.sendall(RELEASE_RQ), "the peer released it"),
    "close": (lambda c, _: c.connection.shutdown(socket.SHUT_RDWR), "connection closed"),
    "no status": (lambda c, rq: c.connection.sendall(response(rq).replace(b"\0\0\0\x09", b"\0\0\x01\x09")), "a status"),
    "a request": (lambda c, rq: c.connection.sendall(response(rq).replace(b"\x01\x80", b"\x30\0")), "nobody asked for"),
    "one byte at a time": (trickle, "no answer within 0.5 s"),
}


def _twice(pdu: bytes) -> bytes:
    body = pdu[6:] * 2
    return struct.pack(">BxI", 4, len(body)) + body


@pytest.mark.parametrize("how", HOSTILE)
def test_answer_that_is_none_fails_its_instance(destination: Callable[..., Destination], how: str) -> None:
    answer, words = HOSTILE[how]
    sent = send(destination(answer).port)
    assert [one.status for one in sent] == [None, None]
    assert all("association lost: " in one.reason and words in one.reason for one in sent), sent


def test_peer_that_answers_twice_loses_the_association_but_no_instance(
    destination: Callable[..., Destination],
) -> None:
    peer = destination(lambda c, rq: c.connection.sendall(_twice(response(rq))))
    assert [one.status for one in send(peer.port, 3)] == [0, 0, 0]
    assert peer.associations == 3


def test_peer_that_takes_tiny_pdus_gets_them(destination: Callable[..., Destination]) -> None:
    peer = destination(lambda c, rq: c.connection.sendall(response(rq)), maximum_length=9)
    dataset = bytes(range(256)) * 10
    assert [one.status for one in send(peer.port, 2, dataset)] == [0, 0]
    assert peer.datasets == [dataset, dataset]


def test_peer_that_accepts_in_a_syntax_that_nobody_proposed(destination: Callable[..., Destination]) -> None:
    peer = destination(lambda c, rq: c.connection.sendall(response(rq)), syntax=JPEG2000Lossless)
    sent = send(peer.port)
    assert [one.status for one in sent] == [None, None]
    assert peer.datasets == []


def test_peer_that_accepts_without_a_transfer_syntax_takes_nothing(destination: Callable[..., Destination]) -> None:
    peer = destination(lambda c, rq: c.connection.sendall(response(rq)), syntax="")
    sent = send(peer.port)
    assert [one.status for one in sent] == [None, None]
    assert all("does not take" in one.reason for one in sent)
