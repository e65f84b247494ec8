"""Which attributes the index keeps of an instance, for each level, and how they are taken from its data set.

To keep one more, add its line. The levels are those of the Query/Retrieve model (PS3.4 Section C.6.1.1); the tables hold its
required and usual optional keys, and what whoever runs an archive asks for: where, by which device and how an image was made.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from dicomnode.dicom.instance import Attributes
from dicomnode.dicom.level_values import Teller
from dicomnode.dicom.scanned import ScannedDataset

PATIENT: Final[Mapping[int, str]] = MappingProxyType(
    {
        0x00100010: "PN",  # Patient's Name
        0x00100020: "LO",  # Patient ID
        0x00100021: "LO",  # Issuer of Patient ID
        0x00100030: "DA",  # Patient's Birth Date
        0x00100032: "TM",  # Patient's Birth Time
        0x00100040: "CS",  # Patient's Sex
        0x00101000: "LO",  # Other Patient IDs (retired)
        0x00101001: "PN",  # Other Patient Names
        0x00101002: "SQ",  # Other Patient IDs Sequence
        0x00102160: "SH",  # Ethnic Group
        0x00102201: "LO",  # Patient Species Description
        0x00102297: "PN",  # Responsible Person
        0x00104000: "LT",  # Patient Comments
        0x00120062: "CS",  # Patient Identity Removed
    }
)

STUDY: Final[Mapping[int, str]] = MappingProxyType(
    {
        0x00080020: "DA",  # Study Date
        0x00080030: "TM",  # Study Time
        0x00080050: "SH",  # Accession Number
        0x00080051: "SQ",  # Issuer of Accession Number Sequence
        0x00080090: "PN",  # Referring Physician's Name
        0x00080201: "SH",  # Timezone Offset From UTC
        0x00081030: "LO",  # Study Description
        0x00081032: "SQ",  # Procedure Code Sequence
        0x00081048: "PN",  # Physician(s) of Record
        0x00081060: "PN",  # Name of Physician(s) Reading Study
        0x00081080: "LO",  # Admitting Diagnoses Description
        0x00101010: "AS",  # Patient's Age
        0x00101020: "DS",  # Patient's Size
        0x00101030: "DS",  # Patient's Weight
        0x00102180: "SH",  # Occupation
        0x001021B0: "LT",  # Additional Patient History
        0x0020000D: "UI",  # Study Instance UID
        0x00200010: "SH",  # Study ID
        0x00321032: "PN",  # Requesting Physician
        0x00321060: "LO",  # Requested Procedure Description
        0x00380010: "LO",  # Admission ID
    }
)

SERIES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0x00080021: "DA",  # Series Date
        0x00080031: "TM",  # Series Time
        0x00080060: "CS",  # Modality
        0x00080068: "CS",  # Presentation Intent Type
        0x00080070: "LO",  # Manufacturer
        0x00080080: "LO",  # Institution Name
        0x00080081: "ST",  # Institution Address
        0x00081010: "SH",  # Station Name
        0x0008103E: "LO",  # Series Description
        0x0008103F: "SQ",  # Series Description Code Sequence
        0x00081040: "LO",  # Institutional Department Name
        0x00081050: "PN",  # Performing Physician's Name
        0x00081070: "PN",  # Operators' Name
        0x00081090: "LO",  # Manufacturer's Model Name
        0x00081111: "SQ",  # Referenced Performed Procedure Step Sequence
        0x00180015: "CS",  # Body Part Examined
        0x00181000: "LO",  # Device Serial Number
        0x00181020: "LO",  # Software Versions
        0x00181030: "LO",  # Protocol Name
        0x00185100: "CS",  # Patient Position
        0x0020000E: "UI",  # Series Instance UID
        0x00200011: "IS",  # Series Number
        0x00200052: "UI",  # Frame of Reference UID
        0x00200060: "CS",  # Laterality
        0x00400244: "DA",  # Performed Procedure Step Start Date
        0x00400245: "TM",  # Performed Procedure Step Start Time
        0x00400250: "DA",  # Performed Procedure Step End Date
        0x00400251: "TM",  # Performed Procedure Step End Time
        0x00400253: "SH",  # Performed Procedure Step ID
        0x00400254: "LO",  # Performed Procedure Step Description
        0x00400275: "SQ",  # Request Attributes Sequence
    }
)

INSTANCE: Final[Mapping[int, str]] = MappingProxyType(
    {
        0x00080005: "CS",  # Specific Character Set
        0x00080008: "CS",  # Image Type
        0x00080012: "DA",  # Instance Creation Date
        0x00080013: "TM",  # Instance Creation Time
        0x00080016: "UI",  # SOP Class UID
        0x00080018: "UI",  # SOP Instance UID
        0x00080022: "DA",  # Acquisition Date
        0x00080023: "DA",  # Content Date
        0x0008002A: "DT",  # Acquisition DateTime
        0x00080032: "TM",  # Acquisition Time
        0x00080033: "TM",  # Content Time
        0x00080201: "SH",  # Timezone Offset From UTC
        0x00200012: "IS",  # Acquisition Number
        0x00200013: "IS",  # Instance Number
        0x00200032: "DS",  # Image Position (Patient)
        0x00200037: "DS",  # Image Orientation (Patient)
        0x00204000: "LT",  # Image Comments
        0x00280002: "US",  # Samples per Pixel
        0x00280004: "CS",  # Photometric Interpretation
        0x00280008: "IS",  # Number of Frames
        0x00280010: "US",  # Rows
        0x00280011: "US",  # Columns
        0x00280100: "US",  # Bits Allocated
        0x00280101: "US",  # Bits Stored
        0x00280301: "CS",  # Burned In Annotation
        0x00282110: "CS",  # Lossy Image Compression
        0x0040A043: "SQ",  # Concept Name Code Sequence
        0x0040A491: "CS",  # Completion Flag
        0x0040A493: "CS",  # Verification Flag
        0x00420010: "ST",  # Document Title
        0x00420012: "LO",  # MIME Type of Encapsulated Document
        0x00700080: "CS",  # Content Label
        0x00700081: "LO",  # Content Description
    }
)


class LevelAttributes(Mapping[str, Mapping[int, str]]):
    """Tables of attributes and their VRs, by Query/Retrieve Level (0008,0052)."""

    def __init__(self, tables: Mapping[str, Mapping[int, str]]) -> None:
        """Compile them."""
        self._tables = MappingProxyType(dict(tables))
        self.teller = Teller([tables[level] for level in ("PATIENT", "STUDY", "SERIES", "IMAGE")])

    def __getitem__(self, level: str) -> Mapping[int, str]:
        return self._tables[level]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)


LEVEL_ATTRIBUTES: Final = LevelAttributes({"PATIENT": PATIENT, "STUDY": STUDY, "SERIES": SERIES, "IMAGE": INSTANCE})
"""What is always kept."""


def describe(scanned: ScannedDataset, kept: LevelAttributes = LEVEL_ATTRIBUTES) -> Attributes:
    """What the index keeps of the instance; an attribute whose value cannot be told is left out."""
    return Attributes(*kept.teller.told(scanned))
