"""A bar on standard error, for a person who waits for many files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from threading import Thread

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TimeRemainingColumn
from rich.text import Text


@contextmanager
def files(found: Callable[[], Iterable[object]]) -> Iterator[Callable[[], None]]:
    """What to call after each file; shows a bar when somebody watches standard error, which counts the files meanwhile."""
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, redirect_stdout=False, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=None)

        def count() -> None:
            bar.update(task, total=sum(1 for _ in found()))

        if console.is_terminal:
            Thread(target=count, daemon=True).start()
        yield lambda: bar.advance(task)


class _Rate(ProgressColumn):
    """Files a second."""

    def render(self, task: Task) -> Text:
        """As it is now."""
        return Text(f"{task.speed or 0:.0f}/s")
