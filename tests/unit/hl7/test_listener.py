"""Connections of senders: who gets one, how long it lasts, and that it ends between messages."""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from dicomnode.hl7.listener import Connections, Listener
from dicomnode.hl7.settings import Hl7Settings

Start = Callable[..., "Served"]
MESSAGE, ANSWER = b"\x0bhello\x1c\r", b"\x0bHELLO\x1c\r"


class Served:
    """A listener in this process that answers each message in capitals."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, **settings: Any) -> None:
        self.connections = Connections()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.asked = threading.Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(0)
        self._listener = Listener(
            self._listening,
            answer=self._answer,
            settings=Hl7Settings(**settings),
            tls=tls,
            connections=self.connections,
        )
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def connect(self) -> socket.socket:
        return socket.create_connection(self._listening.getsockname(), timeout=30)

    def end(self) -> None:
        self._is_over.set()
        self._thread.join()
        self.may_answer.set()
        self.connections.abort(10)
        self._listening.close()

    def _answer(self, message: bytes, address: str) -> bytes:
        self.asked.set()
        assert self.may_answer.wait(30)
        return message.upper()

    def _accept(self) -> None:
        while not self._is_over.is_set():
            if select.select([self._listener], [], [], 0.02)[0]:
                self._listener.accept()


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[Served] = []

    def one(**settings: Any) -> Served:
        running.append(Served(**settings))
        return running[-1]

    with capture_logs():
        yield one
        for served in running:
            served.end()


def answered(connected: socket.socket) -> bytes:
    """What comes until an answer is whole or the connection has ended."""
    data = b""
    while not data.endswith(b"\x1c\r"):
        piece = connected.recv(4096)
        if not piece:
            break
        data += piece
    return data


def test_messages_are_answered_one_after_the_other(start: Start) -> None:
    with start().connect() as sender:
        for piece in (MESSAGE[:3], MESSAGE[3:] + MESSAGE[:1]):
            sender.sendall(piece)
        assert answered(sender) == ANSWER
        sender.sendall(MESSAGE[1:])
        assert answered(sender) == ANSWER


def test_message_that_does_not_go_on_costs_the_connection(start: Start) -> None:
    with start(message_timeout_s=0.2).connect() as sender:
        sender.sendall(MESSAGE[:4])
        assert sender.recv(100) == b""


def test_message_that_comes_byte_by_byte_has_its_deadline(start: Start) -> None:
    with start(message_timeout_s=0.5).connect() as sender:
        sender.sendall(b"\x0b")
        pieces = 0
        while not select.select([sender], [], [], 0.05)[0]:
            sender.sendall(b"x")
            pieces += 1
        assert ended(sender)
        assert pieces > 1


def test_connection_that_stands_idle_is_ended(start: Start) -> None:
    with start(idle_timeout_s=0.2).connect() as sender:
        assert sender.recv(100) == b""


@pytest.mark.parametrize("settings", [{"addresses": ["10.0.0.0/8"]}, {"addresses": []}])
def test_stranger_gets_no_connection(start: Start, settings: dict[str, Any]) -> None:
    with start(**settings).connect() as sender:
        assert ended(sender)


def test_known_address_gets_one(start: Start) -> None:
    with start(addresses=["10.0.0.0/8", "127.0.0.1"]).connect() as sender:
        sender.sendall(MESSAGE)
        assert answered(sender) == ANSWER


def test_further_connections_are_closed(start: Start) -> None:
    served = start(maximum_connections=1)
    with served.connect() as first:
        first.sendall(MESSAGE)
        assert answered(first) == ANSWER
        with served.connect() as second:
            assert ended(second)
        first.sendall(MESSAGE)
        assert answered(first) == ANSWER


def test_draining_ends_idle_connections_and_answers_what_is_under_way(start: Start) -> None:
    served = start()
    with served.connect() as idle, served.connect() as busy:
        idle.sendall(MESSAGE)
        assert answered(idle) == ANSWER
        served.may_answer.clear()
        served.asked.clear()
        busy.sendall(MESSAGE + MESSAGE)
        assert served.asked.wait(30)
        served.connections.drain()
        assert idle.recv(100) == b""
        served.may_answer.set()
        assert answered(busy) == ANSWER
        assert ended(busy)


def test_draining_ends_a_connection_that_has_not_begun_tls(start: Start) -> None:
    served = start(tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), tls_handshake_timeout_s=600)
    with served.connect() as silent:
        wait_for_connections(served, 1)
        served.connections.drain()
        while not ended(silent):  # what TLS says in farewell
            pass
        wait_for_connections(served, 0)


def test_connection_that_no_thread_could_be_had_for_is_not_counted(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    served = start(maximum_connections=1)
    with monkeypatch.context() as short_of_threads:
        short_of_threads.setattr(threading.Thread, "start", no_thread)
        with served.connect() as unlucky:
            assert ended(unlucky)
    with served.connect() as sender:
        sender.sendall(MESSAGE)
        assert answered(sender) == ANSWER


def wait_for_connections(served: Served, number: int) -> None:
    deadline = time.monotonic() + 30
    while len(served.connections) != number:
        assert time.monotonic() < deadline, f"there are {len(served.connections)} connections"
        time.sleep(0.01)


def ended(connected: socket.socket) -> bool:
    """Whether the other side has ended the connection, maybe with a reset for what it did not read."""
    try:
        return connected.recv(100) == b""
    except ConnectionResetError:
        return True
