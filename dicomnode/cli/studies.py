"""``dicomnode studies``: what arrived."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from itertools import islice
from pathlib import Path

import click

from dicomnode.cli import configuration, table
from dicomnode.index import StudyFilter, StudyRow

ROWS = 100
"""Studies that a person is shown when nobody says how many."""

date = click.DateTime(["%Y-%m-%d", "%Y%m%d"])


@click.command()
@click.option("--patient-id", metavar="ID", default="", help="Patient ID, exactly.")
@click.option("--patient-name", metavar="NAME", default="", help="Patient's Name; * stands for anything: 'Doe^*'.")
@click.option("--accession", metavar="NUMBER", default="", help="Accession Number, exactly.")
@click.option("--study", metavar="UID", default="", help="Study Instance UID.")
@click.option("--modality", metavar="CS", default="", help="Has a series of this Modality: CT, MR, US ...")
@click.option("--from", "date_from", metavar="DATE", type=date, help="Study Date, this day or later: 2024-12-31.")
@click.option("--to", "date_to", metavar="DATE", type=date, help="Study Date, this day or earlier.")
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help=f"At most so many.  [{ROWS}; with --json: all]")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@configuration.option
def studies(
    *,
    patient_id: str,
    patient_name: str,
    accession: str,
    study: str,
    modality: str,
    date_from: datetime | None,
    date_to: datetime | None,
    limit: int | None,
    as_json: bool,
    config_path: Path | None,
) -> None:
    """List the studies that the node holds, the last that arrived first; what is in quarantine is not among them.

    \b
    dicomnode studies
    dicomnode studies --modality CT --from 2024-12-01
    dicomnode studies --patient-name 'Doe*' --json
    """
    filters = StudyFilter(
        patient_id=patient_id,
        patient_name=patient_name,
        accession_number=accession,
        study_instance_uid=study,
        modality=modality,
        date_from=f"{date_from:%Y%m%d}" if date_from else "",
        date_to=f"{date_to:%Y%m%d}" if date_to else "",
    )
    with configuration.open_index(configuration.read(config_path)) as index:
        if as_json:
            for row in islice(index.studies(filters), limit):
                click.echo(json.dumps(_as_json(row)))
        else:
            _show(list(islice(index.studies(filters), (limit or ROWS) + 1)), limit or ROWS)


def _as_json(row: StudyRow) -> dict[str, object]:
    return dataclasses.asdict(row) | {"last_received_at": row.last_received_at.isoformat()}


def _show(rows: list[StudyRow], limit: int) -> None:
    columns = (
        "Date",
        "Patient ID",
        "Name",
        "Description",
        "Modality",
        "Series",
        "Instances",
        "Size",
        "Received",
        "From",
    )
    table.show(columns, [_cells(row) for row in rows[:limit]], nothing="no study fits")
    if len(rows) > limit:
        click.echo(f"and more: --limit shows more than {limit}", err=True)


def _cells(row: StudyRow) -> tuple[object, ...]:
    return (
        row.study_date,
        row.patient_id,
        row.patient_name,
        row.description,
        ", ".join(row.modalities),
        row.series,
        row.instances,
        table.size(row.size_bytes),
        table.instant(row.last_received_at),
        row.calling_ae_title,
    )
