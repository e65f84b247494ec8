from __future__ import annotations

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY = "1.2.840.99.1"
HOSTILE = [
    "",
    ".",
    "..",
    "../../../tmp/x",
    "/etc/passwd",
    "1.2/3",
    "1" * 65,
    "1.2\0",
    "1.2\n",
    "1.2 ",
    "\u00e4",
    "\udc80",
    "A,b",
]
MOST_ENTRIES = 2000 + 3 * 250


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def keepers(node, count: int, processes: int, tmp_path: Path) -> list[str]:
    """Several processes keep ``count`` instances each of one study; the rows that they wrote."""
    rows = tmp_path / "rows"
    running = [
        subprocess.Popen(
            [sys.executable, Path(__file__).with_name("keeper.py"), node.root, f"k{n}", STUDY, str(count), rows, "fast"]
        )
        for n in range(processes)
    ]
    assert [process.wait(60) for process in running] == [0] * processes
    return sorted(rows.read_text().split())


@pytest.mark.parametrize("uid", HOSTILE)
def test_what_is_no_uid_becomes_no_path(node, receive, uid):
    files = node.open()
    kept = receive(files, b"some bytes", uid).keep(uid, uid, CT)
    kept.settle()
    path = node.root / kept.location
    assert path.resolve().is_relative_to(node.root.resolve())
    assert kept.location.isascii()
    assert kept.location.isprintable()
    assert node.kept() == [kept.location]
    assert bytes(files.read(kept.location).dataset) == b"some bytes"
    with files.removing(kept.location):
        pass
    assert node.kept() == []


def test_hostile_uids_do_not_share_a_folder(node, receive):
    files = node.open()
    folders = {Path(receive(files, b"x").keep(uid, "1.2.3", CT).location).parent for uid in HOSTILE}
    assert len(folders) == len(HOSTILE)


def test_a_study_lies_in_one_folder_that_names_it(node, receive):
    files = node.open()
    kept = [receive(files, b"x", uid).keep(STUDY, uid, CT) for uid in ("1.2.3", "1.2.4")]
    assert {Path(one.location).parent.name for one in kept} == {STUDY}
    assert len({Path(one.location).parent for one in kept}) == 1


@pytest.mark.parametrize("durable", [True, False])
def test_threads_keep_one_new_study_at_once(node, receive, durable):
    files = node.open(durable=durable)

    def keep(number: int) -> str:
        kept = receive(files, str(number).encode(), f"1.2.{number}").keep(STUDY, f"1.2.{number}", CT)
        kept.settle()
        return f"{number} {kept.location}"

    with ThreadPoolExecutor(8) as pool:
        kept = dict(line.split() for line in pool.map(keep, range(80)))
    assert node.kept() == sorted(kept.values())
    assert all(bytes(files.read(location).dataset).decode() == number for number, location in kept.items())


def test_processes_fill_folders_of_one_study_in_turn(node, tmp_path):
    rows = keepers(node, 1400, 3, tmp_path)
    assert len(rows) == 3 * 934
    assert node.kept() == rows
    assert node.unfinished() == []
    sizes = {folder: len(list(folder.glob("*.dcm"))) for folder in node.root.rglob("*") if folder.is_dir()}
    assert max(sizes.values()) <= MOST_ENTRIES
    assert len([size for size in sizes.values() if size]) == 2


def test_makes_a_folder_again_that_somebody_removed(node, receive):
    files = node.open(durable=True)
    receive(files, b"first").keep(STUDY, "1.2.3", CT).settle()
    shutil.rmtree(node.root)
    node.root.mkdir()
    kept = receive(files, b"second").keep(STUDY, "1.2.4", CT)
    assert node.kept() == [kept.location]


def test_a_folder_that_somebody_moved_away_gets_no_more_instances(node, receive, tmp_path):
    files = node.open(durable=True)
    first = receive(files, b"first").keep(STUDY, "1.2.3", CT)
    folder = (node.root / first.location).parent
    folder.rename(tmp_path / "elsewhere")
    folder.mkdir()
    second = receive(files, b"second").keep(STUDY, "1.2.4", CT)
    assert node.kept() == [second.location]
    assert len(list((tmp_path / "elsewhere").iterdir())) == 1


def test_many_studies_leave_few_descriptors_open(node, receive):
    files = node.open()
    before = open_descriptors()
    for number in range(400):
        receive(files, b"x").keep(f"1.2.{number}", "1.2.3", CT).settle()
    assert open_descriptors() - before <= 150
