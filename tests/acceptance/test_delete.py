"""``dicomnode delete`` beside a node that serves: what was accepted is here or gone, never half."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from factories import ct, series, write
from pydicom.uid import generate_uid
from running_node import RunningNode, wait_for
from test_full_disk import MIB, OUT_OF_RESOURCES, SUCCESS, small_disk

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system to fill")


def instances(node: RunningNode) -> int:
    """How many instances studies have."""
    return sum(row["instances"] for row in node.rows("studies"))


def test_beside_a_running_node(node: RunningNode, tmp_path: Path) -> None:
    study = generate_uid()
    sent = series(tmp_path / "a", 20, StudyInstanceUID=study)
    other = series(tmp_path / "b", 3)
    node.storescu(*sent, *other)
    [told] = node.rows("delete", "--study", study, "--reason", "sent by mistake", "--yes")
    assert told["instances"] == 20
    assert len(node.files()) == 3
    assert instances(node) == 3
    assert node.storescu(*sent) == [SUCCESS] * 20
    assert instances(node) == len(node.files()) == 23


def test_while_the_study_is_being_received(node: RunningNode, tmp_path: Path) -> None:
    study = generate_uid()
    sent = [series(tmp_path / name, 60, StudyInstanceUID=study) for name in "ab"]
    answers: list[list[int]] = [[], []]

    def scan(number: int) -> None:
        answers[number] = node.storescu(*sent[number])

    senders = [threading.Thread(target=scan, args=(number,)) for number in range(2)]
    for sender in senders:
        sender.start()
    deleted = 0
    while any(sender.is_alive() for sender in senders):
        done = node.cli("delete", "--study", study, "--yes", "--json")
        assert done.returncode == 0 or "no study" in done.stderr, done.stderr
        deleted += done.returncode == 0
    for sender in senders:
        sender.join()
    assert deleted > 0
    assert answers == [[SUCCESS] * 60] * 2
    assert instances(node) == len(node.files())
    again = node.storescu(*sent[0], *sent[1])
    assert again == [SUCCESS] * 120
    assert instances(node) == len(node.files()) == 120
    assert node.unfinished() == []


@pytest.mark.parametrize("enough", [1, 60])
def test_killed_on_the_way_leaves_nothing_half_done(node: RunningNode, tmp_path: Path, enough: int) -> None:
    study = generate_uid()
    assert node.storescu(*series(tmp_path / "a", 200, StudyInstanceUID=study)) == [SUCCESS] * 200
    command = subprocess.Popen(
        [sys.executable, "-m", "dicomnode", "delete", "--study", study, "--yes", "--config", node.config],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: len(node.files()) <= 200 - enough, what="the first files to go")
    command.kill()
    command.wait()
    held = instances(node)
    assert held <= len(node.files())
    assert node.stop() == 0
    node.start()
    assert instances(node) == held == len(node.files())


@pytest.fixture
def full(tmp_path: Path) -> Iterator[tuple[RunningNode, Path]]:
    """A node whose disk is full to the last byte, with instances of one study on it; and the file that fills the rest."""
    with small_disk(tmp_path / "disk", 40 * MIB) as disk:
        data = disk / "data"
        with RunningNode(tmp_path / "node", data=str(data), files={"free_space_floor_bytes": 0}) as node:
            node.data = data
            sent = series(tmp_path / "sent", 40, rows=256, columns=256, StudyInstanceUID="1.2.840.99.1")
            assert node.storescu(*sent) == [SUCCESS] * 40
            yield node, disk / "ballast"


def fill(ballast: Path) -> None:
    """Leave no byte."""
    with ballast.open("ab", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            pass
    disk = os.statvfs(ballast)
    assert disk.f_bavail == 0


@as_root
@pytest.mark.parametrize("runs", [True, False], ids=["beside a node", "without a node"])
def test_works_on_a_disk_without_a_free_byte(full: tuple[RunningNode, Path], tmp_path: Path, runs: bool) -> None:
    node, ballast = full
    if not runs:
        assert node.stop() == 0
    fill(ballast)
    if runs:
        assert node.storescu(write(ct(), tmp_path / "late.dcm")) == [OUT_OF_RESOURCES]
    done = node.cli("delete", "--study", "1.2.840.99.1", "--yes")
    assert done.returncode == 0, done.stderr
    assert node.files() == []
    assert (node.data / "reserve").stat().st_size == 4 * MIB
    if not runs:
        node.start()
    assert node.storescu(write(ct(), tmp_path / "late.dcm")) == [SUCCESS]
    assert instances(node) == 1


@as_root
def test_node_starts_on_a_disk_without_a_free_byte(full: tuple[RunningNode, Path]) -> None:
    node, ballast = full
    assert node.stop() == 0
    fill(ballast)
    node.start()
    assert node.echoscu().returncode == 0
    assert node.cli("delete", "--study", "1.2.840.99.1", "--yes").returncode == 0
    assert node.files() == []
