"""How a data set that is too large for memory goes to its file: a chunk is digested while it is written, and the next one comes."""

from __future__ import annotations

from typing import Final

from dicomnode.files.buffers import BUFFER_BYTES, Buffers
from dicomnode.files.digest import Digest
from dicomnode.files.incoming_file import IncomingFile

MEMORY_BYTES: Final = 2 * BUFFER_BYTES


class Chunks:
    """Two buffers by turns; used by one thread."""

    def __init__(self, file: IncomingFile, digest: Digest, buffers: Buffers) -> None:
        self._file = file
        self._digest = digest
        self._buffers = buffers
        self._taken = (buffers.take(), buffers.take())
        self._filling, self._waiting = memoryview(self._taken[0]), memoryview(self._taken[1])
        self._size_bytes = 0

    def write(self, fragment: memoryview) -> None:
        """Take the next bytes.

        Raises:
            OSError: they cannot be written.
        """
        while fragment:
            piece = fragment[: BUFFER_BYTES - self._size_bytes]
            self._filling[self._size_bytes : self._size_bytes + len(piece)] = piece
            self._size_bytes += len(piece)
            fragment = fragment[len(piece) :]
            if self._size_bytes == BUFFER_BYTES:
                self.flush()

    def flush(self) -> None:
        """Have all that came in the file, and in the digest once that has been waited for.

        Raises:
            OSError: it cannot be written.
        """
        chunk = self._filling[: self._size_bytes]
        self._size_bytes = 0
        self._digest.begin(chunk)  # which waits for the other chunk first
        self._file.write(chunk)
        self._filling, self._waiting = self._waiting, self._filling

    def close(self) -> None:
        """Give the buffers back."""
        self._digest.wait()
        self._filling.release()
        self._waiting.release()
        for buffer in self._taken:
            self._buffers.give_back(buffer)
