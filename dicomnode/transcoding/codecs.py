"""One frame decompressed or compressed; the seam to imagecodecs, which brings the libraries (NOTICE names them).

A new transfer syntax is one line in ``_DECODERS`` or ``_ENCODERS`` here, and one in ``syntaxes``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from dicomnode.errors import TranscodingError
from dicomnode.transcoding import syntaxes
from dicomnode.transcoding.codestream import bare_jpeg_2000, read_jpeg, read_jpeg_2000
from dicomnode.transcoding.image import Image
from dicomnode.transcoding.rle import MAX_SEGMENTS, decode_rle, encode_rle

Array = NDArray[np.generic]

_MAX_COMPRESSED_BITS: Final = 16
"""Of a sample; no encoder here takes more, RLE aside."""


class Decoded(NamedTuple):
    """A frame: its array, how many bits of each sample it had, and the Photometric Interpretation of the array."""

    array: Array
    precision: int
    photometric: str


class Encoded(NamedTuple):
    """A frame, and its Photometric Interpretation now."""

    data: bytes
    photometric: str


def decode_frame(uid: str, data: bytes, image: Image) -> tuple[Array, str]:
    """The cells of a compressed frame, little endian, and their Photometric Interpretation.

    Raises:
        TranscodingError: the frame is corrupt, or none of this image; the message follows on which frame it is.
    """
    try:
        array, precision, photometric = _DECODERS[uid](data, image)
    except (RuntimeError, ValueError, MemoryError) as error:  # the libraries' errors are RuntimeErrors
        raise TranscodingError(f"cannot be decoded: {error}") from error
    if array.shape != image.shape:
        raise TranscodingError(f"decodes to {array.shape} in place of {image.shape}")
    return _in_cells(array, precision, image), photometric


def encode_frame(uid: str, array: Array, image: Image) -> Encoded:
    """A frame, compressed without loss.

    Raises:
        TranscodingError: the codec cannot hold such pixels.
    """
    try:
        return _ENCODERS[uid](array, image)
    except (RuntimeError, ValueError, MemoryError) as error:
        raise TranscodingError(f"a frame cannot be encoded: {error}") from error


def cell_type(image: Image) -> np.dtype[np.generic]:
    """Of a frame's array."""
    return np.dtype(f"<{'i' if image.is_signed else 'u'}{image.bits_allocated // 8}")


def _in_cells(array: Array, precision: int, image: Image) -> Array:
    """The samples in cells of Bits Allocated, signed as Pixel Representation says.

    A codestream may tell the sign otherwise, or not at all (JPEG, JPEG-LS): then the highest of its bits is the sign (PS3.5 Section
    8.1.1, two's complement in Bits Stored).
    """
    target = cell_type(image)
    if array.dtype == target and precision == image.bits_allocated:
        return array
    if array.dtype.kind not in "iu" or precision > image.bits_allocated:
        raise TranscodingError(f"decodes to {array.dtype}, Bits Allocated is {image.bits_allocated}")
    cells = array.astype(target)  # wraps around: the bits stay
    unused = np.array(image.bits_allocated - precision, target)
    return (cells << unused) >> unused if unused else cells


def _decode_jpeg(data: bytes, image: Image) -> Decoded:
    head = read_jpeg(data)
    head.check(image)
    if image.samples == 1:
        return Decoded(imagecodecs.jpeg8_decode(data), head.precision, image.photometric)
    if head.is_lossless_jpeg:  # nothing is converted, whatever markers say (PS3.5 Section 8.2.1)
        return Decoded(
            imagecodecs.jpeg8_decode(data, colorspace="RGB", outcolorspace="RGB"), head.precision, _unsampled(image)
        )
    is_rgb = image.photometric == "RGB" if head.is_rgb is None else head.is_rgb
    array = imagecodecs.jpeg8_decode(data, colorspace="RGB" if is_rgb else "YCbCr", outcolorspace="RGB")
    return Decoded(array, head.precision, "RGB")


def _decode_jpeg_ls(data: bytes, image: Image) -> Decoded:
    head = read_jpeg(data)
    head.check(image)
    return Decoded(imagecodecs.jpegls_decode(data), head.precision, _unsampled(image))


def _decode_jpeg_2000(data: bytes, image: Image) -> Decoded:
    data = bare_jpeg_2000(data)
    head = read_jpeg_2000(data)
    head.check(image)
    # the decoder takes back the transformations that these two name (PS3.5 Section 8.2.4)
    photometric = "RGB" if image.photometric in ("YBR_RCT", "YBR_ICT") else _unsampled(image)
    return Decoded(imagecodecs.jpeg2k_decode(data), head.precision, photometric)


def _decode_rle(data: bytes, image: Image) -> Decoded:
    return Decoded(decode_rle(data, image), image.bits_allocated, _unsampled(image))


def _unsampled(image: Image) -> str:
    """The Photometric Interpretation without subsampling, which no decoder's output has."""
    return "YBR_FULL" if image.photometric == "YBR_FULL_422" else image.photometric


def _encode_jpeg_ls(array: Array, image: Image) -> Encoded:
    _check_bits(image)
    # all of the cell, so that sign and unused bits come through: JPEG-LS has no sign
    return Encoded(bytes(imagecodecs.jpegls_encode(_unsigned(array))), image.photometric)


def _encode_jpeg_2000(array: Array, image: Image) -> Encoded:
    _check_bits(image)
    precision = image.bits_stored
    if not np.array_equal(_in_cells(array, precision, image), array):
        raise TranscodingError("bits beyond Bits Stored are in use, which JPEG 2000 would lose")
    data = imagecodecs.jpeg2k_encode(
        array, codecformat="j2k", reversible=True, bitspersample=precision, mct=image.photometric == "RGB"
    )
    return Encoded(bytes(data), _transformed(image))


def _encode_htj2k(array: Array, image: Image) -> Encoded:
    _check_bits(image)
    data = imagecodecs.htj2k_encode(array, reversible=True, rgb=image.photometric == "RGB")
    return Encoded(bytes(data), _transformed(image))


def _encode_rle(array: Array, image: Image) -> Encoded:
    if image.samples * image.bits_allocated // 8 > MAX_SEGMENTS:
        raise TranscodingError(f"RLE has at most {MAX_SEGMENTS} segments")
    return Encoded(encode_rle(array, image), image.photometric)


def _transformed(image: Image) -> str:
    return "YBR_RCT" if image.photometric == "RGB" else image.photometric


def _unsigned(array: Array) -> Array:
    return array.view(f"<u{array.dtype.itemsize}")


def _check_bits(image: Image) -> None:
    if image.bits_allocated > _MAX_COMPRESSED_BITS:
        raise TranscodingError(f"{image.bits_allocated} Bits Allocated are more than the encoder takes")


_DECODERS: Final[Mapping[str, Callable[[bytes, Image], Decoded]]] = {
    **dict.fromkeys(syntaxes.JPEG, _decode_jpeg),
    **dict.fromkeys(syntaxes.JPEG_LS, _decode_jpeg_ls),
    **dict.fromkeys(syntaxes.JPEG_2000, _decode_jpeg_2000),
    syntaxes.RLE_LOSSLESS: _decode_rle,
}
_ENCODERS: Final[Mapping[str, Callable[[Array, Image], Encoded]]] = {
    syntaxes.JPEG_LS_LOSSLESS: _encode_jpeg_ls,
    syntaxes.JPEG_2000_LOSSLESS: _encode_jpeg_2000,
    syntaxes.HTJ2K_LOSSLESS: _encode_htj2k,
    syntaxes.RLE_LOSSLESS: _encode_rle,
}
