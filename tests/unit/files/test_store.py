from __future__ import annotations

import os
import time

import pytest
from blake3 import blake3

from dicomnode.errors import OutOfSpaceError, StorageError, UnknownInstanceError
from dicomnode.files import Files, FilesSettings, remove_files

CT = "1.2.840.10008.5.1.4.1.1.2"
STUDY = "1.2.840.99.1"
OUTSIDE = ["", "../x.dcm", "abc/../x.dcm", "abc/1.2.3/../../../x.dcm", "abc/1.2.3/x.txt"]


@pytest.mark.parametrize("size_bytes", [0, 50_000, 3_000_000])
def test_reads_what_was_kept(node, receive, size_bytes):
    files = node.open()
    dataset = os.urandom(size_bytes)
    kept = receive(files, dataset, syntax="1.2.840.10008.1.2").keep(STUDY, "1.2.3", CT)
    stored = files.read(kept.location)
    assert bytes(stored.dataset) == dataset
    assert stored.meta.transfer_syntax_uid == "1.2.840.10008.1.2"
    assert stored.meta.sop_instance_uid == "1.2.3"
    assert files.digest(kept.location) == blake3(dataset).digest()


def test_data_set_is_found_by_its_place_alone(node, receive):
    files = node.open()
    kept = receive(files, b"some bytes").keep(STUDY, "1.2.3", CT)
    assert bytes(files.dataset(kept.location, kept.dataset_offset, kept.dataset_size_bytes)) == b"some bytes"


@pytest.mark.parametrize("difference", [-1, 1])
def test_data_set_of_another_size_is_refused(node, receive, difference):
    files = node.open()
    kept = receive(files, b"some bytes").keep(STUDY, "1.2.3", CT)
    with pytest.raises(StorageError, match="size"):
        files.dataset(kept.location, kept.dataset_offset, kept.dataset_size_bytes + difference)


def test_data_set_of_a_missing_file_is_an_unknown_instance(node, receive):
    files = node.open()
    kept = receive(files, b"some bytes").keep(STUDY, "1.2.3", CT)
    (node.root / kept.location).unlink()
    with pytest.raises(UnknownInstanceError):
        files.dataset(kept.location, kept.dataset_offset, kept.dataset_size_bytes)


def test_data_set_that_is_being_read_may_be_removed(node, receive):
    files = node.open(durable=True)
    kept = receive(files, b"some bytes").keep(STUDY, "1.2.3", CT)
    kept.settle()
    stored = files.read(kept.location)
    with files.removing(kept.location):
        pass
    assert bytes(stored.dataset) == b"some bytes"


def test_remove_takes_empty_folders_along_and_nothing_else(node, receive):
    files = node.open()
    kept = [receive(files, b"x").keep(STUDY, uid, CT) for uid in ("1.2.3", "1.2.4")]
    with files.removing(kept[0].location):
        pass
    assert node.kept() == [kept[1].location]
    with files.removing(kept[1].location):
        pass
    assert list(node.root.iterdir()) == []
    assert node.root.is_dir()


def test_removing_twice_is_no_error(node, receive):
    files = node.open()
    kept = receive(files, b"x").keep(STUDY, "1.2.3", CT)
    with files.removing(kept.location):
        pass
    with files.removing(kept.location):
        pass


def test_a_missing_file_is_an_unknown_instance(node, receive):
    files = node.open()
    kept = receive(files, b"x").keep(STUDY, "1.2.3", CT)
    (node.root / kept.location).unlink()
    with pytest.raises(UnknownInstanceError):
        files.read(kept.location)
    with pytest.raises(UnknownInstanceError):
        files.digest(kept.location)


@pytest.mark.parametrize("content", [b"", b"no DICOM file"])
def test_a_damaged_file_cannot_be_read(node, receive, content):
    files = node.open()
    kept = receive(files, b"x").keep(STUDY, "1.2.3", CT)
    (node.root / kept.location).write_bytes(content)
    with pytest.raises(StorageError):
        files.read(kept.location)
    with pytest.raises(StorageError):
        files.digest(kept.location)


@pytest.mark.parametrize("location", OUTSIDE)
def test_looks_nowhere_but_in_the_store(node, tmp_path, location):
    (tmp_path / "x.dcm").write_bytes(b"x")
    files = node.open()
    for operation in (files.read, files.digest, lambda where: files.removing(where).__enter__()):
        with pytest.raises(UnknownInstanceError):
            operation(location)
    assert (tmp_path / "x.dcm").exists()


def test_a_file_in_place_is_read_and_never_removed(node, receive, tmp_path):
    kept = receive(node.open(), b"some bytes").keep(STUDY, "1.2.3", CT)
    in_place = str((node.root / kept.location).rename(tmp_path / "x.dcm"))
    files = node.open()
    assert bytes(files.read(in_place).dataset) == b"some bytes"
    assert files.has(in_place, kept.dataset_offset + kept.dataset_size_bytes)
    with files.removing(in_place):
        pass
    with pytest.raises(UnknownInstanceError):
        remove_files(node.root, [in_place])
    gone = str(tmp_path / "Doe^Jane" / "y.dcm")
    with pytest.raises(UnknownInstanceError) as nothing:
        files.read(gone)
    assert "Doe" not in str(nothing.value), "somebody's path may tell who the patient is"
    assert (tmp_path / "x.dcm").exists()


def test_refuses_below_the_free_space_floor(node, receive):
    reception = receive(node.open(free_space_floor_bytes=1 << 60), b"x")
    with pytest.raises(OutOfSpaceError, match=r"^out of space"):
        reception.dataset  # noqa: B018
    with pytest.raises(OutOfSpaceError):
        reception.keep(STUDY, "1.2.3", CT)
    assert node.unfinished() == []


def test_takes_instances_again_once_there_is_room(node, receive, small_disk, tmp_path):
    """On a disk of its own where one can be mounted; elsewhere on the one that all tests share."""
    disk = small_disk or tmp_path
    node = type(node)(disk)
    size_bytes = 1_000_000 if small_disk else 256_000_000
    status = os.statvfs(disk)
    floor_bytes = status.f_bavail * status.f_frsize - size_bytes // 2
    filler = disk / "filler"
    filler.write_bytes(os.urandom(size_bytes))
    files = node.open(free_space_floor_bytes=floor_bytes)
    with pytest.raises(OutOfSpaceError):
        receive(files, b"x").keep(STUDY, "1.2.3", CT)
    filler.unlink()
    deadline = time.monotonic() + 10
    while not node.kept() and time.monotonic() < deadline:
        try:
            receive(files, b"x").keep(STUDY, "1.2.3", CT)
        except OutOfSpaceError:
            continue
    assert len(node.kept()) == 1


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "data").write_text("a file is in the way")
    with pytest.raises(StorageError):
        Files(tmp_path / "data" / "files", "worker", FilesSettings(), durable=True)


def test_two_processes_of_one_name_do_not_meet(node, receive):
    first, second = node.open(), node.open()
    receive(first, b"x").keep(STUDY, "1.2.3", CT)
    receive(second, b"y").keep(STUDY, "1.2.3", CT)
    assert len(node.kept()) == 2
    assert len({path.parent for path in node.unfinished()}) == 2


def test_closing_removes_the_empty_incoming_folder(node):
    node.open().close()
    assert list(node.incoming.iterdir()) == []
