"""What a scanner and a sysadmin see of reception: DCMTK's tools against the real program."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from factories import ABSENT, ct, series, write
from pydicom.data import get_testdata_file
from pydicom.encaps import generate_frames
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MediaStorageDirectoryStorage,
    generate_uid,
)
from pynetdicom import AE
from raw_peer import A_ASSOCIATE_AC, A_RELEASE_RP, RawPeer
from running_node import RunningNode, dcmtk, free_port, wait_for

SUCCESS, MISSING_UID, STORED_WITH_FAULTS = 0x0000, 0xC502, 0xB007


def dataset_bytes(path: Path) -> bytes:
    """The data set of a Part 10 file, byte for byte, without preamble and file meta information."""
    with path.open("rb") as file:
        file.seek(132 + 8)
        group_length = int.from_bytes(file.read(4), "little")
        file.seek(group_length, 1)
        return file.read()


def is_storable(path: Path) -> bool:
    """Whether the file's meta information says what it takes to send it."""
    try:
        meta = pydicom.filereader.read_file_meta_info(path)
    except pydicom.errors.InvalidDicomError:
        return False
    needed = (
        "MediaStorageSOPClassUID",
        "MediaStorageSOPInstanceUID",
        "TransferSyntaxUID",
        "FileMetaInformationGroupLength",
    )
    return all(meta.get(keyword) for keyword in needed) and meta.MediaStorageSOPClassUID != MediaStorageDirectoryStorage


