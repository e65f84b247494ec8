"""Entries of the worklist by the names that people give them, and what is done with each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click

from dicomnode.cli import Failed, configuration
from dicomnode.errors import DicomNodeError, StorageError, UnknownStepError, WorklistError
from dicomnode.index import Index, ListedEntry, StepKey, WorklistFilter
from dicomnode.services.worklist.scheduling import Scheduling


@contextmanager
def scheduling(config_path: Path | None) -> Iterator[tuple[Scheduling, Index]]:
    """What schedules, and the index that it writes to."""
    with configuration.open_index(configuration.read(config_path)) as index:
        yield Scheduling(index), index


def found_by(index: Index, name: str, study: str, *, every: bool) -> list[ListedEntry]:
    """The entries of this name: by step ID, else by Accession Number, else by study.

    Raises:
        UnknownStepError: there is none.
        WorklistError: there are several, and one was asked for.
    """
    for filters in (
        WorklistFilter(step_id=name, study_instance_uid=study),
        WorklistFilter(accession_number=name, study_instance_uid=study),
        WorklistFilter(study_instance_uid=name),
    ):
        if found := list(index.worklist.entries(filters)):
            if len(found) > 1 and not every:
                raise WorklistError([f"{name} is {len(found)} entries: name one by --study, or say --all"])
            return found
    raise UnknownStepError(f"{name}: no such entry in the worklist")


def each(
    config_path: Path | None,
    ids: Sequence[str],
    study: str,
    decide: Callable[[Scheduling, StepKey], None],
    word: str,
    *,
    every: bool,
) -> None:
    """One decision for each entry; those that fail are told at the end, the others are done."""
    failed = 0
    with scheduling(config_path) as (service, index):
        for name in ids:
            try:
                for one in found_by(index, name, study, every=every):
                    decide(service, StepKey.of(one.entry))
                    click.echo(f"{word}: {one.entry.step_id} of study {one.entry.study_instance_uid}")
            except StorageError:
                raise
            except DicomNodeError as error:
                failed += 1
                click.echo(str(error), err=True)
    if failed:
        raise Failed(f"{failed} of {len(ids)} could not be done")
