from __future__ import annotations

import io
import struct
from pathlib import Path

import pydicom
import pytest
from factories import ct, write
from pydicom.filereader import read_file_meta_info
from pydicom.uid import UID, CTImageStorage

from dicomnode import __version__
from dicomnode.dicom.part10 import file_meta, read_file_meta
from dicomnode.errors import DatasetError

EXPLICIT_LE, IMPLICIT_LE, EXPLICIT_BE = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2"
EXPLICIT_ELEMENT = struct.pack("<HH2sH10s", 0x0008, 0x0005, b"CS", 10, b"ISO_IR 100")
IMPLICIT_ELEMENT = struct.pack("<HHI10s", 0x0008, 0x0005, 10, b"ISO_IR 100")
BIG_ENDIAN_ELEMENT = struct.pack(">HH2sH10s", 0x0008, 0x0005, b"CS", 10, b"ISO_IR 100")
PREFIX = bytes(128) + b"DICM"


def element(number: int, text: bytes) -> bytes:
    return struct.pack("<HH2sH", 2, number, b"UI", len(text)) + text


def read_as_pydicom_does(meta: bytes) -> pydicom.dataset.FileMetaDataset:
    return pydicom.dcmread(io.BytesIO(meta + EXPLICIT_ELEMENT)).file_meta


def test_meta_holds_what_the_standard_asks_for():
    meta = read_as_pydicom_does(file_meta(CTImageStorage, "1.2.3", EXPLICIT_LE, "CT1", "NODE"))
    assert meta.FileMetaInformationVersion == b"\0\1"
    assert meta.MediaStorageSOPClassUID == CTImageStorage
    assert meta.MediaStorageSOPInstanceUID == "1.2.3"
    assert meta.TransferSyntaxUID == EXPLICIT_LE
    assert UID(meta.ImplementationClassUID).is_valid
    assert meta.ImplementationVersionName == f"DICOMNODE_{__version__}"
    assert (meta.SourceApplicationEntityTitle, meta.SendingApplicationEntityTitle) == ("CT1", "CT1")
    assert meta.ReceivingApplicationEntityTitle == "NODE"


@pytest.mark.parametrize("uid", ["1.2.3", "1.2.34"])
def test_group_length_leads_to_the_data_set(uid):
    head = file_meta(CTImageStorage, uid, EXPLICIT_LE, "CT1", "NODE")
    assert head[:132] == PREFIX
    assert len(head) == 144 + read_as_pydicom_does(head).FileMetaInformationGroupLength


def test_titles_that_are_not_known_are_left_out():
    meta = read_as_pydicom_does(file_meta(CTImageStorage, "1.2.3", EXPLICIT_LE, ""))
    assert "SourceApplicationEntityTitle" not in meta
    assert "ReceivingApplicationEntityTitle" not in meta


@pytest.mark.parametrize("uid", ["", "1" * 65, "../../x", "1.2.\u00e4", "\udc80", "9" * 70_000])
def test_meta_stays_readable_whatever_the_uid_is(uid):
    head = file_meta(CTImageStorage, uid, EXPLICIT_LE, "CT1", "NODE")
    assert read_file_meta(head + EXPLICIT_ELEMENT).dataset_offset == len(head)
    assert read_as_pydicom_does(head).TransferSyntaxUID == EXPLICIT_LE


def test_reads_what_it_wrote(tmp_path):
    head = file_meta(CTImageStorage, "1.2.3", EXPLICIT_LE, "CT1", "NODE")
    path = tmp_path / "one.dcm"
    path.write_bytes(head + EXPLICIT_ELEMENT)
    for source in (path, head + EXPLICIT_ELEMENT, memoryview(head + EXPLICIT_ELEMENT)):
        meta = read_file_meta(source)
        assert meta.transfer_syntax_uid == EXPLICIT_LE
        assert meta.sop_class_uid == CTImageStorage
        assert meta.sop_instance_uid == "1.2.3"
        assert meta.dataset_offset == len(head)


def test_reads_real_files_as_pydicom_does():
    compared = 0
    for path in (Path(pydicom.__file__).parent / "data" / "test_files").rglob("*.dcm"):
        theirs = read_file_meta_info(path) if path.read_bytes()[128:132] == b"DICM" else {}
        if "TransferSyntaxUID" in theirs:
            ours = read_file_meta(path)
            assert ours.transfer_syntax_uid == theirs.TransferSyntaxUID, path
            assert ours.sop_instance_uid == theirs.get("MediaStorageSOPInstanceUID", ""), path
            if "FileMetaInformationGroupLength" in theirs:
                assert ours.dataset_offset == 144 + theirs.FileMetaInformationGroupLength, path
            compared += 1
    assert compared > 50


@pytest.mark.parametrize(
    ("first_element", "transfer_syntax_uid"),
    [(EXPLICIT_ELEMENT, EXPLICIT_LE), (IMPLICIT_ELEMENT, IMPLICIT_LE), (BIG_ENDIAN_ELEMENT, EXPLICIT_BE)],
)
@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"", id="data set alone"),
        pytest.param(PREFIX, id="no group 0002"),
        pytest.param(PREFIX + element(3, b"1.2.3\0"), id="no transfer syntax"),
        pytest.param(element(3, b"1.2.3\0"), id="no preamble"),
        pytest.param(b"DICM" + element(3, b"1.2.3\0"), id="prefix without preamble"),
    ],
)
def test_guesses_the_transfer_syntax_from_the_first_element(head, first_element, transfer_syntax_uid):
    meta = read_file_meta(head + first_element)
    assert meta.transfer_syntax_uid == transfer_syntax_uid
    assert meta.dataset_offset == len(head)
    assert meta.sop_instance_uid == ("1.2.3" if b"1.2.3" in head else "")


def test_reads_meta_without_group_length():
    head = PREFIX + element(3, b"1.2.3\0") + element(0x10, EXPLICIT_LE.encode() + b"\0")
    meta = read_file_meta(head + EXPLICIT_ELEMENT)
    assert (meta.sop_instance_uid, meta.transfer_syntax_uid) == ("1.2.3", EXPLICIT_LE)
    assert meta.dataset_offset == len(head)


def test_does_not_trust_the_group_length():
    head = PREFIX + struct.pack("<HH2sHI", 2, 0, b"UL", 4, 9999) + element(0x10, EXPLICIT_LE.encode() + b"\0")
    assert read_file_meta(head + EXPLICIT_ELEMENT).dataset_offset == len(head)


def test_reads_meta_in_implicit_vr():
    head = PREFIX + struct.pack("<HHI", 2, 0x10, 18) + IMPLICIT_LE.encode() + b"\0"
    meta = read_file_meta(head + IMPLICIT_ELEMENT)
    assert (meta.transfer_syntax_uid, meta.dataset_offset) == (IMPLICIT_LE, len(head))


@pytest.mark.parametrize(
    "content",
    [b"", b"\0", b"This is a text file, and a long one", b"\x89PNG\r\n\x1a\n" + bytes(300), PREFIX, PREFIX + b"\x02\0"],
)
def test_says_that_a_file_is_no_dicom_file(content, tmp_path):
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="not a DICOM file"):
        read_file_meta(path)


def test_says_where_meta_is_cut_off(tmp_path):
    path = write(ct(), tmp_path / "one.dcm")
    whole = path.read_bytes()
    path.write_bytes(whole[:200])
    with pytest.raises(DatasetError, match="cut off") as caught:
        read_file_meta(path)
    assert 132 < caught.value.offset < 200
