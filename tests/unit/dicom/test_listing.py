"""Elements as a person reads them, and what differs between two data sets."""

from __future__ import annotations

import struct
import time

import pytest
from blake3 import blake3
from hypothesis import assume, given
from hypothesis import strategies as st
from unit.dicom.against_pydicom import encode
from unit.dicom.datasets import datasets
from unit.dicom.elements import SEQUENCE_END, UNDEFINED, explicit, item

from dicomnode.dicom.equivalence import differing, same_content
from dicomnode.dicom.json_model import dataset_json
from dicomnode.dicom.listing import lines
from dicomnode.dicom.scan import ScannedDataset, scan
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

pytestmark = pytest.mark.filterwarnings("ignore")

NAME, CODE = 0x00100010, 0x00080100


def scanned(*elements: bytes) -> ScannedDataset:
    return scan(b"".join(elements), EXPLICIT_VR_LITTLE_ENDIAN)


def shown(*elements: bytes) -> list[tuple[str, int, str, str]]:
    return [tuple(line) for line in lines(scanned(*elements))]


def test_nested_elements_stand_behind_their_sequence_with_the_path_of_findings():
    codes = explicit(0x00081032, "SQ", item(explicit(CODE, "SH", b"T-1 ")) + item(explicit(CODE, "SH", b"T-2 ")))
    assert shown(codes, explicit(NAME, "PN", b"A^B ")) == [
        ("", 0x00081032, "SQ", "2 items"),
        ("(0008,1032)[0]", CODE, "SH", "T-1"),
        ("(0008,1032)[1]", CODE, "SH", "T-2"),
        ("", NAME, "PN", "A^B"),
    ]


def test_values_are_told_in_their_own_way():
    content = b"\1\2\3\4"
    told = [
        line[3]
        for line in shown(
            explicit(0x00080005, "CS", b"ISO_IR 100"),
            explicit(NAME, "PN", b"M\xfcller"),
            explicit(0x00280010, "US", struct.pack("<2H", 7, 8)),
            explicit(0x00280009, "AT", struct.pack("<2H", 0x0018, 0x1063)),
            explicit(0x00420011, "OB", content),
        )
    ]
    digest = blake3(content).hexdigest()[:16]
    assert told == ["ISO_IR 100", "Müller", "00181063", "7\\8", f"4 bytes, BLAKE3 {digest}"]


def test_fragments_are_told_by_number_size_and_digest():
    fragments = explicit(0x7FE00010, "OB", item() + item(b"\xff\xd8") + SEQUENCE_END, length=UNDEFINED)
    [line] = lines(scan(fragments, "1.2.840.10008.1.2.4.50"))
    assert line.value == f"2 fragments, 2 bytes, BLAKE3 {blake3(bytes([0xFF, 0xD8])).hexdigest()[:16]}"


def test_long_values_cost_no_more_than_is_shown():
    many = explicit(0x00089459, "UT", b"x" * (16 << 20)) + explicit(0x00281201, "FL", b"\0" * 60000)
    started = time.monotonic()
    text, numbers = lines(scanned(many))
    assert time.monotonic() - started < 1
    assert len(text.value) < 2000
    assert text.value.endswith("...")
    assert len(numbers.value) < 200


def test_long_values_are_named_in_json_when_they_can_be():
    long, short = b"\0" * 70000, b"\1\2"
    dataset = scanned(explicit(0x00420011, "OB", short), explicit(0x7FE00010, "OW", long))
    told = dataset_json(dataset, lambda offset, length: f"file:///x?offset={offset}&length={length}")
    assert told["00420011"]["InlineBinary"] == "AQI="
    assert told["7FE00010"] == {"vr": "OW", "BulkDataURI": f"file:///x?offset={12 + 2 + 12}&length=70000"}


@given(datasets(), datasets(), st.booleans())
def test_nothing_differs_when_the_content_is_the_same_and_only_then(one, other, same):
    here = encode(one, EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN
    there = encode(one if same else other, IMPLICIT_VR_LITTLE_ENDIAN), IMPLICIT_VR_LITTLE_ENDIAN
    assume(here[0] and there[0])  # of nothing at all nobody knows whether it could be read
    told = list(differing(scan(*here), scan(*there)))
    assert (not told) == same_content(*here, *there)


def test_differing_elements_are_told_where_they_stand():
    def dataset(code: bytes, *more: bytes) -> ScannedDataset:
        return scanned(explicit(0x00081032, "SQ", item(explicit(CODE, "SH", code))), *more)

    left = dataset(b"T-1 ", explicit(NAME, "PN", b"A^B "))
    right = dataset(b"T-2 ", explicit(0x00100020, "LO", b"P1"))
    told = [(one.path, one.tag, one.left is None, one.right is None) for one in differing(left, right)]
    assert told == [
        ("(0008,1032)[0]", CODE, False, False),
        ("", NAME, False, True),
        ("", 0x00100020, True, False),
    ]


def test_sequences_with_other_numbers_of_items_differ_as_a_whole():
    left, right = (scanned(explicit(0x00081032, "SQ", item(explicit(CODE, "SH", b"T-1 ")) * count)) for count in (1, 2))
    assert [(one.path, one.tag) for one in differing(left, right)] == [("", 0x00081032)]


def test_big_endian_numbers_are_read_as_such():
    [line] = lines(scan(explicit(0x00280010, "US", b"\0\7", order=">"), EXPLICIT_VR_BIG_ENDIAN))
    assert line.value == "7"


@given(
    st.binary(max_size=400),
    st.sampled_from([EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN]),
)
def test_hostile_bytes_are_listed_as_far_as_they_go(content, syntax):
    dataset = scan(content, syntax)
    assert {line.tag for line in lines(dataset) if not line.path} == {tag for tag in dataset.elements if tag & 0xFFFF}
    assert list(differing(dataset, dataset)) == []
