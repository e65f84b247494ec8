"""What a workstation sees of C-MOVE and C-GET: DCMTK's movescu, storescp and getscu against the real program."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
import pytest
from factories import ABSENT, ct, series, write
from pydicom.uid import ImplicitVRLittleEndian, generate_uid
from running_node import DCMTK, RunningNode, dcmtk, free_port, wait_for

SUCCESS, SOME_FAILED, ALL_FAILED = 0x0000, 0xB000, 0xA702
NOT_AUTHORIZED, DESTINATION_UNKNOWN, IDENTIFIER_DOES_NOT_MATCH, CANCEL = 0x0124, 0xA801, 0xA900, 0xFE00
MODELS = {"-P": "patient root", "-S": "study root"}


@dataclass(frozen=True)
class Archive:
    """A node that holds two patients: three series in two studies, and something in quarantine."""

    node: RunningNode
    destination_port: int
    files: dict[str, Path]
    """What was sent and accepted, by SOP Instance UID."""
    studies: dict[str, str]
    series: dict[str, str]
    quarantined: str

    def of(self, **values: str) -> set[str]:
        """SOP Instance UIDs of the accepted instances with these values."""
        return {
            uid
            for uid, path in self.files.items()
            if all(str(pydicom.dcmread(path).get(keyword)) == value for keyword, value in values.items())
        }


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """One node for all tests, which only read, or change a patient of their own: starting one takes longer than any of them."""
    tmp_path = tmp_path_factory.mktemp("archive")
    port = free_port()
    peers = {
        "viewer": {"ae_title": "VIEWER", "host": "127.0.0.1", "port": port},
        "nowhere": {"ae_title": "NOWHERE", "host": "127.0.0.1", "port": free_port()},
        "caller": {"ae_title": "CALLER"},
        "bound": {"ae_title": "BOUND", "move_destinations": ["nowhere"]},
        "scanner": {"ae_title": "SCANNER", "may": ["store"]},
    }
    with RunningNode(tmp_path / "node", peers=peers, retrieve={"pending_interval_s": 0}) as node:
        studies = {name: generate_uid() for name in ("head", "chest", "damaged")}
        all_series = {"axial": generate_uid(), "sagittal": generate_uid(), "scout": generate_uid()}
        one = {"PatientID": "P1", "StudyInstanceUID": studies["head"]}
        sent = [
            *series(tmp_path / "axial", 3, SeriesInstanceUID=all_series["axial"], **one),
            *series(tmp_path / "sagittal", 2, SeriesInstanceUID=all_series["sagittal"], **one),
            *series(
                tmp_path / "scout",
                2,
                SeriesInstanceUID=all_series["scout"],
                PatientID="P2",
                StudyInstanceUID=studies["chest"],
            ),
            *series(tmp_path / "damaged", 4, PatientID="P3", StudyInstanceUID=studies["damaged"]),
        ]
        held = ct(StudyInstanceUID=studies["head"], SeriesInstanceUID=all_series["axial"], PatientID=ABSENT)
        assert node.storescu(*sent) == [SUCCESS] * len(sent)
        node.storescu(write(held, tmp_path / "held.dcm"))
        assert len(node.events("instance.quarantined")) == 1
        files = {str(pydicom.dcmread(path).SOPInstanceUID): path for path in sent}
        yield Archive(node, port, files, studies, all_series, str(held.SOPInstanceUID))


@contextmanager
def storescp(folder: Path, port: int, *options: str) -> Iterator[Path]:
    """DCMTK's receiver as VIEWER; ``+B`` writes data sets as they came."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder.with_suffix(".log")
    with log.open("wb") as output:
        process = subprocess.Popen(
            [DCMTK / "storescp", "-d", "-aet", "VIEWER", "+B", *options, "-od", folder, str(port)],
            stdout=output,
            stderr=output,
            env={"TCP_NODELAY": "1"},
        )
    try:
        wait_for(lambda: dcmtk("echoscu", "127.0.0.1", str(port)).returncode == 0, what="storescp")
        yield folder
    finally:
        process.terminate()
        process.wait(10)


@dataclass(frozen=True)
class Answer:
    """What a retrieving tool saw at its end."""

    status: int
    counts: dict[str, int]
    log: str


def move(node: RunningNode, *options: str, to: str = "VIEWER", caller: str = "CALLER", **keys: str) -> Answer:
    return _retrieve("movescu", node, "-aem", to, "-aet", caller, *options, **keys)


def get(node: RunningNode, folder: Path, *options: str, caller: str = "CALLER", **keys: str) -> Answer:
    folder.mkdir(exist_ok=True)
    return _retrieve("getscu", node, "-od", str(folder), "+B", "-aet", caller, *options, **keys)


