"""What a modality tells of its procedure steps (PS3.4 Table F.7.2-1), complete, and changed as a test needs it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import CTImageStorage, generate_uid
from pynetdicom.dsutils import encode

EXPLICIT_LE = "1.2.840.10008.1.2.1"

_ONCE = {
    "PatientName": "Doe^Jane",
    "PatientID": "4711",
    "PatientBirthDate": "19700101",
    "PatientSex": "F",
    "ReferencedPatientSequence": [],
    "StudyID": "",
    "PerformedStationName": "",
    "PerformedLocation": "",
    "PerformedProcedureStepID": "PPS1",
    "PerformedStationAETitle": "CT1",
    "PerformedProcedureStepStartDate": "20260105",
    "PerformedProcedureStepStartTime": "101500",
    "Modality": "CT",
}
_CHANGEABLE = {
    "PerformedProcedureStepStatus": "IN PROGRESS",
    "PerformedProcedureStepDescription": "",
    "PerformedProcedureTypeDescription": "",
    "ProcedureCodeSequence": [],
    "PerformedProtocolCodeSequence": [],
    "PerformedProcedureStepEndDate": "",
    "PerformedProcedureStepEndTime": "",
    "PerformedSeriesSequence": [],
}


def dataset(**values: Any) -> Dataset:
    """A data set of these attributes; None leaves one out."""
    made = Dataset()
    for keyword, value in values.items():
        if value is not None:
            is_sequence = isinstance(value, list) and all(isinstance(item, Dataset) for item in value)
            setattr(made, keyword, Sequence(value) if is_sequence else value)
    return made


def scheduled(study: str = "", **values: Any) -> Dataset:
    """An item of Scheduled Step Attributes Sequence; unscheduled work unless it is changed."""
    usual = {
        "StudyInstanceUID": study or generate_uid(),
        "AccessionNumber": "",
        "ReferencedStudySequence": [],
        "RequestedProcedureID": "",
        "RequestedProcedureDescription": "",
        "ScheduledProcedureStepID": "",
        "ScheduledProcedureStepDescription": "",
        "ScheduledProtocolCodeSequence": [],
    }
    return dataset(**(usual | values))


def begun(*steps: Dataset, **values: Any) -> Dataset:
    """What an N-CREATE says."""
    items = {"ScheduledStepAttributesSequence": list(steps) or [scheduled()]}
    return dataset(**(_ONCE | _CHANGEABLE | items | values))


def series(*instances: str, **values: Any) -> Dataset:
    """An item of Performed Series Sequence with these images."""
    images = [dataset(ReferencedSOPClassUID=CTImageStorage, ReferencedSOPInstanceUID=uid) for uid in instances]
    usual = {
        "SeriesInstanceUID": generate_uid(),
        "ProtocolName": "Head",
        "PerformingPhysicianName": "",
        "OperatorsName": "",
        "SeriesDescription": "",
        "RetrieveAETitle": "",
        "ReferencedImageSequence": images,
        "ReferencedNonImageCompositeSOPInstanceSequence": [],
    }
    return dataset(**(usual | values))


def ended(*instances: str, status: str = "COMPLETED", **values: Any) -> Dataset:
    """What the last N-SET says, with one series of these images."""
    usual = {
        "PerformedProcedureStepStatus": status,
        "PerformedProcedureStepEndDate": "20260105",
        "PerformedProcedureStepEndTime": "103000",
        "PerformedSeriesSequence": [series(*instances)],
    }
    return dataset(**(usual | values))


def reason(value: str, scheme: str = "DCM") -> dict[str, Any]:
    """Why a step was discontinued."""
    code = dataset(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning="why")
    return {"PerformedProcedureStepDiscontinuationReasonCodeSequence": [code]}


def written(made: Dataset) -> bytes:
    """The data set in Explicit VR Little Endian."""
    data = encode(made, is_implicit_vr=False, is_little_endian=True)
    assert data is not None
    return data


def uids(count: int) -> Iterable[str]:
    """New UIDs."""
    return [generate_uid() for _ in range(count)]
