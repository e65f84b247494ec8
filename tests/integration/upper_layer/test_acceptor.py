"""What a listener does with many connections at once."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
import time
from typing import Any

import pytest
import structlog
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from raw_peer import A_ABORT, A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ, A_RELEASE_RP, RawPeer, pdu


def test_silent_connections_give_way_to_those_who_ask(listen: Any) -> None:
    node = listen(maximum_pdu_bytes=4096)
    with contextlib.ExitStack() as stack:
        ae = AE("PEER")
        ae.add_requested_context(Verification, "1.2.840.10008.1.2.1")
        early = ae.associate("127.0.0.1", node.port)
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", node.port), timeout=10)) for _ in range(400)
        ]
        late = ae.associate("127.0.0.1", node.port)
        assert late.send_c_echo().Status == 0
        assert early.send_c_echo().Status == 0
        assert silent[0].recv(1) == b""  # the oldest one, closed long before its time is up
        deadline = time.monotonic() + 10
        while node.acceptor.associations > 258:
            assert time.monotonic() < deadline, "too many silent connections are kept"
            time.sleep(0.01)
        early.release()
        late.release()


def test_connection_that_ends_at_once_leaves_nothing(listen: Any) -> None:
    node = listen()
    with structlog.testing.capture_logs() as lines:
        for _ in range(50):
            socket.create_connection(("127.0.0.1", node.port)).close()
        wait_until_empty(node)
    assert {(line["event"], line["log_level"]) for line in lines} <= {("connection.unused", "debug")}
    assert node.operations.endings == []


def test_largest_proposal_of_a_real_sender_is_answered(listen: Any) -> None:
    node = listen()
    ae = AE("PEER")
    for number in range(128):
        others = [f"1.2.840.10008.1.2.4.{1000 + other}" for other in range(29)]
        ae.add_requested_context(f"1.2.840.10008.5.1.4.1.1.{1000 + number}.1", [*others, "1.2.840.10008.1.2.1"])
    association = ae.associate("127.0.0.1", node.port)
    assert len(association.accepted_contexts) == 128
    association.release()


def test_log_names_what_was_refused_of_a_proposal(listen: Any) -> None:
    node = listen()
    ae = AE("PEER")
    ae.add_requested_context(Verification, "1.2.840.10008.1.2.1")
    for number in range(9):
        ae.add_requested_context(f"1.2.3.{number}", "1.2.840.10008.1.2.4.50")  # the node's policy takes no JPEG here
    with structlog.testing.capture_logs() as lines:
        ae.associate("127.0.0.1", node.port).release()
        wait_until_empty(node)
    [accepted] = [line for line in lines if line["event"] == "association.accepted"]
    assert (accepted["contexts"], accepted["contexts_refused"]) == (1, 9)
    assert accepted["refused_sop_classes"] == [f"1.2.3.{number}" for number in range(5)]


def test_connection_is_closed_even_if_the_end_cannot_be_told(listen: Any) -> None:
    node = listen()

    class Broken(list[object]):
        def append(self, ending: object) -> None:
            raise ZeroDivisionError

    node.operations.endings = Broken()
    ae = AE("PEER")
    ae.add_requested_context(Verification, "1.2.840.10008.1.2.1")
    association = ae.associate("127.0.0.1", node.port)
    association.release()
    assert association.is_released
    wait_until_empty(node)


def test_connection_that_no_thread_could_be_had_for_leaves_nothing(
    listen: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    node = listen()
    with monkeypatch.context() as short_of_threads:
        short_of_threads.setattr(threading.Thread, "start", no_thread)
        with socket.create_connection(("127.0.0.1", node.port), timeout=30) as unlucky:
            assert unlucky.recv(1) == b""
    wait_until_empty(node)  # else a worker that is to leave would wait for it until it is killed


ASYNCHRONOUS_OPERATIONS = struct.pack(">BxHHH", 0x53, 4, 5, 5)
"""What has to be negotiated each time, so that nothing of it is remembered (`dicomnode.upper_layer.agreements`)."""


def request(
    *user_items: bytes,
    version: int = 1,
    further_items: bytes = b"",
    titles: bytes = b"NODE".ljust(16) + b"PEER".ljust(16),
) -> bytes:
    """An A-ASSOCIATE-RQ for Verification."""

    def item(kind: int, value: bytes) -> bytes:
        return struct.pack(">BxH", kind, len(value)) + value

    context = b"\1\0\0\0" + item(0x30, b"1.2.840.10008.1.1") + item(0x40, b"1.2.840.10008.1.2.1")
    user = item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3") + b"".join(user_items)
    body = struct.pack(">Hxx32s32x", version, titles)
    body += item(0x10, b"1.2.840.10008.3.1.1.1") + item(0x20, context) + item(0x50, user) + further_items
    return pdu(A_ASSOCIATE_RQ, body)


@pytest.mark.parametrize("more", [b"", ASYNCHRONOUS_OPERATIONS], ids=["remembered", "negotiated"])
def test_items_of_unknown_types_are_skipped(listen: Any, more: bytes) -> None:
    unknown = b"\xe0\0\0\3???"
    with RawPeer(listen().port) as peer:
        peer.send(request(more, unknown, further_items=unknown))
        assert peer.receive()[0] == A_ASSOCIATE_AC
        assert peer.release() == A_RELEASE_RP


@pytest.mark.parametrize("more", [b"", ASYNCHRONOUS_OPERATIONS], ids=["remembered", "negotiated"])
@pytest.mark.parametrize(("version", "answer"), [(1, A_ASSOCIATE_AC), (3, A_ASSOCIATE_AC), (2, A_ASSOCIATE_RJ)])
def test_protocol_version_is_told_by_its_first_bit(listen: Any, version: int, answer: int, more: bytes) -> None:
    with RawPeer(listen().port) as peer:
        peer.send(request(more, version=version))
        kind, body = peer.receive()
        assert kind == answer
        if kind == A_ASSOCIATE_AC:
            assert body[:2] == b"\0\1"
            assert peer.release() == A_RELEASE_RP
        else:
            assert body[1:] == b"\1\2\2"  # protocol version not supported (PS3.8 Table 9-21)


@pytest.mark.parametrize("more", [b"", ASYNCHRONOUS_OPERATIONS], ids=["remembered", "negotiated"])
def test_title_padded_with_nul_is_the_title(listen: Any, more: bytes) -> None:
    node = listen()
    with structlog.testing.capture_logs() as lines, RawPeer(node.port) as peer:
        peer.send(request(more, titles=b"NODE".ljust(16, b"\0") + b"PEER".ljust(16, b"\0")))
        assert peer.receive()[0] == A_ASSOCIATE_AC
        assert peer.release() == A_RELEASE_RP
        wait_until_empty(node)
    [line] = [line for line in lines if line["event"] == "association.released"]
    assert (line["called_ae_title"], line["calling_ae_title"]) == ("NODE", "PEER")


def test_user_identity_of_no_known_type_is_the_peers_fault(listen: Any) -> None:
    with structlog.testing.capture_logs() as lines, RawPeer(listen().port) as peer:
        peer.send(request(struct.pack(">BxHBBHH", 0x58, 6, 9, 0, 0, 0)))
        assert peer.receive() == (A_ABORT, b"\0\0\2\6")
        assert peer.receive()[0] == 0
    assert [line["event"] for line in lines if line["log_level"] == "error"] == []


def wait_until_empty(node: Any) -> None:
    deadline = time.monotonic() + 10
    while node.acceptor.associations:
        assert time.monotonic() < deadline, "associations are left"
        time.sleep(0.01)
