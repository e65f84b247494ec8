"""Pixel Data decompressed or compressed frame by frame, and what its attributes say afterwards (PS3.3 Section C.7.6.3).

Lossy Image Compression (0028,2110), its ratio and its method tell what once happened to the pixels, and so stay as they are, like
the SOP Instance UID: nothing here loses anything (PS3.3 Section C.7.6.1.1.5).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Final

import numpy as np

from dicomnode.dicom.element_header import EXPLICIT_LITTLE, UNDEFINED, UNDEFINED_LENGTH, Encoding
from dicomnode.dicom.fragments import each_fragment
from dicomnode.dicom.scan import Item, ScannedDataset
from dicomnode.dicom.tags import PHOTOMETRIC_INTERPRETATION, PIXEL_DATA, PLANAR_CONFIGURATION
from dicomnode.errors import TranscodingError
from dicomnode.transcoding.codecs import Array, cell_type, decode_frame, encode_frame
from dicomnode.transcoding.frames import encoded_frames
from dicomnode.transcoding.image import Image, image_of
from dicomnode.transcoding.output import Output
from dicomnode.transcoding.rewriting import BYTE_BITS, Change, element_header

_EXTENDED_OFFSET_TABLE: Final = 0x7FE00001
_OFFSET_TABLES: Final = frozenset({_EXTENDED_OFFSET_TABLE, 0x7FE00002, 0x7FE00003})
"""Extended Offset Table, its lengths, Encapsulated Pixel Data Value Total Length: they describe fragments that are no more."""
_ITEM: Final = struct.Struct("<HHL")
_MAX_OFFSET: Final = 0xFFFFFFFF


def decompressed(scanned: ScannedDataset, uid: str, item: Item) -> Change | None:
    """What becomes of an image when its frames are decompressed; None when it is not compressed."""
    if item.elements[PIXEL_DATA][2] != UNDEFINED:
        return None
    image = image_of(scanned, item)
    frames, photometric = _decoded(scanned, uid, item, image)

    def write(out: Output, encoding: Encoding) -> None:
        padding = image.pixel_bytes & 1
        vr = b"OB" if image.bits_allocated <= BYTE_BITS else b"OW"
        out.write(element_header(PIXEL_DATA, vr, image.pixel_bytes + padding, encoding))
        for array in frames:
            out.write(np.ascontiguousarray(array).data.cast("B"))
        out.write(bytes(padding))

    return Change(_attributes(image, photometric), _OFFSET_TABLES, write)


def compressed(scanned: ScannedDataset, uid: str, wanted: str, item: Item) -> Change | None:
    """What becomes of an image when its frames are compressed as ``wanted``; None for one within a sequence: those stay native.

    Args:
        scanned: in little endian.
        uid: its transfer syntax.
    """
    if item is not scanned:
        return decompressed(scanned, uid, item)
    image = image_of(scanned, item)
    if item.elements[PIXEL_DATA][2] == UNDEFINED:
        frames, photometric = _decoded(scanned, uid, item, image)
        image = replace(image, photometric=photometric, is_planar=False)
    else:
        frames = _native(scanned, item, image)
    if image.high_bit != image.bits_stored - 1:
        raise TranscodingError("High Bit is not the highest of Bits Stored")
    first = next(frames)
    encoded = encode_frame(wanted, first, image)

    def write(out: Output, encoding: Encoding) -> None:
        assert encoding is EXPLICIT_LITTLE, "encapsulated (PS3.5 Section A.4)"
        out.write(element_header(PIXEL_DATA, b"OB", UNDEFINED_LENGTH, encoding))
        offsets_at = out.size_bytes + _ITEM.size
        table = bytes(4 * image.frames if image.frames > 1 else 0)
        out.write(_ITEM.pack(0xFFFE, 0xE000, len(table)) + table)
        origin = out.size_bytes
        rest = (encode_frame(wanted, array, image).data for array in frames)
        for number, data in enumerate(chain([encoded.data], rest)):
            offset = out.size_bytes - origin
            if table:
                if offset > _MAX_OFFSET:
                    raise TranscodingError("the compressed frames are more than a Basic Offset Table can tell")
                out.patch(offsets_at + 4 * number, struct.pack("<L", offset))
            padding = bytes(len(data) & 1)
            out.write(_ITEM.pack(0xFFFE, 0xE000, len(data) + len(padding)))
            out.write(data)
            out.write(padding)
        out.write(_ITEM.pack(0xFFFE, 0xE0DD, 0))

    return Change(_attributes(image, encoded.photometric), _OFFSET_TABLES, write)


def _decoded(scanned: ScannedDataset, uid: str, item: Item, image: Image) -> tuple[Iterator[Array], str]:
    """The frames of encapsulated Pixel Data, decoded as they are asked for, and their Photometric Interpretation."""
    data = memoryview(scanned.data)
    items = list(each_fragment(data, item.elements[PIXEL_DATA][1], len(data), EXPLICIT_LITTLE))
    if not items:
        raise TranscodingError("Pixel Data has no Basic Offset Table")
    (table_at, table_length), *fragments = items
    offsets: tuple[int, ...] = ()
    if table_length:
        offsets = struct.unpack_from(f"<{table_length // 4}L", data, table_at)
    elif extended := scanned.value(_EXTENDED_OFFSET_TABLE, item):
        offsets = struct.unpack(f"<{len(extended) // 8}Q", extended[: len(extended) // 8 * 8])
    encoded = encoded_frames(data, fragments, image.frames, offsets)

    def decoded(number: int, frame: bytes) -> tuple[Array, str]:
        try:
            return decode_frame(uid, frame, image)
        except TranscodingError as error:
            raise TranscodingError(f"frame {number} {error}") from error

    first, photometric = decoded(1, next(encoded))

    def rest() -> Iterator[Array]:
        for number, frame in enumerate(encoded, 2):
            array, its_photometric = decoded(number, frame)
            if its_photometric != photometric:
                raise TranscodingError(f"frame {number} is {its_photometric}, the first is {photometric}")
            yield array

    return chain([first], rest()), photometric


def _native(scanned: ScannedDataset, item: Item, image: Image) -> Iterator[Array]:
    """The frames of native Pixel Data, samples side by side."""
    _, offset, length = item.elements[PIXEL_DATA]
    if not image.pixel_bytes <= length <= image.pixel_bytes + (image.pixel_bytes & 1):
        raise TranscodingError(f"Pixel Data has {length} bytes, the image {image.pixel_bytes}")
    data = memoryview(scanned.data)
    dtype = cell_type(image)
    for start in range(offset, offset + image.pixel_bytes, image.frame_bytes):
        cells = np.frombuffer(data[start : start + image.frame_bytes], dtype)
        if image.samples > 1 and image.is_planar:
            yield np.ascontiguousarray(np.moveaxis(cells.reshape(image.samples, image.rows, image.columns), 0, -1))
        else:
            yield cells.reshape(image.shape)


def _attributes(image: Image, photometric: str) -> dict[int, tuple[bytes, bytes]]:
    if image.samples == 1:
        return {}
    value = photometric.encode("latin_1")
    return {
        PHOTOMETRIC_INTERPRETATION: (b"CS", value + b" " * (len(value) & 1)),
        PLANAR_CONFIGURATION: (b"US", b"\0\0"),
    }
