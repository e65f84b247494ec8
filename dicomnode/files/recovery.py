"""What a process that died left in ``incoming``: finished or removed, by whether there is a row.

It may run beside live processes, at any time: it takes only folders that nobody holds.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dicomnode.files.folders import StudyFolders, is_location
from dicomnode.files.incoming import meant_for, try_lock
from dicomnode.files.store import INCOMING_NAME


@dataclass(slots=True)
class RecoveryReport:
    """How many leftovers there were, by what became of them."""

    finished: int = 0
    """There is a row: the file was kept."""
    removed: int = 0
    """There is no row: nobody was told that the instance is here."""
    restored: int = 0
    """There is a row, but its file was missing and could be put back."""
    left: int = 0
    """No process of ours made it: it stays where it is."""


def recover(
    root: Path, has_row: Callable[[str], bool], progress: Callable[[int], None] | None = None
) -> RecoveryReport:
    """Finish or remove what lies in ``incoming`` folders that no process holds.

    Killed in the middle, it does the rest when it is called again.

    Args:
        root: the folder of files.
        has_row: whether the index has a row for this location; must see every committed row.
        progress: called with the number of leftovers dealt with, after each.

    Raises:
        OSError: a leftover cannot be removed.
    """
    report = RecoveryReport()
    incoming = root.parent / INCOMING_NAME
    if not incoming.is_dir():
        return report
    folders = StudyFolders(root, durable=True)
    for folder in sorted(incoming.iterdir()):
        lock = try_lock(folder) if folder.is_dir() else None
        if lock is None:
            continue
        try:
            _recover_folder(folder, folders, has_row, report, progress)
        finally:
            os.close(lock)
    return report


def _recover_folder(
    folder: Path,
    folders: StudyFolders,
    has_row: Callable[[str], bool],
    report: RecoveryReport,
    progress: Callable[[int], None] | None,
) -> None:
    for leftover in folder.iterdir():
        location = meant_for(leftover.name)
        if location is None:
            report.removed += 1
        elif not is_location(location):
            report.left += 1
            continue
        elif not has_row(location):
            folders.remove(location)
            report.removed += 1
        elif folders.path(location).exists():
            report.finished += 1
        else:
            folders.restore(leftover, location)
            report.restored += 1
        leftover.unlink()
        if progress is not None:
            progress(report.finished + report.removed + report.restored)
    with contextlib.suppress(OSError):  # what was left keeps it
        folder.rmdir()
