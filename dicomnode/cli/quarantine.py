"""``dicomnode quarantine``: what was held back, and what a person does about it. ``quarantine_view`` has what only looks."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import click

from dicomnode.cli import configuration, findings, held, keys, table
from dicomnode.cli.quarantine_view import diff, show
from dicomnode.cli.reason import reason_option
from dicomnode.errors import DicomNodeError, NotReleasableError
from dicomnode.index import QuarantineEntry

ids = click.argument("ids", metavar="ID...", type=int, nargs=-1, required=True)
under_study_patient = click.option(
    "--under-study-patient",
    is_flag=True,
    help="Also when its study is another patient's: it is found as his from then on.",
)


@click.group()
def quarantine() -> None:
    """Show what was held back, correct it, let it in, or discard it.

    \b
    dicomnode quarantine list
    dicomnode quarantine show 17
    dicomnode quarantine diff 17
    dicomnode quarantine edit 17 PatientID=4711 --reason "typing error" --release
    dicomnode quarantine release 17 --reason "trauma, patient unknown"
    dicomnode quarantine discard 18 19 --reason "test images"
    """


quarantine.add_command(show)
quarantine.add_command(diff)


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
                click.echo(json.dumps(held.as_json(entry)))
        else:
            columns = ("ID", "Received", "From", "Rule", "What is wrong", "Size", "SOP Instance UID")
            table.show(columns, [_cells(entry) for entry in index.quarantine.list()], nothing="nothing is held back")


@quarantine.command()
@click.argument("entry", metavar="ID", type=int)
@click.argument("assignments", metavar="[TAG=VALUE]...", nargs=-1)
@click.option("--remove", metavar="TAG", multiple=True, help="Take an element away; may be given several times.")
@reason_option
@click.option("--release", is_flag=True, help="Let it in at once when nothing holds it back any more.")
@under_study_patient
@configuration.option
def edit(
    entry: int,
    *,
    assignments: tuple[str, ...],
    remove: tuple[str, ...],
    reason: str,
    release: bool,
    under_study_patient: bool,
    config_path: Path | None,
) -> None:
    """Correct elements of an instance, and have it judged anew; what it said before is kept in it.

    A TAG is a keyword, or digits: PatientID, 0010,0020. Values are joined by backslashes, numbers are decimal, UIDs may be changed
    too. TAG= makes an element empty. The old values go into Original Attributes Sequence (0400,0561); pixel data stays as it is.

    \b
    dicomnode quarantine edit 17 PatientID=4711 --reason "typing error" --release
    dicomnode quarantine edit 17 "PatientName=Doe^Jane" 0010,0040=F --remove OtherPatientNames --reason "by the order"
    """
    values = _values(assignments, remove)
    by = configuration.who()
    with held.service(configuration.read(config_path)) as decisions:
        now = decisions.edit(entry, values, reason=reason, by=by)
        click.echo(f"edited {entry}: {now.sop_instance_uid}")
        _tell_findings(now)
        if held.holding_back(now) is None:
            if release:
                released = decisions.release(entry, reason=reason, by=by, under_study_patient=under_study_patient)
                click.echo(f"released {entry}: {released.sop_instance_uid}")
            else:
                click.echo(f"nothing holds it back any more: dicomnode quarantine release {entry} --reason TEXT")
        elif release:
            raise NotReleasableError(f"{entry} not released: it is still held back")


@quarantine.command()
@ids
@reason_option
@under_study_patient
@configuration.option
def release(ids: tuple[int, ...], *, reason: str, under_study_patient: bool, config_path: Path | None) -> None:
    """Let instances in, whatever was found of them: queries find them from now on. Says what was found.

    One whose study is here under another Patient ID is not released, unless with --under-study-patient: correct it first, if it is
    the instance that is wrong (`quarantine edit`).

    \b
    dicomnode quarantine release 17 --reason "trauma, patient unknown"
    dicomnode quarantine release 18 --reason "old ID of the same patient" --under-study-patient
    """
    by = configuration.who()

    def decide(entry: int) -> QuarantineEntry:
        return decisions.release(entry, reason=reason, by=by, under_study_patient=under_study_patient)

    with held.service(configuration.read(config_path)) as decisions:
        _each(ids, decide, "released", then=_tell_findings)


@quarantine.command()
@ids
@reason_option
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
    with held.service(configuration.read(config_path)) as decisions:
        _each(ids, lambda entry: decisions.discard(entry, reason=reason, by=by), "discarded")


def _values(assignments: tuple[str, ...], remove: tuple[str, ...]) -> dict[int, str | None]:
    """What is to be changed, by tag.

    Raises:
        click.UsageError: that is not clear.
    """
    parted = [text.partition("=") for text in assignments]
    if unclear := next((text for text, equals, _ in parted if not equals), None):
        raise click.UsageError(f"{unclear} is no TAG=VALUE")
    wanted: list[tuple[str, str | None]] = [
        *((text, value) for text, _, value in parted),
        *((text, None) for text in remove),
    ]
    values: dict[int, str | None] = {}
    for text, value in wanted:
        tag = keys.parse_tag(text, "TAG")
        if tag in values:
            raise click.UsageError(f"{text} is named twice")
        values[tag] = value
    if not values:
        raise click.UsageError("nothing to change: name at least one TAG=VALUE")
    return values


def _tell_findings(entry: QuarantineEntry) -> None:
    """What was found of an instance, worst first."""
    for finding in sorted(entry.findings, key=lambda finding: -finding.severity):
        told = " ".join(findings.tag_text(tag) for tag in finding.tags)
        click.echo(f"  {finding.severity.name.lower()}: {finding.rule} {told} {table.printable(finding.comment)}")


def _each(
    entries: tuple[int, ...],
    decide: Callable[[int], QuarantineEntry],
    done: str,
    then: Callable[[QuarantineEntry], None] = lambda _: None,
) -> None:
    """Decide on each; one that fails does not stop the rest."""
    failures = 0
    for entry in entries:
        try:
            decided = decide(entry)
            click.echo(f"{done} {entry}: {decided.sop_instance_uid}")
            then(decided)
        except NotReleasableError as error:
            failures += 1
            click.echo(f"Error: {entry} not {done}: {error}", err=True)
            click.echo(
                f"Look at it with: dicomnode quarantine diff {entry}; then edit it, or say --under-study-patient",
                err=True,
            )
        except DicomNodeError as error:
            failures += 1
            click.echo(f"Error: {entry} not {done}: {error}", err=True)
    if failures:
        raise click.exceptions.Exit(1)


def _cells(entry: QuarantineEntry) -> tuple[object, ...]:
    worst = held.holding_back(entry)
    return (
        entry.id,
        table.instant(entry.received_at),
        entry.peer or entry.calling_ae_title,
        worst.rule if worst else "-",
        worst.comment if worst else "edited: nothing holds it back any more",
        table.size(entry.dataset_size_bytes),
        entry.sop_instance_uid,
    )
