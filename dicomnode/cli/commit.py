"""``dicomnode commit``: have a peer vouch for instances."""

from __future__ import annotations

import json
from pathlib import Path

import click

from dicomnode.cli import Failed, configuration, peers, table
from dicomnode.cli.interruption import interruptible
from dicomnode.dicom.commitment import FAILURE_WORDS, Reference
from dicomnode.index import Index
from dicomnode.scu.caller import Caller
from dicomnode.services.candidates import candidates
from dicomnode.services.committing import Committing, Reports, references_of_files, references_of_studies


@click.command()
@click.argument("peer")
@click.argument("paths", metavar="[PATH]...", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--study", "studies", metavar="UID", multiple=True, help="All accepted instances of a study that is here."
)
@peers.calling_option
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(1, 86400), default=120.0, metavar="S", help="For the report.  [120]"
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object an instance.")
@configuration.option
def commit(
    peer: str,
    *,
    paths: tuple[Path, ...],
    studies: tuple[str, ...],
    calling: str | None,
    timeout_s: float,
    as_json: bool,
    config_path: Path | None,
) -> None:
    """Ask PEER to vouch for instances (Storage Commitment), and wait for what it reports. Exit 1 unless all are committed, also for
    a file that is named, or is a DICOM file, and holds no instance.

    Name studies that are here, or files. The report may come over the same association, or to the running node; then the peer has
    to know it by its AE title.

    \b
    dicomnode commit archive --study 1.2.840.113619.2.1
    dicomnode commit archive study/ --json | jq -r 'select(.committed | not) | .sop_instance_uid'
    """
    if bool(paths) == bool(studies):
        raise click.UsageError("name either files or --study UID")
    config = configuration.read(config_path)
    caller = Caller(peers.find(peer, config), peers.own_title(calling, config), config.scu)
    is_running = configuration.is_running(config)
    with configuration.open_index(config) as index:
        references, unread = _references(index, paths, studies)
        if len(references) > config.commitment.maximum_instances:
            raise Failed(
                f"{len(references)} instances are more than commitment.maximum_instances: ask for fewer at once"
            )
        committing = Committing(
            index, Reports(index, config.commitment), caller, peer=peer if peer in config.peers else ""
        )
        with interruptible() as is_interrupted:
            own = committing.commit(references, timeout_s=timeout_s, is_running=is_running, is_cancelled=is_interrupted)
    if own.failures is None:
        raise Failed(
            f"no report within {timeout_s:g} s on transaction {own.request.transaction_uid}: "
            f"does {peer} know {caller.calling_ae_title}, and where it listens?"
        )
    for reference in references:
        _tell(reference, own.failures.get(reference.sop_instance_uid), as_json=as_json)
    if not as_json:
        without = f"; {unread} files without an instance" if unread else ""
        click.echo(f"{len(references) - len(own.failures)} committed, {len(own.failures)} not{without}")
    if own.failures or unread:
        raise click.exceptions.Exit(1)


def _references(index: Index, paths: tuple[Path, ...], studies: tuple[str, ...]) -> tuple[list[Reference], int]:
    """What is asked for, each once, and how many files hold no instance, though they are named or are DICOM files; these are told.

    Raises:
        Failed: there is nothing.
    """
    if studies:
        return references_of_studies(index, studies), 0
    references: dict[str, Reference] = {}
    unread = 0
    for found in references_of_files(candidates(paths)):
        if isinstance(found, Reference):
            references.setdefault(found.sop_instance_uid, found)
        else:
            unread += 1
            click.echo(f"{click.format_filename(found[0])}: {found[1]}", err=True)
    if not references:
        raise Failed("no instance in these files")
    return list(references.values()), unread


def _tell(reference: Reference, failure: int | None, *, as_json: bool) -> None:
    words = "" if failure is None else _words(failure)
    if as_json:
        values = {
            "sop_class_uid": reference.sop_class_uid,
            "sop_instance_uid": reference.sop_instance_uid,
            "committed": failure is None,
            "failure_reason": failure,
            "reason": words,
        }
        click.echo(json.dumps(values))
    elif failure is not None:
        click.echo(f"not committed: {table.printable(reference.sop_instance_uid)}: {words}")


def _words(failure: int) -> str:
    known = next((words for reason, words in FAILURE_WORDS.items() if reason == failure), "unknown reason")
    return f"{failure:#06x} {known}"
