"""Room that is kept for a full disk: to take anything out of the index needs some first.

A file of zeros in the data folder. Whoever makes room (a deletion, a start of the node) gives it up while he works, and takes it
back afterwards, as much of it as is to be had.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

RESERVE_NAME: Final = "reserve"
SIZES_BYTES: Final = (4 << 20, 2 << 20, 1 << 20)
"""What is tried in turn. The index's log grows by a few hundred KB before the first files are gone."""


@contextmanager
def spare_room(folder: Path) -> Iterator[None]:
    """See that on a full disk there is a little room within the block, for what makes more.

    Args:
        folder: the data folder; this process is its owner.
    """
    path = folder / RESERVE_NAME
    with suppress(OSError):  # what cannot be known or helped here shows within the block
        status = os.statvfs(folder)
        if status.f_bavail * status.f_frsize < SIZES_BYTES[0]:
            path.unlink(missing_ok=True)
    try:
        yield
    finally:
        with suppress(OSError):
            _fill(path)


def _fill(path: Path) -> None:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if os.fstat(fd).st_size >= SIZES_BYTES[0]:
            return
        for size_bytes in SIZES_BYTES:
            with suppress(OSError):
                os.posix_fallocate(fd, 0, size_bytes)
                return
        os.ftruncate(fd, 0)
    finally:
        os.close(fd)
