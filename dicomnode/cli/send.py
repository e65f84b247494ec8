"""``dicomnode send``: files to a peer."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from dicomnode.cli import Failed, configuration, peers, table
from dicomnode.cli.interruption import interruptible
from dicomnode.dicom import status
from dicomnode.scu.storage import StorageSCU
from dicomnode.services.candidates import candidates
from dicomnode.services.sending import SentFile, send_files
from dicomnode.transcoding import transcode


@click.command()
@click.argument("peer")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@peers.calling_option
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file.")
@configuration.option
def send(peer: str, *, paths: tuple[Path, ...], calling: str | None, as_json: bool, config_path: Path | None) -> None:
    """Send files, and all DICOM files in folders and below, to PEER: its name in the configuration, or AET@HOST:PORT.

    Files are known by their content. One that cannot be sent is told, and the rest go on.

    \b
    dicomnode send archive study/
    dicomnode send ARCHIVE@pacs.example.org:104 a.dcm b.dcm --calling TEST
    """
    config = configuration.read(config_path)
    called = peers.find(peer, config)
    scu = StorageSCU(
        called,
        calling_ae_title=peers.own_title(calling, config),
        settings=config.scu,
        transcode=transcode if called.transcode else None,
    )
    summary = _Summary()
    files = list(candidates(paths))
    started = time.monotonic()
    with interruptible() as is_interrupted, _progress(len(files)) as advance:
        for sent in send_files(files, scu, is_interrupted):
            summary.add(sent)
            advance()
            if as_json and not sent.is_other:
                click.echo(json.dumps(_as_json(sent)))
            elif sent.reason and not sent.is_other:
                click.echo(f"{click.format_filename(sent.path)}: {sent.reason}", err=True)
    if not as_json:
        click.echo(summary.text(time.monotonic() - started))
    if is_interrupted():
        raise Failed("interrupted: there are more")
    if summary.failed or not summary.sent:
        raise click.exceptions.Exit(1)


@dataclass
class _Summary:
    """How many files came to what."""

    sent: int = 0
    warnings: int = 0
    failed: int = 0
    others: int = 0
    size_bytes: int = 0

    def add(self, sent: SentFile) -> None:
        if sent.is_other:
            self.others += 1
        elif sent.status is not None and status.is_success(sent.status):
            self.sent += 1
            self.warnings += sent.status != status.SUCCESS
            self.size_bytes += sent.size_bytes
        else:
            self.failed += 1

    def text(self, duration_s: float) -> str:
        parts = [f"{self.sent} sent"]
        if self.warnings:
            parts[0] += f" ({self.warnings} with a warning)"
        if self.failed:
            parts.append(f"{self.failed} not sent")
        if self.others:
            parts.append(f"{self.others} passed over: no DICOM instance")
        speed = table.size(round(self.size_bytes / max(duration_s, 1e-3)))
        return f"{', '.join(parts)}; {table.size(self.size_bytes)} in {duration_s:.1f} s, {speed}/s"


def _as_json(sent: SentFile) -> dict[str, object]:
    return {
        "file": str(sent.path),
        "sop_instance_uid": sent.sop_instance_uid,
        "status": sent.status,
        "reason": sent.reason,
    }


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """What to call after each file; shows a bar when somebody watches standard error."""
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, redirect_stdout=False, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)
