"""The digest of a data set: computed by another thread, where that is worth it, while the data set is judged and written."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from typing import Final

from blake3 import blake3

WORTH_BYTES: Final = 256 * 1024
"""A piece of so many bytes takes about 0.1 ms: several times what it takes to have another thread do it."""


class Digest:
    """BLAKE3 of bytes as they come; used by one thread, which has others help."""

    __slots__ = ("_hash", "_helpers", "_running", "size_bytes")

    def __init__(self, helpers: Executor) -> None:
        self._hash = blake3()
        self._helpers = helpers
        self._running: Future[object] | None = None
        self.size_bytes = 0
        """Of what was given."""

    def update(self, piece: bytes | memoryview) -> None:
        """Take the next bytes, and be done with them."""
        self.wait()
        self.size_bytes += len(piece)
        self._hash.update(piece)

    def begin(self, piece: memoryview) -> None:
        """Take the next bytes, which must stay as they are until `wait` or the next piece."""
        if len(piece) < WORTH_BYTES:
            self.update(piece)
        else:
            self.wait()
            self.size_bytes += len(piece)
            self._running = self._helpers.submit(self._hash.update, piece)

    def wait(self) -> None:
        """Return when nobody looks at what was given any more."""
        if self._running is not None:
            running, self._running = self._running, None
            running.result()

    def value(self) -> bytes:
        """The digest of all that was given."""
        self.wait()
        return self._hash.digest()
