"""RLE Lossless (PS3.5 Annex G): the bytes of the pixel cells in planes, each a stream of its own."""

from __future__ import annotations

import struct
from typing import Final

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from dicomnode.errors import TranscodingError
from dicomnode.transcoding.image import Image

_HEADER: Final = struct.Struct("<16L")
MAX_SEGMENTS: Final = 15


def decode_rle(data: bytes, image: Image) -> NDArray[np.generic]:
    """One frame's array.

    Raises:
        TranscodingError: the segments are not those of such a frame.
        RuntimeError: a segment cannot be decoded.
    """
    cell_bytes = image.bits_allocated // 8
    count = cell_bytes * image.samples
    if len(data) < _HEADER.size:
        raise TranscodingError("is cut off: it has no RLE header")
    segments, *offsets = _HEADER.unpack_from(data)
    if segments != count:
        raise TranscodingError(f"has {segments} RLE segments in place of {count}")
    pixels = image.rows * image.columns
    planes = np.empty((pixels, image.samples, cell_bytes), np.uint8)
    ends = [*offsets[1:count], len(data)]
    for number, (start, end) in enumerate(zip(offsets, ends, strict=False)):
        if not _HEADER.size <= start < end <= len(data):
            raise TranscodingError("has RLE segments that do not follow each other")
        plane = imagecodecs.packbits_decode(data[start:end])
        # an odd segment is padded with a zero byte, which can be read as one more run of zeros
        if len(plane) < pixels or plane[pixels:].strip(b"\0"):
            raise TranscodingError(f"has an RLE segment of {len(plane)} pixels in place of {pixels}")
        sample, byte = divmod(number, cell_bytes)
        planes[:, sample, cell_bytes - 1 - byte] = np.frombuffer(plane, np.uint8, pixels)  # most significant first
    return planes.view(f"<u{cell_bytes}").reshape(image.shape)


def encode_rle(array: NDArray[np.generic], image: Image) -> bytes:
    """One frame, encoded row by row (PS3.5 Section G.3.1)."""
    cell_bytes = image.bits_allocated // 8
    count = cell_bytes * image.samples
    cells = np.ascontiguousarray(array).view(np.uint8).reshape(image.rows, image.columns, image.samples, cell_bytes)
    segments = []
    for number in range(count):
        sample, byte = divmod(number, cell_bytes)
        plane = cells[:, :, sample, cell_bytes - 1 - byte].tobytes()
        segment = bytes(imagecodecs.packbits_encode(np.frombuffer(plane, np.uint8).reshape(image.rows, -1), axis=1))
        segments.append(segment + bytes(len(segment) & 1))
    offsets = [0] * MAX_SEGMENTS
    position = _HEADER.size
    for number, segment in enumerate(segments):
        offsets[number] = position
        position += len(segment)
    return _HEADER.pack(count, *offsets) + b"".join(segments)
