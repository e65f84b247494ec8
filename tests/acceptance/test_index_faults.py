"""An index that cannot be used: senders are told to try again, the node stays up, and goes on by itself once it can."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from factories import ct, write
from running_node import RunningNode

OUT_OF_RESOURCES, SUCCESS = 0xA700, 0x0000


@pytest.fixture
def holding(tmp_path: Path) -> Iterator[RunningNode]:
    """A node that waits for its index for one second only, and holds one instance."""
    with RunningNode(tmp_path / "node", index={"lock_timeout_s": 1}) as node:
        assert node.storescu(write(ct(), tmp_path / "first.dcm")) == [SUCCESS]
        yield node


@pytest.mark.parametrize("lock", ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"])
def test_locked_index_is_told_and_ends_with_the_lock(holding: RunningNode, tmp_path: Path, lock: str) -> None:
    file = write(ct(), tmp_path / "one.dcm")
    holder = sqlite3.connect(holding.data / "index.sqlite", isolation_level=None)
    holder.execute(lock)
    assert holding.storescu(file) == [OUT_OF_RESOURCES]
    assert holding.echoscu().returncode == 0
    assert len(holding.rows("studies")) == 1
    holder.execute("ROLLBACK")
    holder.close()
    assert holding.storescu(file) == [SUCCESS]
    assert len(holding.files()) == 2
    assert holding.unfinished() == []


def test_damaged_index_takes_nothing_in_until_it_is_whole_again(holding: RunningNode, tmp_path: Path) -> None:
    holding.stop()
    holding.start()
    workers = holding.workers()
    index = holding.data / "index.sqlite"
    whole = index.read_bytes()
    overwrite(index, os.urandom(len(whole)))
    file = write(ct(), tmp_path / "one.dcm")
    assert holding.storescu(file, file) == [OUT_OF_RESOURCES] * 2
    assert holding.echoscu().returncode == 0
    said = holding.cli("studies")
    assert said.returncode != 0
    assert "index" in said.stderr
    assert "Traceback" not in said.stderr
    assert len(holding.files()) == 1
    assert holding.unfinished() == []
    overwrite(index, whole)
    assert holding.storescu(file) == [SUCCESS]
    assert len(holding.rows("studies")) == 2
    assert holding.workers() == workers


def test_index_that_is_damaged_under_open_connections_stops_no_worker(holding: RunningNode, tmp_path: Path) -> None:
    workers = holding.workers()
    for name in ("index.sqlite", "index.sqlite-wal"):
        overwrite(holding.data / name, os.urandom((holding.data / name).stat().st_size))
    statuses: list[list[int]] = []
    while [
        OUT_OF_RESOURCES
    ] not in statuses:  # a worker that nobody else's commit disturbs has its pages in memory still
        statuses.append(holding.storescu(write(ct(), tmp_path / f"{len(statuses)}.dcm")))
        assert statuses[-1] in ([SUCCESS], [OUT_OF_RESOURCES])
        assert len(statuses) < 60
    assert holding.echoscu().returncode == 0
    assert holding.workers() == workers


def test_start_on_a_damaged_index_says_which_file_it_is_and_what_to_do(holding: RunningNode) -> None:
    holding.stop()
    index = holding.data / "index.sqlite"
    overwrite(index, os.urandom(index.stat().st_size))
    holding.launch()
    assert holding.process.wait(60) == 2
    said = (holding.folder / "log.jsonl").read_text()
    assert f"index {index} is damaged" in said
    assert "put a back-up in its place" in said


def overwrite(path: Path, content: bytes) -> None:
    """In place: whoever has the file open sees it."""
    with path.open("r+b") as file:
        file.write(content)
