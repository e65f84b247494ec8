"""A fresh interpreter for a function: spawned, never forked, and with just the descriptors that it is given.

`multiprocessing` would do, but for the tracker process that it starts beside the workers, and the parent's ``__main__`` that it
runs again in each of them.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import resource
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TypeVar

from dicomnode.errors import DataFolderError, DicomNodeError

Result = TypeVar("Result")

# The path comes first: unpickling the call imports its module.
_BOOTSTRAP = "; ".join(
    (
        "import pickle, sys",
        "order = open(int(sys.argv[2]), 'rb')",
        "sys.path[:] = pickle.load(order)",
        "call = pickle.load(order)",
        "order.close()",
        "call()",
    )
)


def launch(title: str, call: Callable[[], object], descriptors: Iterable[int]) -> subprocess.Popen[bytes]:
    """A new process that runs ``call``, which must be picklable, and inherits ``descriptors`` under their numbers.

    It is a process group of its own, so that Ctrl-C reaches only the parent. ``title`` is for readers of ``ps``.
    """
    order = os.memfd_create("dicomnode-start")
    with open(order, "wb") as file:  # noqa: PTH123 - a descriptor has no path
        pickle.dump(sys.path, file)
        pickle.dump(call, file)
        file.flush()
        file.seek(0)
        return subprocess.Popen(  # noqa: S603 - our own interpreter and text
            [sys.executable, "-c", _BOOTSTRAP, title, str(order)],
            pass_fds=(order, *descriptors),
            stdin=subprocess.DEVNULL,
            process_group=0,
        )


def run_to_end(
    title: str,
    target: Callable[..., Result],
    *args: object,
    descriptors: Iterable[int] = (),
    waiting: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Result:
    """What ``target(*args)`` returns, called in a process of its own; ``args`` and the result must be picklable.

    ``waiting`` is entered while the process works; what it raises ends the process.

    Raises:
        DataFolderError: the process raised a `DicomNodeError`, whose text this is, or it died, or could not be started.
    """
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = _launched(title, partial(_report, theirs.fileno(), target, args), (theirs.fileno(), *descriptors))
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


def _launched(title: str, call: Callable[[], object], descriptors: Iterable[int]) -> subprocess.Popen[bytes]:
    try:
        return launch(title, call, descriptors)
    except PermissionError as error:  # root became the owner of the data folder, and cannot go where root could
        raise DataFolderError(
            f"{title} cannot be started: user {os.geteuid()}, who owns the data folder, may not run {sys.executable}: "
            "install dicomnode where that user may read it, or give the data folder to another"
        ) from error
    except OSError as error:  # no memory, no process number, no descriptor
        raise DataFolderError(f"{title} cannot be started: {error.strerror}") from error


def _report(fd: int, target: Callable[..., object], args: tuple[object, ...]) -> None:
    with socket.socket(fileno=fd) as end:
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
