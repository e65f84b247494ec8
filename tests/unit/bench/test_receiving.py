"""The Move Destination of the benchmark: takes whatever a sender makes of a message, counts, answers."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from pydicom.uid import CTImageStorage

from bench import instances, wire
from bench.receiving import Receiver


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(10)
        yield ours, theirs


def test_answers_instances_and_hands_other_messages_out(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    receiver = Receiver(theirs)
    messages: list[bytes | None] = []
    thread = threading.Thread(target=lambda: messages.extend([receiver.next_message(), receiver.next_message()]))
    thread.start()
    template = instances.tiny()
    for pdu in wire.store_rq_pdus(template, 3, 6 * 1024):
        ours.sendall(pdu)
    answer = ours.recv(4096)
    assert wire.response_status(answer[wire.PDU_HEADER_BYTES :]) == wire.SUCCESS
    assert answer[10] == 3
    ours.sendall(wire.echo_rq(1))
    ours.sendall(wire.pdu(wire.RELEASE_RQ, bytes(4)))
    thread.join(10)
    assert messages[0] is not None
    assert wire.element(messages[0], 0x0100) == wire.C_ECHO_RQ
    assert messages[1] is None
    assert (receiver.received.instances, receiver.received.size_bytes) == (1, template.size_bytes)


def test_takes_command_and_data_set_in_one_pdu(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    receiver = Receiver(theirs)
    thread = threading.Thread(target=receiver.next_message)
    thread.start()
    template = instances.tiny()
    pdus = list(wire.store_rq_pdus(template, 1, wire.LARGEST_PDU))
    body = b"".join(pdu[wire.PDU_HEADER_BYTES :] for pdu in pdus)
    ours.sendall(struct.pack(">BBL", wire.P_DATA, 0, len(body)) + body)
    assert wire.response_status(ours.recv(4096)[wire.PDU_HEADER_BYTES :]) == wire.SUCCESS
    ours.close()
    thread.join(10)
    assert receiver.received.instances == 1


def test_proposes_the_scp_role_where_it_receives() -> None:
    request = wire.associate_rq("NODE", "BENCH", [wire.STUDY_ROOT_GET, CTImageStorage], [CTImageStorage])
    uid = CTImageStorage.encode()
    assert struct.pack(">BBHH", 0x54, 0, len(uid) + 4, len(uid)) + uid + b"\x00\x01" in request
