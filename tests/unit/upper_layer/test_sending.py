"""C-STORE requests on the wire, and what is read from their answers."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomnode.dicom.instance import StoreAnswer
from dicomnode.dicom.outgoing import MoveOriginator
from dicomnode.upper_layer import commands
from dicomnode.upper_layer.connection import Connection
from dicomnode.upper_layer.faults import Gone, TimedOut, Violation
from dicomnode.upper_layer.sending import send_store
from dicomnode.upper_layer.settings import UpperLayerSettings

CT = "1.2.840.10008.5.1.4.1.1.2"
CONTEXT = 5
COMMAND = commands.store_request(CT, "1.2.3", 7)


class Sink:
    """Reads all that comes on a connection, until it ends."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._theirs = socket.create_connection(listener.getsockname())
            ours, _ = listener.accept()
        self.connection = Connection(ours, UpperLayerSettings(send_timeout_s=20))
        self._data = bytearray()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while piece := self._theirs.recv(70_000):
            self._data += piece

    def received(self) -> bytes:
        """All of it, after the connection has been closed."""
        self.connection.close()
        self._reader.join()
        self._theirs.close()
        return bytes(self._data)


def fragments(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Of P-DATA-TF PDUs with one fragment each: length of the body, context, message control header, fragment."""
    position = 0
    while position < len(data):
        kind, length, item_length, context_id, header = struct.unpack_from(">BxIIBB", data, position)
        assert kind == 4
        assert item_length + 4 == length
        yield length, context_id, header, data[position + 12 : position + 6 + length]
        position += 6 + length


def sent(dataset: bytes, maximum_length: int) -> list[tuple[int, int, int, bytes]]:
    sink = Sink()
    send_store(sink.connection, CONTEXT, COMMAND, memoryview(dataset), maximum_length)
    return list(fragments(sink.received()))


@pytest.mark.parametrize("size_bytes", [2, 16372, 16374, 16376, 32748, 32750, 300_000, 3_000_000])
@pytest.mark.parametrize("maximum_length", [0, 128, 16380, 131072, 10_000_000])
def test_dataset_arrives_whole_in_pdus_that_the_peer_takes(size_bytes: int, maximum_length: int) -> None:
    dataset = bytes(index % 251 for index in range(size_bytes))
    if size_bytes * 200 > 300_000 * maximum_length > 0:
        dataset = dataset[: maximum_length * 300]
    came = sent(dataset, maximum_length)
    assert {context_id for _, context_id, _, _ in came} == {CONTEXT}
    assert all(len(fragment) % 2 == 0 for *_, fragment in came)
    if maximum_length:
        assert max(length for length, *_ in came) <= maximum_length
    command = [item for item in came if item[2] & 1]
    rest = [item for item in came if not item[2] & 1]
    assert came == command + rest
    assert b"".join(item[3] for item in command) == COMMAND
    assert b"".join(item[3] for item in rest) == dataset
    for kind in (command, rest):
        assert [bool(item[2] & 2) for item in kind] == [False] * (len(kind) - 1) + [True]


def test_full_pdus_are_as_long_as_the_peer_allows() -> None:
    lengths = [length for length, _, header, _ in sent(bytes(100_000), 16384) if not header & 1]
    assert lengths[:-1] == [16384] * 6


def test_dataset_of_odd_length_is_padded() -> None:
    """Fragments have an even length (PS3.8 Annex E.1); DCMTK aborts when one has not."""
    assert b"".join(fragment for *_, header, fragment in sent(b"abc", 16384) if not header & 1) == b"abc\0"


@given(
    st.text("0123456789.", min_size=1, max_size=64),
    st.text("0123456789.", min_size=1, max_size=64),
    st.integers(1, 65535),
    st.none() | st.builds(MoveOriginator, st.text("ABC_1", min_size=1, max_size=16), st.integers(0, 65535)),
)
def test_request_says_what_is_sent(
    sop_class_uid: str, sop_instance_uid: str, message_id: int, originator: MoveOriginator | None
) -> None:
    data = commands.store_request(sop_class_uid, sop_instance_uid, message_id, originator)
    command = commands.decode(data)
    assert list(command.elements) == sorted(command.elements)
    assert struct.unpack("<I", command.elements[0])[0] == len(data) - 12
    assert all(len(value) % 2 == 0 for value in command.elements.values())
    assert command.number(commands.COMMAND_FIELD) == commands.C_STORE_RQ
    assert command.number(commands.COMMAND_DATASET_TYPE) != commands.NO_DATASET
    assert command.number(commands.PRIORITY) == 0
    assert command.text(commands.AFFECTED_SOP_CLASS_UID) == sop_class_uid
    assert command.text(commands.AFFECTED_SOP_INSTANCE_UID) == sop_instance_uid
    assert command.number(commands.MESSAGE_ID) == message_id
    if originator is None:
        assert commands.MOVE_ORIGINATOR_AE_TITLE not in command.elements
        assert commands.MOVE_ORIGINATOR_MESSAGE_ID not in command.elements
    else:
        assert command.text(commands.MOVE_ORIGINATOR_AE_TITLE) == originator.ae_title
        assert command.number(commands.MOVE_ORIGINATOR_MESSAGE_ID) == originator.message_id


def test_answer_of_our_own_scp_is_read_back() -> None:
    request = commands.decode(COMMAND)
    pdu = commands.response_pdu(request, CONTEXT, 0xA900, (0x00100020, 0x0020000D), "no Patient ID")
    answer = commands.store_answer(commands.decode(pdu[12:]))
    assert answer == StoreAnswer(0xA900, (0x00100020, 0x0020000D), "no Patient ID")


def test_answer_with_a_broken_comment_and_half_a_tag() -> None:
    elements = {
        commands.COMMAND_FIELD: b"\x01\x80",
        commands.STATUS: b"\x00\xa7",
        commands.OFFENDING_ELEMENT: b"\x10\x00\x20\x00\x10\x00",
        commands.ERROR_COMMENT: b"disk\x1b[2J full" + b"!" * 100,
    }
    answer = commands.store_answer(commands.Command(elements))
    assert (answer.status, answer.offending_elements) == (0xA700, (0x00100020,))
    assert answer.comment.startswith("disk?[2J full!")
    assert len(answer.comment) == 64


def test_answer_without_status_is_none() -> None:
    with pytest.raises(Violation, match="without a status"):
        commands.store_answer(commands.Command({commands.COMMAND_FIELD: b"\x01\x80"}))


@pytest.fixture
def stuck() -> Iterator[tuple[Connection, socket.socket]]:
    """A connection whose peer reads nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        peer = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    connection = Connection(ours, UpperLayerSettings(send_timeout_s=0.3))
    yield connection, peer
    connection.close()
    peer.close()


def test_peer_that_takes_nothing_costs_the_send_timeout(stuck: tuple[Connection, socket.socket]) -> None:
    with pytest.raises(TimedOut, match="timed out waiting for the peer to take what is sent"):
        send_store(stuck[0], CONTEXT, COMMAND, memoryview(bytes(64 << 20)), 16384)


def test_peer_that_has_gone(stuck: tuple[Connection, socket.socket]) -> None:
    stuck[1].close()
    with pytest.raises(Gone):
        send_store(stuck[0], CONTEXT, COMMAND, memoryview(bytes(64 << 20)), 16384)
