"""Signals as something to poll for: a handler that does nothing, and a pipe that the interpreter writes their numbers to."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

WATCHED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)


@contextmanager
def watched_signals() -> Iterator[int]:
    """While the block runs, the numbers of `WATCHED` signals can be read from the descriptor that it gets, a byte each."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    handlers = {watched: signal.signal(watched, _note) for watched in WATCHED}
    previous = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield reading
    finally:
        signal.set_wakeup_fd(previous)
        for watched, handler in handlers.items():
            signal.signal(watched, handler)
        os.close(reading)
        os.close(writing)


def received(descriptor: int) -> set[signal.Signals]:
    """The signals that came since the last time."""
    try:
        numbers = os.read(descriptor, 4096)
    except BlockingIOError:
        return set()
    return {signal.Signals(number) for number in numbers}


def _note(_number: int, _frame: object) -> None:
    """Python writes to the pipe only for signals that have a handler."""
