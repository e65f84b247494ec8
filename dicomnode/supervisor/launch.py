"""A process for a function: forked from a parent that has loaded everything, and left with just the descriptors that it is given.

A forked worker begins in milliseconds, shares with the others the memory of what is loaded, and runs the code that its parent runs,
whatever was installed meanwhile. That is sound because the parent has one thread, opens no database, and holds no lock: what a fork
would copy half-way does not exist. What a child would still take from its parent by accident is taken away here.

`multiprocessing` would do, but for the tracker process that it starts beside the workers, and what it runs when one ends.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import resource
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar

from dicomnode.errors import DataFolderError, DicomNodeError

Result = TypeVar("Result")

_STANDARD_DESCRIPTORS = frozenset((0, 1, 2))


class ChildProcess:
    """A process that was forked, as its parent sees it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._exit_code: int | None = None

    def poll(self) -> int | None:
        """How it ended, negative for a signal; None while it runs."""
        return self._seen(os.WNOHANG)

    def wait(self) -> int:
        """How it ended, once it has."""
        code = self._seen(0)
        assert code is not None
        return code

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, if it still runs: until its end was seen, its number is no other process's."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def _seen(self, options: int) -> int | None:
        if self._exit_code is None:
            ended, status = os.waitpid(self.pid, options)
            if ended:
                self._exit_code = os.waitstatus_to_exitcode(status)
        return self._exit_code


def launch(title: str, call: Callable[[], object], descriptors: Iterable[int]) -> ChildProcess:
    """A new process that runs ``call`` and has no descriptors but ``descriptors``, under their numbers, standard output and error.

    It is a process group of its own, so that Ctrl-C reaches only the parent. ``title`` is for readers of ``ps -o comm``.

    Raises:
        OSError: no memory, or no process number.
    """
    sys.stdout.flush()  # else what waits in there would be written twice
    sys.stderr.flush()
    # no signal may come between the fork and the end of what the child had of its parent's handlers
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if pid == 0:
            _live(title, call, _STANDARD_DESCRIPTORS.union(descriptors), mask)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    return ChildProcess(pid)


def _live(
    title: str, call: Callable[[], object], descriptors: frozenset[int], mask: set[int | signal.Signals]
) -> NoReturn:
    """A child's life. Nothing of the parent's that waits for the interpreter's end may run here, so it ends without that."""
    code = 1
    try:
        # what the parent had is never looked through, nor closed under a number that is another file's by now
        gc.freeze()
        _forget_parent(title, descriptors)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        call()
        code = 0
    except SystemExit as leaving:
        code = leaving.code if isinstance(leaving.code, int) else 0 if leaving.code is None else 1
    except BaseException:  # noqa: BLE001 - as the interpreter would
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # nobody reads it any more
                stream.flush()
        os._exit(code)


def _forget_parent(title: str, descriptors: frozenset[int]) -> None:
    os.setpgid(0, 0)
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):  # SIGINT too
            signal.signal(number, signal.SIG_DFL)
    Path("/proc/self/comm").write_text(title)
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__  # whatever the parent put in their places
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    first = 0
    for kept in (*sorted(descriptors), resource.getrlimit(resource.RLIMIT_NOFILE)[1]):
        if first < kept:  # an empty range would be taken for an endless one
            os.closerange(first, kept)
        first = kept + 1


def run_to_end(
    title: str,
    target: Callable[..., Result],
    *args: object,
    descriptors: Iterable[int] = (),
    waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Result:
    """What ``target(*args)`` returns, called in a process of its own; the result must be picklable.

    ``waiting`` is entered while the process works; what it raises ends the process.

    Raises:
        DataFolderError: the process raised a `DicomNodeError`, whose text this is, or it died, or could not be started.
    """
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = _launched(title, partial(_report, theirs, target, args), (theirs.fileno(), *descriptors))
        try:
            with waiting(), ours.makefile("rb") as answer:
                told = answer.read()
        except BaseException:  # nobody waits for the answer any more
            process.kill()
            process.wait()
            raise
    code = process.wait()
    if not told:
        raise DataFolderError(f"{title} {describe_exit(code)}; its own messages are above")
    result, problem = pickle.loads(told)  # noqa: S301 - written by our own child over a private socket
    if problem is not None:
        raise DataFolderError(problem)
    return result  # type: ignore[no-any-return]  # pickle cannot know; the child returned what target returns


def _launched(title: str, call: Callable[[], object], descriptors: Iterable[int]) -> ChildProcess:
    try:
        return launch(title, call, descriptors)
    except OSError as error:
        raise DataFolderError(f"{title} cannot be started: {error.strerror}") from error


def _report(end: socket.socket, target: Callable[..., object], args: tuple[object, ...]) -> None:
    with end:
        try:
            told: tuple[object, str | None] = (target(*args), None)
        except DicomNodeError as error:
            told = (None, str(error))
        with contextlib.suppress(ConnectionError):  # the parent was killed meanwhile: nobody wants to know
            end.sendall(pickle.dumps(told))


def describe_exit(code: int) -> str:
    """How a process ended, in words; ``code`` as `subprocess` gives it: negative for a signal."""
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


def raise_descriptor_limit() -> int:
    """The number of descriptors that this process and its children may have: the hard limit from now on (RLIMIT_NOFILE)."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
