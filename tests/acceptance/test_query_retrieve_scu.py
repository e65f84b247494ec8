"""``dicomnode find`` and ``retrieve`` as a sysadmin runs them, against DCMTK's archive and its storage SCP."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from factories import ct
from pydicom import dcmread
from pydicom.dataset import FileDataset
from pydicom.encaps import encapsulate
from pydicom.uid import BasicTextSRStorage, JPEG2000Lossless
from running_node import DCMTK, RunningNode, dcmtk, free_port, wait_for

from dicomnode.dicom.part10 import read_file_meta

STUDY, SERIES = "1.2.3", "1.2.3.4"
BIG_BYTES = 256 * 1024 * 1024
MEMORY_KIB = 170 * 1024
"""Interpreter and libraries take 100 MiB; the rest is room for one data set's pieces, not for a data set."""


MEASURE = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
"""From a small process: what a child has used counts from its fork on."""


class Archive:
    """DCMTK's dcmqrscp as QRSCP, which knows one other node as DEST."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.port, self.destination_port = free_port(), free_port()
        self.store = folder / "store"
        self.store.mkdir(parents=True)
        config = folder / "dcmqrscp.cfg"
        config.write_text(
            f"NetworkTCPPort = {self.port}\nMaxPDUSize = 131072\nMaxAssociations = 16\n"
            f"HostTable BEGIN\ndest = (DEST, 127.0.0.1, {self.destination_port})\nHostTable END\n"
            "VendorTable BEGIN\nVendorTable END\n"
            f"AETable BEGIN\nQRSCP {self.store} RW (100, 1024mb) ANY\nAETable END\n"
        )
        self._process = subprocess.Popen([DCMTK / "dcmqrscp", *options, "-c", config])
        wait_for(lambda: self._echo() == 0, what="dcmqrscp to listen")
        self.address = f"QRSCP@127.0.0.1:{self.port}"

    def hold(self, *instances: FileDataset, options: tuple[str, ...] = ()) -> None:
        """Have it store these."""
        paths = []
        for number, instance in enumerate(instances):
            path = self.folder / f"{instance.SOPInstanceUID}-{number}.dcm"
            instance.save_as(path, enforce_file_format=True)
            paths.append(path)
        done = dcmtk("storescu", "-R", *options, "-aec", "QRSCP", "127.0.0.1", str(self.port), *paths)
        assert done.returncode == 0, done.stderr

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)

    def _echo(self) -> int:
        return dcmtk("echoscu", "-aec", "QRSCP", "127.0.0.1", str(self.port)).returncode


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    """An archive that is empty."""
    archive = Archive(tmp_path / "archive")
    yield archive
    archive.stop()


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "dicomnode", *map(str, arguments)]


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=90, check=False)


def instance(number: int, **changes: object) -> FileDataset:
    values = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES, "SOPInstanceUID": f"{SERIES}.{number}"}
    return ct(**(values | changes), InstanceNumber=str(number))


def compressed(number: int) -> FileDataset:
    dataset = instance(number)
    dataset.file_meta.TransferSyntaxUID = JPEG2000Lossless
    dataset.PixelData = encapsulate([b"\xff\x4f\xff\x51" + bytes(60)])
    dataset["PixelData"].is_undefined_length = True
    dataset["PixelData"].VR = "OB"
    return dataset


def big() -> FileDataset:
    frames = BIG_BYTES // (1024 * 1024 * 2)
    multiframe_secondary_capture = "1.2.840.10008.5.1.4.1.1.7.3"
    dataset = instance(1, SOPClassUID=multiframe_secondary_capture, NumberOfFrames=str(frames))
    dataset.file_meta.MediaStorageSOPClassUID = multiframe_secondary_capture
    dataset.Rows = dataset.Columns = 1024
    dataset.PixelData = bytes(BIG_BYTES)
    return dataset


def test_find_lists_studies_series_and_instances(archive: Archive) -> None:
    archive.hold(instance(1, PatientName="Müller^Jörg"), instance(2, PatientName="Müller^Jörg"))
    archive.hold(ct(PatientID="P2", StudyDate="20230101"))
    done = run("find", archive.address, "--patient-name", "Mü*", "--from", "2024-01-01")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Müller^Jörg" in done.stdout
    assert STUDY in done.stdout
    assert "P2" not in done.stdout
    (series,) = run("find", archive.address, "--level", "series", "--study", STUDY, "--json").stdout.splitlines()
    assert json.loads(series)["0020000E"]["Value"] == [SERIES]
    images = run("find", archive.address, "--study", STUDY, "--series", SERIES, "--json").stdout.splitlines()
    assert sorted(json.loads(line)["00080018"]["Value"][0] for line in images) == [f"{SERIES}.1", f"{SERIES}.2"]


def test_failure_is_told(archive: Archive) -> None:
    archive.hold(instance(1))
    done = run("find", archive.address, "--level", "patient", "--root", "study")
    assert done.returncode == 1
    assert "Error: C-FIND answered by QRSCP with 0xc000" in done.stderr


@pytest.mark.parametrize(
    ("dataset", "archive_options", "storescu_options"),
    [(instance(1), (), ()), (compressed(1), ("+xv",), ("-xv",))],
    ids=["uncompressed", "compressed"],
)
def test_study_is_fetched_as_it_is_stored(
    tmp_path: Path, dataset: FileDataset, archive_options: tuple[str, ...], storescu_options: tuple[str, ...]
) -> None:
    archive = Archive(tmp_path / "archive", *archive_options)
    try:
        archive.hold(dataset, options=storescu_options)
        done = run("retrieve", archive.address, "--study", STUDY, "--to", tmp_path / "out")
    finally:
        archive.stop()
    assert done.returncode == 0, done.stderr
    assert "1 instances" in done.stdout
    path = tmp_path / "out" / STUDY / SERIES / f"{dataset.SOPInstanceUID}.dcm"
    kept = dcmread(path)
    assert kept.file_meta.TransferSyntaxUID == dataset.file_meta.TransferSyntaxUID
    assert kept == dataset
    assert dcmtk("dcmftest", path).returncode == 0


def test_from_one_node_to_a_folder_each_instance_as_it_was_sent(node: RunningNode, tmp_path: Path) -> None:
    paths = []
    for dataset in (instance(1), compressed(2), instance(3, SOPClassUID=BasicTextSRStorage, Modality="SR")):
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        paths.append(tmp_path / f"{dataset.InstanceNumber}.dcm")
        dataset.save_as(paths[-1], enforce_file_format=True)
    address = f"DICOMNODE@127.0.0.1:{node.port}"
    sent = node.cli("send", address, *paths)
    assert sent.returncode == 0, sent.stderr
    (study,) = node.rows("find", address, "--modality", "CT")
    assert study["00201208"]["Value"] == [3]
    done = node.cli("retrieve", address, "--study", STUDY, "--to", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    for path in paths:
        meta = read_file_meta(path)
        kept = tmp_path / "out" / STUDY / SERIES / f"{meta.sop_instance_uid}.dcm"
        kept_meta = read_file_meta(kept)
        assert kept_meta.transfer_syntax_uid == meta.transfer_syntax_uid
        assert kept.read_bytes()[kept_meta.dataset_offset :] == path.read_bytes()[meta.dataset_offset :]


def test_nothing_that_matches(archive: Archive, tmp_path: Path) -> None:
    archive.hold(instance(1))
    done = run("retrieve", archive.address, "--study", "1.9", "--to", tmp_path / "out")
    assert done.returncode == 1
    assert "nothing that matches" in done.stderr


def test_study_is_moved_to_another_node(archive: Archive, tmp_path: Path) -> None:
    archive.hold(instance(1), instance(2))
    received = tmp_path / "received"
    received.mkdir()
    destination = subprocess.Popen([DCMTK / "storescp", "-od", received, "-aet", "DEST", str(archive.destination_port)])
    try:
        wait_for(
            lambda: dcmtk("echoscu", "127.0.0.1", str(archive.destination_port)).returncode == 0,
            what="storescp to listen",
        )
        done = run("retrieve", archive.address, "--study", STUDY, "--to", "DEST", "--json")
    finally:
        destination.terminate()
        destination.wait(30)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["destination"], answer["completed"], answer["failed"]) == ("DEST", 2, 0)
    assert len(list(received.iterdir())) == 2


def test_destination_that_does_not_listen_fails_with_a_list(archive: Archive) -> None:
    archive.hold(instance(1), instance(2))
    done = run("retrieve", archive.address, "--study", STUDY, "--to", "DEST", "--move")
    assert done.returncode == 1
    assert "0xa702" in done.stderr
    assert f"failed: {SERIES}.1" in done.stderr


def test_big_instance_is_not_held_in_memory(archive: Archive, tmp_path: Path) -> None:
    archive.hold(big())
    retrieve = command("retrieve", archive.address, "--study", STUDY, "--to", tmp_path / "out")
    measured = subprocess.run(
        [sys.executable, "-c", MEASURE, *retrieve], capture_output=True, text=True, timeout=90, check=True
    )
    (path,) = (tmp_path / "out").rglob("*.dcm")
    assert path.stat().st_size > BIG_BYTES
    assert int(measured.stdout.splitlines()[-1]) < MEMORY_KIB


def test_second_interruption_ends_at_once_and_leaves_nothing(archive: Archive, tmp_path: Path) -> None:
    archive.hold(big())
    out = tmp_path / "out"
    process = subprocess.Popen(command("retrieve", archive.address, "--study", STUDY, "--to", out))
    wait_for(lambda: list(out.glob(".*.part")), what="the instance to begin")

    def has_ended() -> bool:
        process.send_signal(signal.SIGINT)
        return process.poll() is not None

    wait_for(has_ended, what="the end")
    assert process.returncode in (1, -signal.SIGINT)  # a third one may come when only the interpreter is left
    assert [path for path in out.rglob("*") if path.is_file()] == []
