"""``dicomnode import`` beside a node and without one: what lies about is taken in once, whatever happens on the way."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from factories import ct, series, write
from raw_peer import dataset_bytes
from running_node import RunningNode, dcmtk, wait_for
from test_full_disk import MIB, SUCCESS, small_disk


def instances(node: RunningNode) -> int:
    """How many instances studies have."""
    return sum(row["instances"] for row in node.rows("studies"))


def content(path: Path) -> bytes:
    """The data set's bytes of a file that the factory wrote or the node keeps."""
    with path.open("rb") as file:
        file.seek(132 + 8)
        file.seek(int.from_bytes(file.read(4), "little"), os.SEEK_CUR)
        return file.read()


def started_import(node: RunningNode, *arguments: str | Path) -> subprocess.Popen[bytes]:
    """An import that the test goes on beside."""
    command = [sys.executable, "-m", "dicomnode", "import", "--config", node.config, *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_while_the_same_instances_are_received(node: RunningNode, tmp_path: Path) -> None:
    both = series(tmp_path / "disk" / "both", 40)
    series(tmp_path / "disk" / "only", 40)
    answers: list[int] = []
    scanner = threading.Thread(target=lambda: answers.extend(node.storescu(*both)))
    scanner.start()
    done = node.cli("import", tmp_path / "disk")
    scanner.join()
    assert done.returncode == 0, done.stdout + done.stderr
    assert answers == [SUCCESS] * 40
    assert instances(node) == len(node.files()) == 80
    assert node.unfinished() == []


@pytest.mark.parametrize("runs", [True, False], ids=["beside a node", "without a node"])
def test_killed_and_started_again(node: RunningNode, tmp_path: Path, runs: bool) -> None:
    sources = series(tmp_path / "disk", 150, rows=128, columns=128)
    if not runs:
        assert node.stop() == 0
    killed = started_import(node, tmp_path / "disk")
    wait_for(lambda: len(node.files()) >= 20, what="the first files")
    killed.kill()
    killed.wait()
    assert len(node.files()) < 150
    done = node.cli("import", tmp_path / "disk")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "already here" in done.stdout
    assert instances(node) == 150
    if runs:
        assert node.stop() == 0
        node.start()  # finishes what the killed one left
    assert sorted(map(content, node.files())) == sorted(map(content, sources))
    assert node.unfinished() == []


def test_moved_files_are_nowhere_lost_when_it_is_killed(node: RunningNode, tmp_path: Path) -> None:
    wanted = sorted(map(content, series(tmp_path / "disk", 120)))
    killed = started_import(node, "--move", tmp_path / "disk")
    wait_for(lambda: len(list((tmp_path / "disk").iterdir())) <= 100, what="the first files to go")
    killed.kill()
    killed.wait()
    done = node.cli("import", "--move", tmp_path / "disk")
    assert done.returncode == 0, done.stdout + done.stderr
    assert list((tmp_path / "disk").iterdir()) == []
    assert instances(node) == 120
    assert node.stop() == 0
    node.start()
    assert sorted(map(content, node.files())) == wanted


def test_in_place_instance_is_sent_and_its_file_left_alone(node: RunningNode, tmp_path: Path) -> None:
    dataset = ct()
    source = write(dataset, tmp_path / "in place.dcm")
    before = source.read_bytes()
    assert node.cli("import", "--in-place", source).returncode == 0
    assert node.files() == []
    (tmp_path / "out").mkdir()
    study = f"0020,000D={dataset.StudyInstanceUID}"
    got = dcmtk(
        "getscu", "-S", "-aec", "DICOMNODE", "-k", "0008,0052=STUDY", "-k", study, "-od", str(tmp_path / "out"),
        "127.0.0.1", str(node.port),
    )  # fmt: skip
    assert got.returncode == 0, got.stderr
    [received] = (tmp_path / "out").iterdir()
    assert content(received) == content(source) == dataset_bytes(dataset)
    assert node.stop() == 0
    node.start()
    assert node.cli("delete", "--instance", str(dataset.SOPInstanceUID), "--yes").returncode == 0
    assert source.read_bytes() == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system to fill")
def test_full_disk_stops_it_and_with_room_it_goes_on(tmp_path: Path) -> None:
    sources = series(tmp_path / "disk", 40, rows=512, columns=512)
    with small_disk(tmp_path / "small", 24 * MIB) as small:
        (small / "ballast").write_bytes(bytes(8 * MIB))
        node = RunningNode(tmp_path / "node", data=str(small / "data"), files={"free_space_floor_bytes": 2 * MIB})
        node.data = small / "data"
        node.data.mkdir(mode=0o700)
        node.write_configuration()
        stopped = node.cli("import", tmp_path / "disk")
        assert stopped.returncode == 1
        assert "stopped" in stopped.stderr
        assert "space" in stopped.stderr
        assert 0 < instances(node) == len(node.files()) < 40
        assert node.unfinished() == []
        (small / "ballast").unlink()
        assert node.cli("import", *sources[:15]).returncode == 0
        assert instances(node) == len(node.files())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes the data folder's owner")
def test_in_place_file_must_be_readable_by_the_folders_owner(tmp_path: Path) -> None:
    source = write(ct(), tmp_path / "in place.dcm")
    source.chmod(0o600)
    node = RunningNode(tmp_path / "node")
    node.data.mkdir(mode=0o700, parents=True)
    os.chown(node.data, 65534, 65534)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.name.startswith(("test_", "popen-", "pytest-")):
            folder.chmod(0o755)
    node.write_configuration()
    done = node.cli("import", "--in-place", source)
    assert done.returncode == 1
    assert "Permission denied" in done.stdout
    source.chmod(0o644)
    assert node.cli("import", "--in-place", source).returncode == 0


def test_node_starts_while_it_runs(tmp_path: Path) -> None:
    series(tmp_path / "disk", 500, rows=4, columns=4)
    node = RunningNode(tmp_path / "node")
    node.data.mkdir(mode=0o700, parents=True)
    node.write_configuration()
    # Nobody reads its output for a while, so it waits in the middle.
    command = [sys.executable, "-m", "dicomnode", "import", "--json", "--config", node.config, tmp_path / "disk"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as running:
        wait_for(lambda: len(node.files()) >= 100, what="the first files")
        with node:
            assert node.storescu(write(ct(), tmp_path / "sent.dcm")) == [SUCCESS]
            assert running.poll() is None
            told, _ = running.communicate(timeout=60)
            assert running.returncode == 0
            assert told.count(b'"stored"') == 500
            assert instances(node) == len(node.files()) == 501
            assert node.unfinished() == []


def test_source_goes_when_what_was_here_already_is_on_the_disk(tmp_path: Path) -> None:
    """Whoever kept it did not wait for the disk; who removes the other copy has to."""
    node = RunningNode(tmp_path / "node", durability="fast", files={"free_space_floor_bytes": 0})
    node.write_configuration()
    node.data.mkdir()
    [source] = series(tmp_path / "scans", 1)
    assert node.cli("import", source).returncode == 0
    [kept] = (node.data / "files").rglob("*.dcm")
    trace = tmp_path / "trace"
    tracer = ["/usr/bin/strace", "-f", "-y", "-e", "trace=fsync,unlink", "-o", trace]
    command = [sys.executable, "-m", "dicomnode", "import", "--move", "--config", node.config, source]
    assert subprocess.run([*tracer, *command], capture_output=True, check=False).returncode == 0
    assert not source.exists()
    calls = trace.read_text().splitlines()
    synced = [
        next(number for number, call in enumerate(calls) if "fsync(" in call and f"<{path}>" in call)
        for path in (kept, kept.parent)
    ]
    removed = next(number for number, call in enumerate(calls) if "unlink" in call and str(source) in call)
    assert max(synced) < removed
