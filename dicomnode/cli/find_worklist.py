"""A worklist query from options: which attribute each one stands for, and what a table shows of the answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import click

from dicomnode.cli import keys
from dicomnode.dicom.scanned import ScannedDataset
from dicomnode.dicom.tags import ACCESSION_NUMBER, MODALITY, PATIENT_ID, PATIENT_NAME, STUDY_INSTANCE_UID
from dicomnode.dicom.worklist_attributes import (
    PROCEDURE_DESCRIPTION,
    SCHEDULED_PROCEDURE_STEP_SEQUENCE,
    SCHEDULED_STATION_AE_TITLE,
    START_DATE,
    START_TIME,
    STEP,
    STEP_DESCRIPTION,
    STEP_ID,
)
from dicomnode.scu.query import WorklistQuery

COLUMNS: Final[Mapping[str, int]] = {
    "Date": START_DATE,
    "Time": START_TIME,
    "Station": SCHEDULED_STATION_AE_TITLE,
    "Modality": MODALITY,
    "Patient ID": PATIENT_ID,
    "Name": PATIENT_NAME,
    "Step": STEP_DESCRIPTION,
    "Procedure": PROCEDURE_DESCRIPTION,
    "Accession": ACCESSION_NUMBER,
    "Step ID": STEP_ID,
    "Study Instance UID": STUDY_INSTANCE_UID,
}
"""What a table shows, and so what is asked for."""
_FILTERS: Final[Mapping[str, int]] = {
    "patient_id": PATIENT_ID,
    "patient_name": PATIENT_NAME,
    "accession": ACCESSION_NUMBER,
    "dates": START_DATE,
    "study": STUDY_INSTANCE_UID,
    "modality": MODALITY,
    "description": STEP_DESCRIPTION,
}


def query_of(filters: Mapping[str, str], given: Mapping[int, str], shown: Sequence[int]) -> WorklistQuery:
    """The query that these options mean.

    Args:
        filters: values by option.
        given: any other keys.
        shown: what is asked for, whatever it is.

    Raises:
        click.UsageError: an option says nothing of a worklist, or a value cannot be written.
    """
    if unknown := next((name for name, value in filters.items() if value and name not in _FILTERS), None):
        raise click.UsageError(f"--{unknown.replace('_', '-')} says nothing of a worklist")
    wanted = {_FILTERS[name]: value for name, value in filters.items() if value} | dict(given)
    keys.check(wanted)
    asked = dict.fromkeys(shown, "") | wanted
    return WorklistQuery(
        {tag: value for tag, value in asked.items() if tag not in STEP},
        {tag: value for tag, value in asked.items() if tag in STEP},
    )


def cell(dataset: ScannedDataset, tag: int) -> object:
    """The value of an attribute, as a table shows it."""
    items = dataset.items.get(SCHEDULED_PROCEDURE_STEP_SEQUENCE, ()) if tag in STEP else ()
    text = dataset.text(tag, items[0]) if items else dataset.text(tag)
    return (text or "").replace("\\", ", ")
