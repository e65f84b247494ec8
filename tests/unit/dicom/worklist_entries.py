"""Entries of the worklist for tests."""

from __future__ import annotations

import itertools
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword

from dicomnode.dicom.procedure import WorklistEntry
from dicomnode.dicom.worklist_attributes import STEP

_numbers = itertools.count(1)


def attributes(**values: object) -> dict[str, Any]:
    """DICOM JSON of a whole entry; ``values`` by keyword: text, several joined by backslashes, None to leave one out."""
    number = next(_numbers)
    usual: dict[str, object] = {
        "PatientName": "Müller^Anna",
        "PatientID": f"P{number}",
        "RequestedProcedureID": f"RP{number}",
        "RequestedProcedureDescription": "CT Thorax",
        "AccessionNumber": f"A{number}",
        "StudyInstanceUID": f"1.2.3.{number}",
        "ScheduledStationAETitle": "CT1",
        "ScheduledProcedureStepStartDate": "20261124",
        "ScheduledProcedureStepStartTime": "0930",
        "ScheduledProcedureStepID": f"S{number}",
        "Modality": "CT",
    }
    dataset: dict[str, Any] = {}
    step: dict[str, Any] = {}
    for keyword, value in {**usual, **values}.items():
        tag = tag_for_keyword(keyword)
        assert tag is not None, keyword
        if value is None:
            continue
        parts = value if isinstance(value, list) else str(value).split("\\")
        (step if tag in STEP else dataset)[f"{tag:08X}"] = {"vr": dictionary_VR(tag), "Value": parts}
    return {**dataset, "00400100": {"vr": "SQ", "Value": [step]}}


def entry(**values: object) -> WorklistEntry:
    """An entry with these attributes; the rest is as usual."""
    return WorklistEntry.of(attributes(**values))
