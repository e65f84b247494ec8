"""Part 10 files for people: whole or not at all, under names that are UIDs."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from dicomnode.dicom.instance import StoreRequest
from dicomnode.dicom.part10 import read_file_meta
from dicomnode.dicom.peer import Sender
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN
from dicomnode.errors import OutOfSpaceError, StorageError
from dicomnode.files.export import ExportFolder, Place
from dicomnode.files.incoming_file import IncomingFile

REQUEST = StoreRequest("1.2.9", "1.2.3.4", EXPLICIT_VR_LITTLE_ENDIAN, Sender("PACS", "DICOMNODE", "127.0.0.1"))
PLACE = Place("1.2", "1.2.3", "1.2.3.4")


def everything(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_kept_file_has_meta_information_and_the_bytes_as_they_came(tmp_path: Path) -> None:
    file = ExportFolder(tmp_path / "new" / "folder").receive(REQUEST)
    file.write(memoryview(b"abc"))
    file.write(memoryview(b"def"))
    assert bytes(file.dataset()) == b"abcdef"
    path = file.keep(PLACE)
    file.discard()
    assert path == tmp_path / "new" / "folder" / "1.2" / "1.2.3" / "1.2.3.4.dcm"
    meta = read_file_meta(path)
    assert (meta.sop_class_uid, meta.sop_instance_uid) == ("1.2.9", "1.2.3.4")
    assert meta.transfer_syntax_uid == EXPLICIT_VR_LITTLE_ENDIAN
    assert path.read_bytes()[meta.dataset_offset :] == b"abcdef"


def test_discarded_file_leaves_nothing(tmp_path: Path) -> None:
    file = ExportFolder(tmp_path).receive(REQUEST)
    file.write(memoryview(b"abc"))
    assert everything(tmp_path) != []
    file.discard()
    assert everything(tmp_path) == []


def test_same_instance_again_replaces_the_file(tmp_path: Path) -> None:
    folder = ExportFolder(tmp_path)
    for data in (b"first", b"2nd"):
        file = folder.receive(REQUEST)
        file.write(memoryview(data))
        path = file.keep(PLACE)
    assert path.read_bytes().endswith(b"2nd")
    assert everything(tmp_path) == ["1.2/1.2.3/1.2.3.4.dcm"]


def test_full_disk_is_told_when_the_data_set_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: IncomingFile, fragment: memoryview) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(IncomingFile, "write", full)
    file = ExportFolder(tmp_path).receive(REQUEST)
    file.write(memoryview(b"abc"))
    with pytest.raises(OutOfSpaceError):
        file.dataset()
    with pytest.raises(OutOfSpaceError):
        file.keep(PLACE)
    file.discard()
    assert everything(tmp_path) == []


def test_folder_that_cannot_be_made_is_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StorageError, match="cannot be made"):
        ExportFolder(tmp_path / "taken" / "below")


def test_study_folder_that_is_a_file_costs_the_instance(tmp_path: Path) -> None:
    (tmp_path / "1.2").write_text("a file")
    file = ExportFolder(tmp_path).receive(REQUEST)
    with pytest.raises(StorageError):
        file.keep(PLACE)
    file.discard()
    assert everything(tmp_path) == ["1.2"]


@pytest.mark.parametrize(
    "uid", ["", "..", "../1", "1/2", "1..2", ".1", "1.", "1.2\0", "1.2 ", "a", "1" * 65, "1.2\n", "²"]
)
def test_only_uids_become_names(uid: str) -> None:
    assert not Place(uid, "1.2.3", "1.2.3.4").is_safe
    assert not Place("1.2", uid, "1.2.3.4").is_safe
    assert not Place("1.2", "1.2.3", uid).is_safe
    assert PLACE.is_safe
