"""``dicomnode quarantine``: what was held back, and what a person decides about it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from dicomnode.cli import configuration, findings, table
from dicomnode.config import Config
from dicomnode.errors import DicomNodeError
from dicomnode.files import Files
from dicomnode.index import Durability, QuarantineEntry
from dicomnode.prepare import FILES_NAME
from dicomnode.services.quarantine import Quarantine

ids = click.argument("ids", metavar="ID...", type=int, nargs=-1, required=True)
reason = click.option("--reason", metavar="TEXT", required=True, help="Why; it is recorded with your name.")


@click.group()
def quarantine() -> None:
    """Show what was held back, let it in, or discard it.

    \b
    dicomnode quarantine list
    dicomnode quarantine release 17 --reason "trauma, patient unknown"
    dicomnode quarantine discard 18 19 --reason "test images"
    """


@quarantine.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@configuration.option
def list_(*, as_json: bool, config_path: Path | None) -> None:
    """List what waits for a decision, the oldest first, and why it was held back.

    \b
    dicomnode quarantine list
    dicomnode quarantine list --json | jq -r .rule | sort | uniq -c
    """
    with configuration.open_index(configuration.read(config_path)) as index:
        if as_json:
            for entry in index.quarantine.list():
                click.echo(json.dumps(_as_json(entry)))
        else:
            columns = ("ID", "Received", "From", "Rule", "What is wrong", "Size", "SOP Instance UID")
            table.show(columns, [_cells(entry) for entry in index.quarantine.list()], nothing="nothing is held back")


@quarantine.command()
@ids
@reason
@configuration.option
def release(ids: tuple[int, ...], *, reason: str, config_path: Path | None) -> None:
    """Let instances in: queries find them from now on.

    \b
    dicomnode quarantine release 17 --reason "trauma, patient unknown"
    """
    by = configuration.who()
    with _service(configuration.read(config_path)) as service:
        _each(ids, lambda entry: service.release(entry, reason=reason, by=by), "released")


@quarantine.command()
@ids
@reason
@click.option("--yes", is_flag=True, help="Do not ask.")
@configuration.option
def discard(ids: tuple[int, ...], *, reason: str, yes: bool, config_path: Path | None) -> None:
    """Decide against instances: their files are removed for good, a record of each stays.

    \b
    dicomnode quarantine discard 18 19 --reason "test images"
    """
    if not yes:
        if not sys.stdin.isatty():
            raise click.UsageError("files would be removed for good: say --yes")
        click.confirm(f"Remove {len(ids)} instance(s) for good?", abort=True)
    by = configuration.who()
    with _service(configuration.read(config_path)) as service:
        _each(ids, lambda entry: service.discard(entry, reason=reason, by=by), "discarded")


@contextmanager
def _service(config: Config) -> Iterator[Quarantine]:
    with configuration.open_index(config) as index:
        files = Files(config.data / FILES_NAME, "cli", config.files, durable=config.durability is Durability.FULL)
        try:
            yield Quarantine(index, files)
        finally:
            files.close()


def _each(entries: tuple[int, ...], decide: Callable[[int], QuarantineEntry], done: str) -> None:
    """Decide on each; one that fails does not stop the rest."""
    failures = 0
    for entry in entries:
        try:
            click.echo(f"{done} {entry}: {decide(entry).sop_instance_uid}")
        except DicomNodeError as error:
            failures += 1
            click.echo(f"Error: {entry} not {done}: {error}", err=True)
    if failures:
        raise click.exceptions.Exit(1)


def _as_json(entry: QuarantineEntry) -> dict[str, object]:
    worst = max(entry.findings, key=lambda finding: finding.severity)
    return {
        "id": entry.id,
        "rule": worst.rule,
        "comment": worst.comment,
        "received_at": entry.received_at.isoformat(),
        "calling_ae_title": entry.calling_ae_title,
        "peer": entry.peer,
        "sop_class_uid": entry.sop_class_uid,
        "sop_instance_uid": entry.sop_instance_uid,
        "series_instance_uid": entry.series_instance_uid,
        "study_instance_uid": entry.study_instance_uid,
        "size_bytes": entry.dataset_size_bytes,
        "findings": [findings.as_json(finding) for finding in entry.findings],
    }


def _cells(entry: QuarantineEntry) -> tuple[object, ...]:
    worst = max(entry.findings, key=lambda finding: finding.severity)
    return (
        entry.id,
        table.instant(entry.received_at),
        entry.peer or entry.calling_ae_title,
        worst.rule,
        worst.comment,
        table.size(entry.dataset_size_bytes),
        entry.sop_instance_uid,
    )
