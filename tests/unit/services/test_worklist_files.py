"""Worklist entries from files of every form, and to .wl files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from unit.dicom.worklist_entries import entry

from dicomnode.dicom.keyword_form import attributes_of
from dicomnode.dicom.procedure import WorklistEntry
from dicomnode.dicom.tags import PATIENT_NAME
from dicomnode.dicom.worklist_attributes import PROTOCOL_CODE_SEQUENCE
from dicomnode.errors import WorklistError
from dicomnode.services.worklist.files import dataset_attributes, file_of, read_entries

FLAT = {
    "PatientName": "Müller^Anna",
    "PatientID": "0815",
    "AccessionNumber": "A1",
    "StudyInstanceUID": "1.2.3",
    "RequestedProcedureDescription": "CT Thorax",
    "ScheduledStationAETitle": "CT1\\CT2",
    "ScheduledProcedureStepStartDate": "20261124",
    "ScheduledProcedureStepStartTime": "0930",
    "ScheduledProcedureStepID": "S1",
    "Modality": "CT",
    "ScheduledProtocolCodeSequence": '(P1, 99X, "Thorax, low dose")',
    "PatientWeight": "70.5",
    "PregnancyStatus": "4",
}

YAML = """
PatientName: Müller^Anna
PatientID: "0815"
AccessionNumber: A1
StudyInstanceUID: 1.2.3
RequestedProcedureDescription: CT Thorax
ScheduledStationAETitle: [CT1, CT2]
ScheduledProcedureStepStartDate: 20261124
ScheduledProcedureStepStartTime: 0930
ScheduledProcedureStepID: S1
Modality: CT
ScheduledProtocolCodeSequence:
  - {CodeValue: P1, CodingSchemeDesignator: 99X, CodeMeaning: "Thorax, low dose"}
PatientWeight: 70.5
PregnancyStatus: 4
"""


def as_csv(separator: str) -> str:
    def quoted(value: str) -> str:
        return '"' + value.replace('"', '""') + '"'

    return "\n".join((separator.join(FLAT), separator.join(map(quoted, FLAT.values()))))


FORMS: dict[str, Callable[[], str]] = {
    "flat.json": lambda: json.dumps(FLAT),
    "array.json": lambda: json.dumps([FLAT]),
    "lines.jsonl": lambda: json.dumps(FLAT) + "\n",
    "dicom.json": lambda: json.dumps(WorklistEntry.of(attributes_of(FLAT)).dataset()),
    "commas.csv": lambda: "\ufeff" + as_csv(","),
    "semicolons.csv": lambda: as_csv(";"),
    "one.yaml": lambda: YAML,
    "list.yml": lambda: "- " + YAML.strip().replace("\n", "\n  "),
}


def read(path: Path) -> list[dict[str, Any]]:
    return list(map(attributes_of, read_entries(path)))


@pytest.mark.parametrize("name", FORMS)
def test_every_form_means_the_same_entry(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(FORMS[name](), "utf-8")
    [made] = map(WorklistEntry.of, read(path))
    assert (made.patient_id, made.step_id, made.start) == ("0815", "S1", "202611240930")
    assert made.scheduled_station_ae_titles == ("CT1", "CT2")
    assert made.text(PATIENT_NAME) == "Müller^Anna"
    [code] = made.step[f"{PROTOCOL_CODE_SEQUENCE:08X}"]["Value"]
    assert code["00080104"]["Value"] == ["Thorax, low dose"]
    assert float(made.text(0x00101030)) == 70.5
    assert made.attributes["001021C0"]["Value"] == [4]


def dicom_file(folder: Path, *, name: str = "x.wl", character_set: str = "ISO_IR 100", head: bool = True) -> Path:
    dataset = Dataset.from_json(entry(PatientName="Müller^Anna", PatientID="0815").dataset())
    dataset.SpecificCharacterSet = character_set
    path = folder / name
    if head:
        dataset.SOPClassUID, dataset.SOPInstanceUID = "1.2.840.10008.5.1.4.31", "1.2.3"
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dcmwrite(path, dataset, enforce_file_format=True)
    else:
        dcmwrite(path, dataset, implicit_vr=True, little_endian=True)
    return path


@pytest.mark.parametrize("head", [True, False])
def test_dicom_file_is_read_with_and_without_a_head(tmp_path: Path, head: bool) -> None:
    [read_] = read(dicom_file(tmp_path, head=head))
    assert WorklistEntry.of(read_).text(PATIENT_NAME) == "Müller^Anna"


def test_what_is_written_is_read_as_the_same(tmp_path: Path) -> None:
    made = entry(PatientName="Müller^Anna=山田", PatientWeight=[70.5], ScheduledProcedureStepStatus="ARRIVED")
    assert WorklistEntry.of(dataset_attributes(file_of(made))) == made
    path = tmp_path / "x.wl"
    path.write_bytes(file_of(made))
    assert dcmread(path).ScheduledProcedureStepSequence[0].ScheduledProcedureStepStatus == "ARRIVED"


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("x.json", b"{", "no JSON"),
        ("x.json", b"[1]", "object"),
        ("x.json", b"\xff", "UTF-8"),
        ("x.json", b'{"PatientNam": "x"}', "PatientNam"),
        ("x.json", b'{"PatientID": {"a": 1}}', "PatientID"),
        ("x.json", b'{"PregnancyStatus": "x"}', "PregnancyStatus"),
        ("x.json", b'{"RequestedProcedureCodeSequence": "CT"}', "RequestedProcedureCodeSequence"),
        ("x.json", b"[" * 100_000, "no JSON"),
        ("x.yaml", b"a: [", "no YAML"),
        ("x.yaml", b"- - 1", "object"),
        ("x.csv", b"PatientID,Modality\n1,CT,more", "CSV"),
        ("x.wl", b"", "DICOM"),
        ("x.wl", b"hello, this is no DICOM file at all", "DICOM"),
        ("x.xml", b"<a/>", "DICOM"),
    ],
)
def test_refuses_what_is_no_worklist_file(name: str, content: bytes, what: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(WorklistError, match=what):
        read(path)


def test_refuses_file_that_is_cut_off(tmp_path: Path) -> None:
    path = dicom_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(WorklistError, match="not yet whole"):
        read(path)


def test_refuses_text_in_an_unknown_character_set(tmp_path: Path) -> None:
    path = dicom_file(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"ISO_IR 100", b"ISO_IR 999"))
    with pytest.raises(WorklistError, match="Specific Character Set"):
        read(path)


def test_refuses_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(WorklistError, match="cannot be read"):
        read(tmp_path / "x.wl")
