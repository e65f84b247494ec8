"""``incoming/``: all unfinished work, a folder a process, held by flock for the process's life.

A file's name there tells where it is meant to go (`name_for`), before it goes there. So recovery finds both names of a file
without looking through the store.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import secrets
from pathlib import Path

from dicomnode.files.sync import FOLDER_MODE, make_folder, sync_folder

_SEPARATOR = ","
"""Stands for ``/`` in a name; no location holds one."""
_PARTIAL = ".part"


class Incoming:
    """This process's folder."""

    def __init__(self, incoming: Path, process: str, *, durable: bool) -> None:
        """Make the folder and lock it.

        Args:
            incoming: what holds the folders of all processes.
            process: names the process to a person who looks there.
        """
        make_folder(incoming)
        while True:
            self.token = secrets.token_hex(4)
            self.path = incoming / f"{process}.{self.token}"
            self._text = str(self.path)
            """For what is done once an instance: a Path costs more than the system call."""
            self.path.mkdir(mode=FOLDER_MODE)
            lock = try_lock(self.path)
            if lock is not None:  # else a recovery that runs just now took it for a leftover
                break
        self._lock: int | None = lock
        self._numbers = itertools.count(1)
        if durable:
            sync_folder(incoming)
            sync_folder(incoming.parent)

    def unique(self) -> str:
        """A word that no other call gives, in no process and at no time."""
        return f"{self.token}-{next(self._numbers):x}"

    def partial(self) -> str:
        """The path for a new file whose place is not known yet."""
        return f"{self._text}/{self.unique()}{_PARTIAL}"

    def path_for(self, location: str) -> str:
        """The path of a file that is meant for ``location``."""
        return f"{self._text}/{location.replace('/', _SEPARATOR)}"

    def close(self) -> None:
        """Remove the folder if it is empty, and let go of it."""
        if self._lock is not None:
            with contextlib.suppress(OSError):
                self.path.rmdir()
            os.close(self._lock)
            self._lock = None


def meant_for(name: str) -> str | None:
    """The location that the file of this name is meant for; None when that was not known yet."""
    return None if name.endswith(_PARTIAL) else name.replace(_SEPARATOR, "/")


def try_lock(folder: Path) -> int | None:
    """The locked descriptor of a folder; None when another process holds it, or it is gone."""
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return None
    if not folder.exists():  # removed between opening and locking
        os.close(fd)
        return None
    return fd
