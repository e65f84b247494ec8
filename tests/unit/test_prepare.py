"""Who may have the data folder, what is said to whom it is refused, and what is in it afterwards."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import structlog
from structlog.typing import EventDict

from dicomnode.dicom.instance import StoreRequest, Verdict
from dicomnode.dicom.peer import Sender
from dicomnode.errors import DataFolderError
from dicomnode.index import Durability, Index, IndexSettings
from dicomnode.logs import LogSettings
from dicomnode.prepare import file_system_of, prepare, take_data_folder

ROOT = Path(__file__).parents[2]
NOBODY = 65534

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make folders of other users")


@pytest.fixture(autouse=True)
def process_state() -> Iterator[None]:
    """The umask and logging that the tests began with, afterwards."""
    before = os.umask(0o022)
    yield
    os.umask(before)
    structlog.reset_defaults()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


class Elsewhere:
    """Another process that runs ``program`` and then waits, with the folder as ``folder``."""

    def __init__(self, folder: Path, program: str) -> None:
        imports = "import os, pathlib, subprocess, sys\nfrom dicomnode.prepare import *\n"
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                f"{imports}folder = pathlib.Path(sys.argv[1])\n{program}\nprint(flush=True); input()",
                folder,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )
        assert self.process.stdout
        self.said = self.process.stdout.readline().decode().strip()

    def __enter__(self) -> Elsewhere:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


TAKE = "lock = take_data_folder(folder, wait_s=0)"
TAKE_AND_START_WORKER = f"""{TAKE}
worker = subprocess.Popen(['sleep', '60'], pass_fds=[lock])
print(worker.pid, end='')"""


def test_makes_a_folder_for_its_owner_alone(folder: Path) -> None:
    os.close(take_data_folder(folder, wait_s=0))
    assert mode(folder) == 0o700


def test_closes_a_folder_that_others_may_enter(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o775)
    os.close(take_data_folder(folder, wait_s=0))
    assert mode(folder) == 0o750


def test_what_the_node_writes_from_then_on_is_closed_to_others(folder: Path) -> None:
    os.close(take_data_folder(folder, wait_s=0))
    (folder / "new").touch()
    assert mode(folder / "new") == 0o640


def test_keeps_a_stricter_umask(folder: Path) -> None:
    os.umask(0o077)
    os.close(take_data_folder(folder, wait_s=0))
    (folder / "new").touch()
    assert mode(folder / "new") == 0o600


def test_refuses_a_second_node_and_names_the_first(folder: Path) -> None:
    with Elsewhere(folder, TAKE) as first:
        expected = f"data folder {folder} is in use by another node, process {first.process.pid}"
        with pytest.raises(DataFolderError, match=f"^{re.escape(expected)}$"):
            take_data_folder(folder, wait_s=60)


def test_a_killed_node_leaves_the_folder_free(folder: Path) -> None:
    with Elsewhere(folder, TAKE) as first:
        first.process.kill()
        first.process.wait()
        os.close(take_data_folder(folder, wait_s=0))


def killed_without_its_worker(node: Elsewhere) -> int:
    """Kill a node; the process number of its worker, which lives on."""
    node.process.kill()
    node.process.wait()
    return int(node.said)


def test_refuses_while_a_worker_of_a_killed_node_still_has_the_folder(folder: Path) -> None:
    with Elsewhere(folder, TAKE_AND_START_WORKER) as first:
        worker = killed_without_its_worker(first)
        with pytest.raises(DataFolderError, match=f"workers of a node that was killed, process {first.process.pid}"):
            take_data_folder(folder, wait_s=0.2)
        os.kill(worker, signal.SIGKILL)


def test_waits_for_the_workers_of_a_killed_node_to_leave(folder: Path) -> None:
    with Elsewhere(folder, TAKE_AND_START_WORKER) as first:
        worker = killed_without_its_worker(first)

        def leave_when_awaited(_logger: object, _level: str, fields: EventDict) -> str:
            if fields["event"] == "data_folder.awaited":
                os.kill(worker, signal.SIGKILL)
            return str(fields)

        structlog.configure(processors=[leave_when_awaited])
        os.close(take_data_folder(folder, wait_s=30))


@as_root
def test_root_becomes_the_owner_of_the_folder(folder: Path) -> None:
    folder.mkdir()
    os.chown(folder, NOBODY, NOBODY)
    with Elsewhere(
        folder, "become_owner_of(folder); print(os.getuid(), os.getgid(), os.getgroups(), end='')"
    ) as process:
        assert process.said == f"{NOBODY} {NOBODY} []"


@as_root
def test_refuses_the_folder_of_another_user() -> None:
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        attempt = (
            f"os.setuid({NOBODY})\ntry: become_owner_of(folder)\nexcept DataFolderError as error: print(error, end='')"
        )
        with Elsewhere(Path(name), attempt) as process:
            assert process.said == f"data folder {name} belongs to user root: run this as that user, or as root"


@as_root
@pytest.mark.parametrize("name", ["index.sqlite", "files", "lock"])
def test_refuses_a_folder_whose_content_belongs_to_another_user(folder: Path, name: str) -> None:
    """As after a restore by root: nothing could be written there, and no worker would say so before an instance comes."""
    folder.mkdir()
    (folder / name).mkdir()
    (folder / "lost+found").mkdir()  # root's, where the folder is a file system of its own
    os.chown(folder, NOBODY, NOBODY)
    attempt = "try: become_owner_of(folder)\nexcept DataFolderError as error: print(error, end='')"
    with Elsewhere(folder, attempt) as process:
        assert process.said == f"{folder / name} belongs to user root, its folder to nobody: chown -R nobody: {folder}"


def test_says_why_a_folder_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataFolderError, match=r"data folder \S+/file/data cannot be used: \S+: Not a directory"):
        take_data_folder(tmp_path / "file" / "data", wait_s=0)


def test_tells_the_file_system_of_the_deepest_mount() -> None:
    table = (
        "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "30 22 0:40 / /srv/pacs rw,relatime shared:5 - nfs4 store:/pacs rw,vers=4.2\n"
        "31 22 0:41 / /srv/a\\040b rw,relatime - cifs //store/b rw\n"
        "32 30 8:2 / /srv/pacs/local rw,relatime - xfs /dev/sdb1 rw\n"
    )
    assert file_system_of(Path("/srv/pacs/data"), table) == "nfs4"
    assert file_system_of(Path("/srv/pacs/local/data"), table) == "xfs"
    assert file_system_of(Path("/srv/a b/data"), table) == "cifs"
    assert file_system_of(Path("/srv/pacs2"), table) == "ext4"


def test_of_two_mounts_on_one_point_the_later_one_counts() -> None:
    table = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n30 22 8:2 / /data rw - xfs /dev/b rw\n31 30 0:9 / /data rw - nfs4 s:/d rw\n"
    assert file_system_of(Path("/data"), table) == "nfs4"


def test_makes_an_index_that_is_ready_for_workers(folder: Path) -> None:
    os.close(prepare(folder, IndexSettings(), LogSettings(), wait_s=0))
    index = Index(folder, IndexSettings(), durability=Durability.FULL)
    assert index.summary().instances == 0
    index.close()


def test_removes_what_a_crash_left_and_says_how_much(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder.mkdir(mode=0o700)
    leftover = folder / "incoming" / "association-1.0123abcd" / "0123abcd-1.part"
    leftover.parent.mkdir(parents=True)
    leftover.touch()
    os.close(prepare(folder, IndexSettings(), LogSettings(), wait_s=0))
    assert not leftover.parent.exists()
    [line] = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert (line["event"], line["removed"]) == ("data_folder.prepared", 1)


@pytest.mark.parametrize("lose", [Path.unlink, lambda index: os.truncate(index, 0)], ids=["gone", "empty"])
def test_refuses_files_whose_index_is_lost_and_leaves_them(folder: Path, lose: Callable[[Path], object]) -> None:
    os.close(prepare(folder, IndexSettings(), LogSettings(), wait_s=0))
    location = "abc/1.2.3/1.2.3.4_0123abcd-1.dcm"
    kept, leftover = folder / "files" / location, folder / "incoming" / "w.0123abcd" / location.replace("/", ",")
    for file in (kept, leftover):
        file.parent.mkdir(parents=True)
        file.touch()
    lose(folder / "index.sqlite")
    with pytest.raises(DataFolderError, match="holds files, but no index"):
        prepare(folder, IndexSettings(), LogSettings(), wait_s=0)
    assert kept.exists()
    assert leftover.exists()


def test_removes_records_of_refusals_that_are_past_their_time(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    os.close(prepare(folder, IndexSettings(), LogSettings(), wait_s=0))
    index = Index(folder, IndexSettings(), durability=Durability.FULL)
    request = StoreRequest("1.2", "1.2.3", "1.2.840.10008.1.2.1", Sender("CT1", "NODE", "127.0.0.1"))
    for days_ago in (31, 0):
        came_at = datetime.now(UTC) - timedelta(days=days_ago)
        index.refusals.record(request, ("", "", ""), Verdict((), "rules-1"), came_at)
    index.close()
    for days in (32, 30):
        os.close(prepare(folder, IndexSettings(refused_kept_days=days), LogSettings(), wait_s=0))
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [line["refusals_removed"] for line in lines] == [0, 0, 1]


def test_holds_the_folder_as_long_as_the_descriptor_lives(folder: Path) -> None:
    lock = prepare(folder, IndexSettings(), LogSettings(), wait_s=0)
    assert f"in use by another node, process {os.getpid()}" in ask_for(folder)
    os.close(lock)
    assert ask_for(folder) == ""


def test_refuses_an_index_of_a_newer_version_and_leaves_the_folder(folder: Path) -> None:
    os.close(prepare(folder, IndexSettings(), LogSettings(), wait_s=0))
    connection = sqlite3.connect(folder / "index.sqlite")
    connection.execute("PRAGMA user_version = 1000000")
    connection.close()
    with pytest.raises(DataFolderError, match="newer"):
        prepare(folder, IndexSettings(), LogSettings(), wait_s=0)
    assert ask_for(folder) == ""


def ask_for(folder: Path) -> str:
    """What another process is told that wants the folder; empty when it gets it."""
    attempt = f"try: {TAKE}\nexcept DataFolderError as error: print(error, end='')"
    with Elsewhere(folder, attempt) as process:
        return process.said