def kept(node: RunningNode) -> dict[str, Path]:
    """The files that the node keeps, by SOP Instance UID."""
    return {str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID): path for path in node.files()}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node with the defaults, for tests that look at nothing but what they sent themselves."""
    with RunningNode(tmp_path_factory.mktemp("shared") / "node") as running:
        yield running


def test_answers_echo(shared: RunningNode) -> None:
    assert shared.echoscu().returncode == 0


def test_refuses_association_for_another_ae_title(shared: RunningNode) -> None:
    done = dcmtk("echoscu", "-aec", "SOMEONE", "127.0.0.1", str(shared.port))
    assert done.returncode != 0
    assert "Called AE Title Not Recognized" in done.stdout + done.stderr


def test_keeps_a_series_byte_for_byte(shared: RunningNode, tmp_path: Path) -> None:
    before = kept(shared)
    files = series(tmp_path / "series", 20)
    assert shared.storescu(*files) == [SUCCESS] * 20
    stored = kept(shared)
    assert len(stored) == len(before) + 20
    for file in files:
        uid = str(pydicom.dcmread(file).SOPInstanceUID)
        assert dataset_bytes(stored[uid]) == dataset_bytes(file)
        assert pydicom.filereader.read_file_meta_info(stored[uid]).MediaStorageSOPInstanceUID == uid


def test_lists_what_arrived(node: RunningNode, tmp_path: Path) -> None:
    node.storescu(*series(tmp_path / "a", 3, PatientID="P1"))
    node.storescu(*series(tmp_path / "b", 2, PatientID="P2", PatientName="Roe^Ann"))
    rows = node.rows("studies")
    assert {(row["patient_id"], row["instances"]) for row in rows} == {("P1", 3), ("P2", 2)}


@pytest.mark.parametrize(
    ("option", "transfer_syntax"),
    [
        ("-xi", ImplicitVRLittleEndian),
        ("-xd", DeflatedExplicitVRLittleEndian),
    ],
)
def test_keeps_the_transfer_syntax_it_was_sent_in(
    shared: RunningNode, tmp_path: Path, option: str, transfer_syntax: str
) -> None:
    sent = ct()
    file = write(sent, tmp_path / "one.dcm")
    assert shared.storescu(file, options=(option,)) == [SUCCESS]
    dataset = pydicom.dcmread(kept(shared)[str(sent.SOPInstanceUID)])
    assert dataset.file_meta.TransferSyntaxUID == transfer_syntax
    assert dataset.PatientName == "Doe^Jane"
    assert dataset.pixel_array.tolist() == pydicom.dcmread(file).pixel_array.tolist()


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("MR_small_jp2klossless.dcm", "-xv"),
        ("MR_small_jpeg_ls_lossless.dcm", "-xt"),
        ("MR_small_RLE.dcm", "-xr"),
        ("SC_rgb_small_odd_jpeg.dcm", "-xy"),
    ],
)
def test_keeps_compressed_instances(node: RunningNode, name: str, option: str) -> None:
    file = Path(str(get_testdata_file(name)))
    [status] = node.storescu(file, options=(option,))
    assert status in (SUCCESS, STORED_WITH_FAULTS)
    [stored] = node.files()
    kept_frames, sent_frames = (
        list(generate_frames(pydicom.dcmread(path).PixelData, number_of_frames=1)) for path in (stored, file)
    )
    assert kept_frames == sent_frames  # storescu writes the rest of the data set in its own way


REAL_FILES = [
    path
    for path in (Path(pydicom.__file__).parent / "data" / "test_files").glob("*.dcm")
    if path.stat().st_size < 1_000_000 and is_storable(path)
]


def test_keeps_real_instances_byte_for_byte(node: RunningNode) -> None:
    sent: dict[bytes, str] = {}
    uids: set[str] = set()
    for path in REAL_FILES:
        meta = pydicom.filereader.read_file_meta_info(path)
        context = ((str(meta.MediaStorageSOPClassUID), (str(meta.TransferSyntaxUID),)),)
        with RawPeer(node.port) as peer:
            assert peer.associate(contexts=context) == A_ASSOCIATE_AC, path.name
            data = dataset_bytes(path)
            uid = str(meta.MediaStorageSOPInstanceUID)
            status = peer.store(uid, data, sop_class_uid=str(meta.MediaStorageSOPClassUID))
            assert peer.release() == A_RELEASE_RP, path.name
        if status in (SUCCESS, STORED_WITH_FAULTS) and uid not in uids:  # some files are one instance in two encodings
            sent[data] = path.name
            uids.add(uid)
    stored = {dataset_bytes(path) for path in node.files()}
    assert len(sent) > 30
    assert [name for data, name in sent.items() if data not in stored] == []


def test_refuses_an_instance_without_study_instance_uid_and_names_the_tag(node: RunningNode, tmp_path: Path) -> None:
    file = write(ct(StudyInstanceUID=ABSENT), tmp_path / "one.dcm")
    assert node.storescu(file) == [MISSING_UID]
    assert node.files() == []
    assert node.unfinished() == []
    [line] = node.events("instance.refused")
    assert "0020,000d" in str(line["offending_elements"]).lower()


def test_quarantines_an_instance_without_patient_id(node: RunningNode, tmp_path: Path) -> None:
    file = write(ct(PatientID=ABSENT), tmp_path / "one.dcm")
    assert node.storescu(file) == [STORED_WITH_FAULTS]
    [stored] = node.files()
    assert dataset_bytes(stored) == dataset_bytes(file)
    assert node.rows("studies") == []
    [row] = node.rows("quarantine", "list")
    assert row["rule"] == "patient.id"


def test_quarantined_instance_sent_again_makes_no_second_entry(node: RunningNode, tmp_path: Path) -> None:
    file = write(ct(PatientID=""), tmp_path / "one.dcm")
    assert node.storescu(file) == [STORED_WITH_FAULTS]
    assert node.storescu(file) == [STORED_WITH_FAULTS]
    assert len(node.rows("quarantine", "list")) == 1
    assert len(node.files()) == 1


def test_releases_a_quarantined_instance(node: RunningNode, tmp_path: Path) -> None:
    node.storescu(write(ct(PatientID=ABSENT), tmp_path / "one.dcm"))
    [row] = node.rows("quarantine", "list")
    done = node.cli("quarantine", "release", str(row["id"]), "--reason", "trauma, patient unknown")
    assert done.returncode == 0, done.stderr
    assert node.rows("quarantine", "list") == []
    [study] = node.rows("studies")
    assert study["instances"] == 1


def test_discards_a_quarantined_instance_and_its_file(node: RunningNode, tmp_path: Path) -> None:
    node.storescu(write(ct(PatientID=ABSENT), tmp_path / "one.dcm"))
    [row] = node.rows("quarantine", "list")
    done = node.cli("quarantine", "discard", str(row["id"]), "--reason", "test image", "--yes")
    assert done.returncode == 0, done.stderr
    assert node.rows("quarantine", "list") == []
    assert node.files() == []


def test_same_instance_again_is_success_and_kept_once(node: RunningNode, tmp_path: Path) -> None:
    file = write(ct(), tmp_path / "one.dcm")
    assert node.storescu(file, file) == [SUCCESS, SUCCESS]
    assert len(node.files()) == 1


def test_same_instance_in_another_transfer_syntax_is_the_same_content(node: RunningNode, tmp_path: Path) -> None:
    file = write(ct(), tmp_path / "one.dcm")
    for option in ("-xi", "-xb", "-xe", "-xd"):
        assert node.storescu(file, options=(option,)) == [SUCCESS]
    assert len(node.files()) == 1
    assert node.rows("quarantine", "list") == []


def test_same_uid_with_other_content_goes_to_quarantine(node: RunningNode, tmp_path: Path) -> None:
    first = ct()
    file = write(first, tmp_path / "first.dcm")
    assert node.storescu(file) == [SUCCESS]
    first.PixelData = bytes(len(first.PixelData))
    assert node.storescu(write(first, tmp_path / "second.dcm")) == [STORED_WITH_FAULTS]
    [row] = node.rows("quarantine", "list")
    assert row["rule"] == "core.duplicate"
    assert len(node.files()) == 2


def test_replaces_when_the_site_says_so(tmp_path: Path) -> None:
    with RunningNode(tmp_path / "node", reception={"duplicates": "replace"}) as node:
        dataset = ct()
        node.storescu(write(dataset, tmp_path / "first.dcm"))
        dataset.PixelData = bytes(len(dataset.PixelData))
        assert node.storescu(write(dataset, tmp_path / "second.dcm")) == [SUCCESS]
        [old] = node.rows("quarantine", "list")
        assert old["rule"] == "core.duplicate"
        [study] = node.rows("studies")
        assert study["instances"] == 1


def test_refuses_other_content_when_the_site_says_so(tmp_path: Path) -> None:
    with RunningNode(tmp_path / "node", reception={"duplicates": "reject"}) as node:
        dataset = ct()
        node.storescu(write(dataset, tmp_path / "first.dcm"))
        dataset.PixelData = bytes(len(dataset.PixelData))
        [status] = node.storescu(write(dataset, tmp_path / "second.dcm"))
        assert status >= 0xC000
        assert len(node.files()) == 1


def test_second_patient_of_one_study_goes_to_quarantine(node: RunningNode, tmp_path: Path) -> None:
    study = generate_uid()
    assert node.storescu(write(ct(StudyInstanceUID=study, PatientID="P1"), tmp_path / "1.dcm")) == [SUCCESS]
    other = write(ct(StudyInstanceUID=study, PatientID="P2"), tmp_path / "2.dcm")
    assert node.storescu(other) == [STORED_WITH_FAULTS]
    [row] = node.rows("quarantine", "list")
    assert row["rule"] == "index.study-patient"


def test_every_ending_is_one_log_line_without_patient_data(node: RunningNode, tmp_path: Path) -> None:
    node.storescu(
        *series(tmp_path / "a", 2, PatientID="SECRET1", PatientName="Secret^Name", PatientBirthDate="19511112")
    )
    node.storescu(write(ct(PatientID="SECRET2", StudyInstanceUID=ABSENT), tmp_path / "b.dcm"))
    node.storescu(write(ct(PatientID="", PatientName="Secret^Name"), tmp_path / "c.dcm"))
    assert len(node.events("instance.stored")) == 2
    assert len(node.events("instance.refused")) == 1
    assert len(node.events("instance.quarantined")) == 1
    assert all(line["sop_instance_uid"] for line in node.events("instance.stored"))
    text = str(node.log())
    for secret in ("SECRET", "Secret", "19511112"):
        assert secret not in text


def test_strict_node_knows_its_peers(tmp_path: Path) -> None:
    peers = {
        "ct1": {"ae_title": "CT1", "host": "127.0.0.1"},
        "viewer": {"ae_title": "VIEWER", "host": "127.0.0.1", "may": ["query", "retrieve"]},
        "elsewhere": {"ae_title": "CT9", "host": "192.0.2.9"},
    }
    file = write(ct(), tmp_path / "one.dcm")
    with RunningNode(tmp_path / "node", unknown_peers="reject", peers=peers) as node:
        assert node.storescu(file, options=("-aet", "CT1")) == [SUCCESS]
        assert node.storescu(file, options=("-aet", "VIEWER")) == [0x0124]
        for stranger in ("CT9", "ct1", "NOBODY"):
            assert node.storescu(file, options=("-aet", stranger)) == []
        wait_for(lambda: len(node.events("association.rejected")) == 3, what="the lines of the three strangers")
        reasons = [line["reason"] for line in node.events("association.rejected")]
        assert any("address" in reason for reason in reasons)
        assert any("case" in reason for reason in reasons)


def test_unknown_caller_is_let_in_with_a_warning_by_default(node: RunningNode, tmp_path: Path) -> None:
    assert node.storescu(write(ct(), tmp_path / "one.dcm"), options=("-aet", "NEWCT")) == [SUCCESS]
    [line] = node.events("association.accepted")
    assert line["level"] == "warning"
    assert line["peer"] is None


def test_accepts_private_sop_classes_by_default(node: RunningNode, tmp_path: Path) -> None:
    dataset = ct(SOPClassUID="1.2.826.0.1.3680043.9.9999.1")
    client = AE("PRIVATE")
    client.add_requested_context(dataset.SOPClassUID, ["1.2.840.10008.1.2.1"])
    association = client.associate("127.0.0.1", node.port, ae_title="DICOMNODE")
    assert association.is_established
    assert association.send_c_store(dataset).Status == SUCCESS
    association.release()
    [stored] = node.files()
    assert pydicom.dcmread(stored).SOPClassUID == dataset.SOPClassUID


def test_listens_on_ipv4_and_ipv6_and_names_addresses_plainly(tmp_path: Path) -> None:
    port = free_port()
    with RunningNode(tmp_path / "node", listeners=[{"host": "", "port": port}]) as node:
        for host in ("127.0.0.1", "::1"):
            with RawPeer(port, host=host) as peer:
                assert peer.associate() == A_ASSOCIATE_AC
                assert peer.release() == A_RELEASE_RP
        wait_for(lambda: len(node.events("association.released")) == 2, what="both associations to end")
        assert {line["address"] for line in node.events("association.accepted")} == {"127.0.0.1", "::1"}


def test_answers_to_every_title_it_has(tmp_path: Path) -> None:
    with RunningNode(tmp_path / "node", ae_titles=["DICOMNODE", "OLDPACS"]) as node:
        for title in ("DICOMNODE", "OLDPACS"):
            assert dcmtk("echoscu", "-aec", title, "127.0.0.1", str(node.port)).returncode == 0


def test_same_instance_is_a_success_for_a_process_that_has_written_nothing_yet(tmp_path: Path) -> None:
    file = write(ct(), tmp_path / "one.dcm")
    with RunningNode(tmp_path / "node") as node:
        assert node.storescu(file) == [SUCCESS]
    with RunningNode(tmp_path / "node") as node:
        assert node.storescu(file) == [SUCCESS]
        assert len(node.files()) == 1


@pytest.mark.parametrize("changes", [{}, {"PatientID": ""}], ids=["accepted", "quarantined"])
@pytest.mark.parametrize("damage", [Path.unlink, lambda path: os.truncate(path, 500)], ids=["lost", "cut off"])
def test_instance_whose_file_was_damaged_is_kept_anew_when_it_comes_again(
    node: RunningNode, tmp_path: Path, changes: dict[str, str], damage: Callable[[Path], None]
) -> None:
    file = write(ct(**changes), tmp_path / "one.dcm")
    [first] = node.storescu(file)
    [stored] = node.files()
    damage(stored)
    assert node.storescu(file) == [first]
    [stored] = node.files()
    assert dataset_bytes(stored) == dataset_bytes(file)
    assert node.events("file.missing")
    assert node.unfinished() == []
    assert node.storescu(file) == [first]
    assert node.files() == [stored]
    assert node.rows("status")[0]["instances" if first == SUCCESS else "quarantined"] == 1
