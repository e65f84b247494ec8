"""What a scanner sees of the worklist: DCMTK's findscu -W against the real program."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from running_node import RunningNode, dcmtk, wait_for

WORKLIST = "1.2.840.10008.5.1.4.31"
STEP = "(0040,0100)[0]"
CSV = """\
PatientName;PatientID;PatientBirthDate;AccessionNumber;StudyInstanceUID;Modality;ScheduledStationAETitle;\
ScheduledProcedureStepStartDate;ScheduledProcedureStepStartTime;ScheduledProcedureStepID;RequestedProcedureDescription
Müller^Jörg;P1;19700101;A1;1.2.1;CT;CT1;20261124;0930;S1;CT Schädel
Doe^Jane;P2;19800101;A2;1.2.2;MR;MR1\\MR2;20261124;1830;S2;MR head
Roe^Richard;P3;19900101;A3;1.2.3;CT;CT2;20261125;0800;S3;CT thorax
Yamada^Tarou=山田^太郎=やまだ^たろう;P4;19600101;A4;1.2.4;CT;CT1;20261126;0800;S4;CT abdomen
"""
NAMES = {
    "S1": "Müller^Jörg",
    "S2": "Doe^Jane",
    "S3": "Roe^Richard",
    "S4": "Yamada^Tarou=山田^太郎=やまだ^たろう",
}


@dataclass(frozen=True)
class Answer:
    """What findscu got."""

    matches: list[Dataset]
    statuses: list[int]

    @property
    def steps(self) -> list[str]:
        return [str(match.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID) for match in self.matches]


def find(node: RunningNode, folder: Path, *keys: str, calling: str = "CT1", query: Path | None = None) -> Answer:
    """A worklist query with these keys, and always the step's ID."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("rsp*.dcm"):
        old.unlink()
    given = [part for key in (f"{STEP}.ScheduledProcedureStepID", *keys) for part in ("-k", key)]
    done = dcmtk(
        "findscu", "-d", "-W", "-X", "-od", folder, "-aet", calling, "-aec", "DICOMNODE", *given,
        "127.0.0.1", str(node.port), *([query] if query else []),
    )  # fmt: skip
    log = done.stdout + done.stderr
    statuses = [int(code, 16) for code in re.findall(r"DIMSE Status\s*: (0x[0-9a-fA-F]{4})", log)]
    assert statuses, log
    return Answer([pydicom.dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))], statuses)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node with four steps, and devices of several kinds."""
    folder = tmp_path_factory.mktemp("worklist")
    peers = {
        "own": {"ae_title": "CT2", "worklist_own_entries": "unless-asked"},
        "japan": {"ae_title": "JAPAN", "character_set": "\\ISO 2022 IR 87"},
        "latin": {"ae_title": "LATIN", "character_set": "ISO_IR 100"},
        "workstation": {"ae_title": "WORKSTATION", "may": ["query"]},
        "small": {"ae_title": "SMALL", "worklist_limit": 2},
    }
    files = folder / "files"
    files.mkdir()
    with RunningNode(folder / "node", peers=peers, worklist={"folder": str(files), "folder_interval_s": 1}) as running:
        listing = folder / "steps.csv"
        listing.write_text(CSV, "utf-8")
        done = running.cli("worklist", "import", listing)
        assert done.returncode == 0, done.stderr
        yield running


@pytest.mark.parametrize(
    ("keys", "steps"),
    [
        ((), ["S1", "S2", "S3", "S4"]),
        ((f"{STEP}.ScheduledStationAETitle=MR2",), ["S2"]),
        ((f"{STEP}.Modality=CT", f"{STEP}.ScheduledProcedureStepStartDate=20261124"), ["S1"]),
        ((f"{STEP}.ScheduledProcedureStepStartDate=20261125-",), ["S3", "S4"]),
        # one period, from the 24th at 18:00 to the 25th at 9:00, without any negotiation
        (
            (
                f"{STEP}.ScheduledProcedureStepStartDate=20261124-20261125",
                f"{STEP}.ScheduledProcedureStepStartTime=1800-0900",
            ),
            ["S2", "S3"],
        ),
        (("PatientName=*Jane",), ["S2"]),
        (("PatientName=muller*",), ["S1"]),
        (("PatientID=P3", "AccessionNumber=A3"), ["S3"]),
        (("PatientID=P3", "AccessionNumber=A1"), []),
        (("StudyInstanceUID=1.2.1\\1.2.4",), ["S1", "S4"]),
    ],
)
def test_scanner_finds_its_steps(node: RunningNode, tmp_path: Path, keys: tuple[str, ...], steps: list[str]) -> None:
    answer = find(node, tmp_path, *keys)
    assert (answer.steps, answer.statuses[-1]) == (steps, 0x0000)


def test_every_return_key_of_the_table_is_there(node: RunningNode, tmp_path: Path) -> None:
    asked = (
        "PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientWeight", "PregnancyStatus", "MedicalAlerts",
        "Allergies", "SpecialNeeds", "PatientState", "ConfidentialityConstraintOnPatientDataDescription", "AccessionNumber",
        "RequestingPhysician", "ReferringPhysicianName", "AdmissionID", "CurrentPatientLocation", "StudyInstanceUID",
        "RequestedProcedureID", "RequestedProcedureDescription", "RequestedProcedurePriority", "PatientTransportArrangements",
    )  # fmt: skip
    in_step = (
        "ScheduledStationAETitle", "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime", "Modality",
        "ScheduledPerformingPhysicianName", "ScheduledProcedureStepDescription", "ScheduledStationName",
        "ScheduledProcedureStepLocation", "ScheduledProcedureStepStatus",
    )  # fmt: skip
    references = ("(0008,1110)[0].ReferencedSOPInstanceUID", "(0008,1120)[0].ReferencedSOPInstanceUID")
    answer = find(node, tmp_path, *asked, *(f"{STEP}.{keyword}" for keyword in in_step), *references, "PatientID=P1")
    [match] = answer.matches
    assert set(answer.statuses) == {0xFF00, 0x0000}
    assert all(keyword in match for keyword in asked)
    [step] = match.ScheduledProcedureStepSequence
    assert all(keyword in step for keyword in in_step)
    assert (match.RequestedProcedureDescription, match.RequestedProcedureID) == ("CT Schädel", "A1")
    assert (step.ScheduledProcedureStepStatus, step.ScheduledStationName) == ("SCHEDULED", "")
    assert list(match.ReferencedStudySequence) == list(match.ReferencedPatientSequence) == []


def test_unsupported_key_is_said(node: RunningNode, tmp_path: Path) -> None:
    answer = find(node, tmp_path, "PatientID=P1", "StudyDescription")
    assert answer.statuses == [0xFF01, 0x0000]
    assert "StudyDescription" not in answer.matches[0]


def test_broken_range_is_refused(node: RunningNode, tmp_path: Path) -> None:
    answer = find(node, tmp_path, f"{STEP}.ScheduledProcedureStepStartDate=tomorrow")
    assert (answer.matches, answer.statuses) == ([], [0xA900])


@pytest.mark.parametrize(
    ("calling", "step", "terms", "name"),
    [
        ("CT1", "S1", "ISO_IR 192", NAMES["S1"]),
        ("LATIN", "S1", "ISO_IR 100", NAMES["S1"]),
        ("JAPAN", "S4", ["", "ISO 2022 IR 87"], NAMES["S4"]),
        ("CT1", "S4", "ISO_IR 192", NAMES["S4"]),
    ],
)
def test_names_come_in_the_device_s_set(
    node: RunningNode, tmp_path: Path, calling: str, step: str, terms: str | list[str], name: str
) -> None:
    [match] = find(node, tmp_path, f"{STEP}.ScheduledProcedureStepID={step}", "PatientName", calling=calling).matches
    assert (match.SpecificCharacterSet, str(match.PatientName)) == (terms, name)


def test_key_in_another_set_is_understood(node: RunningNode, tmp_path: Path) -> None:
    query = Dataset()
    query.SpecificCharacterSet = ["", "ISO 2022 IR 87"]
    query.PatientName = "=山田*"
    query.file_meta = FileMetaDataset()
    query.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    query.file_meta.MediaStorageSOPClassUID, query.file_meta.MediaStorageSOPInstanceUID = WORKLIST, "1.2.3"
    query.save_as(tmp_path / "query.dcm", enforce_file_format=True)
    assert find(node, tmp_path / "found", query=tmp_path / "query.dcm").steps == ["S4"]


def test_device_is_shown_its_own_and_no_more_than_it_has_room_for(node: RunningNode, tmp_path: Path) -> None:
    assert find(node, tmp_path, calling="CT2").steps == ["S3"]
    assert find(node, tmp_path, f"{STEP}.ScheduledStationAETitle=CT1", calling="CT2").steps == ["S1", "S4"]
    assert find(node, tmp_path, calling="SMALL").steps == ["S1", "S2"]


def test_device_without_the_permission_gets_nothing(node: RunningNode, tmp_path: Path) -> None:
    assert find(node, tmp_path, calling="WORKSTATION").statuses == [0x0124]


def test_fuzzy_names_are_negotiated(node: RunningNode) -> None:
    ae = AE("CT1")
    ae.add_requested_context(WORKLIST)
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid, item.service_class_application_information = WORKLIST, b"\1\1\1\1"
    association = ae.associate("127.0.0.1", node.port, ae_title="DICOMNODE", ext_neg=[item])
    assert association.is_established
    assert association.acceptor.sop_class_extended == {WORKLIST: b"\1\1\1\0"}
    query = Dataset()
    query.PatientName, query.PatientID = "jane doe", ""
    found = [identifier for status, identifier in association.send_c_find(query, WORKLIST) if identifier is not None]
    association.release()
    assert [match.PatientID for match in found] == ["P2"]


def test_canceled_step_is_shown_no_more_and_explain_says_why(node: RunningNode, tmp_path: Path) -> None:
    assert node.cli("worklist", "add", *entry("S9", station="CT9")).returncode == 0
    assert find(node, tmp_path, f"{STEP}.ScheduledStationAETitle=CT9", calling="CT9").steps == ["S9"]
    assert node.cli("worklist", "cancel", "S9", "--reason", "not fasted").returncode == 0
    assert find(node, tmp_path, f"{STEP}.ScheduledStationAETitle=CT9", calling="CT9").steps == []
    [told] = node.rows("worklist", "explain", "--ae", "CT9")
    assert told["matches"] == 0
    assert "1 entry matches but its status is CANCELED" in told["explanation"]
    log = (node.folder / "log.jsonl").read_text()
    assert all(name.partition("^")[0] not in log for name in NAMES.values())


def test_files_in_the_folder_are_followed(node: RunningNode, tmp_path: Path) -> None:
    files = Path(node.settings["worklist"]["folder"])
    assert node.cli("worklist", "export", tmp_path / "exported").returncode == 0
    exported = pydicom.dcmread(sorted((tmp_path / "exported").iterdir())[0])
    exported.StudyInstanceUID = "1.2.99"
    exported.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID = "FILE"
    exported.ScheduledProcedureStepSequence[0].ScheduledStationAETitle = "CT8"
    exported.save_as(files / "part.tmp")
    (files / "part.tmp").rename(files / "a.wl")

    def steps() -> list[str]:
        return find(node, tmp_path / "found", f"{STEP}.ScheduledStationAETitle=CT8").steps

    wait_for(lambda: steps() == ["FILE"], what="the file to be followed")
    (files / "a.wl").unlink()
    wait_for(lambda: steps() == [], what="the entry to go with its file")


def entry(step: str, *, station: str) -> list[str]:
    values: dict[str, Any] = {
        "PatientName": "Poe^Edgar",
        "PatientID": "P9",
        "AccessionNumber": "A9",
        "Modality": "CT",
        "ScheduledStationAETitle": station,
        "ScheduledProcedureStepStartDate": "20261124",
        "ScheduledProcedureStepID": step,
        "RequestedProcedureDescription": "CT head",
    }
    return [f"{keyword}={value}" for keyword, value in values.items()]
