"""What a listener does with many connections at once."""

from __future__ import annotations

import contextlib
import socket
import time
from typing import Any

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
    for _ in range(50):
        socket.create_connection(("127.0.0.1", node.port)).close()
    deadline = time.monotonic() + 10
    while node.acceptor.associations:
        assert time.monotonic() < deadline, "associations are left"
        time.sleep(0.01)
    assert node.operations.endings == []
