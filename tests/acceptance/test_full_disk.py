"""No room, an index that cannot be written: senders are told to try again, the node stays up and goes on by itself."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from factories import ct, series, write
from running_node import RunningNode, wait_for

OUT_OF_RESOURCES, SUCCESS = 0xA700, 0x0000
MIB = 1024 * 1024


@contextmanager
def small_disk(folder: Path, size_mb: int) -> Iterator[Path]:
    """A file system of its own, with ``size_mb`` MiB."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(node: RunningNode, folder: Path) -> list[int]:
    """Send until the node has no more room; the statuses."""
    big = series(folder, 40, rows=1024, columns=512)
    return node.storescu(*big)


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[tuple[RunningNode, Path]]:
    """A node with 24 MiB left for it, and the file whose removal makes room."""
    if os.geteuid() == 0:
        with small_disk(tmp_path / "disk", 40) as disk:
            ballast = disk / "ballast"
            ballast.write_bytes(bytes(16 * MIB))
            with RunningNode(
                tmp_path / "node", data=str(disk / "data"), files={"free_space_floor_bytes": 4 * MIB}
            ) as node:
                node.data = disk / "data"
                yield node, ballast
    else:  # nobody but root may mount: a floor that is reached after some 24 MiB shows the same
        free = os.statvfs(tmp_path)
        floor = free.f_bavail * free.f_frsize - 24 * MIB
        ballast = tmp_path / "ballast"
        ballast.write_bytes(os.urandom(64 * MIB))
        with RunningNode(tmp_path / "node", files={"free_space_floor_bytes": floor - 64 * MIB}) as node:
            yield node, ballast


def test_full_disk_is_told_and_nothing_half_written_is_left(crowded: tuple[RunningNode, Path], tmp_path: Path) -> None:
    node, ballast = crowded
    statuses = fill(node, tmp_path / "a")
    assert set(statuses) == {SUCCESS, OUT_OF_RESOURCES}
    accepted = statuses.count(SUCCESS)
    assert len(node.files()) == accepted
    assert node.unfinished() == []
    assert node.echoscu().returncode == 0
    assert sum(row["instances"] for row in node.rows("studies")) == accepted
    ballast.unlink()
    small = write(ct(), tmp_path / "small.dcm")
    wait_for(lambda: node.storescu(small) == [SUCCESS], what="the node to take in again")


def test_locked_index_is_told_and_ends_with_the_lock(tmp_path: Path) -> None:
    file = write(ct(), tmp_path / "one.dcm")
    with RunningNode(tmp_path / "node", index={"lock_timeout_s": 1}) as node:
        assert node.storescu(write(ct(), tmp_path / "first.dcm")) == [SUCCESS]
        holder = sqlite3.connect(node.data / "index.sqlite", isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        assert node.storescu(file) == [OUT_OF_RESOURCES]
        assert node.echoscu().returncode == 0
        assert len(node.rows("studies")) == 1
        holder.execute("ROLLBACK")
        holder.close()
        assert node.storescu(file) == [SUCCESS]
        assert len(node.files()) == 2
        assert node.unfinished() == []


def test_start_on_a_damaged_index_says_which_file_it_is(tmp_path: Path) -> None:
    with RunningNode(tmp_path / "node") as node:
        node.storescu(write(ct(), tmp_path / "one.dcm"))
    for name in ("index.sqlite-wal", "index.sqlite-shm"):
        (node.data / name).unlink(missing_ok=True)
    index = node.data / "index.sqlite"
    index.write_bytes(os.urandom(index.stat().st_size))
    node.launch()
    assert node.process.wait(60) == 2
    assert "index.sqlite" in (node.folder / "log.jsonl").read_text(errors="replace")
