"""A peer that vanishes without a word, its cable pulled or its power gone: TCP itself finds out, long before the idle timeout."""

from __future__ import annotations

import ctypes
import socket
import struct
import time
from typing import Any

import pytest
from raw_peer import A_ASSOCIATE_AC, COMMAND, LAST, P_DATA_TF, RawPeer, echo_command, pdu, pdv

from dicomnode.upper_layer import connection
from dicomnode.upper_layer.connection import Connection
from dicomnode.upper_layer.settings import UpperLayerSettings

SO_ATTACH_FILTER = 26
"""socket(7)"""
TIMED_OUT = ("connection lost", "Connection timed out")


def pull_the_cable(sock: socket.socket) -> None:
    """Nothing that is sent to ``sock`` arrives any more, nor is acknowledged: a filter that lets no byte pass (socket(7))."""
    nothing = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF_RET: of each packet, 0 bytes
    program = struct.pack("HL", 1, ctypes.addressof(nothing))
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
    except PermissionError:
        pytest.skip("this kernel lets only root attach a filter to a socket")


@pytest.fixture
def patience_s(monkeypatch: pytest.MonkeyPatch) -> float:
    """How long a vanished peer is waited for here: a test cannot wait for two minutes."""
    monkeypatch.setattr(connection, "_KEEPALIVE_IDLE_S", 1)
    monkeypatch.setattr(connection, "_KEEPALIVE_INTERVAL_S", 1)
    monkeypatch.setattr(connection, "_KEEPALIVE_PROBES", 2)
    return 3.0


def wait_for_end(node: Any, timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not node.operations.endings:
        assert time.monotonic() < deadline, "the association of a vanished peer is still there"
        time.sleep(0.05)


def test_association_of_a_peer_that_vanished_while_idle_ends(listen: Any, patience_s: float) -> None:
    node = listen(idle_timeout_s=100, send_timeout_s=1)
    with RawPeer(node.port) as peer:
        assert peer.associate(contexts=(("1.2.840.10008.1.1", ("1.2.840.10008.1.2.1",)),)) == A_ASSOCIATE_AC
        pull_the_cable(peer.socket)
        wait_for_end(node, 5 * patience_s)
    assert node.operations.endings == [TIMED_OUT]


def test_association_of_a_peer_that_vanished_before_its_answer_ends(listen: Any, patience_s: float) -> None:
    node = listen(idle_timeout_s=100, send_timeout_s=1)
    with RawPeer(node.port) as peer:
        assert peer.associate(contexts=(("1.2.840.10008.1.1", ("1.2.840.10008.1.2.1",)),)) == A_ASSOCIATE_AC
        pull_the_cable(peer.socket)
        peer.send(pdu(P_DATA_TF, pdv(1, COMMAND | LAST, echo_command())))
        wait_for_end(node, 5 * patience_s)
    assert node.operations.endings == [TIMED_OUT]


@pytest.mark.parametrize(("send_timeout_s", "patience_ms"), [(60, 120_000), (300, 300_000)])
def test_vanished_peer_is_found_out_in_two_minutes_unless_sending_may_take_longer(
    send_timeout_s: float, patience_ms: int
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            Connection(accepted, UpperLayerSettings(send_timeout_s=send_timeout_s))
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            idle_s, interval_s, probes = (
                accepted.getsockopt(socket.IPPROTO_TCP, option)
                for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
            )
            assert idle_s + interval_s * probes == 120
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == patience_ms
