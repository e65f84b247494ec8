from __future__ import annotations

import json
import struct

import pytest
from unit.dicom.elements import explicit, item

from dicomnode.dicom.json_model import sequence_json
from dicomnode.dicom.scan import scan
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN

SEQUENCE = 0x00400275


def attribute(element, syntax=EXPLICIT_VR_LITTLE_ENDIAN, before=b""):
    order = ">" if syntax == EXPLICIT_VR_BIG_ENDIAN else "<"
    content = struct.pack(f"{order}HHL", 0xFFFE, 0xE000, len(element)) + element
    scanned = scan(before + explicit(SEQUENCE, "SQ", content, order=order), syntax)
    (only,) = json.loads(sequence_json(scanned, SEQUENCE))
    (value,) = only.values()
    return value


# PS3.18 Table F.2.3-1
@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("LO", b"a\\b ", ["a", "b"]),
        ("LO", b"a\\\\b", ["a", None, "b"]),
        ("LT", b"a\\b", ["a\\b"]),
        ("PN", b"Doe^Jane=\\A^B", [{"Alphabetic": "Doe^Jane"}, {"Alphabetic": "A^B"}]),
        ("IS", b"1\\-2", [1, -2]),
        ("DS", b"0.5\\x ", [0.5, "x"]),
        ("DS", b"1e999 ", ["1e999"]),
        ("US", b"\1\0\2\0", [1, 2]),
        ("SL", b"\xff\xff\xff\xff", [-1]),
        ("FD", struct.pack("<d", 0.25), [0.25]),
        ("FD", struct.pack("<d", float("nan")), ["nan"]),
        ("AT", b"\x10\0\x20\0", ["00100020"]),
    ],
)
def test_writes_values_as_their_vr_asks(vr, value, expected):
    assert attribute(explicit(0x00091010, vr, value)) == {"vr": vr, "Value": expected}


def test_writes_bytes_in_base64():
    assert attribute(explicit(0x00091010, "OB", b"ab")) == {"vr": "OB", "InlineBinary": "YWI="}


@pytest.mark.parametrize("vr", ["LO", "PN", "IS", "US", "OB", "SQ"])
def test_gives_an_empty_element_no_value(vr):
    assert attribute(explicit(0x00091010, vr)) == {"vr": vr}


def test_writes_sequences_within_sequences():
    inner = explicit(0x00091010, "SQ", item(explicit(0x00100020, "LO", b"P1")))
    assert attribute(inner) == {"vr": "SQ", "Value": [{"00100020": {"vr": "LO", "Value": ["P1"]}}]}


def test_reads_numbers_in_big_endian():
    assert attribute(explicit(0x00091010, "US", b"\0\1", order=">"), EXPLICIT_VR_BIG_ENDIAN)["Value"] == [1]


def test_writes_unicode_and_no_character_set():
    name = explicit(0x00080005, "CS", b"ISO_IR 126") + explicit(0x00100010, "PN", b"\xcd=\xcd ")
    assert attribute(name) == {"vr": "PN", "Value": [{"Alphabetic": "Ν", "Ideographic": "Ν"}]}  # noqa: RUF001 - Greek
