"""What is on the disk before an answer leaves: the order of a worker's system calls, and what happens when a sync fails.

Nothing short of pulling the plug shows that an instance survives; the order of its syncs is what that rests on.
"""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from factories import ct, write
from pydicom.uid import generate_uid
from raw_peer import A_ASSOCIATE_AC, RawPeer, dataset_bytes
from running_node import RunningNode, wait_for

STRACE = Path("/usr/bin/strace")
CALL = re.compile(r"^(?:\[pid +)?(?P<pid>\d+)\]? +(?:\d+\.\d+ )?(?P<name>\w+)\((?P<rest>.*)$")


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    """A node with a single worker, so that there is one process to watch."""
    with RunningNode(tmp_path / "node", processes={"workers": 1}) as running:
        running.storescu(write(ct(), tmp_path / "warm.dcm"))
        yield running


@contextmanager
def traced(node: RunningNode, output: Path, *options: str) -> Iterator[None]:
    """Trace the worker's system calls that matter to durability into ``output``, with the paths of descriptors."""
    [worker] = node.workers()
    watched = "fdatasync,fsync,link,linkat,sendto,sendmsg,rename,unlink"
    tracer = subprocess.Popen(
        [STRACE, "-f", "-yy", "-s", "0", "-o", output, "-e", f"trace={watched}", *options, "-p", str(worker)],
        stderr=subprocess.PIPE,
        text=True,
    )
    assert tracer.stderr is not None
    wait_for(lambda: "attached" in tracer.stderr.readline(), what="strace to attach")
    try:
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)
        tracer.stderr.close()


def steps(trace: Path) -> list[str]:
    """The durable steps in the order in which they were finished: data, link, folder, log, answer."""
    found = []
    unfinished: dict[str, str] = {}
    for line in trace.read_text().splitlines():
        if resumed := re.match(r"^(\d+) +<\.\.\. \w+ resumed>", line):
            call = unfinished.pop(resumed[1], "")
        elif match := CALL.match(line):
            call = f"{match['name']}({match['rest']}"
            if line.endswith("<unfinished ...>"):
                unfinished[match["pid"]] = call
                if match["name"] not in ("sendto", "sendmsg"):
                    continue
                call = unfinished.pop(match["pid"])  # an answer counts from the moment it may leave
        else:
            continue
        if step := _step(call):
            found.append(step)
    return found


def _step(call: str) -> str:
    if call.startswith("fdatasync") and "/incoming/" in call:
        return "data"
    if call.startswith(("link(", "linkat(")):
        return "link"
    if call.startswith("fsync") and "/files/" in call:
        return "folder"
    if call.startswith("fdatasync") and "-wal>" in call:
        return "log"
    if call.startswith(("sendto(", "sendmsg(")) and "TCP" in call:
        return "answer"
    return ""


def send(node: RunningNode, instances: list[tuple[str, bytes]]) -> list[int]:
    """C-STORE them over one association; nothing else is sent while the trace runs."""
    with RawPeer(node.port) as peer:
        assert peer.associate() == A_ASSOCIATE_AC
        return [peer.store(uid, data, message_id=n) for n, (uid, data) in enumerate(instances, start=1)]


def instance(**changes: object) -> tuple[str, bytes]:
    dataset = ct(**changes)
    return str(dataset.SOPInstanceUID), dataset_bytes(dataset)


def in_order(found: list[str], expected: list[str]) -> bool:
    """Whether ``expected`` is a subsequence of ``found``."""
    rest = iter(found)
    return all(step in rest for step in expected)


def test_each_instance_is_on_the_disk_before_its_answer(node: RunningNode, tmp_path: Path) -> None:
    with RawPeer(node.port) as peer:
        assert peer.associate() == A_ASSOCIATE_AC
        for number in range(3):
            trace = tmp_path / f"trace{number}"
            with traced(node, trace):
                uid, data = instance()
                assert peer.store(uid, data, message_id=number + 1) == 0
            found = steps(trace)
            assert found.count("answer") == 1
            assert found[-1] == "answer"
            assert in_order(found, ["data", "link", "folder", "log", "answer"]), found


