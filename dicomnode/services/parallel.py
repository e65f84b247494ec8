"""One function over many inputs in several processes, outputs in the order of the inputs.

Each process has a pipe of its own and works on one bunch at a time, so the parent knows what it was at when it dies: the inputs of
that bunch are tried one by one in new processes, and only the one that ends its process again has no output. A process whose parent
is gone finds its pipe closed, and ends.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Final, Generic, TypeVar

from dicomnode.logs import Level, LogSettings, configure

ALONE_S: Final = 3.0
"""Other processes take two seconds of a processor each to begin: only what takes longer than that gains by them."""

_BUNCH: Final = 128
_WAITING_PER_PROCESS: Final = 4
_END_S: Final = 5.0
_NOTHING: Final = (None,)

_In = TypeVar("_In")  # never None
_Out = TypeVar("_Out")


def in_order(
    inputs: Iterable[_In],
    make: Callable[[], Callable[[_In], _Out]],
    *,
    jobs: int,
    stop: Callable[[], bool] = lambda: False,
    alone_s: float = ALONE_S,
) -> Iterator[tuple[_In, _Out | None]]:
    """Each input and its output, in their order; None where it ended the process that was at it.

    Args:
        make: makes the function, once in each process; it, the inputs and the outputs can be pickled. The function does not raise.
        jobs: processes at most; with one, everything is done in this one.
        stop: asked now and then; when it says so, no other input is begun.
        alone_s: how long this process works alone before others are started.
    """
    waiting = iter(inputs)
    function = make()
    begun = time.monotonic()
    while jobs == 1 or time.monotonic() - begun < alone_s:
        one = next(waiting, None)
        if one is None or stop():
            return
        yield one, function(one)
    with _Processes(make, jobs) as processes:
        while not stop() and (bunch := list(islice(waiting, _BUNCH))):
            yield from processes.hand_out(bunch)
        yield from processes.rest()


class _Processes(Generic[_In, _Out]):
    """Several processes, each with a thread here that hands it its bunches."""

    def __init__(self, make: Callable[[], Callable[[_In], _Out]], jobs: int) -> None:
        self._most_waiting = jobs * _WAITING_PER_PROCESS
        self._idle: SimpleQueue[_Process[_In, _Out]] = SimpleQueue()
        self._all = [_Process(make) for _ in range(jobs)]
        for process in self._all:
            self._idle.put(process)
        self._threads = ThreadPoolExecutor(jobs)
        self._waiting: deque[tuple[Sequence[_In], Future[list[_Out | None]]]] = deque()

    def __enter__(self) -> _Processes[_In, _Out]:
        return self

    def __exit__(self, *_: object) -> None:
        for _bunch, future in self._waiting:
            future.cancel()
        for process in self._all:
            process.end()
        self._threads.shutdown()

    def hand_out(self, bunch: Sequence[_In]) -> Iterator[tuple[_In, _Out | None]]:
        """Let a process work on ``bunch``; what is done of an earlier one when so many wait already."""
        self._waiting.append((bunch, self._threads.submit(self._work, bunch)))
        if len(self._waiting) >= self._most_waiting:
            yield from self._first()

    def rest(self) -> Iterator[tuple[_In, _Out | None]]:
        """What is not told of yet."""
        while self._waiting:
            yield from self._first()

    def _first(self) -> Iterator[tuple[_In, _Out | None]]:
        bunch, future = self._waiting.popleft()
        yield from zip(bunch, future.result(), strict=True)

    def _work(self, bunch: Sequence[_In]) -> list[_Out | None]:
        process = self._idle.get()
        try:
            outputs = process.work(bunch)
            return outputs or [(process.work([one]) or _NOTHING)[0] for one in bunch]
        finally:
            self._idle.put(process)


class _Process(Generic[_In, _Out]):
    """One process, started when it is needed, and anew after it has died."""

    def __init__(self, make: Callable[[], Callable[[_In], _Out]]) -> None:
        self._make = make
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None
        self._has_ended = False

    def work(self, bunch: Sequence[_In]) -> list[_Out | None] | None:
        """The outputs of ``bunch``; None when the process died on it."""
        if self._has_ended:
            return None
        pipe = self._pipe or self._start()
        try:
            pipe.send(bunch)
            outputs: list[_Out | None] = pipe.recv()
        except (EOFError, OSError):
            self._forget()
            return None
        return outputs

    def end(self) -> None:
        """Kill it: what it works on is not wanted any more."""
        self._has_ended = True
        if self._process is not None:
            self._process.kill()
            self._process.join(_END_S)

    def _start(self) -> Connection:
        context = multiprocessing.get_context("spawn")
        self._pipe, its_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(its_end, self._make), daemon=True)
        self._process.start()
        its_end.close()  # so that its death is seen here
        return self._pipe

    def _forget(self) -> None:
        if self._pipe is not None:
            self._pipe.close()
            self._pipe = None


def _serve(pipe: Connection, make: Callable[[], Callable[[_In], _Out]]) -> None:
    """Work until the parent closes the pipe; Ctrl-C at a terminal reaches all processes, and the parent decides what it means."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    configure(LogSettings(level=Level.WARNING), stream=sys.stderr)
    function = make()
    try:
        while True:
            pipe.send([function(one) for one in pipe.recv()])
    except (EOFError, OSError):
        return
