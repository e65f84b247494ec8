"""``dicomnode studies``: what arrived."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime
from itertools import islice
from pathlib import Path

import click

from dicomnode.cli import configuration, incomplete, listing, table
from dicomnode.cli.instants import since
from dicomnode.cli.study import series_table, show_study, study_json
from dicomnode.errors import UnknownInstanceError
from dicomnode.index import SeriesRow, StudyFilter, StudyRow


@click.command()
@click.argument("uid", metavar="[UID]", default="")
@click.option("--judge", is_flag=True, help="Judge the study with this UID now.")
@click.option("--patient-id", metavar="ID", default="", help="Patient ID, exactly.")
@click.option("--patient-name", metavar="NAME", default="", help="Patient's Name; * stands for anything: 'Doe^*'.")
@click.option("--accession", metavar="NUMBER", default="", help="Accession Number, exactly.")
@click.option("--study", metavar="UID", default="", help="Study Instance UID.")
@click.option("--modality", metavar="CS", default="", help="Has a series of this Modality: CT, MR, US ...")
@listing.day_option("--from", "date_from", "Study Date, this day or later: 2024-12-31.")
@listing.day_option("--to", "date_to", "Study Date, this day or earlier.")
@click.option("--description", metavar="TEXT", default="", help="Study Description; * stands for anything: '*head*'.")
@click.option("--study-id", metavar="ID", default="", help="Study ID, exactly.")
@click.option(
    "--received-since",
    metavar="TIME",
    callback=since,
    help="An instance came in this time: 90m, 24h, 7d; or after a date: 2024-12-31.",
)
@click.option("--series", "series_of", metavar="UID", default="", help="List the series of this study instead.")
@click.option(
    "--incomplete", "is_incomplete", is_flag=True, help="List what is not complete, and what is missing, instead."
)
@listing.limit_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@configuration.option
def studies(
    uid: str,
    *,
    judge: bool,
    patient_id: str,
    patient_name: str,
    accession: str,
    study: str,
    modality: str,
    date_from: str,
    date_to: str,
    description: str,
    study_id: str,
    received_since: datetime | None,
    series_of: str,
    is_incomplete: bool,
    limit: int | None,
    as_json: bool,
    config_path: Path | None,
) -> None:
    """List the studies that the node holds, the one that began to arrive last first; what is in quarantine is not among them.

    With a Study Instance UID: show this study, its series, and what was found of it as a whole when it was complete: missing
    slices, Instance Numbers that come twice, a patient who changes in between. Exit code 1 when it is not here.

    \b
    dicomnode studies
    dicomnode studies --modality CT --from 2024-12-01
    dicomnode studies --patient-name 'Doe*' --json
    dicomnode studies --received-since 24h
    dicomnode studies --series 1.2.840.1
    dicomnode studies 1.2.840.1 --judge
    dicomnode studies --incomplete
    """
    filters = StudyFilter(
        patient_id=patient_id,
        patient_name=patient_name,
        accession_number=accession,
        study_instance_uid=study,
        modality=modality,
        date_from=date_from,
        date_to=date_to,
        description=description,
        study_id=study_id,
        received_since=received_since,
    )
    if (series_of and filters != StudyFilter()) or (is_incomplete and (series_of or filters != StudyFilter())):
        raise click.UsageError(f"{'--incomplete' if is_incomplete else '--series'} stands alone")
    if uid and (series_of or limit or is_incomplete or filters != StudyFilter()):
        raise click.UsageError("a UID stands alone")
    if judge and not uid:
        raise click.UsageError("--judge needs the UID of a study")
    if uid:
        show_study(configuration.read(config_path), uid, judges=judge, as_json=as_json)
        return
    with configuration.open_index(configuration.read(config_path)) as index:
        if is_incomplete:
            incomplete.show(islice(index.completeness.incomplete(), limit), as_json=as_json)
        elif series_of:
            series = index.series(series_of)
            if not series:
                raise UnknownInstanceError(f"no study {series_of}")
            _show_series(series[:limit], as_json=as_json)
        elif as_json:
            for row in islice(index.studies(filters), limit):
                click.echo(json.dumps(study_json(row)))
        else:
            _show(list(islice(index.studies(filters), (limit or listing.ROWS) + 1)), limit)


def _show(rows: list[StudyRow], limit: int | None) -> None:
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
    listing.show(columns, [_cells(row) for row in rows], limit, nothing="no study fits")


def _show_series(rows: list[SeriesRow], *, as_json: bool) -> None:
    if as_json:
        for row in rows:
            click.echo(json.dumps(dataclasses.asdict(row)))
        return
    series_table(rows)


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
