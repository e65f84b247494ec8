"""What people see of the worklist: entries in a table, and what became of those that were put."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from dicomnode.cli import listing, table
from dicomnode.dicom.worklist_attributes import PROCEDURE_DESCRIPTION, START_DATE, START_TIME, STEP_DESCRIPTION
from dicomnode.index import ListedEntry
from dicomnode.services.worklist.scheduling import Scheduled


def tell_scheduled(one: Scheduled, *, as_json: bool, file: Path | None = None) -> None:
    """Say what became of an entry that was put."""
    entry = one.entry
    if as_json:
        outcome = {
            "outcome": one.outcome,
            "study_instance_uid": entry.study_instance_uid,
            "step_id": entry.step_id,
            "status": entry.status,
        }
        click.echo(json.dumps(outcome | ({"file": str(file)} if file else {})))
    else:
        click.echo(f"{one.outcome}: {table.printable(entry.step_id)} of study {entry.study_instance_uid}")


def show_list(rows: Sequence[ListedEntry], limit: int | None) -> None:
    """Print the first entries as a table, and say when there are more."""
    columns = (
        "Date",
        "Time",
        "Station",
        "Modality",
        "Patient ID",
        "Name",
        "Description",
        "Accession",
        "Step",
        "Status",
    )
    listing.show(columns, [_cells(one) for one in rows], limit, nothing="nothing is scheduled")


def _cells(one: ListedEntry) -> tuple[object, ...]:
    entry = one.entry
    return (
        entry.step_text(START_DATE),
        entry.step_text(START_TIME),
        ", ".join(entry.scheduled_station_ae_titles),
        entry.modality,
        entry.patient_id,
        entry.patient_name,
        entry.step_text(STEP_DESCRIPTION) or entry.text(PROCEDURE_DESCRIPTION),
        entry.accession_number,
        entry.step_id,
        entry.status,
    )
