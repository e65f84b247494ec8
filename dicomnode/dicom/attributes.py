"""Which attributes the index keeps of an instance, for each level, and how they are taken from its data set.

To keep one more, add its line. The levels are those of the Query/Retrieve model (PS3.4 Section C.6.1.1); the tables hold its
required and usual optional keys, and what whoever runs an archive asks for: where, by which device and how an image was made.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, Literal

from dicomnode.dicom.character_sets import DEFAULT_REPERTOIRE
from dicomnode.dicom.element_header import UNDEFINED
from dicomnode.dicom.encode import Encoding
from dicomnode.dicom.instance import Attributes
from dicomnode.dicom.json_model import sequence_json
from dicomnode.dicom.scan import scan
from dicomnode.dicom.scanned import SPECIFIC_CHARACTER_SET, ScannedDataset
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from dicomnode.dicom.value_representation import CHARACTERS, TEXT, UNSPLIT, WORD_BYTES

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

LevelAttributes = Mapping[str, Mapping[int, str]]
"""Tables of attributes and their VRs, by Query/Retrieve Level (0008,0052)."""

LEVEL_ATTRIBUTES: Final[LevelAttributes] = MappingProxyType(
    {"PATIENT": PATIENT, "STUDY": STUDY, "SERIES": SERIES, "IMAGE": INSTANCE}
)
"""What is always kept."""

_LONGEST_BYTES: Final = 40_960
"""Longest value that is kept: the 10240 characters of an LT, each in four bytes (PS3.5 Table 6.2-1); more is cut off."""
_HEAD_BYTES: Final = 32 << 10
"""So far into a data set, values are read from one copy."""
_LONGEST_SEQUENCE_BYTES: Final = 64 << 10
"""Longest sequence that is kept; a longer one is left out."""

_REMEMBERED_BYTES: Final = 4096
"""Longest values of one level, together, that are remembered."""
_REMEMBERED: Final = 512
"""Of how many patients, studies and series what was made of their values is remembered."""

_DECLARED: Final = frozenset(vr.decode("ascii") for vr in TEXT)
_UNSPLIT: Final = frozenset(vr.decode("ascii") for vr in UNSPLIT)
_SPECIAL: Final = _UNSPLIT | {"SQ", "US"}
KEPT_VRS: Final = frozenset(vr.decode("ascii") for vr in CHARACTERS) | {"SQ", "US"}
"""VRs whose values can be kept."""


def describe(scanned: ScannedDataset, kept: LevelAttributes = LEVEL_ATTRIBUTES) -> Attributes:
    """What the index keeps of the instance; an attribute whose value cannot be told is left out.

    What an instance says of its patient, study and series comes again with all others of its series: it is remembered by its bytes.
    """
    head = bytes(scanned.data[:_HEAD_BYTES])
    patient, study, series = (_higher_level(scanned, head, kept[level]) for level in ("PATIENT", "STUDY", "SERIES"))
    return Attributes(patient, study, series, _level(scanned, head, kept["IMAGE"]))


def _higher_level(scanned: ScannedDataset, head: bytes, table: Mapping[int, str]) -> Mapping[int, str]:
    is_usual = not (scanned.big_endian or scanned.faults)
    values = _values(scanned, head, table) if is_usual else None
    if values is None:
        return _level(scanned, head, table)
    return _remembered(values, scanned.implicit_vr, scanned.value(SPECIFIC_CHARACTER_SET) or b"")


_Values = tuple[tuple[int, str, bytes, bytes], ...]
"""Of each attribute: tag, VR as declared, VR as in the stream, value."""


def _values(scanned: ScannedDataset, head: bytes, table: Mapping[int, str]) -> _Values | None:
    """What stands in the data set of a level's attributes; None when that is not in its head, or too much to remember."""
    elements = scanned.elements
    values = []
    size = 0
    for tag, vr in table.items():
        if element := elements.get(tag):
            found, offset, length = element
            if not 0 <= length <= _REMEMBERED_BYTES or offset + length > len(head):
                return None
            if tag in scanned.items and found != b"SQ":
                return None
            size += length
            values.append((tag, vr, found, head[offset : offset + length]))
    return tuple(values) if size <= _REMEMBERED_BYTES else None


@lru_cache(maxsize=_REMEMBERED)
def _remembered(values: _Values, implicit_vr: bool, character_set: bytes) -> Mapping[int, str]:  # noqa: FBT001 - a key
    """What tells of a level that has these attributes, in a data set without faults; to be read only."""
    encoding = Encoding(implicit_vr, big_endian=False, character_set=DEFAULT_REPERTOIRE)
    alone = [encoding.element(SPECIFIC_CHARACTER_SET, b"CS", character_set)]
    alone += [encoding.element(tag, vr, value) for tag, _, vr, value in values]
    content = b"".join(alone)
    scanned = scan(content, IMPLICIT_VR_LITTLE_ENDIAN if implicit_vr else EXPLICIT_VR_LITTLE_ENDIAN)
    return _level(scanned, content, {tag: vr for tag, vr, *_ in values})


def _level(scanned: ScannedDataset, head: bytes, table: Mapping[int, str]) -> Mapping[int, str]:
    values = {}
    has_escapes = len(scanned.character_set().terms) > 1
    order: Literal["big", "little"] = "big" if scanned.big_endian else "little"
    elements = scanned.elements
    for tag in table.keys() & elements.keys():
        vr = table[tag]
        found, offset, length = elements[tag]
        end = offset + length
        text: str | None
        # nearly all values stand in the head, and are ASCII or one number; slices of bytes are cheaper than what follows
        if length < 0 or end > len(head):
            pass
        elif found == b"US" and vr == "US" and length == WORD_BYTES[b"US"]:
            values[tag] = str(int.from_bytes(head[offset:end], order))
            continue
        elif vr not in _SPECIAL and not has_escapes:
            raw = head[offset:end]
            if raw.isascii():
                text = raw.decode("ascii").strip(" \0")
                values[tag] = text if "\\" not in text else _each_stripped(text)
                continue
        text = _value(scanned, tag, vr)
        if text is not None:
            values[tag] = text
    return values


def _value(scanned: ScannedDataset, tag: int, vr: str) -> str | None:
    _, offset, length = scanned.elements[tag]
    if vr == "SQ":
        return sequence_json(scanned, tag) if tag in scanned.items and length <= _LONGEST_SEQUENCE_BYTES else None
    if tag in scanned.items or length == UNDEFINED:
        return None
    if vr == "US":
        number = scanned.integer(tag)
        return str(number) if number is not None else "" if length == 0 else None
    raw = bytes(scanned.data[offset : offset + min(length, _LONGEST_BYTES)])
    text = scanned.character_set().decode(raw, is_name=vr == "PN") if vr in _DECLARED else raw.decode("latin_1")
    if vr in _UNSPLIT:
        return text.rstrip(" \0")
    return _each_stripped(text)


def _each_stripped(text: str) -> str:
    return "\\".join([value.strip(" \0") for value in text.split("\\")])
