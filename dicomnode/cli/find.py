"""``dicomnode find``: what does a peer have?"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import click
from pydicom._uid_dict import UID_dictionary

from dicomnode.cli import Failed, configuration, find_worklist, keys, listing, peers, table
from dicomnode.cli.interruption import interruptible
from dicomnode.dicom.json_model import dataset_json
from dicomnode.dicom.query.model import UNIQUE_KEYS, Level, Model
from dicomnode.dicom.scanned import ScannedDataset
from dicomnode.dicom.tags import SOP_CLASS_UID
from dicomnode.dicom.value_representation import dictionary_vr
from dicomnode.scu import query
from dicomnode.scu.caller import Caller

_MODELS = {"study": Model.STUDY_ROOT, "patient": Model.PATIENT_ROOT}
_NUMBERS = frozenset({b"IS", b"US", b"UL"})


@click.command()
@click.argument("peer")
@click.option("--patient-id", metavar="ID", default="", help="Patient ID.")
@click.option("--patient-name", metavar="NAME", default="", help="Patient's Name; * stands for anything: 'Doe^*'.")
@click.option("--accession", metavar="NUMBER", default="", help="Accession Number.")
@click.option("--study", metavar="UID", default="", help="Study Instance UID; several joined by backslashes.")
@click.option("--series", metavar="UID", default="", help="Series Instance UID.")
@click.option("--modality", metavar="CS", default="", help="CT, MR, US ...; of a study: of any of its series.")
@listing.day_option("--from", "date_from", "Study Date, this day or later: 2024-12-31.")
@listing.day_option("--to", "date_to", "Study Date, this day or earlier.")
@click.option("--description", metavar="TEXT", default="", help="Study or Series Description; * stands for anything.")
@click.option(
    "--level",
    type=click.Choice([level.lower() for level in Level]),
    help="What to list.  [study; with --series: image]",
)
@click.option("--root", type=click.Choice(list(_MODELS)), help="Information model.  [study; at patient level: patient]")
@click.option("--key", "more_keys", metavar="TAG=VALUE", multiple=True, help="Any other key: BodyPartExamined=HEAD.")
@click.option("--return", "more_tags", metavar="TAG", multiple=True, help="Show this too: StationName, 0008,1010.")
@click.option("--relational", is_flag=True, help="Below study level without the UIDs of the levels above.")
@click.option("--worklist", "of_worklist", is_flag=True, help="What is scheduled there (Modality Worklist).")
@listing.limit_option
@peers.calling_option
@peers.timeout_option
@click.option("--json", "as_json", is_flag=True, help="One DICOM JSON object a line.")
@configuration.option
def find(
    peer: str,
    *,
    more_keys: tuple[str, ...],
    more_tags: tuple[str, ...],
    level: str | None,
    root: str | None,
    relational: bool,
    of_worklist: bool,
    limit: int | None,
    calling: str | None,
    timeout_s: float | None,
    as_json: bool,
    config_path: Path | None,
    series: str,
    date_from: str,
    date_to: str,
    **filters: str,
) -> None:
    """Ask PEER (its name in the configuration, or AET@HOST:PORT) what it has (C-FIND).

    \b
    dicomnode find archive --patient-name 'Doe*' --from 2024-12-01
    dicomnode find archive --level series --study 1.2.3
    dicomnode find PACS@pacs.example.org:104 --modality CT --return StationName --json
    dicomnode find ris --worklist --key ScheduledStationAETitle=CT1 --from 2026-11-24 --to 2026-11-24
    """
    filters |= {"series": series, "dates": keys.date_range(date_from, date_to)}
    given = keys.parse_keys(more_keys)
    returned = [keys.parse_tag(tag, "--return") for tag in more_tags]
    columns: Mapping[str, int]
    asked: query.Query | query.WorklistQuery
    if of_worklist:
        if level or root or relational:
            raise click.UsageError("a worklist has no --level, --root or --relational")
        columns = dict(find_worklist.COLUMNS) | keys.headings([*given, *returned], find_worklist.COLUMNS)
        asked = find_worklist.query_of(filters, given, list(columns.values()))
    else:
        columns, asked = _asked(filters, given, returned, level=level, root=root, relational=relational)
    config = configuration.read(config_path)
    called, calling_ae_title = peers.find(peer, config), peers.own_title(calling, config)
    shown = limit if as_json else limit or listing.ROWS
    with interruptible() as is_cancelled:
        caller = Caller(called, calling_ae_title, peers.scu_settings(config, timeout_s), is_cancelled)
        found = query.find(caller, asked, shown + 1 if shown else None)
        _print(found, None if as_json else columns, shown, find_worklist.cell if of_worklist else _cell)
        if is_cancelled():
            raise Failed("interrupted: there may be more")


def _asked(
    filters: Mapping[str, str],
    given: Mapping[int, str],
    returned: Sequence[int],
    *,
    level: str | None,
    root: str | None,
    relational: bool,
) -> tuple[Mapping[str, int], query.Query]:
    """The columns of the table, and the query for them."""
    at = Level((level or ("image" if filters["series"] else "study")).upper())
    model = _MODELS[root or ("patient" if at is Level.PATIENT else "study")]
    wanted = keys.matched(at, filters, relational=relational) | dict(given)
    keys.check(wanted)
    if not relational:
        keys.check_hierarchy(at, model, wanted)
    above = [UNIQUE_KEYS[one] for one in keys.levels_above(at, model)]
    columns = keys.columns(at, model, [*(tag for tag in above if tag not in wanted), *given, *returned])
    return columns, query.Query(at, dict.fromkeys(columns.values(), "") | wanted, model, relational)


def _print(
    found: Iterator[ScannedDataset],
    columns: Mapping[str, int] | None,
    limit: int | None,
    cell: Callable[[ScannedDataset, int], object],
) -> None:
    """A table of these columns, or JSON; what came before a failure, too."""
    rows: list[tuple[object, ...]] = []
    count = 0
    try:
        for dataset in found:
            count += 1
            if limit is not None and count > limit:
                continue
            if columns is None:
                click.echo(json.dumps(dataset_json(dataset), ensure_ascii=False))
            else:
                rows.append(tuple(cell(dataset, tag) for tag in columns.values()))
    finally:
        if columns is not None and (rows or sys.exception() is None):
            table.show(tuple(columns), rows, nothing="nothing fits")
    if limit is not None and count > limit:
        click.echo(f"and more: --limit shows more than {limit}", err=True)


def _cell(dataset: ScannedDataset, tag: int) -> object:
    number = dataset.integer(tag) if dictionary_vr(tag) in _NUMBERS else None
    if number is not None:
        return number
    text = (dataset.text(tag) or "").replace("\\", ", ")
    return UID_dictionary.get(text, (text,))[0] if tag == SOP_CLASS_UID else text
