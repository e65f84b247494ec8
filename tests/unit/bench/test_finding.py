"""The client of queries counts the matches, and takes no part of them for the whole."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from bench import wire
from bench.finding import find
from bench.raw_client import Address, Association, PeerRefusedError
from dicomnode.upper_layer import commands, pdus

MATCH = b"\x08\x00\x52\x00CS\x06\x00STUDY "


def response(status: int, *, has_identifier: bool) -> bytes:
    return commands.identifier_response(wire.C_FIND_RQ, wire.STUDY_ROOT_FIND, 1, status, has_identifier=has_identifier)


def answers(matches: int, status: int) -> bytes:
    """Pending responses, half of them with an unsupported key, and the final one."""
    pending = pdus.messages(1, response(0xFF00, has_identifier=True), [MATCH] * (matches - matches // 2), 0)
    partly = pdus.messages(1, response(0xFF01, has_identifier=True), [MATCH] * (matches // 2), 0)
    final = b"".join(pdus.fragmented(1, response(status, has_identifier=False), b"", 0))
    return pending + partly + final


@pytest.fixture
def peer() -> Iterator[tuple[Address, list[bytes]]]:
    """A server that answers each request with the next of these bytes."""
    to_say: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                request = connection.recv(65536)
                connection.sendall(wire.associate_ac(request[6:]))
                while request := connection.recv(65536):
                    if request[0] == wire.RELEASE_RQ:
                        connection.sendall(wire.pdu(wire.RELEASE_RP, bytes(4)))
                        return
                    connection.sendall(to_say.pop(0))

        thread = threading.Thread(target=serve)
        thread.start()
        yield Address(listener.getsockname()[1], "PEER"), to_say
        thread.join()


def test_matches_are_counted(peer: tuple[Address, list[bytes]]) -> None:
    address, to_say = peer
    to_say += [answers(5000, 0x0000), answers(0, 0x0000), answers(4, 0x0000), answers(5, 0xA700)]
    with Association(address, [wire.STUDY_ROOT_FIND]) as association:
        request = wire.find_rq(association.require(wire.context_id(0)), MATCH)
        find(association, request, 5000)
        find(association, request, 0)
        with pytest.raises(PeerRefusedError, match="4 matches of 5"):
            find(association, request, 5)
        with pytest.raises(PeerRefusedError, match="A700"):
            find(association, request, 5)
