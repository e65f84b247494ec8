"""The scan finds in every real file, in every encoding, what pydicom finds."""

from __future__ import annotations

import struct
import zlib

import pytest
from pydicom.errors import InvalidDicomError
from unit.dicom.against_pydicom import REAL_FILES, decode, differences, encode, read, real_file

from dicomnode.dicom.scan import scan
from dicomnode.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    transfer_syntax,
)

pytestmark = pytest.mark.filterwarnings("ignore")

IDENTIFIERS = (0x00080016, 0x00080018, 0x0020000D, 0x0020000E)

REENCODED = [
    "CT_small.dcm", "MR_small.dcm", "liver_1frame.dcm", "rtplan.dcm", "rtdose.dcm", "test-SR.dcm", "reportsi.dcm", "priv_SQ.dcm",
    "ExplVR_BigEnd.dcm", "DICOMDIR", "chrSQEncoding.dcm", "chrKoreanMulti.dcm",
]  # fmt: skip


@pytest.mark.parametrize("path", REAL_FILES, ids=lambda path: path.name)
def test_finds_in_real_files_what_pydicom_finds(path):
    content, syntax, dataset = read(path)
    scanned = scan(content, syntax, max_inflated_bytes=1 << 30)
    if transfer_syntax(syntax).deflated:  # only inflated as far as the pixel data, which pydicom reads
        del dataset.PixelData
        del scanned.elements[0x7FE00010]
    assert differences(scanned, dataset) == []


@pytest.mark.parametrize("undefined_lengths", [False, True], ids=["defined", "undefined"])
@pytest.mark.parametrize("syntax", [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN])
@pytest.mark.parametrize("name", REENCODED)
def test_finds_it_however_the_data_set_is_encoded(name, syntax, undefined_lengths):
    _, _, dataset = read(real_file(name))
    set_undefined_lengths(dataset, undefined_lengths)
    content = encode(dataset, syntax)
    scanned = scan(content, syntax)
    assert scanned.faults == ()
    assert scanned.complete
    assert differences(scanned, decode(content, syntax)) == []


@pytest.mark.parametrize("name", REENCODED)
def test_finds_it_in_a_deflated_data_set(name):
    content = encode(read(real_file(name))[2], EXPLICIT_VR_LITTLE_ENDIAN)
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    scanned = scan(deflate.compress(content) + deflate.flush(), DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
    assert scanned.faults == ()
    assert scanned.data == content
    assert differences(scanned, decode(content, EXPLICIT_VR_LITTLE_ENDIAN)) == []


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "liver_1frame.dcm"]
)
def test_finds_what_identifies_an_instance_wherever_pydicom_does_in_what_was_cut_off(name):
    content, syntax, _ = read(real_file(name))
    for end in range(0, min(len(content), 9000), 7):
        scanned = scan(content[:end], syntax)
        try:
            dataset = decode(content[:end], syntax)
        except (InvalidDicomError, OSError, ValueError, struct.error):
            continue
        for tag in IDENTIFIERS:
            if tag in dataset:
                assert scanned.uid(tag) == str(dataset[tag].value), f"cut at {end}"


def set_undefined_lengths(dataset, undefined):
    for element in dataset:
        if element.VR == "SQ":
            element.is_undefined_length = undefined
            element.value.is_undefined_length = undefined
            for item in element.value:
                item.is_undefined_length_sequence_item = undefined
                set_undefined_lengths(item, undefined)
