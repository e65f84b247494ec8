"""Signals as something to poll for: handlers that hardly do anything, and a pipe that the interpreter writes their numbers to."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

STOP = (signal.SIGTERM, signal.SIGINT)
WATCHED = (*STOP, signal.SIGHUP, signal.SIGCHLD)


class Signals:
    """The `WATCHED` signals that came to this process, none of which is lost or ends it."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._is_told_to_stop = False
        self._interrupts = False

    def fileno(self) -> int:
        """Readable when a signal came."""
        return self._descriptor

    def received(self) -> set[signal.Signals]:
        """The signals that came since the last time."""
        try:
            numbers = os.read(self._descriptor, 4096)
        except BlockingIOError:
            return set()
        return {signal.Signals(number) for number in numbers}

    @contextmanager
    def interrupting(self) -> Iterator[None]:
        """While the block runs, a signal to stop raises KeyboardInterrupt: for what may wait long and polls for nothing."""
        self._interrupts = True
        try:
            if self._is_told_to_stop:
                raise KeyboardInterrupt
            yield
        finally:
            self._interrupts = False

    def _note(self, number: int, _frame: object) -> None:
        """Python writes to the pipe only for signals that have a handler."""
        if number in STOP:
            self._is_told_to_stop = True
            if self._interrupts:
                raise KeyboardInterrupt


@contextmanager
def watched_signals() -> Iterator[Signals]:
    """What comes of the `WATCHED` signals while the block runs, for the main thread."""
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signals = Signals(reading)
    handlers = {watched: signal.signal(watched, signals._note) for watched in WATCHED}
    previous = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield signals
    finally:
        signal.set_wakeup_fd(previous)
        for watched, handler in handlers.items():
            signal.signal(watched, handler)
        os.close(reading)
        os.close(writing)
