"""``dicomnode retrieve``: have a peer send what it has, into a folder or to another Application Entity."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from dicomnode.cli import Failed, configuration, peers, table
from dicomnode.cli.interruption import interruptible
from dicomnode.cli.sub_operations import showing
from dicomnode.config import Config
from dicomnode.dicom import status
from dicomnode.dicom.peer import check_ae_title
from dicomnode.dicom.query.identifier import Level, Selection
from dicomnode.dicom.sub_operations import SubOperations
from dicomnode.errors import NoContextError, PeerError
from dicomnode.files.export import ExportFolder
from dicomnode.scu import inventory
from dicomnode.scu import retrieve as scu
from dicomnode.scu.caller import Caller
from dicomnode.scu.storage_contexts import is_uid
from dicomnode.services.fetching import Fetching

LISTED = 20
"""Failed instances that a person is shown; --json tells all."""


@dataclass(slots=True)
class Outcome:
    """How a retrieval ended: the last response, or what went wrong before one came."""

    last: scu.Progress | None = None
    error: PeerError | None = None

    @property
    def counts(self) -> SubOperations:
        """As the peer tells them; zeros when it tells none."""
        return (self.last and self.last.counts) or SubOperations()


@click.command()
@click.argument("peer")
@click.option("--patient-id", metavar="ID", default="", help="All of this patient.")
@click.option("--study", "studies", metavar="UID", multiple=True, help="This study; may be given again.")
@click.option("--series", metavar="UID", multiple=True, help="This series, with its --study; may be given again.")
@click.option("--instance", "instances", metavar="UID", multiple=True, help="This instance, with --study and --series.")
@click.option("--to", "target", metavar="FOLDER|AET", required=True, help="A folder, or who else gets it.")
@click.option(
    "--get", "way", flag_value="get", help="--to is a folder: C-GET.  [when it is one, or has a / or . first]"
)
@click.option("--move", "way", flag_value="move", help="--to is an AE title that PEER knows, or a peer: C-MOVE.")
@peers.calling_option
@peers.timeout_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@configuration.option
def retrieve(
    peer: str,
    *,
    patient_id: str,
    studies: tuple[str, ...],
    series: tuple[str, ...],
    instances: tuple[str, ...],
    target: str,
    way: str | None,
    calling: str | None,
    timeout_s: float | None,
    as_json: bool,
    config_path: Path | None,
) -> None:
    """Have PEER (its name in the configuration, or AET@HOST:PORT) send what it has.

    \b
    dicomnode retrieve archive --study 1.2.3 --to ./study
    dicomnode retrieve archive --study 1.2.3 --series 1.2.3.4 --to WORKSTATION --move
    """
    selection = _selection(patient_id, studies, series, instances)
    config = configuration.read(config_path)
    called, calling_ae_title = peers.find(peer, config), peers.own_title(calling, config)
    settings = peers.scu_settings(config, timeout_s)
    is_get = way == "get" or (way is None and _is_folder(target))
    destination = "" if is_get else _destination(target, config)
    fetching = None
    with interruptible() as is_cancelled:
        caller = Caller(called, calling_ae_title, settings, is_cancelled)
        found = inventory.Inventory(selection)
        if is_get or not inventory.is_complete(selection):
            found = inventory.take_inventory(caller, selection, with_sop_classes=is_get)
        if is_get:
            fetching = Fetching(ExportFolder(Path(target)), found.selection)
            responses = scu.get(caller, found.selection, found.sop_class_uids, fetching)
        else:
            responses = scu.move(caller, found.selection, destination)
        outcome = _follow(responses, fetching)
    if fetching is not None:
        fetching.folder.sync()
    _report(outcome, fetching, destination or target, as_json=as_json)
    why = _why_failed(outcome, fetching)
    if why:
        raise Failed(why)


def _selection(
    patient_id: str, studies: tuple[str, ...], series: tuple[str, ...], instances: tuple[str, ...]
) -> Selection:
    """What the options name: the lowest level that is given, inside at most one of each level above (PS3.4 Section C.4.2.2.1)."""
    for option, uids in (("--study", studies), ("--series", series), ("--instance", instances)):
        for uid in uids:
            if not is_uid(uid):
                raise click.BadParameter(f"{uid} is no UID", param_hint=option)
    if patient_id and (studies or series or instances):
        raise click.UsageError("--patient-id stands alone")
    if (len(studies) > 1 and (series or instances)) or (len(series) > 1 and instances):
        raise click.UsageError("one study at a time with --series, and one series at a time with --instance")
    if instances:
        return Selection(Level.IMAGE, study_uids=studies, series_uids=series, sop_instance_uids=instances)
    if series:
        return Selection(Level.SERIES, study_uids=studies, series_uids=series)
    if studies:
        return Selection(Level.STUDY, study_uids=studies)
    if patient_id and not any(character in patient_id for character in "*?\\"):
        return Selection(Level.PATIENT, patient_id=patient_id)
    raise click.UsageError("what to retrieve is needed: --study, --series, --instance, or one --patient-id")


def _is_folder(target: str) -> bool:
    return "/" in target or target.startswith(".") or Path(target).is_dir()


def _destination(target: str, config: Config) -> str:
    if target in config.peers:
        return config.peers[target].ae_title
    try:
        return check_ae_title(target)
    except ValueError as error:
        raise click.BadParameter(f"{error}; a folder is written ./{target}", param_hint="--to") from error


def _follow(responses: Iterator[scu.Progress], fetching: Fetching | None) -> Outcome:
    """Show how far it is until it ends."""
    outcome = Outcome()
    with showing() as show:

        def tell() -> None:
            if fetching is None:
                show(outcome.counts, None)
                return
            done = SubOperations(completed=len(fetching.kept), failed=len(fetching.refused))
            show(outcome.counts if outcome.last else done, fetching.size_bytes)

        if fetching is not None:
            fetching.tell = tell
        try:
            for outcome.last in responses:
                tell()
        except NoContextError as error:
            hint = "; it may send to an AE title that it knows: --to AET --move" if fetching is not None else ""
            outcome.error = PeerError(f"{error}{hint}")
        except PeerError as error:
            outcome.error = error
    return outcome


def _report(outcome: Outcome, fetching: Fetching | None, target: str, *, as_json: bool) -> None:
    last, counts = outcome.last, outcome.counts
    failed = last.failed_sop_instance_uids if last else ()
    refused = fetching.refused if fetching else []
    if as_json:
        answer: dict[str, object] = {
            "status": last.status if last and last.is_last else None,
            "told": str(outcome.error) if outcome.error else last.told if last else "",
            "completed": counts.completed,
            "failed": counts.failed,
            "warning": counts.warning,
            "failed_sop_instance_uids": failed,
        }
        if fetching is None:
            answer |= {"destination": target}
        else:
            answer |= {
                "folder": target,
                "received": len(fetching.kept),
                "size_bytes": fetching.size_bytes,
                "refused": [{"sop_instance_uid": one.sop_instance_uid, "reason": one.reason} for one in refused],
            }
        click.echo(json.dumps(answer))
        return
    if fetching is None:
        click.echo(f"{counts.completed + counts.warning} instances sent to {target}", nl=False)
    else:
        click.echo(f"{len(fetching.kept)} instances ({table.size(fetching.size_bytes)}) in {target}", nl=False)
    click.echo(f"; {counts.failed} failed, {counts.warning} with a warning")
    lines = [f"refused: {one.sop_instance_uid}: {one.reason}" for one in refused]
    lines += [f"failed: {uid}" for uid in failed if uid not in {one.sop_instance_uid for one in refused}]
    for line in lines[:LISTED]:
        click.echo(table.printable(line), err=True)
    if len(lines) > LISTED:
        click.echo(f"and {len(lines) - LISTED} more: --json tells all", err=True)


def _why_failed(outcome: Outcome, fetching: Fetching | None) -> str:
    """Why not all has come; empty when it has."""
    if outcome.error is not None or outcome.last is None:
        return str(outcome.error)
    last, counts = outcome.last, outcome.counts
    refused = len(fetching.refused) if fetching else 0
    if last.status == status.CANCEL:
        return f"interrupted: {counts.remaining} not sent" if counts.remaining else "interrupted"
    if refused and last.status == status.SUCCESS:
        return f"{refused} of what came was not kept, though the peer ended with Success"
    has_failures = counts.failed or refused or last.failed_sop_instance_uids
    # 0xB000 says that there were failures or warnings: nobody knows which, unless it is told
    is_unclear = last.status != status.SUCCESS and not counts.warning
    if not status.is_success(last.status) or has_failures or is_unclear:
        hint = "; to write into a folder: --get" if last.status == status.MOVE_DESTINATION_UNKNOWN else ""
        return f"ended with {last.told}{hint}"
    has_come = len(fetching.kept) if fetching else counts.completed + counts.warning
    if not has_come and (fetching is not None or last.counts is not None):
        return "nothing that matches is there"
    return ""
