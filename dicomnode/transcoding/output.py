"""Where a transcoded data set is written: memory, or past a threshold a file without a name, which the kernel may page out."""

from __future__ import annotations

import mmap
import os
import tempfile
from types import TracebackType
from typing import IO, Final

SPILL_BYTES: Final = 64 << 20
"""What a transcoded data set may take of a worker's memory."""


class Output:
    """Takes bytes one after the other and gives them back as one; ``with`` lets go of the file if something fails.

    The file lies in the folder for temporary files (TMPDIR), has no name, and is gone with the last view of it.
    """

    def __init__(self, spill_bytes: int = SPILL_BYTES) -> None:
        self._spill_bytes = spill_bytes
        self._memory = bytearray()
        self._file: IO[bytes] | None = None
        self.size_bytes = 0

    def __enter__(self) -> Output:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append ``data``; a memoryview must be one of bytes."""
        self.size_bytes += len(data)
        if self._file is None:
            if self.size_bytes <= self._spill_bytes:
                self._memory += data
                return
            self._file = tempfile.TemporaryFile(prefix="dicomnode-")  # noqa: SIM115 - closed by __exit__
            self._file.write(self._memory)
            self._memory = bytearray()
        self._file.write(data)

    def patch(self, offset: int, data: bytes) -> None:
        """Put ``data`` in the place of what was written at ``offset``."""
        if self._file is None:
            self._memory[offset : offset + len(data)] = data
            return
        self._file.flush()
        os.pwrite(self._file.fileno(), data, offset)

    def view(self) -> memoryview:
        """All that was written; nothing may be written any more."""
        if self._file is None:
            return memoryview(self._memory).toreadonly()
        self._file.flush()
        return memoryview(mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ))
