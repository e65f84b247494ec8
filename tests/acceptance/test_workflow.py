"""From order to archive: HL7, the scanner's worklist, its procedure step, its images, their commitment, the complete study."""

from __future__ import annotations

from pathlib import Path

import pydicom
from factories import ct
from modality import begun, ended, scheduled
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    CTImageStorage,
    ModalityPerformedProcedureStep,
)
from running_node import RunningNode, dcmtk, free_port, wait_for
from scanner import Modality

STEP = "ScheduledProcedureStepSequence[0]"
MAPPING = """
step:
  ScheduledStationAETitle: {from: OBR-24, values: {CT: CT1}}
"""
ORDER = "\r".join(
    (
        "MSH|^~\\&|RIS|HOSPITAL|DICOMNODE|RADIOLOGY|20260105101500||ORM^O01|M1|P|2.3.1||||||8859/1",
        "PID|||4711^^^HOSPITAL^MR||Müller^Anna||19700101|F",
        "PV1||O|ER^1^2|||||77^WELBY^MARCUS|||||||||||V100",
        "ORC|NW|PL1|FL1||SC||^^^20260105110000^^S",
        "OBR||PL1|FL1|CTH^CT Head^L||||||||||||||ACC1|RP1|SPS1||||CT",
        "ZDS|1.2.840.99.4711^^Application^DICOM",
        "",
    )
)


def test_order_becomes_a_complete_study(tmp_path: Path) -> None:
    hl7_port, scanner_port = free_port(), free_port()
    settings = {
        "peers": {"ct1": {"ae_title": "CT1", "host": "127.0.0.1", "port": scanner_port}},
        "hl7": {"listeners": [{"host": "127.0.0.1", "port": hl7_port}], "mapping": str(tmp_path / "mapping.yaml")},
        "delivery": {"first_retry_s": 0.2, "longest_retry_s": 0.5},
        "processes": {"workers": 1},
    }
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    order = tmp_path / "order.hl7"
    order.write_text(ORDER, "latin-1")
    with RunningNode(tmp_path / "node", **settings) as node, Modality(node.port, scanner_port) as scanner:
        done = node.cli("hl7", "send", order, "--to", f"127.0.0.1:{hl7_port}")
        assert done.returncode == 0, done.stdout + done.stderr

        entry = only_entry(node, tmp_path / "before")
        assert (str(entry.PatientName), entry.AccessionNumber) == ("Müller^Anna", "ACC1")
        study = str(entry.StudyInstanceUID)
        item = scheduled(
            study,
            AccessionNumber=entry.AccessionNumber,
            ScheduledProcedureStepID=entry.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID,
        )
        images = [
            ct(StudyInstanceUID=study, SeriesInstanceUID=f"{study}.1", PatientID="4711", PatientName="Müller^Anna")
            for _ in range(3)
        ]
        names = [str(image.SOPInstanceUID) for image in images]
        entity = AE("CT1")
        entity.add_requested_context(ModalityPerformedProcedureStep)
        entity.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
        association = entity.associate("127.0.0.1", node.port, ae_title="DICOMNODE")
        assert association.is_established
        try:
            begin = begun(item, PatientID="4711", PatientName="Müller^Anna", SpecificCharacterSet="ISO_IR 100")
            uid = f"{study}.9"
            assert association.send_n_create(begin, ModalityPerformedProcedureStep, uid)[0].Status == 0
            assert entries(node, tmp_path / "during") == []  # a step that has begun is shown no more
            for image in images[:2]:
                assert association.send_c_store(image).Status == 0
            assert association.send_n_set(ended(*names), ModalityPerformedProcedureStep, uid)[0].Status == 0
            assert [row["missing"] for row in node.rows("studies", "--incomplete")] == [names[2:]]
            assert association.send_c_store(images[2]).Status == 0
        finally:
            association.abort()

        status, transaction = scanner.ask(*((CTImageStorage, name) for name in names))
        assert status == 0
        report = scanner.reports.get(timeout=60)
        assert (report.event_type_id, report.dataset.TransactionUID) == (1, transaction)
        assert sorted(report.committed) == sorted(names)
        [told] = wait_for(lambda: node.events("study.completed", study_instance_uid=study), what="the end")
        assert (told["source"], told["instances"], told["missing"]) == ("performed-step", 3, 0)
        assert node.rows("studies", "--incomplete") == []
        [shown] = node.rows("worklist", "show", "SPS1")
        assert [record["status"] for record in shown["history"]] == ["SCHEDULED", "STARTED", "COMPLETED"]


def only_entry(node: RunningNode, folder: Path) -> pydicom.Dataset:
    """The one entry that the scanner is shown."""
    [entry] = entries(node, folder)
    return entry


def entries(node: RunningNode, folder: Path) -> list[pydicom.Dataset]:
    """What findscu gets of the worklist."""
    folder.mkdir()
    keys = [
        f"{STEP}.ScheduledStationAETitle",
        f"{STEP}.ScheduledProcedureStepID",
        f"{STEP}.Modality=CT",
        "PatientName",
        "AccessionNumber",
        "StudyInstanceUID",
    ]
    options = [part for key in keys for part in ("-k", key)]
    done = dcmtk(
        "findscu", "-W", "-X", "-od", folder, "-aet", "CT1", "-aec", "DICOMNODE", *options, "127.0.0.1", str(node.port)
    )
    assert done.returncode == 0, done.stderr
    return [pydicom.dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]
