"""How far a C-MOVE or C-GET is, for a person who waits for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from dicomnode.cli import table
from dicomnode.dicom.sub_operations import SubOperations


@contextmanager
def showing() -> Iterator[Callable[[SubOperations, int | None], None]]:
    """What shows counts, and bytes received, on standard error; nothing when that is no terminal."""
    console = Console(stderr=True)
    bar = Progress(
        MofNCompleteColumn(),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task("asked", total=None)

        def show(counts: SubOperations, size_bytes: int | None) -> None:
            done = counts.completed + counts.failed + counts.warning
            text = f"{counts.remaining} remaining, {counts.failed} failed, {counts.warning} with a warning"
            if size_bytes is not None:
                text += f", {table.size(size_bytes)}"
            bar.update(task, completed=done, total=done + counts.remaining, description=text)

        yield show
