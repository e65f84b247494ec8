"""A hostile or broken peer costs its own association and nothing else: after each the node serves and holds what it held."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import ssl
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from factories import ct, write
from pydicom.uid import CTImageStorage, DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian, generate_uid
from raw_peer import (
    A_ABORT,
    A_ASSOCIATE_AC,
    A_ASSOCIATE_RQ,
    A_RELEASE_RP,
    A_RELEASE_RQ,
    COMMAND,
    LAST,
    P_DATA_TF,
    RawPeer,
    association_request,
    command,
    dataset_bytes,
    echo_command,
    pdu,
    pdv,
    store_command,
)
from running_node import RunningNode, wait_for

SHORT = {"association_request_timeout_s": 1, "pdu_timeout_s": 1, "tls_handshake_timeout_s": 1}
"""Deadlines that a test can wait for."""


class Watched:
    """A node with a workload after the attack, and its descriptors and memory counted before and after."""

    def __init__(self, node: RunningNode, folder: Path) -> None:
        self.node = node
        self._folder = folder
        self._descriptors = self._count_descriptors()
        self._memory = self._resident_bytes()

    def is_well(self) -> None:
        """It answers, it stores, nothing half-written lies about, and what it took it gave back."""
        self._serves("after")
        assert self.node.unfinished() == []
        wait_for(lambda: self._count_descriptors() <= self._descriptors, what="descriptors to be closed")
        assert self._resident_bytes() < self._memory + 64 * 1024 * 1024
        assert not [line for line in self.node.log() if "Traceback" in str(line) or "exception" in line]

    def _serves(self, when: str) -> None:
        for number in range(4):  # so that each worker has had its turn
            assert self.node.storescu(write(ct(), self._folder / f"{when}{number}.dcm")) == [0]

    def _count_descriptors(self) -> int:
        """All but folders: a worker keeps those that it wrote to last, a bounded number."""
        links = [link for pid in self._processes() for link in Path(f"/proc/{pid}/fd").iterdir()]
        return sum(not link.is_dir() for link in links)

    def _resident_bytes(self) -> int:
        return sum(
            int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            for pid in self._processes()
        )

    def _processes(self) -> list[int]:
        return [self.node.process.pid, *self.node.workers()]


def warm_up(node: RunningNode, folder: Path) -> None:
    """Store until each worker has opened what it keeps open."""

    def is_warm() -> bool:
        assert node.storescu(write(ct(), folder / "warm.dcm")) == [0]
        stored_by = {event["worker"] for event in node.events("instance.stored")}
        return len(stored_by) == len(node.workers())

    wait_for(is_warm, what="each worker to store something")


@pytest.fixture(scope="module")
def shared_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """One node for all attacks: it has to survive them all."""
    folder = tmp_path_factory.mktemp("hostile")
    with RunningNode(folder, upper_layer=SHORT) as running:
        warm_up(running, folder)
        yield running


@pytest.fixture
def watched(shared_node: RunningNode, tmp_path: Path) -> Iterator[Watched]:
    """The node, which must be well after the test."""
    watch = Watched(shared_node, tmp_path)
    yield watch
    watch.is_well()


def connect(watched: Watched) -> RawPeer:
    return RawPeer(watched.node.port)


def associated(watched: Watched, **request: object) -> RawPeer:
    peer = connect(watched)
    assert peer.associate(**request) == A_ASSOCIATE_AC
    return peer


# -- before an association is there ------------------------------------------------------------------------------


def test_silent_connection_is_closed(watched: Watched) -> None:
    with connect(watched) as peer:
        assert peer.ended() == (0, b"")


def test_half_an_association_request_is_closed(watched: Watched) -> None:
    with connect(watched) as peer:
        whole = pdu(A_ASSOCIATE_RQ, association_request())
        peer.send(whole[: len(whole) // 2])
        kind, _ = peer.ended()
        assert kind in (0, A_ABORT)


def test_a_byte_a_tenth_of_a_second_does_not_hold_an_association_request_open(watched: Watched) -> None:
    whole = pdu(A_ASSOCIATE_RQ, association_request())
    started = time.monotonic()
    with connect(watched) as peer, contextlib.suppress(ConnectionError):
        for byte in whole:
            peer.send(bytes([byte]))
            time.sleep(0.1)  # the attack itself
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x7FFFFFFF, 0])
def test_association_request_of_absurd_length_is_closed_at_once(watched: Watched, length: int) -> None:
    with connect(watched) as peer:
        peer.send(pdu(A_ASSOCIATE_RQ, association_request(), length=length))
        kind, _ = peer.ended()
        assert kind in (0, A_ABORT)


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        bytes(64),
        b"\xff" * 64,
        bytes(range(256)),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    ],
    ids=["http", "zeros", "ones", "counting", "tls"],
)
def test_garbage_is_closed(watched: Watched, garbage: bytes) -> None:
    with connect(watched) as peer:
        peer.send(garbage)
        kind, _ = peer.ended()
        assert kind in (0, A_ABORT)


def test_tls_client_on_the_plain_port_fails_quickly(watched: Watched) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        pytest.raises((ssl.SSLError, ConnectionError)),
        socket.create_connection(("127.0.0.1", watched.node.port), 10) as plain,
    ):
        context.wrap_socket(plain)


def test_association_request_with_broken_items_is_closed(watched: Watched) -> None:
    body = association_request()
    for cut in (60, 75, 80, 100, len(body) - 3):
        with connect(watched) as peer:
            peer.send(pdu(A_ASSOCIATE_RQ, body[:cut]))
            peer.socket.shutdown(socket.SHUT_WR)
            kind, _ = peer.ended()
            assert kind != A_ASSOCIATE_AC


def test_connections_that_come_and_go_cost_nothing(watched: Watched) -> None:
    for _ in range(300):
        connect(watched).socket.close()


# -- in an association --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x01000000, 1, 0])
def test_pdata_of_absurd_length_is_aborted(watched: Watched, length: int) -> None:
    with associated(watched) as peer:
        peer.send(pdu(P_DATA_TF, pdv(3, COMMAND | LAST, echo_command()), length=length))
        assert peer.ended()[0] == A_ABORT


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0, 1, 5000])
def test_pdv_whose_length_lies_is_aborted(watched: Watched, length: int) -> None:
    with associated(watched) as peer:
        peer.send(pdu(P_DATA_TF, pdv(3, COMMAND | LAST, echo_command(), length=length)))
        assert peer.ended()[0] == A_ABORT


def test_half_a_pdu_is_aborted(watched: Watched) -> None:
    with associated(watched) as peer:
        peer.send(pdu(P_DATA_TF, pdv(1, COMMAND | LAST, store_command("1.2.3")))[:20])
        assert peer.ended()[0] in (0, A_ABORT)


def test_a_byte_a_tenth_of_a_second_does_not_hold_a_pdu_open(watched: Watched) -> None:
    started = time.monotonic()
    with associated(watched) as peer, contextlib.suppress(ConnectionError):
        for byte in pdu(P_DATA_TF, pdv(3, COMMAND | LAST, echo_command())):
            peer.send(bytes([byte]))
            time.sleep(0.1)  # the attack itself
    assert time.monotonic() - started < 10


def test_context_that_was_never_accepted_is_aborted(watched: Watched) -> None:
    with associated(watched) as peer:
        peer.send(pdu(P_DATA_TF, pdv(99, COMMAND | LAST, echo_command())))
        assert peer.ended()[0] == A_ABORT


def test_data_set_without_a_command_is_aborted(watched: Watched) -> None:
    with associated(watched) as peer:
        peer.send(pdu(P_DATA_TF, pdv(1, LAST, b"data")))
        assert peer.ended()[0] == A_ABORT


def test_command_set_without_end_is_aborted(watched: Watched) -> None:
    with associated(watched) as peer, contextlib.suppress(ConnectionError):
        for _ in range(200):
            peer.send(pdu(P_DATA_TF, pdv(1, COMMAND, bytes(8000))))
        assert peer.ended()[0] == A_ABORT


@pytest.mark.parametrize(
    "noise",
    [b"", b"\0\0", bytes(200), b"\xff" * 200, os.urandom(500)],
    ids=["empty", "short", "zeros", "ones", "random"],
)
def test_command_set_of_garbage_ends_the_association(watched: Watched, noise: bytes) -> None:
    with associated(watched) as peer:
        peer.send(pdu(P_DATA_TF, pdv(1, COMMAND | LAST, noise)))
        assert peer.ended()[0] == A_ABORT


def test_second_association_request_is_aborted(watched: Watched) -> None:
    with associated(watched) as peer:
        assert peer.associate() == A_ABORT


def test_instance_in_a_verification_context_is_refused_and_the_association_goes_on(watched: Watched) -> None:
    kept = len(watched.node.files())
    dataset = ct()
    with associated(watched) as peer:
        assert peer.store(str(dataset.SOPInstanceUID), dataset_bytes(dataset), context=3) == 0x0122
        assert len(watched.node.files()) == kept
        assert peer.store(str(dataset.SOPInstanceUID), dataset_bytes(dataset), message_id=2) == 0
        assert peer.release() == A_RELEASE_RP


def test_instance_without_a_data_set_is_refused_and_the_association_goes_on(watched: Watched) -> None:
    lonely = command(
        AffectedSOPClassUID=CTImageStorage,
        CommandField=0x0001,
        MessageID=1,
        Priority=0,
        CommandDataSetType=0x0101,
        AffectedSOPInstanceUID=generate_uid(),
    )
    dataset = ct()
    with associated(watched) as peer:
        peer.send(pdu(P_DATA_TF, pdv(1, COMMAND | LAST, lonely)))
        assert peer.status() == 0x0212
        assert peer.store(str(dataset.SOPInstanceUID), dataset_bytes(dataset), message_id=2) == 0
        assert peer.release() == A_RELEASE_RP


@pytest.mark.parametrize("field", [0x1234, 0x8001, 0x8020, 0x0020, 0x0100, 0x0150, 0x0FFF, 0x0000])
def test_command_that_nobody_serves_ends_its_association_at_most(watched: Watched, field: int) -> None:
    message = command(AffectedSOPClassUID=CTImageStorage, CommandField=field, MessageID=1, CommandDataSetType=0x0101)
    with associated(watched) as peer:
        peer.send(pdu(P_DATA_TF, pdv(1, COMMAND | LAST, message)))
        peer.send(pdu(A_RELEASE_RQ, bytes(4)))
        assert peer.ended()[0] in (A_ABORT, A_RELEASE_RP)


def test_release_in_the_middle_of_an_instance_leaves_nothing(watched: Watched) -> None:
    kept = len(watched.node.files())
    with associated(watched) as peer:
        peer.begin_store(bytes(10_000))
        peer.release()
        peer.ended()
    assert len(watched.node.files()) == kept


def test_fragment_of_another_context_in_the_middle_of_an_instance_is_aborted(watched: Watched) -> None:
    with associated(watched) as peer:
        peer.begin_store(bytes(10_000))
        peer.send(pdu(P_DATA_TF, pdv(3, LAST, bytes(10))))
        assert peer.ended()[0] == A_ABORT


def test_silence_after_goodbye_gives_the_place_back(tmp_path: Path) -> None:
    with (
        RunningNode(tmp_path / "node", limits={"associations": 1}, processes={"workers": 1}) as node,
        RawPeer(node.port) as silent,
    ):
        assert silent.associate() == A_ASSOCIATE_AC
        assert silent.release() == A_RELEASE_RP  # and keeps the connection open
        wait_for(lambda: _is_let_in(node), what="the place to be free")


def _is_let_in(node: RunningNode) -> bool:
    with RawPeer(node.port) as peer:
        return peer.associate() == A_ASSOCIATE_AC


def test_abort_in_the_middle_of_an_instance_leaves_nothing(watched: Watched) -> None:
    kept = len(watched.node.files())
    with associated(watched) as peer:
        peer.send(pdu(P_DATA_TF, pdv(1, COMMAND | LAST, store_command(generate_uid()))))
        peer.send(pdu(P_DATA_TF, pdv(1, 0, bytes(10000))))
        peer.send(pdu(A_ABORT, bytes(4)))
        peer.ended()
    assert len(watched.node.files()) == kept


def test_peer_that_vanishes_in_the_middle_of_a_big_instance_leaves_nothing(watched: Watched) -> None:
    with associated(watched) as peer:
        peer.send(pdu(P_DATA_TF, pdv(1, COMMAND | LAST, store_command(generate_uid()))))
        for _ in range(2000):
            peer.send(pdu(P_DATA_TF, pdv(1, 0, bytes(16000))))
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_for(lambda: watched.node.unfinished() == [], what="the partial file to go")


def test_silent_association_is_probed_by_tcp(watched: Watched) -> None:
    with associated(watched) as peer:
        ours, theirs = peer.socket.getpeername()[1], peer.socket.getsockname()[1]
        # proc(5), net/tcp: addresses and ports in hex, 01 = established; of timers 02 = keepalive, and when, in 1/100 s
        of_peer = f":{ours:04X} [0-9A-F]+:{theirs:04X} 01 [0-9A-F:]+ 02:([0-9A-F]+) "
        tables = "".join(Path(f"/proc/{watched.node.process.pid}/net/{name}").read_text() for name in ("tcp", "tcp6"))
        [due] = re.findall(of_peer, tables)
        assert 0 < int(due, 16) <= 60 * os.sysconf("SC_CLK_TCK")
        assert peer.release() == A_RELEASE_RP


# -- data sets -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "uid",
    [
        "../../../etc/passwd",
        "/etc/passwd",
        "1.2.3/../4",
        "1.2." + "3" * 61,
        "",
        "1.2.3\\4.5.6",
        "1.2.3\n4",
        "a" * 200,
    ],
)
def test_uid_with_path_characters_or_of_bad_length_never_becomes_a_path(watched: Watched, uid: str) -> None:
    dataset = ct()
    data = dataset_bytes(dataset)
    own = str(dataset.SOPInstanceUID).encode()
    padded = own + b"\0" * (len(own) % 2)
    value = uid.encode("latin-1") + b"\0" * (len(uid) % 2)
    at = data.index(padded) - 2
    data = data[:at] + struct.pack("<H", len(value)) + value + data[at + 2 + len(padded) :]
    before = {path for path in watched.node.folder.rglob("*") if "passwd" in path.name}
    with associated(watched) as peer:
        status = peer.store(uid, data)
        assert status == 0xB007 or status >= 0xC000 or status == 0x0117
        assert peer.release() == A_RELEASE_RP
    assert {path for path in watched.node.folder.rglob("*") if "passwd" in path.name} == before
    assert all(path.is_relative_to(watched.node.data) for path in watched.node.files())


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
def test_uid_of_dots_never_becomes_a_path(watched: Watched) -> None:
    dataset = ct(StudyInstanceUID="..", SeriesInstanceUID=".", SOPInstanceUID="..")
    with associated(watched) as peer:
        assert peer.store("..", dataset_bytes(dataset)) == 0xB007
        assert peer.release() == A_RELEASE_RP
    inside = [path.relative_to(watched.node.data / "files").parts for path in watched.node.files()]
    assert not [parts for parts in inside if len(parts) != 3 or any(part.startswith(".") for part in parts)]


def test_deflate_bomb_is_bounded(watched: Watched) -> None:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = dataset_bytes(ct())[:-600]
    bomb = squeeze.compress(head + struct.pack("<HH2sHI", 0x7777, 0x0010, b"UN", 0, 0xF0000000))
    bomb += b"".join(squeeze.compress(bytes(1 << 20)) for _ in range(1024)) + squeeze.flush()
    with associated(watched, contexts=((CTImageStorage, (DeflatedExplicitVRLittleEndian,)),)) as peer:
        started = time.monotonic()
        assert peer.store(generate_uid(), bomb) != 0
        assert time.monotonic() - started < 10
        assert peer.release() == A_RELEASE_RP


def test_sequence_nested_ten_thousand_deep_is_no_success_and_no_crash(watched: Watched) -> None:
    dataset = ct()
    dataset.PixelData = b""
    head = dataset_bytes(dataset)
    nest = b"".join(
        struct.pack("<HH2sHI", 0x0040, 0xA730, b"SQ", 0, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
        for _ in range(10_000)
    )
    with associated(watched) as peer:
        assert peer.store(str(dataset.SOPInstanceUID), head[: head.index(b"\xe0\x7f\x10\x00")] + nest) != 0
        assert peer.release() == A_RELEASE_RP


@pytest.mark.parametrize("size", [0, 1, 7, 100])
def test_data_set_of_noise_is_refused_and_the_association_goes_on(watched: Watched, size: int) -> None:
    with associated(watched) as peer:
        assert peer.store(generate_uid(), os.urandom(size)) >= 0xC000
        good = ct()
        assert peer.store(str(good.SOPInstanceUID), dataset_bytes(good), message_id=2) == 0
        assert peer.release() == A_RELEASE_RP


# -- many -----------------------------------------------------------------------------------------------------------


def test_two_hundred_idle_associations_stand_beside_a_working_one(watched: Watched, tmp_path: Path) -> None:
    with contextlib.ExitStack() as idle:
        peers = [idle.enter_context(associated(watched)) for _ in range(200)]
        assert watched.node.storescu(write(ct(), tmp_path / "one.dcm")) == [0]
        assert all(peer.release() == A_RELEASE_RP for peer in peers)


def test_limit_of_associations_rejects_transiently(tmp_path: Path) -> None:
    with (
        RunningNode(tmp_path / "node", limits={"associations": 3}, processes={"workers": 1}) as node,
        contextlib.ExitStack() as stack,
    ):
        for _ in range(3):
            assert stack.enter_context(RawPeer(node.port)).associate() == A_ASSOCIATE_AC
        fourth = stack.enter_context(RawPeer(node.port))
        fourth.send(pdu(A_ASSOCIATE_RQ, association_request()))
        kind, body = fourth.receive()
        assert (kind, tuple(body[1:4])) == (3, (2, 3, 2))
        stack.close()
        wait_for(lambda: node.echoscu().returncode == 0, what="the places to come back")


def test_explicit_little_endian_goes_before_implicit(watched: Watched) -> None:
    with connect(watched) as peer:
        peer.send(
            pdu(A_ASSOCIATE_RQ, association_request(((CTImageStorage, ("1.2.840.10008.1.2", ExplicitVRLittleEndian)),)))
        )
        kind, body = peer.receive()
        assert kind == A_ASSOCIATE_AC
        assert ExplicitVRLittleEndian.encode() + b"P" in body + b"P" or body.count(ExplicitVRLittleEndian.encode()) == 1