def test_group_commit_answers_nobody_before_his_own_row_is_synced(node: RunningNode, tmp_path: Path) -> None:
    study = generate_uid()
    peers = [RawPeer(node.port) for _ in range(8)]
    assert all(peer.associate() == A_ASSOCIATE_AC for peer in peers)
    made = [instance(StudyInstanceUID=study) for _ in peers]
    trace = tmp_path / "trace"
    with traced(node, trace), ThreadPoolExecutor(len(peers)) as pool:
        answers = pool.map(lambda pair: pair[0].store(*pair[1]), zip(peers, made, strict=True))
        assert list(answers) == [0] * 8
    for peer in peers:
        peer.socket.close()
    found = steps(trace)
    assert found.count("data") == found.count("link") == found.count("answer") == 8
    durable = 0  # links whose folder and log have been synced since
    linked = foldered = 0
    for step in found:
        if step == "link":
            linked += 1
        elif step == "folder":
            foldered = linked
        elif step == "log":
            durable = foldered
        elif step == "answer":
            durable -= 1
            linked, foldered = linked - 1, foldered - 1
            assert durable >= 0, found


def test_duplicate_rests_on_a_synced_log(node: RunningNode, tmp_path: Path) -> None:
    uid, data = instance()
    assert send(node, [(uid, data)]) == [0]
    trace = tmp_path / "trace"
    with RawPeer(node.port) as peer:
        assert peer.associate() == A_ASSOCIATE_AC
        with traced(node, trace):
            assert peer.store(uid, data) == 0  # written before it meets its like
            assert peer.store(uid, data) == 0  # known at once
    found = steps(trace)
    assert found.count("data") == 1
    first = found.index("answer") + 1
    assert in_order(found[:first], ["data", "log", "answer"]), found
    assert in_order(found[first:], ["log", "answer"]), found


@pytest.mark.parametrize("call", ["fdatasync", "fsync"])
def test_failed_sync_is_no_success(node: RunningNode, tmp_path: Path, call: str) -> None:
    uid, data = instance()
    with RawPeer(node.port) as peer:
        assert peer.associate() == A_ASSOCIATE_AC
        with traced(node, tmp_path / "trace", "-e", f"inject={call}:error=EIO"):
            assert peer.store(uid, data) == 0xA700
    assert send(node, [(uid, data)]) == [0]
    assert node.storescu(write(ct(), tmp_path / "after.dcm")) == [0]
    assert [path.name.split("_")[0] for path in node.files()].count(uid) == 1


def test_one_failed_sync_of_the_data_is_made_good_by_writing_anew(node: RunningNode, tmp_path: Path) -> None:
    uid, data = instance()
    trace = tmp_path / "trace"
    with RawPeer(node.port) as peer:
        assert peer.associate() == A_ASSOCIATE_AC
        with traced(node, trace, "-e", "inject=fdatasync:error=EIO:when=1"):
            status = peer.store(uid, data)
    assert status == 0
    assert steps(trace).count("data") == 2


def test_failed_sync_of_the_index_is_no_success_and_is_made_good(node: RunningNode, tmp_path: Path) -> None:
    uid, data = instance()
    log = node.data / "index.sqlite-wal"
    with RawPeer(node.port) as peer:
        assert peer.associate() == A_ASSOCIATE_AC
        with traced(node, tmp_path / "trace", "-P", str(log), "-e", "inject=fdatasync:error=EIO"):
            assert peer.store(uid, data) == 0xA700
        assert steps(tmp_path / "trace").count("log") >= 1
        assert peer.store(uid, data, message_id=2) == 0
    node.stop()
    node.start()
    assert [path.name.split("_")[0] for path in node.files()].count(uid) == 1
    assert sum(row["instances"] for row in node.rows("studies")) == 2
    assert node.unfinished() == []
