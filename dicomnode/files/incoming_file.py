"""A Part 10 file in the incoming folder: File Meta Information first, so that the data set after it is never copied again."""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path

from blake3 import blake3

from dicomnode.files.sync import FILE_MODE, write_all

COPY_BYTES = 1024 * 1024


class IncomingFile:
    """A new file, open until it is closed or collected."""

    __slots__ = ("_fd", "meta", "path", "size_bytes")

    def __init__(self, path: str, meta: bytes, dataset: bytes | memoryview = b"") -> None:
        """Make the file and write its head, and the data set or its beginning.

        Raises:
            OSError: it cannot be written; nothing is left of it.
        """
        self.path = path
        self.meta = meta
        self.size_bytes = len(dataset)
        """Of the data set."""
        self._fd = -1
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        try:
            write_all(self._fd, meta, dataset)
        except OSError:
            self.remove()
            raise

    def write(self, fragment: bytes | memoryview) -> None:
        """Add the next bytes of the data set.

        Raises:
            OSError: they cannot be written.
        """
        write_all(self._fd, fragment)
        self.size_bytes += len(fragment)

    def map(self) -> memoryview:
        """The data set as it lies in the page cache; it stays readable after the file is closed and removed."""
        mapped = mmap.mmap(self._fd, 0, access=mmap.ACCESS_READ)
        return memoryview(mapped)[len(self.meta) :]

    def start_sync(self) -> None:
        """Have the disk begin with what `sync` will wait for (posix_fadvise(2): Linux starts to write such pages back)."""
        os.posix_fadvise(self._fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def sync(self) -> None:
        """Make the file's bytes and size durable.

        Raises:
            OSError: they are not, and whether a second try would make them so is unknown.
        """
        os.fdatasync(self._fd)

    def move(self, path: str) -> None:
        """Give it this name in the incoming folder, if it has another."""
        if path != self.path:
            os.rename(self.path, path)  # noqa: PTH104 - once an instance: a Path costs more than the system call
            self.path = path

    def copy(self, path: str, meta: bytes, digest: bytes) -> IncomingFile:
        """The same data set, written anew behind another head.

        Args:
            digest: BLAKE3 of the data set: after a failed sync, what is read back may not be what was written.

        Raises:
            OSError: it cannot be read or written, or is not what it was.
        """
        copy = IncomingFile(path, meta)
        try:
            self._copy_into(copy, digest)
        except OSError:
            copy.remove()
            raise
        return copy

    def close(self) -> None:
        """Let go of the file; a second call does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def remove(self) -> None:
        """Close the file, and remove the name it has now."""
        self.close()
        Path(self.path).unlink(missing_ok=True)

    def __del__(self) -> None:
        self.close()

    def _copy_into(self, copy: IncomingFile, digest: bytes) -> None:
        read_back = blake3()
        end = len(self.meta) + self.size_bytes
        for offset in range(len(self.meta), end, COPY_BYTES):
            piece = os.pread(self._fd, min(COPY_BYTES, end - offset), offset)
            read_back.update(piece)
            copy.write(piece)
        if read_back.digest() != digest:
            raise OSError(errno.EIO, "spooled data set was damaged on disk")
