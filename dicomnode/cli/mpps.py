"""``dicomnode mpps``: what modalities told of their procedure steps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import click

from dicomnode.cli import configuration, json_lines, listing, table
from dicomnode.dicom.performed_step import PERFORMED_STEP_ID, START_DATE, START_TIME, STATION_AE_TITLE, PerformedStatus
from dicomnode.dicom.tags import MODALITY, PATIENT_ID
from dicomnode.index.mpps import RecordedStep, StepChange, StepFilter

_STATUSES = {status.lower().replace(" ", "-"): status for status in PerformedStatus}


@click.group()
def mpps() -> None:
    """List and show the procedure steps that modalities have performed, or perform now.

    \b
    dicomnode mpps list --status in-progress
    dicomnode mpps show 1.2.840.1.2
    """


@mpps.command("list")
@click.option("--status", "statuses", multiple=True, type=click.Choice(list(_STATUSES)), help="In this state.")
@click.option("--ae", "ae_title", metavar="TITLE", default="", help="Performed by this device.")
@click.option("--modality", metavar="CS", default="", help="Modality: CT, MR, US ...")
@click.option("--patient-id", metavar="ID", default="", help="Patient ID, exactly.")
@click.option("--study", metavar="UID", default="", help="Makes instances of this study.")
@listing.day_option("--from", "date_from", "Started on this day or later: 2024-12-31.")
@listing.limit_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@configuration.option
def list_(
    *,
    statuses: tuple[str, ...],
    ae_title: str,
    modality: str,
    patient_id: str,
    study: str,
    date_from: str,
    limit: int | None,
    as_json: bool,
    config_path: Path | None,
) -> None:
    """List the steps, the newest first.

    \b
    dicomnode mpps list --status in-progress
    dicomnode mpps list --ae CT1 --from 2026-11-24 --json
    """
    filters = StepFilter(
        statuses=tuple(_STATUSES[one] for one in statuses),
        station_ae_title=ae_title,
        modality=modality,
        patient_id=patient_id,
        study_instance_uid=study,
        date_from=date_from,
    )
    with configuration.open_index(configuration.read(config_path)) as index:
        if as_json:
            for one in islice(index.performed_steps.list(filters), limit):
                click.echo(json.dumps(_summary(one), ensure_ascii=False))
            return
        rows = list(index.performed_steps.list(filters, limit=(limit or listing.ROWS) + 1))
    columns = ("Started", "Status", "Station", "Modality", "Patient ID", "Instances", "Changed", "SOP Instance UID")
    listing.show(columns, [_cells(one) for one in rows], limit, nothing="no step fits")


@mpps.command()
@click.argument("uids", metavar="UID...", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line; the step itself as DICOM JSON.")
@configuration.option
def show(uids: tuple[str, ...], *, as_json: bool, config_path: Path | None) -> None:
    """Show steps whole, and when they changed; a UID is the step's SOP Instance UID.

    \b
    dicomnode mpps show 1.2.840.1.2
    dicomnode mpps show 1.2.840.1.2 --json
    """
    with configuration.open_index(configuration.read(config_path)) as index:
        for uid in uids:
            one, history = index.performed_steps.get(uid), index.performed_steps.history(uid)
            if as_json:
                click.echo(json.dumps(_whole(one, history), ensure_ascii=False))
                continue
            for line in json_lines.lines(one.step.attributes):
                click.echo(table.printable(line))
            for change in history:
                click.echo(table.printable(f"{table.instant(change.at)}  {change.status} by {change.calling_ae_title}"))
            click.echo()


def _summary(one: RecordedStep) -> dict[str, Any]:
    step = one.step
    return {
        "sop_instance_uid": one.sop_instance_uid,
        "status": step.status,
        "performed_step_id": step.text(PERFORMED_STEP_ID),
        "station_ae_title": step.text(STATION_AE_TITLE),
        "modality": step.text(MODALITY),
        "patient_id": step.text(PATIENT_ID),
        "start_date": step.text(START_DATE),
        "start_time": step.text(START_TIME),
        "study_instance_uids": list(step.study_instance_uids),
        "series": step.series,
        "instances": len(step.sop_instance_uids),
        "calling_ae_title": one.calling_ae_title,
        "peer": one.peer,
        "created_at": one.created_at.isoformat(),
        "changed_at": one.changed_at.isoformat(),
    }


def _whole(one: RecordedStep, history: Sequence[StepChange]) -> dict[str, Any]:
    changes = [
        {"at": change.at.isoformat(), "status": change.status, "calling_ae_title": change.calling_ae_title}
        for change in history
    ]
    return {**_summary(one), "history": changes, "step": one.step.attributes}


def _cells(one: RecordedStep) -> tuple[object, ...]:
    step = one.step
    return (
        f"{step.text(START_DATE)} {step.text(START_TIME)[:4]}",
        step.status,
        step.text(STATION_AE_TITLE),
        step.text(MODALITY),
        step.text(PATIENT_ID),
        len(step.sop_instance_uids),
        table.instant(one.changed_at),
        one.sop_instance_uid,
    )
