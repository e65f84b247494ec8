"""``dicomnode send`` as a user starts it: to DCMTK's storescp, and to a running node."""

from __future__ import annotations

import json
import os
import re
import resource
import socket
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pydicom
import pytest
from certificates import Authority
from factories import ct, series, write
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid
from pynetdicom import AllStoragePresentationContexts
from raw_peer import A_ASSOCIATE_AC, A_RELEASE_RP, A_RELEASE_RQ, COMMAND, LAST, pdu
from running_node import DCMTK, RunningNode, dcmtk, free_port, wait_for

from dicomnode.dicom.part10 import read_file_meta
from dicomnode.upper_layer.commands import decode, response_pdu

REAL_FILES = Path(pydicom.__file__).parent / "data" / "test_files"


class Storescp:
    """DCMTK's storage SCP as PEER, with a folder of its own."""

    def __init__(self, folder: Path, *options: str | Path) -> None:
        self.folder = folder / "received"
        self.folder.mkdir()
        self.port = free_port()
        self._log = (folder / "storescp.log").open("wb")
        self.process = subprocess.Popen(
            [DCMTK / "storescp", "-v", "-aet", "PEER", "-od", self.folder, *options, str(self.port)],
            stdout=self._log,
            stderr=self._log,
            env=os.environ | {"TCP_NODELAY": "1"},
        )

    @property
    def name(self) -> str:
        return f"PEER@127.0.0.1:{self.port}"

    def received(self) -> dict[str, Path]:
        """By SOP Instance UID, of which storescp makes file names."""
        return {path.name.partition(".")[2]: path for path in self.folder.iterdir()}

    def stop(self) -> None:
        self.process.kill()
        self.process.wait(30)
        self._log.close()


Start = Callable[..., Storescp]


@pytest.fixture
def storescp(tmp_path: Path) -> Iterator[Start]:
    """Starts one with these options and waits until it listens."""
    running: list[Storescp] = []

    def start(*options: str | Path, is_tls: bool = False) -> Storescp:
        scp = Storescp(tmp_path, *options)
        running.append(scp)
        if not is_tls and "--refuse" not in options:
            wait_for(
                lambda: dcmtk("echoscu", "-aec", "PEER", "127.0.0.1", str(scp.port)).returncode == 0, what="storescp"
            )
        return scp

    yield start
    for scp in running:
        scp.stop()


def send(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dicomnode", "send", *arguments],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def dataset(path: Path) -> bytes:
    return path.read_bytes()[read_file_meta(path).dataset_offset :]


def uid(path: Path) -> str:
    return str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)


# -- storescp ------------------------------------------------------------------------------------------------------------


def test_datasets_arrive_bit_for_bit_in_the_syntax_that_they_are_stored_in(storescp: Start, tmp_path: Path) -> None:
    scp = storescp("+B", "+xa")
    files = [
        *series(tmp_path / "s", 5, rows=512, columns=512),
        REAL_FILES / "MR_small_RLE.dcm",
        REAL_FILES / "JPEG2000.dcm",
        REAL_FILES / "SC_rgb_jpeg_dcmtk.dcm",
    ]
    done = send(scp.name, *files)
    assert done.returncode == 0, done.stderr
    received = scp.received()
    assert set(received) == {uid(path) for path in files}
    for path in files:
        assert dataset(received[uid(path)]) == dataset(path)
        assert read_file_meta(received[uid(path)]).transfer_syntax_uid == read_file_meta(path).transfer_syntax_uid


@pytest.mark.parametrize("pdu_bytes", ["4096", "131072"])
def test_pdus_are_as_the_peer_takes_them(storescp: Start, tmp_path: Path, pdu_bytes: str) -> None:
    scp = storescp("+B", "-pdu", pdu_bytes)
    file = write(ct(rows=1000, columns=1001), tmp_path / "a")
    assert send(scp.name, file).returncode == 0
    assert dataset(scp.received()[uid(file)]) == dataset(file)


def test_peer_that_takes_only_implicit_vr_gets_that(storescp: Start, tmp_path: Path) -> None:
    scp = storescp("+B", "+xi")
    file = write(ct(), tmp_path / "a")
    done = send(scp.name, file)
    assert done.returncode == 0, done.stderr
    [received] = scp.received().values()
    assert read_file_meta(received).transfer_syntax_uid == ImplicitVRLittleEndian
    assert dcmread(received) == dcmread(file)


