"""What a compressed frame says of itself, read from its first markers, so that a decoder meets only what is expected.

JPEG: ISO/IEC 10918-1 Annex B; JPEG-LS: ISO/IEC 14495-1 Annex C; JPEG 2000 and HTJ2K: ISO/IEC 15444-1 Annex A.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dicomnode.errors import TranscodingError
from dicomnode.transcoding.image import Image

_END_OF_IMAGE: Final = b"\xff\xd9"
_END_WITHIN_BYTES: Final = 64
"""After the end marker stands nothing but padding."""
_START_OF_FRAME: Final = frozenset({*range(0xC0, 0xD0), 0xF7}) - {0xC4, 0xC8, 0xCC}
_FRAME_BYTES: Final = 6
_LOSSLESS: Final = 0xC3
_APP0: Final = 0xE0
_APP14: Final = 0xEE
_WITHOUT_LENGTH: Final = frozenset({0x01, *range(0xD0, 0xD9)})
_SCAN: Final = 0xDA
_ADOBE_TRANSFORM_AT: Final = 11
_RGB_IDS: Final = (b"RGB", b"rgb")

_J2K_START: Final = b"\xff\x4f\xff\x51"
_NO_SUBSAMPLING: Final = b"\1\1"
_J2K_WITHIN_BYTES: Final = 4096
_SIZ_BYTES: Final = 42
"""Of the SIZ segment and what stands before it, up to its components of three bytes each."""


@dataclass(frozen=True, slots=True)
class Codestream:
    """One frame.

    Attributes:
        precision: bits of a sample.
        is_lossless_jpeg: JPEG process 14.
        is_rgb: whether its three components are RGB rather than YCbCr; None when it does not say.
    """

    rows: int
    columns: int
    components: int
    precision: int
    is_lossless_jpeg: bool = False
    is_rgb: bool | None = None

    def check(self, image: Image) -> None:
        """Raise TranscodingError when this is no frame of the image."""
        if (self.rows, self.columns, self.components) != (image.rows, image.columns, image.samples):
            raise TranscodingError(
                f"is one of {self.columns} x {self.rows} pixels of {self.components} samples in an image of "
                f"{image.columns} x {image.rows} of {image.samples}"
            )
        if self.precision > image.bits_allocated:
            raise TranscodingError(f"has {self.precision} bits a sample, Bits Allocated is {image.bits_allocated}")


def read_jpeg(data: bytes) -> Codestream:
    """The head of a JPEG or JPEG-LS codestream that reaches its end marker.

    Raises:
        TranscodingError: it is none, or it is cut off.
    """
    if _END_OF_IMAGE not in data[-_END_WITHIN_BYTES:]:
        raise TranscodingError("is cut off: its codestream has no end marker")
    pos = 2
    is_rgb: bool | None = None
    while data[:2] == b"\xff\xd8" and pos + 4 <= len(data) and data[pos] == 0xFF:  # noqa: PLR2004 - every marker begins so
        marker = data[pos + 1]
        if marker == 0xFF:  # noqa: PLR2004 - fill byte
            pos += 1
            continue
        if marker in _WITHOUT_LENGTH:
            pos += 2
            continue
        segment = data[pos + 4 : pos + 2 + int.from_bytes(data[pos + 2 : pos + 4], "big")]
        is_frame = marker in _START_OF_FRAME and len(segment) >= _FRAME_BYTES
        if is_frame and len(segment) >= _FRAME_BYTES + 3 * segment[_FRAME_BYTES - 1]:
            ids = segment[6::3]
            return Codestream(
                rows=int.from_bytes(segment[1:3], "big"),
                columns=int.from_bytes(segment[3:5], "big"),
                components=segment[5],
                precision=segment[0],
                is_lossless_jpeg=marker == _LOSSLESS,
                is_rgb=True if ids[:3] in _RGB_IDS and is_rgb is None else is_rgb,
            )
        if marker == _SCAN:
            break
        if marker == _APP14 and segment[:5] == b"Adobe" and len(segment) > _ADOBE_TRANSFORM_AT:
            is_rgb = segment[_ADOBE_TRANSFORM_AT] == 0
        elif marker == _APP0 and segment[:4] == b"JFIF" and is_rgb is None:
            is_rgb = False
        pos += 2 + int.from_bytes(data[pos + 2 : pos + 4], "big")
    raise TranscodingError("is no JPEG codestream")


def bare_jpeg_2000(data: bytes) -> bytes:
    """The codestream without the file (JP2) that some writers put around it against PS3.5 Section A.4.4; its colours do not count.

    Raises:
        TranscodingError: there is none.
    """
    start = data.find(_J2K_START, 0, _J2K_WITHIN_BYTES)
    if start < 0:
        raise TranscodingError("is no JPEG 2000 codestream")
    return data[start:]


def read_jpeg_2000(data: bytes) -> Codestream:
    """The head of a bare JPEG 2000 codestream.

    Raises:
        TranscodingError: it is cut off, or its components differ in size or depth, which DICOM forbids (PS3.5 Section 8.2.4).
    """
    count = int.from_bytes(data[40:_SIZ_BYTES], "big")
    first = data[_SIZ_BYTES : _SIZ_BYTES + 3]
    if not first.endswith(_NO_SUBSAMPLING) or data[_SIZ_BYTES : _SIZ_BYTES + 3 * count] != first * count:
        raise TranscodingError("is cut off, or its components differ in size or depth")
    x_size, y_size, x_offset, y_offset = (int.from_bytes(data[at : at + 4], "big") for at in (8, 12, 16, 20))
    return Codestream(
        rows=y_size - y_offset,
        columns=x_size - x_offset,
        components=count,
        precision=(first[0] & 0x7F) + 1,
    )
