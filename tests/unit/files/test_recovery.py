from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dicomnode.files import Files, recover

CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY = "1.2.840.99.1"
KEEPER = Path(__file__).with_name("keeper.py")


def no_row(location: str) -> bool:
    return False


@pytest.fixture
def dead(node) -> Files:
    """The files of a process that will be dead when its work is looked at: `die` ends it."""
    return node.open()


def die(files: Files) -> None:
    """What the kernel does for a process that was killed: its lock goes, its files stay."""
    files.close()


def test_nothing_to_do_in_a_new_data_folder(tmp_path):
    report = recover(tmp_path / "data" / "files", no_row)
    assert (report.finished, report.removed, report.restored, report.left) == (0, 0, 0, 0)


@pytest.mark.parametrize("size_bytes", [50_000, 500_000], ids=["in memory", "spooled"])
def test_finishes_what_has_a_row(node, dead, receive, size_bytes):
    kept = receive(dead, os.urandom(size_bytes)).keep(STUDY, "1.2.3", CT)
    die(dead)
    report = recover(node.root, {kept.location}.__contains__)
    assert (report.finished, report.removed) == (1, 0)
    assert node.kept() == [kept.location]
    assert list(node.incoming.iterdir()) == []


def test_removes_what_has_no_row(node, dead, receive):
    with_row = receive(dead, b"x").keep(STUDY, "1.2.3", CT)
    receive(dead, b"y").keep(STUDY, "1.2.3", CT)
    receive(dead, b"z").keep("1.2.840.99.2", "1.2.4", CT)
    die(dead)
    report = recover(node.root, {with_row.location}.__contains__)
    assert (report.finished, report.removed) == (1, 2)
    assert node.kept() == [with_row.location]
    assert len(list(node.root.iterdir())) == 1, "the folder of a study without instances is left"
    assert list(node.incoming.iterdir()) == []


def test_removes_what_was_never_complete(node, dead, receive):
    reception = receive(dead, os.urandom(500_000))
    assert len(node.unfinished()) == 1
    die(dead)
    assert recover(node.root, no_row).removed == 1
    assert list(node.incoming.iterdir()) == []
    reception.discard()


def test_finishes_a_withdrawal_that_was_cut_short(node, dead, receive):
    kept = receive(dead, b"x").keep(STUDY, "1.2.3", CT)
    (node.root / kept.location).unlink()
    die(dead)
    assert recover(node.root, no_row).removed == 1
    assert node.unfinished() == []


def test_puts_back_a_file_that_its_row_misses(node, dead, receive):
    kept = receive(dead, b"x").keep(STUDY, "1.2.3", CT)
    shutil.rmtree(node.root / kept.location.split("/")[0])
    die(dead)
    assert recover(node.root, {kept.location}.__contains__).restored == 1
    assert bytes(node.open().read(kept.location).dataset) == b"x"
    assert node.unfinished() == []


def test_leaves_a_live_process_alone(node, receive):
    live = node.open()
    kept = receive(live, b"x").keep(STUDY, "1.2.3", CT)
    half = receive(live, os.urandom(500_000))
    report = recover(node.root, no_row)
    assert report.removed == 0
    assert node.kept() == [kept.location]
    kept.settle()
    half.keep(STUDY, "1.2.4", CT).settle()
    assert len(node.kept()) == 2


def test_leaves_what_is_not_its_own(node, dead, receive):
    receive(dead, b"x").keep(STUDY, "1.2.3", CT)
    folder = node.unfinished()[0].parent
    (folder / "notes.txt").write_text("by hand")
    (folder / "..,..,x.dcm").write_text("by hand")
    (node.incoming / "README").write_text("by hand")
    die(dead)
    report = recover(node.root, no_row)
    assert (report.removed, report.left) == (1, 2)
    assert sorted(path.name for path in node.unfinished()) == ["..,..,x.dcm", "README", "notes.txt"]


def test_an_index_that_fails_stops_it_and_the_rest_is_done_later(node, dead, receive):
    kept = [receive(dead, b"x").keep(STUDY, f"1.2.{n}", CT).location for n in range(5)]
    die(dead)
    asked = iter([True, True])
    with pytest.raises(StopIteration):
        recover(node.root, lambda _: next(asked))
    assert len(node.unfinished()) == 3
    recover(node.root, lambda _: True)
    assert node.kept() == sorted(kept)
    assert node.unfinished() == []


def test_tells_how_far_it_is(node, dead, receive):
    for number in range(4):
        receive(dead, b"x").keep(STUDY, f"1.2.{number}", CT)
    die(dead)
    told: list[int] = []
    recover(node.root, no_row, told.append)
    assert told == [1, 2, 3, 4]


def test_processes_killed_at_any_moment_leave_nothing_half_done(node, tmp_path):
    """Two processes of three threads each are killed again and again; then files and rows agree, byte for byte."""
    sys.path.insert(0, str(KEEPER.parent))
    try:
        from keeper import content  # noqa: PLC0415
    finally:
        sys.path.pop(0)
    moments = random.Random(7)
    rows = tmp_path / "rows"
    rows.touch()
    finished = removed = 0
    for number in range(8):
        keepers = [
            subprocess.Popen([sys.executable, KEEPER, node.root, f"k{n}", f"{STUDY}.{n}", "100000", rows, "full"])
            for n in range(2)
        ]
        enough = rows.stat().st_size + moments.randrange(200, 8000)
        deadline = time.monotonic() + 30
        while rows.stat().st_size < enough and time.monotonic() < deadline:
            assert [keeper.poll() for keeper in keepers] == [None, None]
            time.sleep(0.001)  # leaves the processor to them
        for keeper in keepers:
            keeper.kill()
        for keeper in keepers:
            keeper.wait()
        locations = rows.read_text().split()
        report = recover(node.root, set(locations).__contains__)
        finished, removed = finished + report.finished, removed + report.removed
        assert node.kept() == sorted(locations), f"after kill {number}"
        assert node.unfinished() == []
    assert finished > 0
    assert removed > 0
    files = node.open()
    for location in locations:
        uid = location.rpartition("/")[2].partition("_")[0]
        assert bytes(files.read(location).dataset) == content(uid), location


class CrashError(Exception):
    """The process ends here."""


@pytest.mark.parametrize("has_row", [True, False], ids=["before the row changed", "after the row changed"])
def test_finishes_a_removal_that_a_crash_cut_short_by_the_row(node, dead, receive, has_row):
    kept = receive(dead, b"x").keep(STUDY, "1.2.3", CT)
    kept.settle()
    with pytest.raises(CrashError), dead.removing(kept.location):
        raise CrashError
    die(dead)
    assert node.kept() == [kept.location]
    recover(node.root, lambda _: has_row)
    assert node.kept() == ([kept.location] if has_row else [])
    assert list(node.incoming.iterdir()) == []
