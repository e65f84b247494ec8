"""Files that are not the node's: indexed where they lie, by their absolute path, and never changed or removed.

A location that begins with ``/`` is such a path; every other one is below the node's own folder of files.
"""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from blake3 import blake3

from dicomnode.dicom.mapped import check_readable
from dicomnode.errors import StorageError
from dicomnode.files.sync import sync_folder

_NEEDS_NO_SYNC: Final = frozenset({errno.EINVAL, errno.EROFS, errno.ENOTSUP})
"""What a read-only or network file system answers to fsync(2)."""


def is_in_place(location: str) -> bool:
    """Whether ``location`` is of a file that is not the node's."""
    return location.startswith("/")


def told(location: str) -> str:
    """``location`` as it may stand in a log or an answer: a path that others chose may hold a patient's name."""
    return "<in place>" if is_in_place(location) else location


class FileInPlace:
    """The data set in a file that stays where it is, on its way into the index; what a `Reception` is to one that is received."""

    def __init__(self, path: Path, dataset_offset: int, *, durable: bool) -> None:
        """Map the file.

        Args:
            path: absolute; of a file with a data set that begins at ``dataset_offset``.

        Raises:
            OSError: it cannot be opened.
            DatasetError: it cannot be read to its end.
        """
        self._path = path
        self._offset = dataset_offset
        self._durable = durable
        self._digest: bytes | None = None
        self._afterwards: list[Callable[[], None]] = []
        with path.open("rb") as file:
            self.dataset = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))[dataset_offset:]
            check_readable(self.dataset)  # a scratched disc costs this file, not the import
            if durable:
                _sync(file.fileno())
        self.size_bytes = len(self.dataset)

    @property
    def digest(self) -> bytes:
        """BLAKE3 of the data set's bytes."""
        if self._digest is None:
            self._digest = blake3(self.dataset).digest()
        return self._digest

    def keep(self, study_instance_uid: str, sop_instance_uid: str, sop_class_uid: str) -> KeptInPlace:  # noqa: ARG002
        """Where it is; durable when this returns.

        Raises:
            StorageError: it could not be made durable.
        """
        if self._durable:
            try:
                _sync_name(self._path)
            except OSError as error:
                raise StorageError(f"file in place cannot be made durable: {error.strerror}") from error
        return KeptInPlace(str(self._path), self._offset, self.size_bytes)

    def afterwards(self, step: Callable[[], None]) -> None:
        """Have a step done when this is discarded."""
        self._afterwards.append(step)

    def discard(self) -> None:
        """Let go of the file, once what is to be done afterwards is done."""
        while self._afterwards:
            self._afterwards.pop(0)()


class KeptInPlace:
    """A file that stays where it is, whatever becomes of its row."""

    __slots__ = ("dataset_offset", "dataset_size_bytes", "location")

    def __init__(self, location: str, dataset_offset: int, dataset_size_bytes: int) -> None:
        self.location = location
        self.dataset_offset = dataset_offset
        self.dataset_size_bytes = dataset_size_bytes

    def settle(self) -> None:
        """Nothing was unfinished."""

    def withdraw(self) -> None:
        """Nothing was made that could be removed."""


def sync_in_place(path: Path) -> None:
    """Have a file that lies in place on the disk, and its name.

    Raises:
        OSError: it is not.
    """
    with path.open("rb") as file:
        _sync(file.fileno())
    _sync_name(path)


def _sync_name(path: Path) -> None:
    try:
        sync_folder(path.parent)
    except OSError as error:
        if error.errno not in _NEEDS_NO_SYNC:
            raise


def _sync(fd: int) -> None:
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in _NEEDS_NO_SYNC:
            raise
