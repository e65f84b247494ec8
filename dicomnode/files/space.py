"""The free-space floor: stop before the disk is full, so that what is stored can still be indexed and listed."""

from __future__ import annotations

import os
import time
from pathlib import Path

from dicomnode.errors import OutOfSpaceError
from dicomnode.files.sync import storage_error

LOOK_INTERVAL_S = 1.0


class FreeSpace:
    """The room on the file system that holds ``folder``, looked at once a second at most."""

    def __init__(self, folder: Path, floor_bytes: int) -> None:
        self._folder = folder
        self._floor_bytes = floor_bytes
        self._free_bytes = 0
        self._look_again_at = 0.0

    def check(self) -> None:
        """Return if there is room.

        Raises:
            OutOfSpaceError: less than the floor is free.
            StorageError: the file system does not say.
        """
        now = time.monotonic()
        if now >= self._look_again_at:
            try:
                status = os.statvfs(self._folder)
            except OSError as error:
                raise storage_error(error) from error
            self._free_bytes = status.f_bavail * status.f_frsize
            self._look_again_at = now + LOOK_INTERVAL_S
        if self._free_bytes < self._floor_bytes:
            raise OutOfSpaceError(f"out of space: {self._free_bytes} bytes free, the floor is {self._floor_bytes}")
