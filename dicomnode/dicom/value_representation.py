"""Facts on Value Representations (PS3.5 Section 6.2, Table 7.1-1), and which one the data dictionary (PS3.6) names for a tag.

VRs are two ASCII bytes here, as an explicit VR data set carries them.
"""

from __future__ import annotations

from typing import Final

from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary
from pydicom.datadict import mask_match

LONG_FORM: Final = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
"""Explicit VR: two reserved bytes and a length of four bytes (PS3.5 Table 7.1-1)."""

SHORT_FORM: Final = frozenset(
    {
        *(
            b"AE",
            b"AS",
            b"AT",
            b"CS",
            b"DA",
            b"DS",
            b"DT",
            b"FD",
            b"FL",
            b"IS",
            b"LO",
            b"LT",
            b"PN",
            b"SH",
            b"SL",
            b"SS",
        ),
        *(b"ST", b"TM", b"UI", b"UL", b"US"),
    }
)
"""Explicit VR: a length of two bytes (PS3.5 Table 7.1-2)."""

TEXT: Final = frozenset({b"LO", b"LT", b"PN", b"SH", b"ST", b"UC", b"UT"})
"""Encoded as Specific Character Set (0008,0005) says (PS3.5 Section 6.1.2.2)."""

ASCII: Final = frozenset({b"AE", b"AS", b"CS", b"DA", b"DS", b"DT", b"IS", b"TM", b"UI", b"UR"})
"""Text of the default repertoire only."""

CHARACTERS: Final = TEXT | ASCII

UNSPLIT: Final = frozenset({b"LT", b"ST", b"UR", b"UT"})
"""One value, in which a backslash is a character like any other and leading spaces count."""

WORD_BYTES: Final = {
    **dict.fromkeys((b"AT", b"OW", b"SS", b"US"), 2),
    **dict.fromkeys((b"FL", b"OF", b"OL", b"SL", b"UL"), 4),
    **dict.fromkeys((b"FD", b"OD", b"OV", b"SV", b"UV"), 8),
}
"""Bytes of the numbers that a value is made of; their order is the transfer syntax's. VRs not here have none."""

_CHOICES: Final = {
    "OB or OW": b"OW",  # implicit VR means OW (PS3.5 Section A.1)
    "US or SS": b"US",
    "US or OW": b"OW",
    "US or SS or OW": b"OW",
    "NONE": b"UN",
}

NUMBERS: Final = {
    b"US": "H",
    b"SS": "h",
    b"UL": "L",
    b"SL": "l",
    b"UV": "Q",
    b"SV": "q",
    b"FL": "f",
    b"FD": "d",
}
"""VRs of binary numbers, and how `struct` reads one."""

NAME_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
"""Component groups of a PN, as DICOM JSON names them (PS3.18 Section F.2.2)."""

_DICTIONARY: Final = {tag: _CHOICES.get(entry[0]) or entry[0].encode("ascii") for tag, entry in DicomDictionary.items()}

SIGN_DEPENDENT: Final = frozenset(tag for tag, entry in DicomDictionary.items() if entry[0] == "US or SS")
"""US or SS, as Pixel Representation (0028,0103) tells (PS3.5 Section A.1)."""

_PRIVATE_CREATORS: Final = range(0x0010, 0x0100)


def dictionary_vr(tag: int) -> bytes:
    """The VR of ``tag`` by the data dictionary; ``UN`` when only its maker knows it, the wider one where there is a choice."""
    vr = _DICTIONARY.get(tag)
    if vr is not None:
        return vr
    element = tag & 0xFFFF
    if element == 0:
        return b"UL"  # group length (PS3.5 Section 7.2)
    if tag >> 16 & 1:
        return b"LO" if element in _PRIVATE_CREATORS else b"UN"  # PS3.5 Section 7.8.1
    mask = mask_match(tag)
    if mask is None:
        return b"UN"
    name = RepeatersDictionary[mask][0]
    return _CHOICES.get(name) or name.encode("ascii")


def effective_vr(tag: int, vr: bytes) -> bytes:
    """``vr``, or the dictionary's where a sender wrote UN for an element that it did not know (PS3.5 Section 6.2.2)."""
    return dictionary_vr(tag) if vr == b"UN" else vr
