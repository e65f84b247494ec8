"""``dicomnode studies UID``: one study, its series, and the verdict on it."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from dicomnode import parts
from dicomnode.cli import configuration, findings, table
from dicomnode.config import Config
from dicomnode.errors import UnknownInstanceError
from dicomnode.index import Durability, Index, SeriesRow, StudyFilter, StudyRow, StudyVerdict
from dicomnode.services.study_verdict import StudyJudgement


def show_study(config: Config, uid: str, *, judges: bool, as_json: bool) -> None:
    """Print the study.

    Args:
        judges: judge it first.

    Raises:
        UnknownInstanceError: it is not here.
    """
    with configuration.open_index(config) as index:
        row = next(index.studies(StudyFilter(study_instance_uid=uid), limit=1), None)
        if row is None:
            raise UnknownInstanceError(f"no study {uid}")
        if judges:
            with _judgement(config, index) as judgement:
                judgement.judge(uid)
        series, verdict = index.series(uid), index.study_verdicts.of(uid)
    if as_json:
        shown = study_json(row) | {
            "series_rows": [dataclasses.asdict(one) for one in series],
            "verdict": None if verdict is None else _verdict_json(verdict),
        }
        click.echo(json.dumps(shown))
        return
    _show(row, series, verdict)


def series_table(rows: Sequence[SeriesRow]) -> None:
    """Print the series of a study."""
    columns = ("Number", "Modality", "Description", "Instances", "Series Instance UID")
    cells = [(row.series_number, row.modality, row.description, row.instances, row.series_instance_uid) for row in rows]
    table.show(columns, cells, nothing="no such study")


def study_json(row: StudyRow) -> dict[str, object]:
    """A study as an object."""
    return dataclasses.asdict(row) | {"last_received_at": row.last_received_at.isoformat()}


@contextmanager
def _judgement(config: Config, index: Index) -> Iterator[StudyJudgement]:
    files = parts.open_files(config, "cli", durability=Durability.FAST)
    try:
        yield StudyJudgement(index, files, config.qa.severities)
    finally:
        files.close()


def _verdict_json(verdict: StudyVerdict) -> dict[str, object]:
    return {
        "judged_at": verdict.judged_at.isoformat(),
        "instances": verdict.instances,
        "rule_set": verdict.rule_set,
        "severity": verdict.severity.name.lower(),
        "findings": [
            findings.as_json(finding) | {"path": "", "series_instance_uid": finding.path}
            for finding in verdict.findings
        ],
    }


def _show(row: StudyRow, series: Sequence[SeriesRow], verdict: StudyVerdict | None) -> None:
    described = (
        ("Study", row.study_instance_uid),
        ("Patient", f"{row.patient_id} {row.patient_name}".strip()),
        ("Date", row.study_date),
        ("Description", row.description),
        ("Instances", f"{row.instances} in {row.series} series, {row.quarantined} in quarantine"),
        ("Received", f"{table.instant(row.last_received_at)} from {row.calling_ae_title}"),
    )
    for name, value in described:
        click.echo(f"{name + ':':<13}{table.printable(value)}")
    click.echo()
    series_table(series)
    if verdict is None:
        click.echo("not judged yet as a whole: --judge does it now")
        return
    since = (
        "" if verdict.instances == row.instances else f" (of {verdict.instances} instances; it has {row.instances} now)"
    )
    click.echo(f"judged {table.instant(verdict.judged_at)}{since}")
    table.show(
        ("Severity", "Rule", "What was found", "Series Instance UID"),
        [(one.severity.name.lower(), one.rule, one.comment, one.path) for one in verdict.findings],
        nothing="nothing was found",
    )
