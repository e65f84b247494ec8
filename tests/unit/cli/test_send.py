"""``dicomnode send`` to a real peer on the loopback interface: what is sent, what is told, and the exit code."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from factories import ct, series, write
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless
from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage

from dicomnode.cli import commands

WARNING = 0xB000
COERCED = "Coerced"
"""Patient ID of instances that the peer warns about."""


class Peer:
    """Takes CT images in Explicit VR Little Endian from DICOMNODE and TEST."""

    def __init__(self) -> None:
        self.came: list[str] = []
        entity = AE("PEER")
        entity.add_supported_context(CTImageStorage, ExplicitVRLittleEndian)
        entity.require_calling_aet = ["DICOMNODE", "TEST"]
        server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[(evt.EVT_C_STORE, self._store)])
        assert server is not None
        self._server = server
        self.name = f"PEER@127.0.0.1:{server.socket.getsockname()[1]}"

    def _store(self, event: evt.Event) -> int:
        self.came.append(event.request.AffectedSOPInstanceUID)
        return WARNING if event.dataset.PatientID == COERCED else 0

    def close(self) -> None:
        self._server.shutdown()


@pytest.fixture
def peer() -> Iterator[Peer]:
    running = Peer()
    yield running
    running.close()


def send(tmp_path: Path, *arguments: str | Path, config: str = "") -> Result:
    path = tmp_path / "node.yaml"
    path.write_text(config)
    return CliRunner().invoke(commands, ["send", "--config", str(path), *map(str, arguments)])


def test_files_and_folders_are_sent(tmp_path: Path, peer: Peer) -> None:
    files = series(tmp_path / "study" / "1", 2) + series(tmp_path / "study" / "2", 2)
    single = write(ct(), tmp_path / "single")
    done = send(tmp_path, peer.name, tmp_path / "study", single)
    assert done.exit_code == 0
    assert done.stdout.startswith("5 sent; ")
    assert done.stderr == ""
    assert peer.came == [dcmread(file).SOPInstanceUID for file in (*files, single)]


def test_peer_by_its_name_and_under_another_title(tmp_path: Path, peer: Peer) -> None:
    file = write(ct(), tmp_path / "a")
    port = peer.name.rpartition(":")[2]
    config = f"ae_titles: [STRANGER]\npeers: {{archive: {{ae_title: PEER, host: localhost, port: {port}}}}}"
    assert send(tmp_path, "archive", "--calling", "TEST", file, config=config).exit_code == 0
    refused = send(tmp_path, "archive", file, config=config)
    assert refused.exit_code == 1
    assert "Calling AE title not recognised" in refused.stderr


def test_files_are_known_by_their_content(tmp_path: Path, peer: Peer) -> None:
    folder = tmp_path / "disc"
    folder.mkdir()
    write(ct(), folder / "IM0001")
    whole = write(ct(), folder / "whole.dcm").read_bytes()
    (folder / "b.txt").write_bytes(whole[132:])  # without preamble
    (folder / "c.jpg").write_bytes(whole[whole.index(b"\x08\x00\x05\x00CS") :])  # without meta information
    (folder / "readme.dcm").write_text("see the manual")
    (folder / "empty.dcm").touch()
    done = send(tmp_path, peer.name, folder)
    assert done.exit_code == 0
    assert done.stdout.startswith("4 sent, 2 passed over: no DICOM instance; ")
    assert done.stderr == ""
    assert len(peer.came) == 4


def test_bad_files_are_told_and_the_rest_is_sent(tmp_path: Path, peer: Peer) -> None:
    folder = tmp_path / "study"
    series(folder, 2)
    write(ct(SOPClassUID="1.2.840.10008.5.1.4.1.1.4"), folder / "mr.dcm")
    (folder / "cut.dcm").write_bytes((folder / "0001.dcm").read_bytes()[:200])
    text = tmp_path / "named.txt"
    text.write_text("no image")
    done = send(tmp_path, peer.name, folder, text)
    assert done.exit_code == 1
    assert done.stdout.startswith("2 sent, 3 not sent; ")
    assert f"{folder}/mr.dcm: peer does not take SOP Class" in done.stderr
    assert f"{folder}/cut.dcm: File Meta Information is cut off" in done.stderr
    assert f"{text}: not a DICOM file" in done.stderr


def test_warning_is_told_and_counts_as_sent(tmp_path: Path, peer: Peer) -> None:
    done = send(tmp_path, peer.name, write(ct(PatientID=COERCED), tmp_path / "a"))
    assert done.exit_code == 0
    assert done.stdout.startswith("1 sent (1 with a warning); ")
    assert "0xb000 coercion of data elements" in done.stderr


def test_json_is_one_object_a_file(tmp_path: Path, peer: Peer) -> None:
    good, bad = ct(), tmp_path / "z.txt"
    bad.write_text("no image")
    done = send(tmp_path, peer.name, write(good, tmp_path / "a"), bad, "--json")
    assert done.exit_code == 1
    told = {one["file"]: one for one in map(json.loads, done.stdout.splitlines())}
    assert told == {
        str(tmp_path / "a"): {
            "file": str(tmp_path / "a"),
            "sop_instance_uid": good.SOPInstanceUID,
            "status": 0,
            "reason": "",
        },
        str(bad): {"file": str(bad), "sop_instance_uid": "", "status": None, "reason": "not a DICOM file"},
    }


def test_corrupt_pixels_cannot_be_transcoded(tmp_path: Path, peer: Peer) -> None:
    bad = ct(transfer_syntax=JPEG2000Lossless)
    bad.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0\x04\0\0\0none\xfe\xff\xdd\xe0\0\0\0\0"
    bad["PixelData"].VR = "OB"
    bad["PixelData"].is_undefined_length = True
    done = send(tmp_path, peer.name, write(bad, tmp_path / "bad"), write(ct(), tmp_path / "good"))
    assert done.exit_code == 1
    assert done.stdout.startswith("1 sent, 1 not sent; ")
    assert "peer does not take JPEG 2000 Image Compression (Lossless Only), and " in done.stderr


def test_empty_folder_is_no_success(tmp_path: Path, peer: Peer) -> None:
    (tmp_path / "nothing").mkdir()
    done = send(tmp_path, peer.name, tmp_path / "nothing")
    assert done.exit_code == 1
    assert done.stdout.startswith("0 sent; ")


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        done = send(tmp_path, f"PEER@127.0.0.1:{taken.getsockname()[1]}", write(ct(), tmp_path / "a"))
    assert done.exit_code == 1
    assert "Connection refused" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["PEER@127.0.0.1:104", "missing.dcm"], "'missing.dcm' does not exist"),
        (["ct2", "."], "did you mean ct1?"),
        (["PEER@127.0.0.1", "."], "no AET@HOST:PORT"),
        (["PEER@127.0.0.1:104"], "Missing argument 'PATH...'"),
        (["PEER@127.0.0.1:104", ".", "--calling", "TITLE_MUCH_TOO_LONG"], "at most 16 characters"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], words: str) -> None:
    done = send(tmp_path, *arguments, config="peers: {ct1: {ae_title: CT1}}")
    assert done.exit_code == 2
    assert words in done.stderr
