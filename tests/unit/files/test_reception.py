from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from blake3 import blake3
from factories import ct

from dicomnode.errors import OutOfSpaceError, StorageError
from dicomnode.limits import LimitSettings, NodeTable

CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY = "1.2.840.99.1"
SMALL, SPOOLED = 50_000, 500_000
SIZES = pytest.mark.parametrize("size_bytes", [0, SMALL, SPOOLED])
BIG_BYTES = 192 * 1024 * 1024


def dataset_bytes(rows: int) -> tuple[pydicom.Dataset, bytes]:
    """A CT slice, and its data set as it travels."""
    dataset = ct(rows=rows, columns=128)
    with pydicom.filebase.DicomBytesIO() as buffer:
        buffer.is_little_endian, buffer.is_implicit_VR = True, False
        pydicom.filewriter.write_dataset(buffer, dataset)
        return dataset, buffer.getvalue()


@contextlib.contextmanager
def files_end_at(size_bytes: int) -> Iterator[None]:
    """No file of this process may grow past ``size_bytes``: writing more fails, as on a failing disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("durable", [True, False])
@SIZES
def test_keeps_every_byte(node, receive, size_bytes, durable):
    dataset = os.urandom(size_bytes)
    reception = receive(node.open(durable=durable), dataset)
    kept = reception.keep(STUDY, "1.2.3", CT)
    kept.settle()
    reception.discard()
    stored = (node.root / kept.location).read_bytes()
    assert stored[kept.dataset_offset :] == dataset
    assert kept.dataset_size_bytes == size_bytes
    assert node.unfinished() == []


@pytest.mark.parametrize("rows", [16, 2000], ids=["in memory", "spooled"])
def test_what_is_kept_is_a_file_for_any_dicom_tool(node, receive, rows):
    dataset, data = dataset_bytes(rows)
    kept = receive(node.open(), data, dataset.SOPInstanceUID).keep(
        dataset.StudyInstanceUID, dataset.SOPInstanceUID, dataset.SOPClassUID
    )
    path = node.root / kept.location
    read = pydicom.dcmread(path)
    assert read == dataset
    assert read.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    assert read.file_meta.SourceApplicationEntityTitle == "CT1"
    assert subprocess.run(["/usr/bin/dcmftest", path], check=False, capture_output=True).returncode == 0
    dumped = subprocess.run(["/usr/bin/dcmdump", path], check=False, capture_output=True, text=True)
    assert dumped.returncode == 0
    assert str(dataset.SOPInstanceUID) in dumped.stdout
    assert dumped.stderr == ""


@SIZES
def test_shows_the_data_set_before_it_is_kept_and_after(node, receive, size_bytes):
    dataset = os.urandom(size_bytes)
    reception = receive(node.open(), dataset)
    digest = blake3(dataset).digest()
    assert (bytes(reception.dataset), reception.digest, reception.size_bytes) == (dataset, digest, size_bytes)
    reception.keep(STUDY, "1.2.3", CT)
    assert (bytes(reception.dataset), reception.digest) == (dataset, digest)


def test_data_set_outlives_its_discarded_reception(node, receive):
    dataset = os.urandom(SPOOLED)
    reception = receive(node.open(), dataset)
    shown = reception.dataset
    reception.discard()
    assert bytes(shown) == dataset


@SIZES
def test_discard_leaves_nothing(node, receive, size_bytes):
    receive(node.open(), os.urandom(size_bytes)).discard()
    assert node.unfinished() == []
    assert node.kept() == []


@SIZES
def test_discard_after_keep_leaves_the_file_and_its_incoming_name(node, receive, size_bytes):
    reception = receive(node.open(), os.urandom(size_bytes))
    kept = reception.keep(STUDY, "1.2.3", CT)
    reception.discard()
    assert node.kept() == [kept.location]
    assert len(node.unfinished()) == 1


@SIZES
def test_withdraw_removes_own_names_only(node, receive, size_bytes):
    files = node.open()
    first = receive(files, os.urandom(size_bytes)).keep(STUDY, "1.2.3", CT)
    first.settle()
    receive(files, os.urandom(size_bytes)).keep(STUDY, "1.2.3", CT).withdraw()
    assert node.kept() == [first.location]
    assert node.unfinished() == []


def test_second_version_of_an_instance_gets_a_name_of_its_own(node, receive):
    files = node.open()
    versions = [os.urandom(100) for _ in range(3)]
    kept = [receive(files, version).keep(STUDY, "1.2.3", CT) for version in versions]
    assert [(node.root / one.location).read_bytes()[one.dataset_offset :] for one in kept] == versions
    assert all("/1.2.3_" in one.location and one.location.endswith(".dcm") for one in kept)


@pytest.mark.parametrize("uid", ["1.2.3", "1.2.345"])
def test_spooled_file_names_the_instance_of_the_data_set_not_of_the_request(node, receive, uid):
    dataset = os.urandom(SPOOLED)
    reception = receive(node.open(), dataset, "9.9.9")
    kept = reception.keep(STUDY, uid, CT)
    kept.settle()
    reception.discard()
    path = node.root / kept.location
    assert pydicom.filereader.read_file_meta_info(path).MediaStorageSOPInstanceUID == uid
    assert path.read_bytes()[kept.dataset_offset :] == dataset
    assert node.unfinished() == []


def test_files_are_closed_to_others(node, receive):
    kept = receive(node.open(), b"1234").keep(STUDY, "1.2.3", CT)
    path = node.root / kept.location
    for name in (path, path.parent, path.parent.parent, *node.unfinished(), node.unfinished()[0].parent):
        assert name.stat().st_mode & 0o027 == 0, name


def test_small_data_set_touches_no_disk_before_it_is_kept(node, receive):
    receive(node.open(), os.urandom(SMALL))
    assert node.unfinished() == []


def test_big_data_set_takes_no_memory(node, receive):
    files = node.open(spool_threshold_bytes=8 * 1024 * 1024)
    fragment = os.urandom(1024 * 1024)
    reception = receive(files, fragment)
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew (proc_pid_clear_refs(5))
    before = peak_bytes()
    for _ in range(BIG_BYTES // len(fragment) - 1):
        reception.write(memoryview(fragment))
    assert len(reception.dataset) == BIG_BYTES
    reception.keep(STUDY, "1.2.3", CT).settle()
    reception.discard()
    assert peak_bytes() - before < 32 * 1024 * 1024


def peak_bytes() -> int:
    """The most memory that this process had since the peak was cleared."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def test_without_a_share_of_memory_goes_to_a_file(node, receive):
    table = NodeTable.create(1)
    memory = table.place(0).memory(LimitSettings(memory_mb=16))
    assert memory.reserve(16 * 1024 * 1024)
    dataset = os.urandom(SMALL)
    reception = receive(node.open(), dataset, memory=memory)
    assert len(node.unfinished()) == 1
    kept = reception.keep(STUDY, "1.2.3", CT)
    assert (node.root / kept.location).read_bytes()[kept.dataset_offset :] == dataset


