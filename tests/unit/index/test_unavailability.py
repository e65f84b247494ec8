"""An index that is locked, damaged or out of room is unavailable in bounded time, and available again when the cause is gone."""

from __future__ import annotations

import fcntl
import os
import resource
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from unit.conftest import OpenIndex
from unit.index.received import PATIENT_NAME, received

from dicomnode.errors import IndexUnavailableError
from dicomnode.index import Durability, Index, IndexSettings, OnConflict, Outcome, StudyFilter

LARGE = {PATIENT_NAME: "x" * 40_000}


def add(index: Index, uid: str, **changes: object) -> Outcome:
    return index.instances.add(received(uid, **changes), OnConflict()).outcome  # type: ignore[arg-type]


def refused(index: Index, uid: str) -> IndexUnavailableError:
    """The error, which comes within a few times the time-out of two tenths of a second."""
    started = time.monotonic()
    with pytest.raises(IndexUnavailableError) as error:
        add(index, uid)
    assert time.monotonic() - started < 2
    return error.value


def test_locked_by_another_program(open_index: OpenIndex, tmp_path: Path) -> None:
    index = open_index(lock_timeout_s=0.2)
    add(index, "1.2.1")
    other = sqlite3.connect(tmp_path / "index.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert refused(index, "1.2.2").rolled_back
    assert index.instances.known("1.2.1") is not None
    other.close()
    assert add(index, "1.2.2") is Outcome.STORED


def test_many_that_come_one_after_the_other_are_told_in_time(open_index: OpenIndex, tmp_path: Path) -> None:
    index = open_index(lock_timeout_s=1.0)
    add(index, "1.2.0")
    other = sqlite3.connect(tmp_path / "index.sqlite", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")

    def waited_s(number: int) -> float:
        started = time.monotonic()
        with pytest.raises(IndexUnavailableError):
            add(index, f"1.2.{number}")
        return time.monotonic() - started

    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(waited_s, range(1, 5))) < 1.5
    other.close()
    assert add(index, "1.2.5") is Outcome.STORED


def test_held_by_a_writer_that_hangs(open_index: OpenIndex, tmp_path: Path) -> None:
    index = open_index(lock_timeout_s=0.2)
    add(index, "1.2.0")
    lock = os.open(tmp_path / "index.lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    with ThreadPoolExecutor(5) as pool:
        errors = list(pool.map(lambda number: refused(index, f"1.2.{number}"), range(1, 6)))
    assert all(error.rolled_back for error in errors)
    os.close(lock)
    assert [add(index, f"1.2.{number}") for number in range(1, 6)] == [Outcome.STORED] * 5


def test_damaged_and_repaired(open_index: OpenIndex, tmp_path: Path) -> None:
    index = open_index()
    add(index, "1.2.1")
    path = tmp_path / "index.sqlite"
    index.prepare()  # folds the log, so that the file is all there is
    shutil.copy(path, tmp_path / "good")
    (tmp_path / "garbage").write_bytes(os.urandom(path.stat().st_size))
    # by another process: a file that this one closes beside SQLite would take SQLite's locks along
    subprocess.run(["/bin/cp", tmp_path / "garbage", path], check=True)
    newcomer = open_index()
    for use in (
        lambda: newcomer.instances.known("1.2.1"),
        newcomer.summary,
        lambda: list(newcomer.studies(StudyFilter())),
    ):
        with pytest.raises(IndexUnavailableError):
            use()
    assert refused(newcomer, "1.2.2").rolled_back
    subprocess.run(["/bin/cp", tmp_path / "good", path], check=True)
    for each in (index, newcomer):
        assert each.instances.known("1.2.1") is not None
    assert add(newcomer, "1.2.2") is Outcome.STORED
    assert add(index, "1.2.2") is Outcome.SAME_CONTENT


def test_reading_that_failed_begins_anew(index: Index, tmp_path: Path) -> None:
    add(index, "1.2.1")
    assert index.instances.known("1.2.1") is not None
    other = sqlite3.connect(tmp_path / "index.sqlite")
    other.execute("ALTER TABLE instance RENAME TO away")
    with pytest.raises(IndexUnavailableError, match="index cannot be read"):
        index.instances.known("1.2.1")
    other.execute("ALTER TABLE away RENAME TO instance")
    other.close()
    assert index.instances.known("1.2.1") is not None


def test_nothing_is_taken_for_durable_once_the_log_was_removed(open_index: OpenIndex, tmp_path: Path) -> None:
    index = open_index(Durability.FULL)
    add(index, "1.2.1")
    (tmp_path / "index.sqlite-wal").unlink()
    assert not refused(index, "1.2.2").rolled_back
    with pytest.raises(IndexUnavailableError, match="its log was removed"):
        index.sync()
    index.close()  # a node that ends in an orderly way still has the log open, and folds it
    again = open_index(Durability.FULL)
    assert again.instances.known("1.2.1") is not None
    assert add(again, "1.2.3") is Outcome.STORED


@contextmanager
def files_no_larger_than(size_bytes: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_log_cannot_grow(index: Index) -> None:
    add(index, "1.2.1")
    with files_no_larger_than(60_000):
        with pytest.raises(IndexUnavailableError):
            add(index, "1.2.2", patient=LARGE, study="1.2.77")
        assert index.instances.known("1.2.1") is not None
    assert index.instances.known("1.2.2") is None
    assert add(index, "1.2.2", patient=LARGE, study="1.2.77") is Outcome.STORED


def failure_of(index: Index, number: int) -> IndexUnavailableError | None:
    """What adding a large instance fails with; None when it succeeds."""
    try:
        assert add(index, f"1.2.{number}", patient=LARGE, study=f"1.3.{number}") is Outcome.STORED
    except IndexUnavailableError as error:
        return error
    return None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_disk_is_full(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    index = Index(disk, IndexSettings(), durability=Durability.FULL)
    try:
        index.prepare()
        add(index, "1.2.0")
        with suppress(OSError), (disk / "ballast").open("wb", buffering=0) as ballast:
            while ballast.write(bytes(4096)):
                pass
        stored = 0
        failure: IndexUnavailableError | None = None
        while failure is None:
            stored += 1
            failure = failure_of(index, stored)
        assert failure.rolled_back
        assert [row.instances for row in index.studies(StudyFilter())] == [1] * stored
        (disk / "ballast").unlink()
        assert failure_of(index, stored) is None
    finally:
        index.close()
        subprocess.run(["/bin/umount", disk], check=True)


def test_one_that_fails_takes_none_of_its_neighbours_along(index: Index) -> None:
    add(index, "1.1", location="abc/1/taken.dcm")

    def send(number: int) -> bool:
        try:
            add(index, f"1.2.{number}", location="abc/1/taken.dcm" if number % 3 == 0 else "")
        except IndexUnavailableError as error:
            return not error.rolled_back
        return True

    with ThreadPoolExecutor(8) as pool:
        were_added = list(pool.map(send, range(300)))
    assert were_added == [number % 3 != 0 for number in range(300)]
    assert index.summary().instances == 201
