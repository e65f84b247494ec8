"""A file that was kept: in its place, and still unfinished work until its row is committed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from dicomnode.files.folders import StudyFolders
from dicomnode.files.incoming_file import IncomingFile


class Kept:
    """A file in its place, with a second name in ``incoming`` until its row is committed.

    Neither `settle` nor `withdraw` was called: recovery decides, by the row.
    """

    __slots__ = ("_file_path", "_folders", "dataset_offset", "dataset_size_bytes", "location")

    def __init__(self, folders: StudyFolders, file: IncomingFile, location: str) -> None:
        self._folders = folders
        self._file_path = file.path
        self.location = location
        """Relative to the folder of files."""
        self.dataset_offset = len(file.meta)
        """Bytes before the data set."""
        self.dataset_size_bytes = file.size_bytes

    def settle(self) -> None:
        """The row is committed: the file is finished work."""
        try:
            os.unlink(self._file_path)  # noqa: PTH108 - once an instance: a Path costs more than the system call
        except OSError:
            return  # recovery finds the row

    def withdraw(self) -> None:
        """The row was certainly not written: remove the file, by its own names only."""
        with contextlib.suppress(OSError):  # recovery finds no row
            self._folders.remove(self.location)
            Path(self._file_path).unlink()
