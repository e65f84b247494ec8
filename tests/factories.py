"""Small instances made for tests: valid by default, with any attribute changed or taken away."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

ABSENT = object()
"""Takes an attribute away: ``ct(PatientID=ABSENT)``."""


def ct(
    *, rows: int = 16, columns: int = 16, transfer_syntax: str = ExplicitVRLittleEndian, **changes: Any
) -> FileDataset:
    """A CT slice that passes every core rule, with ``changes`` by keyword."""
    dataset = Dataset()
    attributes: dict[str, Any] = {
        "SpecificCharacterSet": "ISO_IR 100",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "SOPClassUID": CTImageStorage,
        "SOPInstanceUID": generate_uid(),
        "StudyDate": "20240102",
        "SeriesDate": "20240102",
        "StudyTime": "101500",
        "AccessionNumber": "A1",
        "Modality": "CT",
        "Manufacturer": "ACME",
        "ReferringPhysicianName": "",
        "StudyDescription": "Head",
        "SeriesDescription": "Axial",
        "PatientName": "Doe^Jane",
        "PatientID": "P1",
        "PatientBirthDate": "19700101",
        "PatientSex": "F",
        "SliceThickness": "5",
        "KVP": "120",
        "PatientPosition": "HFS",
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "StudyID": "1",
        "SeriesNumber": "1",
        "AcquisitionNumber": "1",
        "InstanceNumber": "1",
        "ImagePositionPatient": ["0", "0", "0"],
        "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
        "FrameOfReferenceUID": generate_uid(),
        "PositionReferenceIndicator": "",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": rows,
        "Columns": columns,
        "PixelSpacing": ["0.5", "0.5"],
        "BitsAllocated": 16,
        "BitsStored": 12,
        "HighBit": 11,
        "PixelRepresentation": 0,
        "RescaleIntercept": "0",
        "RescaleSlope": "1",
        "PixelData": struct.pack("<H", 7) * (rows * columns),
    }
    for keyword, value in (attributes | changes).items():
        if value is not ABSENT:
            setattr(dataset, keyword, value)
    dataset["PixelData"].VR = "OW"
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.get("SOPClassUID") or CTImageStorage
    meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID") or generate_uid()
    meta.TransferSyntaxUID = transfer_syntax
    return FileDataset("", dataset, preamble=b"\0" * 128, file_meta=meta)


def write(dataset: FileDataset, path: Path) -> Path:
    """``dataset`` as a Part 10 file at ``path``."""
    dataset.save_as(path, enforce_file_format=True)
    return path


def series(folder: Path, count: int, **changes: Any) -> list[Path]:
    """``count`` slices of one new series, as files."""
    changes = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()} | changes
    folder.mkdir(parents=True, exist_ok=True)
    return [
        write(ct(InstanceNumber=str(number), **changes), folder / f"{number:04}.dcm") for number in range(1, count + 1)
    ]
