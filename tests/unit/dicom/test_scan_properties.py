"""Whatever pydicom writes is scanned back equal, and no bytes at all disturb the scan."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.dicom.against_pydicom import decode, differences, encode, read, real_file
from unit.dicom.datasets import datasets

from dicomnode.dicom.scan import UNDEFINED, scan
from dicomnode.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

pytestmark = pytest.mark.filterwarnings("ignore")

PLAIN = [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN]
SYNTAXES = st.sampled_from([*PLAIN, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, "1.2.840.10008.1.2.4.50"])
TELLING = [
    b"\xff\xff\xff\xff", b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0\0\0\0\0", b"\xfe\xff\xdd\xe0\0\0\0\0", b"SQ\0\0\xff\xff\xff\xff",
    b"UN\0\0", b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff", b"\0" * 8, b"\xff\xff", b"ZZ",
]  # fmt: skip
NAMES = ["CT_small.dcm", "liver_1frame.dcm", "rtplan.dcm", "test-SR.dcm", "MR_small_bigendian.dcm", "JPEG2000.dcm",
         "image_dfl.dcm", "UN_sequence.dcm"]  # fmt: skip
REAL = {name: read(real_file(name))[:2] for name in NAMES}


@given(datasets(), st.sampled_from(PLAIN))
def test_scans_back_what_pydicom_writes(dataset, syntax):
    content = encode(dataset, syntax)
    scanned = scan(content, syntax)
    assert scanned.faults == ()
    assert scanned.complete
    assert differences(scanned, decode(content, syntax)) == []


@given(st.binary(max_size=400), SYNTAXES)
def test_scans_any_bytes(content, syntax):
    assert_well_formed(scan(content, syntax))


@st.composite
def spoilt_files(draw):
    content, syntax = REAL[draw(st.sampled_from(NAMES))]
    spoilt = bytearray(content[:6000])
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, len(spoilt)))
        piece = draw(st.one_of(st.sampled_from(TELLING), st.binary(max_size=8)))
        spoilt[at : at + draw(st.sampled_from([0, len(piece), 20]))] = piece
    return bytes(spoilt[: draw(st.integers(0, len(spoilt)))]), draw(
        st.sampled_from([syntax, syntax, IMPLICIT_VR_LITTLE_ENDIAN])
    )


@settings(max_examples=400)
@given(spoilt_files())
def test_scans_any_spoilt_file(spoilt):
    assert_well_formed(scan(*spoilt))


@given(st.binary(max_size=400))
def test_scans_any_deflated_bytes(content):
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    stream = deflate.compress(content) + deflate.flush()
    assert_well_formed(scan(stream, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN))


def assert_well_formed(scanned):
    """Each value lies within its data set or item, every word on values answers, and what is missing is told."""
    _assert_within(scanned, 0, len(scanned.data))
    for tag in scanned.elements:
        scanned.value(tag)
        scanned.text(tag)
        scanned.uid(tag)
        scanned.integer(tag)
    assert scanned.complete or scanned.faults


def _assert_within(item, start, end):
    assert item.items.keys() <= item.elements.keys()
    for tag, (_, offset, length) in item.elements.items():
        assert start <= offset <= end
        assert length == UNDEFINED or 0 <= length <= end - offset
        for inner in item.items.get(tag, ()):
            _assert_within(inner, offset, offset + length)
