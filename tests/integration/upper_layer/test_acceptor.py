"""What a listener does with many connections at once."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import Any

import pytest
import structlog
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]


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


def wait_until_empty(node: Any) -> None:
    deadline = time.monotonic() + 10
    while node.acceptor.associations:
        assert time.monotonic() < deadline, "associations are left"
        time.sleep(0.01)