def _retrieve(tool: str, node: RunningNode, *options: str, **keys: str) -> Answer:
    arguments = [part for keyword, value in keys.items() for part in ("-k", f"{keyword}={value}")]
    done = dcmtk(tool, "-d", "-aec", "DICOMNODE", *options, *arguments, "127.0.0.1", str(node.port))
    log = done.stdout + done.stderr
    response = log.rpartition("INCOMING DIMSE MESSAGE")[2]
    status = re.search(r"DIMSE Status\s*: (0x[0-9a-fA-F]{4})", response)
    assert status, log
    counts = re.findall(r"(Completed|Failed|Warning) Suboperations\s*: (\w+)", response)
    return Answer(int(status[1], 16), {name.lower(): int(count) for name, count in counts if count.isdigit()}, log)


def received(folder: Path) -> dict[str, Path]:
    """The files of the receiver, by SOP Instance UID."""
    return {str(pydicom.dcmread(path).SOPInstanceUID): path for path in folder.iterdir()}


def dataset_bytes(path: Path) -> bytes:
    """The data set of a Part 10 file, byte for byte."""
    with path.open("rb") as file:
        file.seek(132 + 8)
        group_length = int.from_bytes(file.read(4), "little")
        file.seek(group_length, 1)
        return file.read()


Case = tuple[str, Callable[[Archive], dict[str, str]], Callable[[Archive], set[str]]]
CASES: dict[str, Case] = {
    "patient": ("-P", lambda a: {"QueryRetrieveLevel": "PATIENT", "PatientID": "P1"}, lambda a: a.of(PatientID="P1")),
    "study of a patient": (
        "-P",
        lambda a: {"QueryRetrieveLevel": "STUDY", "PatientID": "P2", "StudyInstanceUID": a.studies["chest"]},
        lambda a: a.of(PatientID="P2"),
    ),
    "study": (
        "-S",
        lambda a: {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": a.studies["head"]},
        lambda a: a.of(PatientID="P1"),
    ),
    "studies": (
        "-S",
        lambda a: {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": f"{a.studies['head']}\\{a.studies['chest']}"},
        lambda a: a.of(PatientID="P1") | a.of(PatientID="P2"),
    ),
    "series": (
        "-S",
        lambda a: {
            "QueryRetrieveLevel": "SERIES",
            "StudyInstanceUID": a.studies["head"],
            "SeriesInstanceUID": a.series["sagittal"],
        },
        lambda a: a.of(SeriesInstanceUID=a.series["sagittal"]),
    ),
    "several series": (
        "-P",
        lambda a: {
            "QueryRetrieveLevel": "SERIES",
            "PatientID": "P1",
            "StudyInstanceUID": a.studies["head"],
            "SeriesInstanceUID": f"{a.series['sagittal']}\\{a.series['axial']}",
        },
        lambda a: a.of(PatientID="P1"),
    ),
    "instances": (
        "-S",
        lambda a: {
            "QueryRetrieveLevel": "IMAGE",
            "StudyInstanceUID": a.studies["head"],
            "SeriesInstanceUID": a.series["axial"],
            "SOPInstanceUID": "\\".join(
                [*sorted(a.of(SeriesInstanceUID=a.series["axial"]))[:2], "1.2.3", a.quarantined]
            ),
        },
        lambda a: set(sorted(a.of(SeriesInstanceUID=a.series["axial"]))[:2]),
    ),
    "nothing": ("-S", lambda a: {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": "1.2.3"}, lambda a: set()),
}


@pytest.fixture
def new(archive: Archive) -> Callable[[str], list[dict[str, Any]]]:
    """The log's lines of an event that came during this test."""
    before = len(archive.node.log())
    return lambda event: [line for line in archive.node.log()[before:] if line["event"] == event]


New = Callable[[str], list[dict[str, Any]]]


@pytest.mark.parametrize("name", CASES)
def test_moves_and_gets_exactly_what_is_asked_for_bit_by_bit(
    archive: Archive, new: New, tmp_path: Path, name: str
) -> None:
    model, keys, expected = CASES[name]
    with storescp(tmp_path / "move", archive.destination_port):
        moved = move(archive.node, model, **keys(archive))
    gotten = get(archive.node, tmp_path / "get", model, **keys(archive))
    for answer, folder in ((moved, tmp_path / "move"), (gotten, tmp_path / "get")):
        arrived = received(folder)
        assert set(arrived) == expected(archive)
        assert answer.status == SUCCESS, answer.log
        assert answer.counts == {"completed": len(arrived), "failed": 0, "warning": 0}
        for uid, path in arrived.items():
            assert dataset_bytes(path) == dataset_bytes(archive.files[uid])
    assert new("retrieve.failed") == []


def test_tells_who_asked(archive: Archive, tmp_path: Path) -> None:
    with storescp(tmp_path / "in", archive.destination_port):
        move(archive.node, "-S", QueryRetrieveLevel="STUDY", StudyInstanceUID=archive.studies["chest"])
    log = (tmp_path / "in.log").read_text(errors="replace")
    assert len(re.findall(r"Move Originator AE Title\s*: CALLER", log)) == 2
    assert len(re.findall(r"Move Originator ID\s*: 1\b", log)) == 2
    assert re.search(r"Calling Application Name:\s+DICOMNODE", log)


def test_one_line_tells_what_became_of_it(archive: Archive, new: New, tmp_path: Path) -> None:
    with storescp(tmp_path / "in", archive.destination_port):
        move(archive.node, "-S", QueryRetrieveLevel="STUDY", StudyInstanceUID=archive.studies["head"])
    [line] = new("retrieve.completed")
    expected = sum(len(dataset_bytes(archive.files[uid])) for uid in archive.of(PatientID="P1"))
    assert {key: line[key] for key in ("kind", "query_level", "calling_ae_title", "peer", "destination", "status")} == {
        "kind": "C-MOVE",
        "query_level": "STUDY",
        "calling_ae_title": "CALLER",
        "peer": "caller",
        "destination": "viewer",
        "status": "0000",
    }
    assert (line["completed"], line["failed"], line["warning"], line["size_bytes"]) == (5, 0, 0, expected)
    assert line["duration_ms"] > 0


@pytest.mark.parametrize(
    ("to", "caller", "status", "words"),
    [
        ("NOBODY", "CALLER", DESTINATION_UNKNOWN, "no such Move Destination: NOBODY"),
        ("viewer", "CALLER", DESTINATION_UNKNOWN, "differ in case"),
        ("CALLER", "CALLER", DESTINATION_UNKNOWN, "no host"),
        ("VIEWER", "BOUND", NOT_AUTHORIZED, "viewer"),
        ("VIEWER", "SCANNER", NOT_AUTHORIZED, "may not retrieve"),
    ],
)
def test_refuses_before_anything_moves(
    archive: Archive, new: New, tmp_path: Path, to: str, caller: str, status: int, words: str
) -> None:
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": archive.studies["head"]}
    with storescp(tmp_path / "in", archive.destination_port) as folder:
        answer = move(archive.node, "-S", to=to, caller=caller, **keys)
    assert answer.status == status, answer.log
    assert answer.counts == {}
    assert received(folder) == {}
    [refused] = new("retrieve.refused")
    assert words in refused["reason"]
    assert new("retrieve.completed") == []


def test_destination_that_is_down_fails_everything_and_names_it(archive: Archive, new: New) -> None:
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": archive.studies["head"]}
    answer = move(archive.node, "-S", to="NOWHERE", **keys)
    assert answer.status == ALL_FAILED
    assert answer.counts == {"completed": 0, "failed": 5, "warning": 0}
    [line] = new("retrieve.completed")
    assert (line["status"], line["failed"]) == ("A702", 5)


def test_identifier_without_its_unique_key_is_refused(archive: Archive) -> None:
    answer = move(archive.node, "-S", QueryRetrieveLevel="SERIES", SeriesInstanceUID=archive.series["axial"])
    assert answer.status == IDENTIFIER_DOES_NOT_MATCH


def test_what_is_missing_or_damaged_fails_alone(archive: Archive, new: New, tmp_path: Path) -> None:
    by_uid = {str(pydicom.dcmread(path, force=True).SOPInstanceUID): path for path in archive.node.files()}
    missing, cut, *whole = sorted(archive.of(PatientID="P3"))
    by_uid[missing].unlink()
    by_uid[cut].chmod(0o600)
    by_uid[cut].write_bytes(by_uid[cut].read_bytes()[:-100])
    with storescp(tmp_path / "in", archive.destination_port) as folder:
        answer = move(archive.node, "-S", QueryRetrieveLevel="STUDY", StudyInstanceUID=archive.studies["damaged"])
    assert answer.status == SOME_FAILED
    assert answer.counts == {"completed": 2, "failed": 2, "warning": 0}
    assert set(received(folder)) == set(whole)
    failed = new("retrieve.failed")
    assert sorted(event["sop_instance_uid"] for event in failed) == [missing, cut]
    assert all(event["level"] == "error" and event["reason"] for event in failed)


def test_destination_that_takes_implicit_vr_only_gets_it(archive: Archive, tmp_path: Path) -> None:
    with storescp(tmp_path / "in", archive.destination_port, "+xi") as folder:
        answer = move(archive.node, "-S", QueryRetrieveLevel="STUDY", StudyInstanceUID=archive.studies["chest"])
    assert answer.status == SUCCESS, answer.log
    arrived = received(folder)
    assert set(arrived) == archive.of(PatientID="P2")
    for uid, path in arrived.items():
        dataset = pydicom.dcmread(path)
        assert dataset.file_meta.TransferSyntaxUID == ImplicitVRLittleEndian
        assert dataset.pixel_array.tolist() == pydicom.dcmread(archive.files[uid]).pixel_array.tolist()


def test_what_is_in_quarantine_is_never_sent(archive: Archive, tmp_path: Path) -> None:
    keys = {
        "QueryRetrieveLevel": "IMAGE",
        "StudyInstanceUID": archive.studies["head"],
        "SeriesInstanceUID": archive.series["axial"],
        "SOPInstanceUID": archive.quarantined,
    }
    before = get(archive.node, tmp_path / "before", "-S", **keys)
    assert (before.status, received(tmp_path / "before")) == (SUCCESS, {})
