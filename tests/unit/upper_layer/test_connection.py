"""Whole PDUs out of any pieces, waits that end, and a reader that is slow."""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from dicomnode.upper_layer.connection import HEADER_BYTES, Connection
from dicomnode.upper_layer.faults import Gone, TimedOut, Violation
from dicomnode.upper_layer.settings import UpperLayerSettings

MAXIMUM = 32768
LONG_S = 20.0


@pytest.fixture
def ends() -> Iterator[tuple[Connection, socket.socket]]:
    """A connection, and the peer's socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname(), timeout=LONG_S)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected, _ = listener.accept()
    connection = Connection(connected, UpperLayerSettings(maximum_pdu_bytes=MAXIMUM, send_timeout_s=0.5))
    yield connection, peer
    connection.close()
    peer.close()


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxI", kind, len(body)) + body


def limit(kind: int) -> int:
    """Control PDUs may be longer than those with data."""
    return MAXIMUM if kind == 4 else 2 * MAXIMUM


def read(connection: Connection, idle_s: float = LONG_S, pdu_s: float = LONG_S) -> tuple[int, bytes]:
    kind, body = connection.read_pdu(idle_s, pdu_s, limit)
    return kind, bytes(body)


def test_pdus_of_all_sizes_come_whole(ends: tuple[Connection, socket.socket]) -> None:
    connection, peer = ends
    dice = random.Random(1)
    sizes = [0, 1, 5, 16384 - 6, 16384, MAXIMUM - 1, MAXIMUM, *(dice.randint(0, MAXIMUM) for _ in range(300))]
    bodies = [dice.randbytes(size) for size in sizes]
    sender = threading.Thread(target=lambda: peer.sendall(b"".join(pdu(4, body) for body in bodies)))
    sender.start()
    assert all(read(connection) == (4, body) for body in bodies)
    sender.join()
    assert connection.received_bytes == sum(map(len, bodies)) + HEADER_BYTES * len(bodies)


def test_pdus_come_whole_from_pieces_of_any_size(ends: tuple[Connection, socket.socket]) -> None:
    connection, peer = ends
    dice = random.Random(2)
    bodies = [dice.randbytes(dice.choice([0, 3, 100, 20000])) for _ in range(60)]
    stream = b"".join(pdu(4, body) for body in bodies)

    def send() -> None:
        position = 0
        while position < len(stream):
            step = dice.choice([1, 5, 6, 7, 1000, 17000])
            peer.sendall(stream[position : position + step])
            position += step

    sender = threading.Thread(target=send)
    sender.start()
    assert all(read(connection) == (4, body) for body in bodies)
    sender.join()


def test_pdu_comes_whole_byte_by_byte(ends: tuple[Connection, socket.socket]) -> None:
    connection, peer = ends

    def send() -> None:
        for byte in pdu(7, b"abcd") * 50:
            peer.sendall(bytes([byte]))

    sender = threading.Thread(target=send)
    sender.start()
    assert [read(connection) for _ in range(50)] == [(7, b"abcd")] * 50
    sender.join()


def test_control_pdu_may_be_longer_than_the_buffer_for_data(ends: tuple[Connection, socket.socket]) -> None:
    connection, peer = ends
    small = Connection(connection._socket, UpperLayerSettings(maximum_pdu_bytes=4096))
    body = random.Random(3).randbytes(2 * MAXIMUM)
    sender = threading.Thread(target=lambda: peer.sendall(pdu(7, b"abcd") + pdu(1, body) + pdu(7, b"efgh")))
    sender.start()
    assert [read(small) for _ in range(3)] == [(7, b"abcd"), (1, body), (7, b"efgh")]
    sender.join()


@pytest.mark.parametrize(("kind", "length"), [(4, MAXIMUM + 1), (4, 0xFFFFFFFF), (1, 2 * MAXIMUM + 1)])
def test_pdu_beyond_the_limit_is_a_violation_before_its_body_comes(
    ends: tuple[Connection, socket.socket], kind: int, length: int
) -> None:
    connection, peer = ends
    peer.sendall(struct.pack(">BxI", kind, length))
    with pytest.raises(Violation, match=f"{length} bytes"):
        read(connection)


def test_peer_with_nagles_algorithm_need_not_wait_for_an_acknowledgment(ends: tuple[Connection, socket.socket]) -> None:
    connection, peer = ends
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
    message = pdu(4, b"command") + pdu(4, b"data")
    started = time.monotonic()
    for _ in range(30):
        connection.send(pdu(4, b"answer"))
        reader = threading.Thread(target=lambda: [read(connection) for _ in range(2)])
        reader.start()
        peer.recv(100)
        for start in range(0, len(message), 6):
            peer.sendall(message[start : start + 6])
        reader.join()
    assert time.monotonic() - started < 0.6  # a delayed acknowledgment takes 40 ms


def test_silence_ends_after_the_idle_timeout(ends: tuple[Connection, socket.socket]) -> None:
    connection, _ = ends
    started = time.monotonic()
    with pytest.raises(TimedOut):
        read(connection, idle_s=0.1)
    assert 0.09 < time.monotonic() - started < 1


@pytest.mark.parametrize("sent", [1, 5, 6, 10])
def test_pdu_that_stops_half_way_ends_after_its_own_timeout(ends: tuple[Connection, socket.socket], sent: int) -> None:
    connection, peer = ends
    peer.sendall(pdu(4, b"x" * 100)[:sent])
    started = time.monotonic()
    with pytest.raises(TimedOut):
        read(connection, pdu_s=0.1)
    assert time.monotonic() - started < 1


def test_trickle_does_not_prolong_a_pdu(ends: tuple[Connection, socket.socket]) -> None:
    connection, peer = ends
    stop = threading.Event()

    def trickle() -> None:
        for byte in pdu(4, b"x" * 1000):
            peer.sendall(bytes([byte]))
            if stop.wait(0.01):
                return

    sender = threading.Thread(target=trickle)
    sender.start()
    started = time.monotonic()
    with pytest.raises(TimedOut):
        read(connection, pdu_s=0.2)
    assert time.monotonic() - started < 1
    stop.set()
    sender.join()


def test_end_between_and_within_pdus_is_told(ends: tuple[Connection, socket.socket]) -> None:
    connection, peer = ends
    peer.sendall(pdu(4, b"whole") + pdu(4, b"half")[:8])
    peer.shutdown(socket.SHUT_WR)
    assert read(connection) == (4, b"whole")
    with pytest.raises(Gone):
        read(connection)


def test_reset_is_told(ends: tuple[Connection, socket.socket]) -> None:
    connection, peer = ends
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    with pytest.raises(Gone):
        read(connection)


def test_interrupt_ends_a_waiting_read(ends: tuple[Connection, socket.socket]) -> None:
    connection, _ = ends
    ended: list[BaseException] = []

    def wait() -> None:
        try:
            read(connection)
        except Gone as gone:
            ended.append(gone)

    reader = threading.Thread(target=wait)
    reader.start()
    connection.interrupt()
    reader.join(LONG_S)
    assert len(ended) == 1


def test_input_is_seen_without_being_read(ends: tuple[Connection, socket.socket]) -> None:
    connection, peer = ends
    assert not connection.has_input()
    peer.sendall(pdu(7, b"abcd") * 2)
    assert read(connection)[0] == 7
    assert connection.has_input()
    assert read(connection)[0] == 7
    assert not connection.has_input()


def test_big_answer_reaches_a_slow_reader_whole(ends: tuple[Connection, socket.socket]) -> None:
    connection, peer = ends
    data = random.Random(4).randbytes(20_000_000)
    got = bytearray()

    def read_slowly() -> None:
        while len(got) < len(data):
            got.extend(peer.recv(70_000))

    reader = threading.Thread(target=read_slowly)
    reader.start()
    connection.send(data)
    reader.join(LONG_S)
    assert got == data


def test_reader_that_takes_nothing_is_given_up(ends: tuple[Connection, socket.socket]) -> None:
    connection, _ = ends
    started = time.monotonic()
    with pytest.raises(TimedOut):
        connection.send(bytes(50_000_000))
    assert time.monotonic() - started < 3


def test_send_to_one_who_has_gone_is_told(ends: tuple[Connection, socket.socket]) -> None:
    connection, peer = ends
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()
    with pytest.raises(Gone):
        connection.send(bytes(50_000_000))


def test_last_words_are_not_overtaken_by_a_reset(ends: tuple[Connection, socket.socket]) -> None:
    connection, peer = ends
    peer.sendall(bytes(100_000))  # unread input would turn a plain close into a reset
    connection.send(b"goodbye")
    closer = threading.Thread(target=lambda: connection.close(linger_s=LONG_S))
    closer.start()
    assert peer.recv(100) == b"goodbye"
    assert peer.recv(100) == b""
    peer.close()
    closer.join(LONG_S)
    assert not closer.is_alive()


def test_lingering_ends_though_the_peer_stays(ends: tuple[Connection, socket.socket]) -> None:
    connection, _ = ends
    started = time.monotonic()
    connection.close(linger_s=0.2)
    assert time.monotonic() - started < 1
