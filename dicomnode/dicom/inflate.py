"""A deflated data set (PS3.5 Section A.5, RFC 1951), no more of it at a time than is asked for."""

from __future__ import annotations

import zlib
from typing import Final

from dicomnode.dicom.scanned import Buffer

_INPUT_BYTES: Final = 16 << 10
_METHOD_DEFLATE: Final = 8
_ZLIB_CHECK: Final = 31


class Inflater:
    """Inflates piece by piece, so that a small stream that grows without end costs no more than the caller allows.

    Attributes:
        ended: nothing more will come.
        failed: because the stream is broken or ends too early.
    """

    def __init__(self, data: Buffer) -> None:
        self._data = data
        self._pos = 0
        self._stream = zlib.decompressobj(zlib.MAX_WBITS if _is_zlib(bytes(data[:2])) else -zlib.MAX_WBITS)
        self._head = bytearray()
        self.ended = False
        self.failed = False

    def head(self, want: int) -> bytes:
        """The first ``want`` bytes of the data set, or all when there are fewer; they are kept for the next call."""
        while len(self._head) < want and not self.ended:
            self._head += self.read(want - len(self._head))
        return bytes(self._head)

    def read(self, most: int) -> bytes:
        """The next bytes of the data set, at most so many; none does not mean the end."""
        compressed = self._stream.unconsumed_tail
        if not compressed:
            compressed = bytes(self._data[self._pos : self._pos + _INPUT_BYTES])
            self._pos += len(compressed)
        try:
            inflated = self._stream.decompress(compressed, most)
        except zlib.error:
            self.ended = self.failed = True
            return b""
        if self._stream.eof:
            self.ended = True
        elif not inflated and not compressed:
            self.ended = self.failed = True
        return inflated


def _is_zlib(start: bytes) -> bool:
    """Some peers send the zlib format, which has a head of two bytes (RFC 1950 Section 2.2)."""
    return len(start) == 2 and start[0] & 0x0F == _METHOD_DEFLATE and int.from_bytes(start, "big") % _ZLIB_CHECK == 0  # noqa: PLR2004
