"""No room: senders are told to try again, the node stays up, what it holds can be listed, and it goes on by itself."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from factories import ct, series, write
from running_node import RunningNode, wait_for

OUT_OF_RESOURCES, SUCCESS = 0xA700, 0x0000
MIB = 1024 * 1024
ROOM = 16 * MIB


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """A file system of its own."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.fixture(params=["floor", "full"])
def crowded(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[tuple[RunningNode, Path]]:
    """A node with some 16 MiB left for it, and the file whose removal makes room."""
    if os.geteuid() == 0:
        floor = 4 * MIB if request.param == "floor" else 0
        with small_disk(tmp_path / "disk", floor + 2 * ROOM) as disk:
            ballast = disk / "ballast"
            ballast.write_bytes(bytes(ROOM))
            data = disk / "data"
            with RunningNode(tmp_path / "node", data=str(data), files={"free_space_floor_bytes": floor}) as node:
                node.data = data
                yield node, ballast
    elif request.param == "full":
        pytest.skip("only root may mount a small file system to fill")
    else:  # the floor a little below what is free on the disk that is here
        ballast = tmp_path / "ballast"
        ballast.write_bytes(os.urandom(4 * ROOM))
        disk_now = os.statvfs(tmp_path)
        floor = disk_now.f_bavail * disk_now.f_frsize - ROOM
        with RunningNode(tmp_path / "node", files={"free_space_floor_bytes": floor}) as node:
            yield node, ballast


def test_no_room_is_told_and_nothing_half_written_is_left(crowded: tuple[RunningNode, Path], tmp_path: Path) -> None:
    node, ballast = crowded
    workers = node.workers()
    # More than fits, faster than the free space is looked at; then more of them, so that some come when there is none. On a disk
    # that others use as well it may take more rounds.
    statuses: list[int] = []
    for _ in range(10):
        was_full = OUT_OF_RESOURCES in statuses
        statuses += node.storescu(*series(tmp_path / "a", 30, rows=1024, columns=512))
        if was_full:
            break
    assert set(statuses) == {SUCCESS, OUT_OF_RESOURCES}
    accepted = statuses.count(SUCCESS)
    assert len(node.files()) == accepted
    assert node.unfinished() == []
    assert node.echoscu().returncode == 0
    assert sum(row["instances"] for row in node.rows("studies")) == accepted
    ballast.unlink()
    small = write(ct(), tmp_path / "small.dcm")
    wait_for(lambda: node.storescu(small) == [SUCCESS], what="the node to take in again")
    assert sum(row["instances"] for row in node.rows("studies")) == accepted + 1
    assert node.workers() == workers


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system to fill")
def test_large_instance_that_does_not_fit_leaves_nothing(crowded: tuple[RunningNode, Path], tmp_path: Path) -> None:
    node, _ = crowded
    large = write(ct(rows=4096, columns=4096), tmp_path / "large.dcm")  # 32 MiB, to a file as it comes
    assert node.storescu(large) == [OUT_OF_RESOURCES]
    assert node.files() == []
    assert node.unfinished() == []
    assert node.echoscu().returncode == 0