def test_refused_class_costs_only_its_instance(storescp: Start, tmp_path: Path) -> None:
    scp = storescp()
    files = series(tmp_path / "s", 3)
    private = ct(SOPClassUID="2.25.3298007356985866292956419")
    done = send(scp.name, write(private, tmp_path / "private.dcm"), *files)
    assert done.returncode == 1
    assert "peer does not take SOP Class 2.25.3298007356985866292956419" in done.stderr
    assert set(scp.received()) == {uid(file) for file in files}


@pytest.mark.parametrize("option", ["--abort-after", "--abort-during"])
def test_peer_that_aborts_every_time(storescp: Start, tmp_path: Path, option: str) -> None:
    done = send(storescp(option).name, *series(tmp_path / "s", 3), "--json")
    assert done.returncode == 1
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["status"] for one in told] == [None] * 3
    assert all("association lost" in one["reason"] for one in told)


def test_peer_that_refuses_associations(storescp: Start, tmp_path: Path) -> None:
    scp = storescp("--refuse")
    wait_for(lambda: "Connection refused" not in send(scp.name, write(ct(), tmp_path / "a")).stderr, what="storescp")
    done = send(scp.name, write(ct(), tmp_path / "a"))
    assert done.returncode == 1
    assert "association rejected by PEER" in done.stderr


def test_peer_that_dies_midway(storescp: Start, tmp_path: Path) -> None:
    scp = storescp("--sleep-after", "1")
    files = series(tmp_path / "s", 4)
    with subprocess.Popen(
        [sys.executable, "-m", "dicomnode", "send", scp.name, "--json", *files], stdout=subprocess.PIPE, text=True
    ) as sending:
        assert sending.stdout is not None
        first = json.loads(sending.stdout.readline())
        scp.process.kill()
        told = [first, *map(json.loads, sending.stdout)]
    assert sending.returncode == 1
    assert [one["file"] for one in told] == [str(file) for file in files]
    assert [one["status"] for one in told] == [0, None, None, None]
    # its listener may outlive it by an instant: then a connection is made, and lost
    assert re.search(r"(no connection to|association aborted by) PEER at 127\.0\.0\.1", told[-1]["reason"])


# -- large instances -----------------------------------------------------------------------------------------------------


def test_instance_of_gigabytes_needs_no_memory(tmp_path: Path) -> None:
    """More than 2 GiB in one Pixel Data element, sent by a process that may have 300 MiB."""
    file = write(ct(rows=1, columns=1), tmp_path / "big")
    head = file.read_bytes()[:-2]
    pixels_bytes = (2 << 30) + 4096
    with file.open("r+b") as big:
        big.seek(len(head) - 4)
        big.write(struct.pack("<I", pixels_bytes))
        big.truncate(len(head) + pixels_bytes)  # sparse
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        came = pool.submit(count_bytes, listener)
        done = subprocess.run(
            [sys.executable, "-m", "dicomnode", "send", f"PEER@127.0.0.1:{listener.getsockname()[1]}", file],
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (300 << 20, 300 << 20)),
        )
        assert done.returncode == 0, done.stderr
        assert came.result(10) == len(head) + pixels_bytes - read_file_meta(file).dataset_offset


def count_bytes(listener: socket.socket) -> int:
    """Accept one association for CT images, and answer Success; how many bytes its data sets have in all."""
    connection, _ = listener.accept()
    with connection, connection.makefile("rb", buffering=1 << 20) as stream:

        def receive() -> tuple[int, bytes]:
            kind, length = struct.unpack(">BxI", stream.read(6))
            return kind, stream.read(length)

        def item(kind: int, body: bytes) -> bytes:
            return struct.pack(">BxH", kind, len(body)) + body

        request = receive()[1]
        context = item(0x21, b"\x01\0\0\0" + item(0x40, ExplicitVRLittleEndian.encode()))
        user = item(0x51, struct.pack(">I", 131072)) + item(0x52, b"1.2.3")
        answer = request[:68] + item(0x10, b"1.2.840.10008.3.1.1.1") + context + item(0x50, user)
        connection.sendall(pdu(A_ASSOCIATE_AC, answer))
        size_bytes = 0
        while True:
            kind, body = receive()
            if kind == A_RELEASE_RQ:
                connection.sendall(pdu(A_RELEASE_RP, bytes(4)))
                return size_bytes
            header = body[5]
            if header & COMMAND:
                command = decode(body[6:])
                continue
            size_bytes += len(body) - 6
            if header & LAST:
                connection.sendall(response_pdu(command, 1, 0))


