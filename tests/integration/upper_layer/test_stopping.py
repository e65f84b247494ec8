"""When the node stops, who is still associated is told so: an A-ABORT comes before the connection ends (PS3.8 Section 9.3.8)."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pynetdicom import AE, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)

from dicomnode.upper_layer.connection import Connection
from dicomnode.upper_layer.faults import Gone
from dicomnode.upper_layer.settings import UpperLayerSettings

FIND = StudyRootQueryRetrieveInformationModelFind


def test_idle_association_is_aborted_with_a_word(listen: Any) -> None:
    node = listen()
    ae = AE("PEER")
    ae.add_requested_context(Verification)
    aborted = threading.Event()
    heard: list[Any] = []
    association = ae.associate(
        "127.0.0.1",
        node.port,
        evt_handlers=[
            (evt.EVT_PDU_RECV, lambda event: heard.append(event.pdu)),
            (evt.EVT_ABORTED, lambda _: aborted.set()),
        ],
    )
    assert association.send_c_echo().Status == 0
    node.acceptor.abort(5)
    assert aborted.wait(10)
    assert (type(heard[-1]).__name__, heard[-1].source, heard[-1].reason_diagnostic) == ("A_ABORT_RQ", 2, 0)
    assert node.operations.endings == [("aborted by us", "the node stops")]


class TlsEnds:
    """A connection under TLS, and the peer's end, whose records can be held back."""

    def __init__(self, server: ssl.SSLContext, client: ssl.SSLContext) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.raw = socket.create_connection(listener.getsockname(), timeout=10)
            connected, _ = listener.accept()
        self.connection = Connection(connected, UpperLayerSettings())
        self._from_node, self._to_node = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = client.wrap_bio(self._from_node, self._to_node, server_hostname="localhost")
        shaking = threading.Thread(target=self.connection.handshake, args=(server, 10))
        shaking.start()
        self._pump(self._tls.do_handshake)
        shaking.join()

    def record(self, data: bytes) -> bytes:
        """``data`` as a TLS record, not sent yet."""
        self._tls.write(data)
        return self._to_node.read()

    def receive(self) -> bytes:
        """What comes next; empty at the end, which TLS has to announce."""
        return bytes(self._pump(lambda: self._tls.read(65536)))

    def _pump(self, step: Any) -> Any:
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                self.raw.sendall(self._to_node.read())
                self._from_node.write(self.raw.recv(65536))
            except ssl.SSLZeroReturnError:
                return b""
            else:
                self.raw.sendall(self._to_node.read())
                return done


@pytest.fixture
def ends(tls_contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> Iterator[TlsEnds]:
    """Both ends of a connection under TLS."""
    both = TlsEnds(*tls_contexts)
    yield both
    both.connection.close()
    both.raw.close()


def test_last_words_of_an_interrupted_connection_go_out_under_tls(ends: TlsEnds) -> None:
    heard: list[Gone] = []
    waits = threading.Event()

    def wait_for_a_pdu() -> None:
        waits.set()
        try:
            ends.connection.read_pdu(20, 20, lambda _: 1000)
        except Gone as error:
            heard.append(error)

    reader = threading.Thread(target=wait_for_a_pdu)
    reader.start()
    waits.wait(10)
    ends.connection.interrupt()
    reader.join(10)
    assert len(heard) == 1
    ends.connection.send(b"last words")
    ends.connection.close()
    assert (ends.receive(), ends.receive()) == (b"last words", b"")


def test_half_a_record_is_no_input_yet(ends: TlsEnds) -> None:
    pdu = b"\x04\0\0\0\0\x02ab"
    record = ends.record(pdu)
    assert not ends.connection.has_input()
    ends.raw.sendall(record[:10])
    _until_readable(ends)
    assert not ends.connection.has_input()
    ends.raw.sendall(record[10:])
    kind, body = ends.connection.read_pdu(10, 10, lambda _: 1000)
    assert (kind, bytes(body)) == (4, b"ab")


def _until_readable(ends: TlsEnds) -> None:
    poll = select.poll()
    poll.register(ends.connection._socket, select.POLLIN)
    assert poll.poll(10_000)
