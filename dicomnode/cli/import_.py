"""``dicomnode import``: files taken in as if they had been sent."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO

import click

from dicomnode import parts
from dicomnode.cli import Failed, configuration, findings, peers, progress, table
from dicomnode.cli.interruption import interruptible
from dicomnode.config import Config
from dicomnode.errors import StorageError
from dicomnode.index import Durability
from dicomnode.prepare import prepare_here
from dicomnode.services.candidates import candidates
from dicomnode.services.importing import Imported, Importer, Mode, Outcome

MOST_SHOWN = 1000
"""Files in the table at the end."""


@click.command("import")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--copy", is_flag=True, help="Leave the files.  [the default]")
@click.option("--move", is_flag=True, help="Remove each file once it is kept.")
@click.option("--in-place", is_flag=True, help="Do not copy: index each file where it is.")
@peers.sender_option("IMPORT")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file.")
@click.option("--report", metavar="FILE", type=click.File("w", lazy=False), help="Write these objects to FILE, too.")
@configuration.option
def import_(
    *,
    paths: tuple[Path, ...],
    copy: bool,
    move: bool,
    in_place: bool,
    as_ae: str | None,
    as_json: bool,
    report: IO[str] | None,
    config_path: Path | None,
) -> None:
    """Take in files, and all DICOM files in folders and below: checked, and kept, as if they had been sent.

    Files are known by their content. What is here already is passed over quickly, so an import that was interrupted is
    just started again. One that is refused, held back or damaged is told, and the rest go on (exit 1).

    \b
    dicomnode import /mnt/cd
    dicomnode import /mnt/old-archive --in-place --report import.jsonl
    """
    if copy + move + in_place > 1:
        raise click.UsageError("name one of --copy, --move and --in-place")
    mode = Mode.MOVE if move else Mode.IN_PLACE if in_place else Mode.COPY
    config = configuration.read(config_path)
    own = config.data.resolve()
    if inside := next((path for path in paths if path.resolve().is_relative_to(own)), None):
        raise click.UsageError(f"{inside} is in the node's own data folder")
    summary = _Summary()
    started = time.monotonic()
    stopped_by = ""
    with (
        _importer(config, mode, as_ae) as importer,
        interruptible() as is_interrupted,
        progress.files(lambda: candidates(paths, without=own)) as advance,
    ):
        try:
            for imported in importer.run(candidates(paths, without=own), stop=is_interrupted):
                advance()
                summary.add(imported)
                if imported.outcome is not Outcome.SKIPPED:
                    _write(imported, report=report, as_json=as_json)
        except StorageError as error:
            stopped_by = f"stopped: {error}; start it again when that is mended"
    if not as_json:
        summary.show(time.monotonic() - started)
    if stopped_by or is_interrupted():
        raise Failed(stopped_by or "interrupted: start it again for the rest")
    if summary.troubles:
        raise click.exceptions.Exit(1)


@contextmanager
def _importer(config: Config, mode: Mode, calling_ae_title: str | None) -> Iterator[Importer]:
    """What takes files in, beside a running node or without one; a file that goes has to be on the disk, whatever is configured."""
    configuration.enter_data_folder(config, without_index=True)
    if not configuration.is_running(config):
        prepare_here(config.data, config.index)
    durability = Durability.FULL if mode is Mode.MOVE else config.durability
    with (
        configuration.open_index(config, durability) as index,
        closing(parts.open_files(config, "import", durability=durability)) as files,
    ):
        yield Importer(
            storage=parts.storage(config, files, index),
            files=files,
            index=index,
            mode=mode,
            durable=durability is Durability.FULL,
            called_ae_title=config.ae_title,
            calling_ae_title=calling_ae_title,
        )


class _Summary:
    """How many files came to what, and those that somebody has to look after."""

    def __init__(self) -> None:
        self._counts: Counter[Outcome] = Counter()
        self._shown: list[Imported] = []
        self.troubles = 0

    def add(self, imported: Imported) -> None:
        self._counts[imported.outcome] += 1
        if imported.is_well:
            return
        self.troubles += 1
        if len(self._shown) < MOST_SHOWN:
            self._shown.append(imported)

    def show(self, duration_s: float) -> None:
        if self._shown:
            table.show(("File", "Outcome", "Status", "What is wrong"), [_cells(one) for one in self._shown], nothing="")
        if self.troubles > MOST_SHOWN:
            click.echo(f"and {self.troubles - MOST_SHOWN} more: --report names them all")
        counts = [f"{self._counts[outcome]} {outcome}" for outcome in Outcome if self._counts[outcome]]
        files = self._counts.total()
        click.echo(
            f"{', '.join(counts) or 'no files'}; {files} files in {duration_s:.1f} s, {files / max(duration_s, 1e-3):.0f}/s"
        )


def _write(imported: Imported, *, report: IO[str] | None, as_json: bool) -> None:
    line = json.dumps(
        {
            "file": str(imported.file),
            "sop_instance_uid": imported.sop_instance_uid,
            "outcome": imported.outcome,
            "status": None if imported.status is None else f"{imported.status:04X}",
            "findings": [findings.as_json(finding) for finding in imported.findings],
            "reason": imported.reason,
        }
    )
    if report is not None:
        report.write(f"{line}\n")
        report.flush()  # so much is told if this is killed
    if as_json:
        click.echo(line)


def _cells(imported: Imported) -> tuple[object, ...]:
    worst = max(imported.findings, key=lambda finding: finding.severity, default=None)
    reason = imported.reason or (f"{worst.rule}: {worst.comment}" if worst else "")
    status = "" if imported.status is None else f"{imported.status:04X}"
    return str(imported.file), imported.outcome, status, reason
