"""``dicomnode worklist``: what is scheduled, and why a scanner's list is empty."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import click

from dicomnode.cli import Failed, configuration, listing, worklist_entries, worklist_explanation, worklist_view
from dicomnode.dicom.keyword_form import attributes_of
from dicomnode.dicom.procedure import StepStatus
from dicomnode.errors import WorklistError
from dicomnode.index import StepKey, WorklistFilter
from dicomnode.services.worklist.files import file_of, read_entries

SUFFIXES = frozenset({".wl", ".json", ".jsonl", ".csv", ".yaml", ".yml"})
"""Files that are looked for in a folder."""
UNFINISHED = tuple(status for status in StepStatus if not status.is_final)

reason = click.option("--reason", metavar="TEXT", default="", help="Why, for the record.")
study = click.option("--study", metavar="UID", default="", help="Of this study only, where others have the same ID.")
every = click.option("--all", "every", is_flag=True, help="All that fit, not just one.")
as_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
entries_argument = click.argument("ids", metavar="ENTRY...", nargs=-1, required=True)


@click.group()
def worklist() -> None:
    """Schedule steps, list them, and find out why a scanner's list is empty.

    An ENTRY is named by its Scheduled Procedure Step ID, its Accession Number or its Study Instance UID.

    \b
    dicomnode worklist import today.csv
    dicomnode worklist list --ae CT1 --from 2026-11-24 --to 2026-11-24
    dicomnode worklist cancel S1 --reason "not fasted"
    dicomnode worklist explain --ae CT1
    """


@worklist.command()
@click.argument("assignments", metavar="KEY=VALUE...", nargs=-1, required=True)
@reason
@as_json_option
@configuration.option
def add(assignments: tuple[str, ...], *, reason: str, as_json: bool, config_path: Path | None) -> None:
    """Schedule a step, or change the one of the same study and step ID.

    A KEY is a keyword, or digits: PatientID, 0010,0020. Several values are joined by backslashes; a code is written as
    '(CODE, SCHEME, Meaning)'. Needed: PatientName, PatientID, Modality, ScheduledStationAETitle, ScheduledProcedureStepID,
    ScheduledProcedureStepStartDate, a description, and RequestedProcedureID or AccessionNumber. StudyInstanceUID is made when it is
    left out.

    \b
    dicomnode worklist add PatientName=Doe^Jane PatientID=4711 Modality=CT ScheduledStationAETitle=CT1 \\
      ScheduledProcedureStepStartDate=20261124 ScheduledProcedureStepStartTime=0930 ScheduledProcedureStepID=S1 \\
      AccessionNumber=A1 RequestedProcedureDescription="CT thorax"
    """
    pairs = [text.partition("=") for text in assignments]
    if wrong := next((text for text, (_, equals, _) in zip(assignments, pairs, strict=True) if not equals), None):
        raise click.UsageError(f"{wrong} is no KEY=VALUE")
    by = configuration.who()
    with worklist_entries.scheduling(config_path) as (scheduling, _):
        for one in scheduling.schedule(attributes_of({key: value for key, _, value in pairs}), by=by, reason=reason):
            worklist_view.tell_scheduled(one, as_json=as_json)


@worklist.command("import")
@click.argument("paths", metavar="FILE...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@reason
@as_json_option
@configuration.option
def import_(paths: tuple[Path, ...], *, reason: str, as_json: bool, config_path: Path | None) -> None:
    """Schedule what files hold: .wl (DICOM), JSON, CSV or YAML; of a folder all such files in it.

    An entry is DICOM JSON, or values by keyword; the first line of a CSV names the keywords. What cannot be taken is told, and the
    rest go on (exit 1). To import again changes nothing.

    \b
    dicomnode worklist import /var/lib/worklists/*.wl
    dicomnode worklist import today.csv
    """
    by, refused = configuration.who(), 0
    with worklist_entries.scheduling(config_path) as (scheduling, _):
        for path in _files(paths):
            try:
                entries = read_entries(path)
            except WorklistError as error:
                refused += 1
                click.echo(f"{path}: {error}", err=True)
                continue
            for number, values in enumerate(entries, 1):
                try:
                    scheduled = scheduling.schedule(attributes_of(values), by=by, reason=reason or path.name)
                except WorklistError as error:
                    refused += 1
                    click.echo(f"{path}{f', entry {number}' if len(entries) > 1 else ''}: {error}", err=True)
                    continue
                for one in scheduled:
                    worklist_view.tell_scheduled(one, as_json=as_json, file=path)
    if refused:
        raise Failed(f"{refused} refused")


@worklist.command("list")
@click.option("--ae", "ae_title", metavar="TITLE", default="", help="Scheduled for this device.")
@click.option("--modality", metavar="CS", default="", help="Modality: CT, MR, US ...")
@click.option("--patient-id", metavar="ID", default="", help="Patient ID, exactly.")
@click.option("--accession", metavar="NUMBER", default="", help="Accession Number, exactly.")
@click.option("--study", metavar="UID", default="", help="Study Instance UID.")
@listing.day_option("--from", "date_from", "Starts on this day or later: 2024-12-31.")
@listing.day_option("--to", "date_to", "Starts on this day or earlier.")
@click.option(
    "--status",
    "statuses",
    multiple=True,
    type=click.Choice([status.lower() for status in StepStatus]),
    help="Has this status; may be given several times.  [those that are not finished]",
)
@click.option("--all", "every", is_flag=True, help="Those that are finished, too.")
@listing.limit_option
@click.option("--json", "as_json", is_flag=True, help="One DICOM JSON object a line, as `import` reads it.")
@configuration.option
def list_(
    *,
    ae_title: str,
    modality: str,
    patient_id: str,
    accession: str,
    study: str,
    date_from: str,
    date_to: str,
    statuses: tuple[str, ...],
    every: bool,
    limit: int | None,
    as_json: bool,
    config_path: Path | None,
) -> None:
    """List what is scheduled, the earliest first.

    \b
    dicomnode worklist list --ae CT1 --from 2026-11-24 --to 2026-11-24
    dicomnode worklist list --status started --json
    """
    wanted = tuple(StepStatus(one.upper()) for one in statuses) or (() if every else UNFINISHED)
    filters = WorklistFilter(
        ae_title=ae_title,
        modality=modality,
        patient_id=patient_id,
        accession_number=accession,
        study_instance_uid=study,
        date_from=date_from,
        date_to=date_to,
        statuses=wanted,
    )
    with configuration.open_index(configuration.read(config_path)) as index:
        if as_json:
            for one in islice(index.worklist.entries(filters), limit):
                click.echo(json.dumps(one.entry.dataset(), ensure_ascii=False))
            return
        rows = list(islice(index.worklist.entries(filters), (limit or listing.ROWS) + 1))
    worklist_view.show_list(rows, limit)


@worklist.command()
@entries_argument
@study
@as_json_option
@configuration.option
def show(ids: tuple[str, ...], *, study: str, as_json: bool, config_path: Path | None) -> None:
    """Show entries whole, and what was done with them.

    \b
    dicomnode worklist show S1
    dicomnode worklist show A4711 --json
    """
    with worklist_entries.scheduling(config_path) as (_, index):
        for one in ids:
            for found in worklist_entries.found_by(index, one, study, every=True):
                history = index.worklist.history(*StepKey.of(found.entry))
                worklist_explanation.show_entry(found, history, as_json=as_json)


@worklist.command()
@entries_argument
@study
@every
@reason
@configuration.option
def cancel(ids: tuple[str, ...], *, study: str, every: bool, reason: str, config_path: Path | None) -> None:
    """Cancel steps: no scanner is shown them any more, they stay on record.

    \b
    dicomnode worklist cancel S1 --reason "patient not fasted"
    dicomnode worklist cancel A4711 --all
    """
    by = configuration.who()
    worklist_entries.each(
        config_path,
        ids,
        study,
        lambda scheduling, key: scheduling.cancel(key, by=by, reason=reason),
        "canceled",
        every=every,
    )


@worklist.command()
@click.argument("status", type=click.Choice([status.lower() for status in StepStatus]))
@entries_argument
@study
@every
@reason
@configuration.option
def status(
    status: str, ids: tuple[str, ...], *, study: str, every: bool, reason: str, config_path: Path | None
) -> None:
    """Give steps another STATUS.

    \b
    dicomnode worklist status arrived S1
    """
    by, wanted = configuration.who(), StepStatus(status.upper())
    worklist_entries.each(
        config_path,
        ids,
        study,
        lambda scheduling, key: scheduling.set_status(key, wanted, by=by, reason=reason),
        status,
        every=every,
    )


@worklist.command()
@entries_argument
@study
@every
@reason
@configuration.option
def remove(ids: tuple[str, ...], *, study: str, every: bool, reason: str, config_path: Path | None) -> None:
    """Take entries out; what was done with them stays on record.

    \b
    dicomnode worklist remove S1 --reason test
    """
    by = configuration.who()
    worklist_entries.each(
        config_path,
        ids,
        study,
        lambda scheduling, key: scheduling.remove(key, by=by, reason=reason),
        "removed",
        every=every,
    )


@worklist.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--all", "every", is_flag=True, help="Those that are finished, too.")
@configuration.option
def export(folder: Path, *, every: bool, config_path: Path | None) -> None:
    """Write each entry to FOLDER as a .wl file, as wlmscpfs and Orthanc read it.

    \b
    dicomnode worklist export /tmp/worklists
    """
    with configuration.open_index(configuration.read(config_path)) as index:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            count = 0
            for count, one in enumerate(
                index.worklist.entries(WorklistFilter(statuses=() if every else UNFINISHED)), 1
            ):
                (folder / f"{count:06}.wl").write_bytes(file_of(one.entry))
        except OSError as error:
            raise Failed(f"{folder} cannot be written: {error.strerror}") from error
    click.echo(f"{count} entries in {folder}")


@worklist.command()
@click.option("--ae", "ae_title", metavar="TITLE", default="", help="Of this calling AE title.")
@click.option(
    "--last", metavar="N", type=click.IntRange(min=1), default=1, help="So many queries, the newest first.  [1]"
)
@as_json_option
@configuration.option
def explain(*, ae_title: str, last: int, as_json: bool, config_path: Path | None) -> None:
    """Say why a scanner's list is empty, or not what it should be: its last query, and what nearly fits it now.

    \b
    dicomnode worklist explain --ae CT1
    """
    with configuration.open_index(configuration.read(config_path)) as index:
        queries = index.worklist_queries.latest(ae_title, count=last)
        if not queries:
            whose = f"{ae_title} has asked nothing" if ae_title else "nobody has asked anything"
            raise Failed(f"{whose} that was kept (worklist.queries_kept_hours)")
        for query in queries:
            worklist_explanation.show_query(query, index.worklist_queries.explain(query), as_json=as_json)


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(one for one in path.iterdir() if one.suffix.lower() in SUFFIXES and one.is_file())
        else:
            yield path
