"""``dicomnode outbox``: what the node owes others, and what a person does about what was given up."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click

from dicomnode.cli import configuration, table
from dicomnode.cli.reason import reason_option
from dicomnode.errors import DicomNodeError
from dicomnode.index import DebtState, OutboxEntry

ids = click.argument("ids", metavar="ID...", type=int, nargs=-1, required=True)


@click.group()
def outbox() -> None:
    """Show what the node owes others, have it tried again, or drop it.

    \b
    dicomnode outbox list --dead
    dicomnode outbox show 17
    dicomnode outbox retry 17
    dicomnode outbox drop 17 18 --reason "the workstation is gone"
    """


@outbox.command("list")
@click.option("--dead", is_flag=True, help="Only what was given up.")
@click.option("--dropped", is_flag=True, help="Only what people dropped.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@configuration.option
def list_(*, dead: bool, dropped: bool, as_json: bool, config_path: Path | None) -> None:
    """List what waits and what was given up, in the order in which it was owed.

    \b
    dicomnode outbox list
    dicomnode outbox list --dead --json | jq -r .destination | sort | uniq -c
    """
    states = [DebtState.DEAD] if dead else [DebtState.WAITING, DebtState.DEAD]
    if dropped:
        states = [DebtState.DROPPED, *([DebtState.DEAD] if dead else [])]
    with configuration.open_index(configuration.read(config_path)) as index:
        if as_json:
            for entry in index.outbox.list(*states):
                click.echo(json.dumps(_as_json(entry)))
        else:
            columns = ("ID", "Owed", "To", "What", "Attempts", "State", "Why")
            rows = [_cells(entry) for entry in index.outbox.list(*states)]
            table.show(columns, rows, nothing="nothing is owed to anybody")


@outbox.command()
@click.argument("entry", metavar="ID", type=int)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@configuration.option
def show(entry: int, *, as_json: bool, config_path: Path | None) -> None:
    """Show all that is known of one entry, with what it carries: that may tell of a patient.

    \b
    dicomnode outbox show 17
    """
    with configuration.open_index(configuration.read(config_path)) as index:
        found = index.outbox.get(entry)
    values = _as_json(found) | {"payload": dict(found.payload)}
    if as_json:
        click.echo(json.dumps(values))
        return
    for name, value in values.items():
        text = json.dumps(value) if isinstance(value, dict) else str("-" if value in (None, "") else value)
        click.echo(f"{name.replace('_', ' '):<12} {table.printable(text)}")


@outbox.command()
@ids
@configuration.option
def retry(ids: tuple[int, ...], *, config_path: Path | None) -> None:
    """Have entries tried now, also those that were given up; the running node does it within about a second.

    \b
    dicomnode outbox retry 17 18
    """
    by = configuration.who()
    with configuration.open_index(configuration.read(config_path)) as index:
        _each(ids, lambda entry: index.outbox.retry(entry, by=by), "to be tried again")


@outbox.command()
@ids
@reason_option
@configuration.option
def drop(ids: tuple[int, ...], *, reason: str, config_path: Path | None) -> None:
    """Decide against entries: they are never delivered. A record stays for a while (list --dropped).

    \b
    dicomnode outbox drop 17 18 --reason "the workstation is gone"
    """
    by = configuration.who()
    with configuration.open_index(configuration.read(config_path)) as index:
        _each(ids, lambda entry: index.outbox.drop(entry, reason=reason, by=by), "dropped")


def _each(entries: tuple[int, ...], decide: Callable[[int], None], done: str) -> None:
    """Decide on each; one that fails does not stop the rest."""
    failures = 0
    for entry in entries:
        try:
            decide(entry)
            click.echo(f"{done}: {entry}")
        except DicomNodeError as error:
            failures += 1
            click.echo(f"Error: {error}", err=True)
    if failures:
        raise click.exceptions.Exit(1)


def _state(entry: OutboxEntry) -> str:
    if entry.state is not DebtState.WAITING:
        return str(entry.state)
    if entry.is_leased:
        return "under way"
    return f"waiting, due {'now' if entry.due_at <= datetime.now(UTC) else table.instant(entry.due_at)}"


def _cells(entry: OutboxEntry) -> tuple[object, ...]:
    destination = entry.destination or "(the node itself)"
    return entry.id, table.instant(entry.owed_at), destination, entry.kind, entry.attempts, _state(entry), entry.reason


def _as_json(entry: OutboxEntry) -> dict[str, object]:
    return {
        "id": entry.id,
        "kind": entry.kind,
        "destination": entry.destination,
        "key": entry.key,
        "state": str(entry.state),
        "under_way": entry.is_leased,
        "attempts": entry.attempts,
        "reason": entry.reason,
        "owed_at": entry.owed_at.isoformat(),
        "due_at": entry.due_at.isoformat(),
        "failed_at": entry.failed_at.isoformat() if entry.failed_at else None,
        "by": entry.by,
    }