def test_gives_its_share_of_memory_back(node, receive):
    table = NodeTable.create(1)
    memory = table.place(0).memory(LimitSettings())
    files = node.open()
    small = receive(files, os.urandom(SMALL), memory=memory)
    assert table.use()[0].memory_bytes >= SMALL
    small.discard()
    assert table.use()[0].memory_bytes == 0
    spooled = receive(files, os.urandom(SPOOLED), memory=memory)
    assert table.use()[0].memory_bytes > 0
    spooled.discard()
    assert table.use()[0].memory_bytes == 0


@pytest.mark.parametrize("size_bytes", [100_000, 100_001, 1 << 20, (1 << 20) + 1, 5_000_000])
@pytest.mark.parametrize("piece_bytes", [1000, 131_066, 3 << 20])
@pytest.mark.parametrize("threshold_bytes", [100_000, 2_000_000], ids=["mostly spooled", "mostly in memory"])
@pytest.mark.parametrize("durable", [True, False])
def test_digest_and_file_are_of_what_came_in_pieces_of_any_size(
    node, receive, size_bytes, piece_bytes, threshold_bytes, durable
):
    """On both sides of what is held in memory, and of what other threads digest and write."""
    dataset = os.urandom(size_bytes)
    files = node.open(durable=durable, spool_threshold_bytes=threshold_bytes)
    reception = receive(files, dataset, piece_bytes=piece_bytes)
    assert reception.digest == blake3(bytes(reception.dataset)).digest() == blake3(dataset).digest()
    kept = reception.keep(STUDY, "1.2.3", CT)
    assert (node.root / kept.location).read_bytes()[kept.dataset_offset :] == dataset


@pytest.mark.parametrize("durable", [True, False])
def test_what_another_thread_works_on_is_discarded_with_the_rest(node, receive, durable):
    reception = receive(node.open(durable=durable, spool_threshold_bytes=2_000_000), os.urandom(1_500_000))
    assert len(reception.dataset) == 1_500_000
    reception.discard()
    assert node.unfinished() == []


@pytest.mark.parametrize("size_bytes", [SPOOLED, 3_000_000], ids=["when kept", "when received"])
def test_full_disk_is_told_and_leaves_nothing(node, receive, small_disk, size_bytes):
    """A real full disk where one can be mounted; elsewhere a limit on the size of files."""
    if small_disk is not None:
        node = type(node)(small_disk)
    files = node.open(spool_threshold_bytes=1_000_000)
    before = receive(files, b"before").keep(STUDY, "1.2.1", CT)
    before.settle()
    if small_disk is not None:
        filler = small_disk / "filler"
        filler.write_bytes(bytes(1_700_000))
        with pytest.raises(OutOfSpaceError):
            receive(files, os.urandom(size_bytes)).keep(STUDY, "1.2.3", CT)
        filler.unlink()
    else:
        with files_end_at(200_000), pytest.raises(StorageError):
            receive(files, os.urandom(size_bytes)).keep(STUDY, "1.2.3", CT)
    assert node.kept() == [before.location]
    assert node.unfinished() == []
    receive(files, os.urandom(SMALL)).keep(STUDY, "1.2.4", CT)
    assert len(node.kept()) == 2


def test_failed_write_is_told_when_the_data_set_is_asked_for(node, receive):
    files = node.open()
    with files_end_at(200_000):
        reception = receive(files, os.urandom(3_000_000))
    assert node.unfinished() == []
    with pytest.raises(StorageError, match="cannot be written"):
        reception.dataset  # noqa: B018
    with pytest.raises(StorageError, match="cannot be written"):
        reception.keep(STUDY, "1.2.3", CT)


def test_lost_store_is_told_and_leaves_nothing(node, receive):
    files = node.open()
    node.root.rmdir()
    with pytest.raises(StorageError):
        receive(files, os.urandom(SMALL)).keep(STUDY, "1.2.3", CT)
    assert node.unfinished() == []