# -- TLS -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "hospital")


@pytest.fixture
def tls_peer(storescp: Start, authority: Authority) -> Storescp:
    """A storescp that speaks TLS with those whose certificate is the authority's."""
    shown = authority.issue("archive")
    return storescp("+tls", shown.key, shown.certificate, "+cf", authority.certificate, is_tls=True)


def config(folder: Path, peer: Storescp, **tls: str | bool) -> Path:
    path = folder / "node.yaml"
    peers = {"archive": {"ae_title": "PEER", "host": "127.0.0.1", "port": peer.port, "outgoing_tls": tls}}
    path.write_text(json.dumps({"peers": peers}))  # JSON is YAML
    return path


def test_peer_is_called_by_tls_with_a_certificate_of_ours(
    tls_peer: Storescp, authority: Authority, tmp_path: Path
) -> None:
    ours = authority.issue("node")
    path = config(
        tmp_path,
        tls_peer,
        trusted=str(authority.certificate),
        certificate=str(ours.certificate),
        private_key=str(ours.key),
        check_host=False,
    )
    file = write(ct(rows=700, columns=700), tmp_path / "a")
    wait_for(lambda: send("archive", file, "--config", path).returncode == 0, what="storescp to take the instance")
    assert set(tls_peer.received()) == {uid(file)}


@pytest.mark.parametrize("how", ["no certificate of ours", "its host is checked", "its authority is not ours"])
def test_tls_that_does_not_fit_sends_nothing(
    tls_peer: Storescp, authority: Authority, tmp_path: Path, how: str
) -> None:
    ours, elsewhere = authority.issue("node"), Authority(tmp_path, "elsewhere")
    tls: dict[str, str | bool] = {
        "trusted": str(authority.certificate),
        "certificate": str(ours.certificate),
        "private_key": str(ours.key),
        "check_host": False,
    }
    if how == "no certificate of ours":
        del tls["certificate"], tls["private_key"]
    elif how == "its host is checked":
        tls["check_host"] = True
    else:
        tls["trusted"] = str(elsewhere.certificate)
    path, file = config(tmp_path, tls_peer, **tls), write(ct(), tmp_path / "a")

    def answer() -> str:
        done = send("archive", file, "--config", path)
        assert done.returncode == 1
        return "" if "Connection refused" in done.stderr else done.stderr

    wait_for(answer, what="storescp to answer")
    assert tls_peer.received() == {}


# -- a node --------------------------------------------------------------------------------------------------------------


def test_node_takes_what_is_sent_to_it(node: RunningNode, tmp_path: Path) -> None:
    good, bad = series(tmp_path / "s", 5, rows=256, columns=256), write(ct(PatientID="a\\b" * 40), tmp_path / "odd")
    done = node.cli("send", f"DICOMNODE@127.0.0.1:{node.port}", tmp_path / "s", bad, "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["status"] for one in told[:5]] == [0] * 5
    assert {dataset(path) for path in good} <= {dataset(path) for path in node.files()}


def test_more_contexts_than_one_association_has(node: RunningNode, tmp_path: Path) -> None:
    classes = [str(context.abstract_syntax) for context in AllStoragePresentationContexts[:100]]
    folder = tmp_path / "s"
    folder.mkdir()
    for number, sop_class in enumerate(classes):
        write(ct(SOPClassUID=sop_class, SOPInstanceUID=generate_uid()), folder / f"{number:03}")
    done = node.cli("send", f"DICOMNODE@127.0.0.1:{node.port}", folder, "--json")
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert Counter(one["status"] is None for one in told) == {False: 100}
    wait_for(lambda: len(node.events("association.released")) == 2, what="both associations to be released")
