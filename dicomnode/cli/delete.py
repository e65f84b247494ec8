"""``dicomnode delete``: a study, a series or an instance taken out of the archive."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from dicomnode.cli import configuration, table
from dicomnode.config import Config
from dicomnode.errors import UnknownInstanceError
from dicomnode.files import spare_room
from dicomnode.index import Durability, Holding, Scope
from dicomnode.prepare import FILES_NAME
from dicomnode.services.deletion import Deleted, Deletion


@click.command()
@click.option("--study", "study_instance_uid", metavar="UID", default="", help="All of the study with this UID.")
@click.option("--series", "series_instance_uid", metavar="UID", default="", help="All of the series with this UID.")
@click.option("--instance", "sop_instance_uid", metavar="UID", default="", help="The instance with this UID.")
@click.option("--reason", metavar="TEXT", default="", help="Why; it is recorded with your name.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@configuration.option
def delete(
    *,
    study_instance_uid: str,
    series_instance_uid: str,
    sop_instance_uid: str,
    reason: str,
    yes: bool,
    as_json: bool,
    config_path: Path | None,
) -> None:
    """Delete a study, a series or an instance for good: its files are removed, a record of each instance stays.

    What is in quarantine stays there, and so does what arrives after you were asked.

    \b
    dicomnode delete --study 1.2.840.113619.2.55.3 --reason "sent by mistake"
    dicomnode delete --instance 1.2.840.113619.2.55.3.1.7 --yes
    """
    scope = Scope(study_instance_uid, series_instance_uid, sop_instance_uid)
    if sum(map(bool, (study_instance_uid, series_instance_uid, sop_instance_uid))) != 1:
        raise click.UsageError("name one of --study, --series and --instance")
    if not yes and not sys.stdin.isatty():
        raise click.UsageError("files would be removed for good: say --yes")
    by = configuration.who()
    config = configuration.read(config_path)
    configuration.enter_data_folder(config)
    with spare_room(config.data):
        holding, deleted = _delete(config, scope, reason=reason, by=by, ask=not yes)
    if as_json:
        click.echo(json.dumps(_as_json(holding, deleted)))
    else:
        click.echo(f"deleted {_number(deleted.instances)}, {table.size(deleted.size_bytes)}")
        if holding.quarantined:
            click.echo(
                f"{_number(holding.quarantined)} of this {scope.level} in quarantine: dicomnode quarantine discard removes those",
                err=True,
            )


def _delete(config: Config, scope: Scope, *, reason: str, by: str, ask: bool) -> tuple[Holding, Deleted]:
    """What was held, and what of it is deleted."""
    with configuration.open_index(
        config, Durability.FULL
    ) as index:  # what goes must not come back as a row without its file
        deletion = Deletion(index, config.data / FILES_NAME)
        holding = deletion.holding(scope)
        if not holding.instances:
            raise UnknownInstanceError(
                f"nothing of {scope.level} {scope.uid} was accepted; {_number(holding.quarantined)} of it in quarantine: "
                "dicomnode quarantine discard removes those"
            )
        if ask:
            click.echo(_summary(holding), err=True)
            click.confirm("Delete for good?", abort=True, err=True)
        deletion.finish()
        return holding, deletion.delete(holding, reason=reason, by=by)


def _summary(holding: Holding) -> str:
    scope = holding.scope
    what = f"{scope.level} {scope.uid}: {holding.series} series, {_number(holding.instances)}"
    return f"{what}, {table.size(holding.size_bytes)}"


def _number(instances: int) -> str:
    return f"{instances} instance{'' if instances == 1 else 's'}"


def _as_json(holding: Holding, deleted: Deleted) -> dict[str, object]:
    scope = holding.scope
    return {
        "level": scope.level,
        "uid": scope.uid,
        "series": holding.series,
        "instances": deleted.instances,
        "size_bytes": deleted.size_bytes,
        "quarantined": holding.quarantined,
    }
