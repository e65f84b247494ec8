"""The beginning of a deflated data set (PS3.5 Section A.5, RFC 1951), no more of it than is asked for."""

from __future__ import annotations

import zlib
from typing import Final

from dicomnode.dicom.scanned import Buffer

_INPUT_BYTES: Final = 16 << 10
_RAW: Final = -zlib.MAX_WBITS
_ZLIB: Final = zlib.MAX_WBITS


class Inflater:
    """Inflates step by step, so that a small stream that would grow without end costs no more than the caller allows.

    Attributes:
        ended: nothing more will come.
        failed: because the stream is broken or ends too early.
    """

    def __init__(self, data: Buffer) -> None:
        self._data = data
        # some peers send the zlib format (RFC 1950): its two bytes are a multiple of 31, method 8 (Section 2.2)
        header = bytes(data[:2])
        is_zlib = len(header) == 2 and header[0] & 0x0F == 8 and int.from_bytes(header, "big") % 31 == 0  # noqa: PLR2004
        self._stream = zlib.decompressobj(_ZLIB if is_zlib else _RAW)
        self._pos = 0
        self._inflated = bytearray()
        self.ended = False
        self.failed = False

    def inflate(self, want: int) -> bytes:
        """The first ``want`` bytes of the data set, or all when there are fewer."""
        while len(self._inflated) < want and not self.ended:
            self._step(want - len(self._inflated))
        return bytes(self._inflated)

    def _step(self, room: int) -> None:
        compressed = self._stream.unconsumed_tail
        if not compressed:
            compressed = bytes(self._data[self._pos : self._pos + _INPUT_BYTES])
            self._pos += len(compressed)
        try:
            inflated = self._stream.decompress(compressed, room)
        except zlib.error:
            self.ended = self.failed = True
            return
        self._inflated += inflated
        if self._stream.eof:
            self.ended = True
        elif not inflated and not compressed:
            self.ended = self.failed = True
