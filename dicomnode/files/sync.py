"""Folders and bytes made, brought from the page cache to the disk, and what a failing disk means to a sender."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from dicomnode.errors import OutOfSpaceError, StorageError

FOLDER_MODE = 0o750
FILE_MODE = 0o640

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})


def write_all(fd: int, *buffers: bytes | bytearray | memoryview) -> None:
    """Write all the buffers in turn; one system call moves at most 2 GB (write(2)), and less on a nearly full disk."""
    remaining: Sequence[bytes | bytearray | memoryview] = buffers
    size = sum(map(len, buffers))
    written = os.writev(fd, remaining)
    while written < size:
        remaining = _without(remaining, written)
        size -= written
        written = os.writev(fd, remaining)


def make_folder(path: Path) -> None:
    """Make a folder and the parents that are missing, all closed to others; nothing happens when it is there.

    Raises:
        OSError: it cannot be made, or somebody removes its parents at the same time.
    """
    try:
        path.mkdir(mode=FOLDER_MODE, exist_ok=True)
    except FileNotFoundError:
        make_folder(path.parent)
        path.mkdir(mode=FOLDER_MODE, exist_ok=True)


def sync_folder(path: Path) -> None:
    """Make a folder's entries durable: what was linked into it, unlinked or made in it.

    Raises:
        OSError: they are not, or the folder is gone.
    """
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def storage_error(error: OSError | MemoryError) -> StorageError:
    """What a failed operation on a file is to the sender; the path stays out of it, because it holds UIDs."""
    if isinstance(error, MemoryError):
        return StorageError("out of memory for the data set")
    if error.errno in _NO_SPACE:
        return OutOfSpaceError("no space left for files")
    return StorageError(f"file cannot be written: {error.strerror}")


def _without(buffers: Sequence[bytes | bytearray | memoryview], count: int) -> list[memoryview]:
    """The buffers without their first ``count`` bytes."""
    left = []
    for buffer in buffers:
        if count < len(buffer):
            left.append(memoryview(buffer)[count:])
        count = max(count - len(buffer), 0)
    return left
