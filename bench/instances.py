"""Instances made once as bytes; for each one that is sent only its identifying values are written over."""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import count

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import UID, CTImageStorage, ExplicitVRLittleEndian, MRImageStorage, XRayAngiographicImageStorage

from bench.headers import CT, MR, XA, header

_PERIOD = 4096
_NOISE = secrets.token_bytes(_PERIOD)
_UID_PREFIX = "1.2.826.0.1.3680043.8.498."


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells one instance from the next; every value has the same length in all identities."""

    patient_id: str
    study_uid: str
    series_uid: str
    sop_instance_uid: str
    instance_number: str

    def values(self) -> tuple[bytes, ...]:
        """The values as bytes, always in the same order."""
        texts = (self.patient_id, self.study_uid, self.series_uid, self.sop_instance_uid, self.instance_number)
        return tuple(text.encode("ascii") for text in texts)


def identities(instances_per_series: int) -> Iterator[Identity]:
    """New identities without end: one patient, studies of two series each."""
    patient_id = f"P{secrets.randbelow(10**11):011}"
    uids = _uids()
    while True:
        study_uid = next(uids)
        for series_uid in (next(uids), next(uids)):
            for number in range(1, instances_per_series + 1):
                yield Identity(patient_id, study_uid, series_uid, next(uids), f"{number:06}")


def _uids() -> Iterator[str]:
    run = secrets.randbelow(10**17)
    return (f"{_UID_PREFIX}1{run:017}{number:012}" for number in count())


PLACEHOLDER = Identity(
    patient_id="P" + "7" * 11,
    study_uid=f"{_UID_PREFIX}2{'7' * 29}",
    series_uid=f"{_UID_PREFIX}3{'7' * 29}",
    sop_instance_uid=f"{_UID_PREFIX}4{'7' * 29}",
    instance_number="654321",
)
"""What a `Template` holds where an identity comes; none of its values is part of another one."""


@dataclass(frozen=True, slots=True)
class Template:
    """One instance in Explicit VR Little Endian: all before the pixels, and how many bytes of pixels follow."""

    sop_class_uid: str
    head: bytes
    pixel_bytes: int

    @property
    def size_bytes(self) -> int:
        """Length of the data set."""
        return len(self.head) + self.pixel_bytes

    def pieces(self, length: int) -> Iterator[bytes]:
        """The data set in pieces of ``length`` bytes, more than the head has; the last one is perhaps shorter."""
        pixels = _pixels(length + _PERIOD)
        yield self.head + pixels[: min(length - len(self.head), self.pixel_bytes)]
        for start in range(length - len(self.head), self.pixel_bytes, length):
            phase = start % _PERIOD
            yield pixels[phase : phase + min(length, self.pixel_bytes - start)]

    def part10(self) -> bytes:
        """The instance as a file (PS3.10 Section 7)."""
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = UID(self.sop_class_uid)
        meta.MediaStorageSOPInstanceUID = UID(PLACEHOLDER.sop_instance_uid)
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        file = DicomBytesIO()
        write_file_meta_info(file, meta, enforce_standard=True)
        return b"\0" * 128 + b"DICM" + file.getvalue() + self.head + _pixels(self.pixel_bytes)


class Form:
    """Bytes that hold `PLACEHOLDER`'s values, to be filled in with one identity after the other, in place."""

    def __init__(self, blank: bytes) -> None:
        self.buffer = bytearray(blank)
        self._places = [_places(blank, value) for value in PLACEHOLDER.values()]

    def fill_in(self, identity: Identity) -> bytearray:
        """The bytes of the instance with this identity: one buffer, the same each time."""
        for places, value in zip(self._places, identity.values(), strict=True):
            for start, end in places:
                self.buffer[start:end] = value
        return self.buffer


def _places(blank: bytes, value: bytes) -> list[tuple[int, int]]:
    starts = []
    start = blank.find(value)
    while start >= 0:
        starts.append(start)
        start = blank.find(value, start + len(value))
    if not starts:
        raise ValueError(f"{value!r} is not in these bytes, or a PDU ends within it")
    return [(start, start + len(value)) for start in starts]


@cache
def ct() -> Template:
    """A slice of computed tomography, 512 x 512: 530 KB."""
    return _template(CTImageStorage, CT, rows=512, columns=512, bits=16)


@cache
def mr() -> Template:
    """A slice of magnetic resonance, 256 x 256: 136 KB."""
    return _template(MRImageStorage, MR, rows=256, columns=256, bits=16)


@cache
def tiny() -> Template:
    """A full header and 32 x 32 pixels: 8 KB."""
    return _template(MRImageStorage, MR, rows=32, columns=32, bits=16)


@cache
def multiframe_21mb() -> Template:
    """An angiography of 80 frames, 512 x 512."""
    return _template(XRayAngiographicImageStorage, {**XA, "NumberOfFrames": "80"}, rows=512, columns=512, bits=8)


@cache
def multiframe_52mb() -> Template:
    """An angiography of 50 frames, 1024 x 1024."""
    return _template(XRayAngiographicImageStorage, {**XA, "NumberOfFrames": "50"}, rows=1024, columns=1024, bits=8)


@cache
def multiframe_2gb() -> Template:
    """An angiography of 2048 frames, 1024 x 1024: 2 GiB."""
    return _template(XRayAngiographicImageStorage, {**XA, "NumberOfFrames": "2048"}, rows=1024, columns=1024, bits=8)


def _template(sop_class_uid: UID, specific: Mapping[str, object], *, rows: int, columns: int, bits: int) -> Template:
    pixels = {
        "Rows": rows,
        "Columns": columns,
        "BitsAllocated": bits,
        "BitsStored": min(bits, 12),
        "HighBit": min(bits, 12) - 1,
    }
    dataset = header(sop_class_uid, specific, pixels)
    dataset.PatientID = PLACEHOLDER.patient_id
    dataset.StudyInstanceUID = PLACEHOLDER.study_uid
    dataset.SeriesInstanceUID = PLACEHOLDER.series_uid
    dataset.SOPInstanceUID = PLACEHOLDER.sop_instance_uid
    dataset.InstanceNumber = PLACEHOLDER.instance_number
    pixel_bytes = rows * columns * bits // 8 * int(dataset.get("NumberOfFrames", 1))
    vr = b"OW" if bits > 8 else b"OB"
    pixel_data = struct.pack("<HH2sHL", 0x7FE0, 0x0010, vr, 0, pixel_bytes)
    return Template(sop_class_uid, _encoded(dataset) + pixel_data, pixel_bytes)


def _encoded(dataset: Dataset) -> bytes:
    file = DicomBytesIO()
    file.is_little_endian, file.is_implicit_VR = True, False
    write_dataset(file, dataset)
    return file.getvalue()


@cache
def _pixels(length: int) -> bytes:
    """``length`` bytes that look like an image: no run of zeros that a file system or digest could shorten."""
    return (_NOISE * (length // _PERIOD + 1))[:length]
