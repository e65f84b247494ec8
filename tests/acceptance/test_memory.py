"""What an instance costs in memory: a bound that does not depend on how large it is."""

from __future__ import annotations

import socket
import struct
import subprocess
import sys
from pathlib import Path

from factories import ct, write
from raw_peer import A_ASSOCIATE_AC, COMMAND, LAST, P_DATA_TF, RawPeer, dataset_bytes, pdu, pdv, store_command
from running_node import DCMTK, RunningNode, free_port, wait_for

MIB = 1024 * 1024
ROWS = COLUMNS = 1024
FRAME_BYTES = 2 * ROWS * COLUMNS
FRAMES = 256
"""Half a gigabyte; two gigabytes (1024) add as little, but take half a minute."""
PIECE = bytes(range(256)) * 256
BOUND = 64 * MIB


def test_large_multiframe_costs_no_memory(tmp_path: Path) -> None:
    multiframe = ct(rows=ROWS, columns=COLUMNS, NumberOfFrames=str(FRAMES))
    del multiframe.PixelData
    head = dataset_bytes(multiframe) + struct.pack("<HH2sHI", 0x7FE0, 0x0010, b"OW", 0, FRAMES * FRAME_BYTES)
    uid = str(multiframe.SOPInstanceUID)
    port = free_port()
    peers = {"viewer": {"ae_title": "VIEWER", "host": "127.0.0.1", "port": port}}
    with RunningNode(tmp_path / "node", processes={"workers": 1}, peers=peers) as node:
        assert node.storescu(write(ct(), tmp_path / "warm.dcm")) == [0]
        [worker] = node.workers()
        before = memory_peak(worker)
        with RawPeer(node.port, timeout_s=120) as peer:
            assert peer.associate() == A_ASSOCIATE_AC
            peer.send(pdu(P_DATA_TF, pdv(1, COMMAND | LAST, store_command(uid))) + pdu(P_DATA_TF, pdv(1, 0, head)))
            piece = pdu(P_DATA_TF, pdv(1, 0, PIECE))
            for _ in range(FRAMES * FRAME_BYTES // len(PIECE) - 1):
                peer.send(piece)
            peer.send(pdu(P_DATA_TF, pdv(1, LAST, PIECE)))
            assert peer.status() == 0
        assert memory_peak(worker) - before < BOUND
        [stored] = [path for path in node.files() if path.name.startswith(uid)]
        with stored.open("rb") as file:
            file.seek(-FRAMES * FRAME_BYTES - len(head), 2)
            assert file.read(len(head)) == head
            assert all(file.read(len(PIECE)) == PIECE for _ in range(FRAMES * FRAME_BYTES // len(PIECE)))
            assert file.read() == b""
        assert anonymous_peak_of_move(node, worker, str(multiframe.StudyInstanceUID), port) - before < BOUND


def anonymous_peak_of_move(node: RunningNode, worker: int, study: str, port: int) -> int:
    """The most memory that the worker takes for itself, without the file that it maps, while it sends the study."""
    destination = subprocess.Popen([sys.executable, "-m", "bench.receiving", str(port)])
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}")
    try:
        wait_for(lambda: listens(port), what="the destination")
        client = subprocess.Popen(
            [DCMTK / "movescu", "-S", "-aec", "DICOMNODE", "-aem", "VIEWER", *keys, "127.0.0.1", str(node.port)]
        )
        peak = 0
        while client.poll() is None:
            peak = max(peak, memory(worker, "RssAnon"))
    finally:
        destination.kill()
        destination.wait()
    assert client.returncode == 0
    [line] = node.events("retrieve.completed")
    assert (line["completed"], line["failed"]) == (1, 0)
    assert line["size_bytes"] > FRAMES * FRAME_BYTES
    return peak


def listens(port: int) -> bool:
    """Whether somebody takes connections at this port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def memory_peak(pid: int) -> int:
    """The most memory in bytes that the process ever had, mapped files included (proc_pid_status(5))."""
    return memory(pid, "VmHWM")


def memory(pid: int, kind: str) -> int:
    """One of the process's sizes in bytes."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(kind)]
    return int(line.split()[1]) * 1024
