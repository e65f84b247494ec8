"""Files become instances to be sent; what is none is told from what is broken."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from factories import ABSENT, ct, series, write
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MediaStorageDirectoryStorage
from pynetdicom import AE, evt

from dicomnode.dicom.part10 import read_file_meta
from dicomnode.dicom.peer import PeerSettings
from dicomnode.errors import DatasetError, PeerError
from dicomnode.scu.settings import ScuSettings
from dicomnode.scu.storage import StorageSCU
from dicomnode.services.candidates import candidates
from dicomnode.services.sending import SentFile, read_instance, send_files


def unreachable() -> StorageSCU:
    peer = PeerSettings(ae_title="PEER", host="127.0.0.1", port=1)
    return StorageSCU(peer, calling_ae_title="NODE", settings=ScuSettings(), transcode=None)


def unsent(paths: Sequence[Path]) -> list[SentFile]:
    """What becomes of files of which none is an instance: they need no peer."""
    return list(send_files(list(candidates(paths)), unreachable()))


def test_instance_is_what_the_file_says(tmp_path: Path) -> None:
    dataset = ct()
    path = write(dataset, tmp_path / "a")
    instance = read_instance(path)
    assert (instance.sop_class_uid, instance.sop_instance_uid) == (CTImageStorage, dataset.SOPInstanceUID)
    assert instance.transfer_syntax_uid == ExplicitVRLittleEndian
    assert bytes(instance.dataset()) == path.read_bytes()[read_file_meta(path).dataset_offset :]


def test_data_set_goes_before_a_head_that_says_otherwise(tmp_path: Path) -> None:
    """The peer compares the request with the data set (PS3.4 Section B.2.3)."""
    dataset = ct(SOPInstanceUID="1.2.3")
    dataset.file_meta.MediaStorageSOPInstanceUID = "9.9.9"
    path = tmp_path / "a"
    dataset.save_as(path, enforce_file_format=True)
    path.write_bytes(path.read_bytes().replace(b"1.2.3\0", b"1.2.4\0"))
    assert read_instance(path).sop_instance_uid == "1.2.4"


def test_file_that_changes_before_its_turn_is_told(tmp_path: Path) -> None:
    path = write(ct(), tmp_path / "a")
    instance = read_instance(path)
    path.unlink()
    with pytest.raises(DatasetError, match="cannot be read: No such file"):
        instance.dataset()


def test_other_files_of_a_folder_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("see the manual " * 20)
    (tmp_path / "empty.dcm").touch()
    directory = ct(SOPClassUID=MediaStorageDirectoryStorage)
    write(directory, tmp_path / "DICOMDIR")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("nowhere")
    told = {one.path.name: one.is_other for one in unsent([tmp_path])}
    assert told == {"a.txt": True, "empty.dcm": True, "DICOMDIR": True, "pipe": True, "link": False}


def test_named_file_has_to_be_an_instance(tmp_path: Path) -> None:
    text, pipe = tmp_path / "a.txt", tmp_path / "pipe"
    text.write_text("see the manual " * 20)
    os.mkfifo(pipe)
    told = [(one.reason, one.is_other) for one in unsent([text, pipe])]
    assert told == [("not a DICOM file", False), ("not a file", False)]


def test_broken_instance_in_a_folder_is_no_other_file(tmp_path: Path) -> None:
    whole = write(ct(), tmp_path / "whole").read_bytes()
    (tmp_path / "whole").unlink()
    (tmp_path / "cut").write_bytes(whole[:180])
    write(ct(SOPInstanceUID=ABSENT), tmp_path / "unnamed")
    (tmp_path / "unnamed").write_bytes(
        (tmp_path / "unnamed").read_bytes().replace(b"\x02\x00\x03\x00", b"\x02\x00\x04\x00")
    )
    told = {one.path.name: (one.is_other, one.status) for one in unsent([tmp_path])}
    assert told == {"cut": (False, None), "unnamed": (False, None)}


def test_nothing_is_said_of_instances_when_the_peer_cannot_be_reached(tmp_path: Path) -> None:
    series(tmp_path / "s", 2)
    with pytest.raises(PeerError, match="Connection refused"):
        list(send_files(list(candidates([tmp_path])), unreachable()))


def test_peer_that_goes_between_two_batches_fails_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dicomnode.services.sending._FILES_AT_ONCE", 2)
    series(tmp_path / "s", 5)
    entity = AE("PEER")
    entity.add_supported_context(CTImageStorage, ExplicitVRLittleEndian)
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, lambda _: 0)])
    assert server is not None
    peer = PeerSettings(ae_title="PEER", host="127.0.0.1", port=server.socket.getsockname()[1])
    scu = StorageSCU(peer, calling_ae_title="NODE", settings=ScuSettings(), transcode=None)
    told = []
    for one in send_files(list(candidates([tmp_path])), scu):
        told.append(one.status)
        if len(told) == 2:
            server.shutdown()
    assert told == [0, 0, None, None, None]
