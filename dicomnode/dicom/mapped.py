"""Data sets in mapped files: to look at a page that cannot be read kills the process (SIGBUS), so that is found out before."""

from __future__ import annotations

import errno
import mmap
from typing import Final

from dicomnode.errors import DatasetError

_MADV_POPULATE_READ: Final = 22
"""madvise(2), Linux 5.14 and later: reads all pages, and fails where to look at one would end in a SIGBUS."""


def check_readable(dataset: memoryview) -> None:
    """Nothing when all of a data set can be looked at, or lies in memory; older systems do not tell.

    Raises:
        DatasetError: its file was cut off since it was mapped, or its disk does not give it.
    """
    mapped = dataset.obj
    if not isinstance(mapped, mmap.mmap):
        return
    try:
        mapped.madvise(_MADV_POPULATE_READ)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise DatasetError("its file cannot be read to its end", 0) from error
