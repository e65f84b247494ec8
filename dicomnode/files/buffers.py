"""Memory for data sets on their way in. A buffer is used again and again: to get and to grow one costs more than to fill it."""

from __future__ import annotations

BUFFER_BYTES = 1024 * 1024
"""Holds nearly all images of one frame."""
SPARE_BUFFERS = 8
"""How many a process keeps; those of more associations come and go."""


class Buffers:
    """The buffers that a process has to spare; its threads may call at the same time."""

    def __init__(self) -> None:
        self._spare: list[bytearray] = []

    def take(self) -> bytearray:
        """A buffer of `BUFFER_BYTES`, with anything in it."""
        try:
            return self._spare.pop()
        except IndexError:
            return bytearray(BUFFER_BYTES)

    def give_back(self, buffer: bytearray) -> None:
        """Keep a buffer for the next data set, but never one that somebody still looks at: he would see another patient's."""
        if len(buffer) != BUFFER_BYTES or len(self._spare) >= SPARE_BUFFERS:
            return
        try:
            buffer.append(0)
        except BufferError:  # there is a memoryview of it
            return
        buffer.pop()
        self._spare.append(buffer)


_NOTHING = memoryview(bytearray())


class HeldBytes:
    """The bytes of one data set as they come, one after the other in memory."""

    __slots__ = ("_buffer", "_buffers", "_view", "size_bytes")

    def __init__(self, buffers: Buffers) -> None:
        self._buffers = buffers
        self._buffer: bytearray | None = None
        self._view = _NOTHING
        self.size_bytes = 0

    def append(self, fragment: memoryview) -> None:
        """Take the next bytes.

        Raises:
            MemoryError: there is no room for them.
        """
        end = self.size_bytes + len(fragment)
        if end > len(self._view):
            self._make_room(end)
        self._view[self.size_bytes : end] = fragment
        self.size_bytes = end

    def view(self) -> memoryview:
        """What has come so far; read only."""
        return self._view[: self.size_bytes].toreadonly()

    def drop(self) -> None:
        """Let go of all of it."""
        if self._buffer is not None:
            self._view.release()
            self._buffers.give_back(self._buffer)
            self._buffer, self._view, self.size_bytes = None, _NOTHING, 0

    def _make_room(self, size_bytes: int) -> None:
        if self._buffer is None:
            self._buffer = self._buffers.take()
        else:
            self._view.release()
        if size_bytes > len(self._buffer):
            self._buffer += bytes(max(size_bytes, 2 * len(self._buffer)) - len(self._buffer))
        self._view = memoryview(self._buffer)
