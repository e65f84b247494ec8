"""What reaches the disk, in which order, and what happens when it does not: seen, and made to fail, by strace."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

STRACE = "/usr/bin/strace"
CALLS = "mkdir,rename,link,linkat,unlink,fsync,fdatasync,write"
FOLDER_SYNCS_AT_START = 3
SMALL, SPOOLED = 50_000, 500_000
SIZES = pytest.mark.parametrize("size_bytes", [SMALL, SPOOLED], ids=["in memory", "spooled"])

KEEP = """
import os, sys
from pathlib import Path
from dicomnode.dicom.instance import StoreRequest
from dicomnode.dicom.peer import Sender
from dicomnode.errors import StorageError
from dicomnode.files import Files, FilesSettings

root, size_bytes, count, durable = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "full"
files = Files(root, "w", FilesSettings(spool_threshold_bytes=100_000, free_space_floor_bytes=0), durable=durable)
for number in range(count):
    uid = f"1.2.{number}"
    reception = files.receive(StoreRequest("1.2.3", uid, "1.2.840.10008.1.2.1", Sender("CT1", "NODE", "127.0.0.1")))
    for start in range(0, size_bytes, 10_000):
        reception.write(memoryview(b"x" * 10_000))
    try:
        kept = reception.keep("1.2.840.99.1", uid, "1.2.3")
    except StorageError as error:
        answer = f"failed {error}"
    else:
        answer = f"kept {kept.location}"
    os.write(1, f"{answer}\\n".encode())
    if answer.startswith("kept"):
        kept.settle()
    reception.discard()
files.close()
"""


@dataclass
class Run:
    """A process that kept instances, and what strace saw of it."""

    answers: list[str]
    calls: list[str]
    """Name and paths of each call that ended well, without the data folder's own path; ``answer`` for an answer."""


def run(node, tmp_path: Path, size_bytes: int, *options: str, count: int = 1, durability: str = "full") -> Run:
    trace = tmp_path / "trace"
    tracer = (STRACE, "-f", "--seccomp-bpf", "-y", "-e", f"trace={CALLS}", *options, "-o", trace)
    keeper = (sys.executable, "-c", KEEP, node.root, str(size_bytes), str(count), durability)
    done = subprocess.run([*tracer, *keeper], check=True, capture_output=True, text=True)
    data = str(node.root.parent)
    calls = []
    for line in re.sub(r"(?m)^\d+ +", "", trace.read_text()).splitlines():  # without process ids
        name = line.partition("(")[0]
        if line.startswith("write(1<"):
            calls.append("answer")
        elif data in line and " = -1 " not in line and name != "write":
            paths = re.findall(rf"[<\"]{re.escape(data)}/?([^>\"]*)", line)
            calls.append(" ".join([name, *paths]))
    return Run(done.stdout.splitlines(), calls)


@SIZES
def test_data_then_name_then_folders_then_answer(node, tmp_path, size_bytes):
    kept = run(node, tmp_path, size_bytes)
    location = kept.answers[0].removeprefix("kept ")
    folder = location.rpartition("/")[0]
    fan_out = folder.partition("/")[0]
    calls = kept.calls[next(n for n, call in enumerate(kept.calls) if call.startswith("fdatasync")) :]
    incoming = next(call for call in calls if call.startswith("unlink")).split()[-1]
    expected = [
        f"link {incoming} files/{location}",
        f"fsync files/{folder}",
        f"fsync files/{fan_out}",
        "fsync files",
        "answer",
        f"unlink {incoming}",
    ]
    assert calls[0].startswith("fdatasync incoming/w.")
    assert [call for call in calls[1:] if not call.startswith("rename")] == expected
    assert ("rename" in " ".join(calls)) == (size_bytes == SPOOLED)


@SIZES
def test_next_instance_of_a_study_costs_two_syncs(node, tmp_path, size_bytes):
    calls = run(node, tmp_path, size_bytes, count=2).calls
    first = calls.index("answer")
    second = calls[first + 1 : calls.index("answer", first + 1)]
    assert [call.split()[0] for call in second if "sync" in call] == ["fdatasync", "fsync"]


@SIZES
def test_fast_syncs_nothing(node, tmp_path, size_bytes):
    kept = run(node, tmp_path, size_bytes, count=2, durability="fast")
    assert all(answer.startswith("kept") for answer in kept.answers)
    assert [call for call in kept.calls if "sync" in call] == []


@SIZES
def test_file_whose_sync_failed_is_written_anew(node, tmp_path, size_bytes):
    kept = run(node, tmp_path, size_bytes, "-e", "inject=fdatasync:error=EIO:when=1")
    [location] = node.kept()
    assert kept.answers == [f"kept {location}"]
    assert (node.root / location).read_bytes().endswith(b"x" * size_bytes)
    assert node.unfinished() == []
    assert sum(call.startswith("fdatasync") for call in kept.calls) == 1


@SIZES
@pytest.mark.parametrize(
    "fault",
    [
        pytest.param("fdatasync:error=EIO", id="no file can be synced"),
        pytest.param(f"fsync:error=EIO:when={FOLDER_SYNCS_AT_START + 1}+", id="the folder cannot be synced"),
        pytest.param(f"fsync:error=EIO:when={FOLDER_SYNCS_AT_START + 2}+", id="its parent cannot be synced"),
        pytest.param("link,linkat:error=EIO", id="the file cannot be linked"),
        pytest.param("link,linkat:error=EEXIST", id="the name is taken"),
    ],
)
def test_what_cannot_be_made_durable_is_told_and_leaves_nothing(node, tmp_path, size_bytes, fault):
    assert (
        run(node, tmp_path, size_bytes, "-e", f"inject={fault}").answers[0].startswith("failed file cannot be written")
    )
    assert node.kept() == []
    assert node.unfinished() == []


def test_folder_whose_sync_failed_is_synced_to_the_root_next_time(node, tmp_path):
    fault = f"inject=fsync:error=EIO:when={FOLDER_SYNCS_AT_START + 2}"
    kept = run(node, tmp_path, SMALL, "-e", fault, count=2)
    assert [answer.split()[0] for answer in kept.answers] == ["failed", "kept"]
    second = kept.calls[kept.calls.index("answer") :]
    assert [call.count("/") for call in second if call.startswith("fsync files")] == [2, 1, 0]
