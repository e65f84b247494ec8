"""The write-ahead log stays of a size, and readers do not pile up."""

from __future__ import annotations

import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from unit.conftest import OpenIndex
from unit.index.received import PATIENT_NAME, received

from dicomnode.index import Durability, Index, OnConflict, StudyFilter

MIB = 1 << 20


def fill(index: Index, instances: range) -> None:
    """About 200 KiB of log each."""
    for number in instances:
        name = f"{number}^" + "x" * 40_000
        came = received(f"1.2.{number}", study=f"1.3.{number}", patient={PATIENT_NAME: name})
        index.instances.add(came, OnConflict())


def log_bytes(folder: Path) -> int:
    return (folder / "index.sqlite-wal").stat().st_size


def test_log_is_folded_when_it_has_grown(open_index: OpenIndex, tmp_path: Path) -> None:
    index = open_index(checkpoint_mb=1)
    fill(index, range(100))
    assert log_bytes(tmp_path) < 2 * MIB
    assert (tmp_path / "index.sqlite").stat().st_size > 3 * MIB


def test_log_is_used_anew_but_not_folded_with_every_commit(open_index: OpenIndex, tmp_path: Path) -> None:
    index = open_index(checkpoint_mb=1)
    sizes = []
    for number in range(60):
        fill(index, range(number, number + 1))
        sizes.append((tmp_path / "index.sqlite").stat().st_size)
    assert log_bytes(tmp_path) < 2 * MIB
    assert 5 < len(set(sizes)) < 20


def test_log_is_folded_once_a_reader_that_pins_it_is_gone(open_index: OpenIndex, tmp_path: Path) -> None:
    index = open_index(checkpoint_mb=1)
    fill(index, range(3))
    reader = sqlite3.connect(tmp_path / "index.sqlite", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM instance").fetchone()
    fill(index, range(3, 25))
    pinned = log_bytes(tmp_path)
    assert pinned > 2 * MIB
    assert reader.execute("SELECT count(*) FROM instance").fetchone() == (3,)
    reader.close()
    fill(index, range(25, 40))
    assert log_bytes(tmp_path) < 2 * MIB
    assert index.summary().instances == 40


def test_log_stays_bounded_while_there_always_is_a_reader(open_index: OpenIndex, tmp_path: Path) -> None:
    index = open_index(checkpoint_mb=1)
    fill(index, range(3))
    is_over = threading.Event()

    def read(_: int) -> None:
        while not is_over.is_set():
            list(index.studies(StudyFilter(patient_name="*no such*")))

    with ThreadPoolExecutor(3) as pool:
        readers = pool.map(read, range(3))
        largest = 0
        for number in range(3, 400):
            fill(index, range(number, number + 1))
            largest = max(largest, log_bytes(tmp_path))
        is_over.set()
        list(readers)
    assert (
        largest < 9 * MIB
    )  # all of it would be twice as much; a reader that is never seen to leave costs a MiB at each try
    assert index.summary().instances == 400


def test_threads_that_come_and_go_leave_no_descriptors(open_index: OpenIndex) -> None:
    index = open_index(Durability.FULL)
    index.instances.add(received(), OnConflict())

    def use() -> None:
        index.instances.known("1.2.3")
        index.sync()

    def descriptors_after(rounds: int) -> int:
        for _ in range(rounds):
            threads = [threading.Thread(target=use) for _ in range(10)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return len(list(Path("/proc/self/fd").iterdir()))

    descriptors_after(5)
    before = descriptors_after(1)
    assert descriptors_after(20) <= before + 3 * 8
