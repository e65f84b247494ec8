"""``dicomnode check``: files judged as on reception; nothing is kept, and no node is needed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import IO

import click

from dicomnode.cli import Failed, WrongUsage, configuration, peers, progress
from dicomnode.cli.interruption import interruptible
from dicomnode.cli.reports import Report
from dicomnode.cli.reports.junit import JUnit
from dicomnode.cli.reports.lines import Lines
from dicomnode.cli.reports.page import Page
from dicomnode.cli.reports.tally import Tally
from dicomnode.config import Config
from dicomnode.services.candidates import candidates
from dicomnode.services.checking import Checked, check_files

_PREFIX_END = 132
"""Of preamble and prefix (PS3.10 Section 7.1)."""


def _report(_: click.Context, __: click.Parameter, path: Path | None) -> Path | None:
    """``path``, unless an instance would be lost: ``check --html *.dcm`` names one as the report."""
    if path is not None and path.is_file():
        with path.open("rb") as file:
            if file.read(_PREFIX_END)[-4:] == b"DICM":
                raise click.BadParameter(f"{click.format_filename(path)} is a DICOM file; it stays as it is")
    return path


_REPORT = click.Path(dir_okay=False, writable=True, path_type=Path)


@click.command()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@peers.sender_option("CHECK")
@click.option(
    "--rules", metavar="FILE", type=click.Path(path_type=Path), help="In place of the site's rules (qa.rules)."
)
@click.option("--all", "tell_all", is_flag=True, help="List accepted files, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file.")
@click.option("--junit", metavar="FILE", type=_REPORT, callback=_report, help="Write test results for a build server.")
@click.option("--html", metavar="FILE", type=_REPORT, callback=_report, help="Write one page for people.")
@click.option("--jobs", metavar="N", type=click.IntRange(1, 256), help="Processes.  [as many as processors]")
@configuration.option
def check(
    *,
    paths: tuple[Path, ...],
    as_ae: str | None,
    rules: Path | None,
    tell_all: bool,
    as_json: bool,
    junit: Path | None,
    html: Path | None,
    jobs: int | None,
    config_path: Path | None,
) -> None:
    """Judge files, and all DICOM files in folders and below, as if they were sent to the node; nothing is kept.

    The rules are those of the configuration; no data folder is needed. Exit code 1 when one would be refused or held back, or
    cannot be read.

    \b
    dicomnode check study/
    dicomnode check /mnt/archive --html report.html
    dicomnode check study/ --rules draft.yaml
    dicomnode check new-scanner/ --as-ae ER_CT1 --json | jq -r 'select(.verdict != "accept") | .file'
    """
    config = configuration.read(config_path)
    if rules is not None:
        config = config.with_rules(rules)
    tally = Tally()
    started = time.monotonic()
    with ExitStack() as stack:
        reports: list[Report] = [Lines(as_json=as_json, tell_all=tell_all)]
        reports += [made(stack.enter_context(_written(path))) for made, path in ((JUnit, junit), (Page, html)) if path]
        is_interrupted = stack.enter_context(interruptible())
        with progress.files(lambda: candidates(paths)) as advance:
            for checked in _judged(paths, config, as_ae, jobs or len(os.sched_getaffinity(0)), is_interrupted):
                advance()
                tally.add(checked)
                if not checked.is_other:
                    for report in reports:
                        report.add(checked)
        duration_s = time.monotonic() - started
        for report in reports:
            report.finish(tally, duration_s)
    if is_interrupted():
        raise Failed("interrupted: there are more")
    if not tally.files:
        raise WrongUsage("no DICOM file there")
    if tally.held:
        raise click.exceptions.Exit(1)


def _judged(
    paths: tuple[Path, ...], config: Config, as_ae: str | None, jobs: int, stop: Callable[[], bool]
) -> Iterator[Checked]:
    return check_files(
        candidates(paths),
        config.validation,
        called_ae_title=config.ae_title,
        calling_ae_title=as_ae,
        today=datetime.now(config.zone).date(),
        jobs=jobs,
        stop=stop,
    )


def _written(path: Path) -> IO[str]:
    try:
        return path.open("w", encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise WrongUsage(f"{click.format_filename(path)} cannot be written: {error.strerror}") from error
