"""``dicomnode quarantine show`` and ``diff``: what is in a held back instance, and how it differs from what is accepted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
from pydicom.datadict import dictionary_description, dictionary_has_tag

from dicomnode.cli import configuration, findings, table
from dicomnode.cli.held import as_json, service
from dicomnode.dicom.instance import Finding
from dicomnode.dicom.json_model import dataset_json
from dicomnode.dicom.listing import Line, lines
from dicomnode.dicom.transfer_syntax import transfer_syntax
from dicomnode.index import QuarantineEntry
from dicomnode.services.quarantine import Difference

_SHOWN_CHARACTERS = 64
_ABSENT = "(absent)"
_AGAINST = {"instance": "Accepted instance", "study": "Known of patient and study"}

entry_id = click.argument("entry", metavar="ID", type=int)
Marks = Mapping[tuple[str, int], str]
"""The worst severity that was found, by path and tag."""


@click.command()
@entry_id
@click.option("--json", "as_object", is_flag=True, help="One JSON object; its dataset is DICOM JSON (PS3.18 Annex F).")
@configuration.option
def show(entry: int, *, as_object: bool, config_path: Path | None) -> None:
    """Show what was found of an instance, and its data set, offending elements marked with "!".

    \b
    dicomnode quarantine show 17
    dicomnode quarantine show 17 --json | jq '.dataset["00100020"]'
    """
    with service(configuration.read(config_path)) as decisions:
        held = decisions.get(entry)
        with decisions.dataset(held) as scanned:
            if as_object:
                uri = decisions.path(held).as_uri()
                is_inflated = transfer_syntax(held.transfer_syntax_uid).deflated

                def where(offset: int, length: int | None) -> str:
                    if is_inflated:
                        return uri
                    return f"{uri}?offset={held.dataset_offset + offset}" + (
                        "" if length is None else f"&length={length}"
                    )

                click.echo(json.dumps(as_json(held) | {"dataset": dataset_json(scanned, where)}))
                return
            listed = list(lines(scanned))
    _show_entry(held)
    table.show(("", "Tag", "Name", "VR", "Value"), list(_rows(listed, held.findings)), nothing="no element can be read")


@click.command()
@entry_id
@click.option("--json", "as_object", is_flag=True, help="One JSON object.")
@configuration.option
def diff(entry: int, *, as_object: bool, config_path: Path | None) -> None:
    """Show how an instance differs from the accepted one of its UID, else from what is known of its patient and study.

    Encoding makes no difference. Of pixel data its size and digest are shown.

    \b
    dicomnode quarantine diff 17
    """
    with service(configuration.read(config_path)) as decisions:
        held = decisions.get(entry)
        comparison = decisions.compare(held)
    if as_object:
        differences = [_difference_json(one) for one in comparison.differences]
        click.echo(json.dumps({"id": entry, "against": comparison.against, "differences": differences}))
        return
    rows = [
        (f"{one.path}{findings.tag_text(one.tag)}", name(one.tag), _cut(one.held), _cut(one.accepted))
        for one in comparison.differences
    ]
    table.show(("Tag", "Name", f"In quarantine ({entry})", _AGAINST[comparison.against]), rows, nothing="no difference")


def name(tag: int) -> str:
    """What the data dictionary calls an element; empty for a private one."""
    return dictionary_description(tag) if dictionary_has_tag(tag) else ""


def _show_entry(held: QuarantineEntry) -> None:
    click.echo(f"{held.id}: {table.printable(held.sop_instance_uid)}")
    received = f"received {table.instant(held.received_at)} from {table.printable(held.peer or held.calling_ae_title)}"
    syntax = transfer_syntax(held.transfer_syntax_uid).name or held.transfer_syntax_uid
    click.echo(f"{received}, {table.size(held.dataset_size_bytes)}, {syntax}")
    rows = [
        (
            finding.severity.name.lower(),
            finding.rule,
            " ".join(f"{finding.path}{findings.tag_text(tag)}" for tag in finding.tags),
            finding.comment,
            finding.reference,
        )
        for finding in sorted(held.findings, key=lambda finding: -finding.severity)
    ]
    columns = ("Severity", "Rule", "Elements", "What is wrong", "Standard")
    table.show(columns, rows, nothing="nothing is found of it")


def _rows(listed: list[Line], found: tuple[Finding, ...]) -> Iterator[tuple[str, ...]]:
    """The elements, and where findings point at absent ones, those too."""
    offending = {(finding.path, tag) for finding in found for tag in finding.tags}
    here = {(line.path, line.tag) for line in listed}
    rows = list(listed)
    for path, tag in sorted(offending - here):
        behind = (at for at, line in enumerate(rows) if line.path == path and line.tag > tag)
        last = max((at for at, line in enumerate(rows) if line.path.startswith(path)), default=len(rows) - 1)
        rows.insert(next(behind, last + 1), Line(path, tag, "", _ABSENT))
    for line in rows:
        mark = "!" if (line.path, line.tag) in offending else ""
        indent = "  " * line.path.count("[")
        yield mark, indent + findings.tag_text(line.tag), name(line.tag), line.vr, _cut(line.value)


def _difference_json(one: Difference) -> dict[str, object]:
    tag = findings.tag_text(one.tag)
    return {"path": one.path, "tag": tag, "name": name(one.tag), "quarantined": one.held, "accepted": one.accepted}


def _cut(value: str | None) -> str:
    if value is None:
        return _ABSENT
    return value if len(value) <= _SHOWN_CHARACTERS else f"{value[: _SHOWN_CHARACTERS - 3]}..."
