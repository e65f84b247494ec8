"""Between the uncompressed transfer syntaxes every value comes through: checked with pydicom and the node's own comparison."""

from __future__ import annotations

import contextlib
import struct
from itertools import permutations

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.dicom.against_pydicom import REAL_FILES, decode, encode, read, real_file
from unit.dicom.datasets import datasets
from unit.dicom.elements import SEQUENCE_END, UNDEFINED, explicit, implicit, item, open_item

from dicomnode.dicom.equivalence import same_content
from dicomnode.dicom.scan import FaultKind, scan
from dicomnode.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from dicomnode.errors import TranscodingError
from dicomnode.transcoding import can_transcode, transcode

pytestmark = pytest.mark.filterwarnings("ignore")

SYNTAXES = [
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
]
MPEG2 = "1.2.840.10008.1.2.4.100"


def to(content: bytes, source: str, wanted: str) -> bytes:
    uid, out = transcode(memoryview(content), source, [wanted])
    assert uid == wanted
    return bytes(out)


@given(datasets())
def test_implicit_vr_reads_as_what_pydicom_writes(dataset):
    out = to(encode(dataset, EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
    theirs = encode(dataset, IMPLICIT_VR_LITTLE_ENDIAN)
    assert scan(out, IMPLICIT_VR_LITTLE_ENDIAN).faults == ()
    assert same_content(out, IMPLICIT_VR_LITTLE_ENDIAN, theirs, IMPLICIT_VR_LITTLE_ENDIAN)


@given(datasets())
def test_implicit_vr_comes_back_from_explicit_vr(dataset):
    content = encode(dataset, IMPLICIT_VR_LITTLE_ENDIAN)
    out = to(content, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN)
    assert scan(out, EXPLICIT_VR_LITTLE_ENDIAN).faults == ()
    back = to(out, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
    assert decode(back, IMPLICIT_VR_LITTLE_ENDIAN) == decode(content, IMPLICIT_VR_LITTLE_ENDIAN)


@settings(max_examples=50)
@given(datasets())
def test_numbers_are_turned_for_big_endian_as_pydicom_turns_them(dataset):
    dataset.walk(_take_floats_away)
    out = to(encode(dataset, EXPLICIT_VR_LITTLE_ENDIAN), EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN)
    assert scan(out, EXPLICIT_VR_BIG_ENDIAN).faults == ()
    assert decode(out, EXPLICIT_VR_BIG_ENDIAN) == decode(
        encode(dataset, EXPLICIT_VR_BIG_ENDIAN), EXPLICIT_VR_BIG_ENDIAN
    )


@settings(max_examples=50)
@given(datasets(), st.permutations(SYNTAXES))
def test_a_way_through_every_syntax_and_back_keeps_the_content(dataset, syntaxes):
    content = encode(dataset, EXPLICIT_VR_LITTLE_ENDIAN)
    there, source = content, EXPLICIT_VR_LITTLE_ENDIAN
    for wanted in [*syntaxes, EXPLICIT_VR_LITTLE_ENDIAN]:
        there, source = to(there, source, wanted), wanted
    assert same_content(content, source, there, source)


@settings(max_examples=50)
@given(datasets())
def test_a_way_by_big_endian_gives_pydicom_equal_elements(dataset):
    content = encode(dataset, EXPLICIT_VR_LITTLE_ENDIAN)
    big = to(content, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN)
    back = to(big, EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN)
    assert decode(back, EXPLICIT_VR_LITTLE_ENDIAN) == decode(content, EXPLICIT_VR_LITTLE_ENDIAN)


def _take_floats_away(dataset: pydicom.Dataset, element: pydicom.DataElement) -> None:
    """pydicom holds OF as bytes in an order that it leaves to others."""
    if element.VR == "OF":
        del dataset[element.tag]


def _wheel_files():
    for path in REAL_FILES:
        content, syntax, _ = read(path)
        scanned = scan(content, syntax)
        is_single = all(fault.kind is not FaultKind.DUPLICATE_ELEMENT for fault in scanned.faults)
        if syntax in SYNTAXES and scanned.complete and is_single and not path.name.startswith("rtdose_expb"):
            yield path.name


@pytest.mark.parametrize("name", sorted(set(_wheel_files())))
def test_real_files_keep_their_content_in_every_syntax(name):
    content, source, _ = read(real_file(name))
    for wanted in SYNTAXES:
        if wanted == EXPLICIT_VR_BIG_ENDIAN and name.startswith(("rtdose", "badVR")):
            continue  # cells of more than 16 bits, which are refused: see below
        out = to(content, source, wanted) if wanted != source else content
        assert same_content(content, source, out, wanted), wanted


@pytest.mark.parametrize("name", ["MR_small.dcm", "liver_1frame.dcm", "SC_rgb_small_odd.dcm", "examples_palette.dcm"])
@pytest.mark.parametrize(("source", "wanted"), list(permutations(SYNTAXES, 2)))
def test_pydicom_sees_the_same_pixels(name, source, wanted):
    content, stored, _ = read(real_file(name))
    content = to(content, stored, source) if stored != source else content
    assert (_pixels(to(content, source, wanted), wanted) == pydicom.dcmread(real_file(name)).pixel_array).all()


def _pixels(content: bytes, syntax: str):
    dataset = decode(content, syntax)
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    return dataset.pixel_array


def test_the_big_endian_sample_of_the_wheel_equals_its_little_endian_twin():
    content, source, _ = read(real_file("MR_small_bigendian.dcm"))
    little = to(content, source, EXPLICIT_VR_LITTLE_ENDIAN)
    _, _, dataset = read(real_file("MR_small.dcm"))
    assert decode(little, EXPLICIT_VR_LITTLE_ENDIAN).PixelData == dataset.PixelData


def test_a_syntax_that_is_wanted_already_comes_back_untouched():
    content = memoryview(b"whatever")
    assert transcode(content, MPEG2, ["1.2.3", MPEG2]) == (MPEG2, content)


def test_the_first_possible_syntax_is_taken():
    content = explicit(0x00100020, "LO", b"ID")
    uid, _ = transcode(memoryview(content), EXPLICIT_VR_LITTLE_ENDIAN, [MPEG2, IMPLICIT_VR_LITTLE_ENDIAN])
    assert uid == IMPLICIT_VR_LITTLE_ENDIAN


def test_tells_what_is_possible_by_syntaxes_alone():
    assert can_transcode(EXPLICIT_VR_LITTLE_ENDIAN, [MPEG2, IMPLICIT_VR_LITTLE_ENDIAN])
    assert can_transcode(MPEG2, [MPEG2])
    assert not can_transcode(MPEG2, SYNTAXES)
    assert not can_transcode(EXPLICIT_VR_LITTLE_ENDIAN, ["1.2.840.10008.1.2.4.50"])  # lossy
    assert not can_transcode(EXPLICIT_VR_LITTLE_ENDIAN, [])


def test_video_cannot_be_decoded():
    with pytest.raises(TranscodingError, match=r"^MPEG2 .* cannot be decoded"):
        transcode(memoryview(b""), MPEG2, SYNTAXES)


def test_no_wanted_syntax_is_an_error():
    with pytest.raises(TranscodingError):
        transcode(memoryview(b""), EXPLICIT_VR_LITTLE_ENDIAN, [])


def test_a_value_too_long_for_its_vr_becomes_unknown():
    content = implicit(0x00283006, b"\1\2" * 10) + implicit(0x30060050, b"1\\" * 40_000)
    out = to(content, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN)
    assert out == explicit(0x00283006, "OW", b"\1\2" * 10) + explicit(0x30060050, "UN", b"1\\" * 40_000)
    assert to(out, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN) == content


def test_numbers_too_long_for_their_vr_stay_little_endian_under_unknown():
    value = struct.pack("<40000H", *range(40000))
    content = implicit(0x00189810, value)
    out = to(content, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN)
    assert out == explicit(0x00189810, "UN", value, order=">")


@pytest.mark.parametrize(("representation", "vr"), [(0, "US"), (1, "SS")])
def test_pixel_representation_decides_between_us_and_ss(representation, vr):
    start = implicit(0x00280103, struct.pack("<H", representation))
    within = implicit(0x00289145, item(implicit(0x00280120, b"\xff\xff")))
    out = to(start + implicit(0x00280106, b"\xfe\xff") + within, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN)
    inner = item(explicit(0x00280120, vr, b"\xff\xff"))
    assert out == explicit(0x00280103, "US", struct.pack("<H", representation)) + explicit(
        0x00280106, vr, b"\xfe\xff"
    ) + explicit(0x00289145, "SQ", inner)


@pytest.mark.parametrize(("bits", "vr"), [(1, "OB"), (8, "OB"), (16, "OW")])
def test_bits_allocated_decide_the_vr_of_pixel_data(bits, vr):
    content = implicit(0x00280100, struct.pack("<H", bits)) + implicit(0x7FE00010, b"\1\2\3\4")
    for wanted, order in ((EXPLICIT_VR_LITTLE_ENDIAN, "<"), (EXPLICIT_VR_BIG_ENDIAN, ">")):
        out = to(content, IMPLICIT_VR_LITTLE_ENDIAN, wanted)
        value = b"\2\1\4\3" if (vr, order) == ("OW", ">") else b"\1\2\3\4"
        assert out.endswith(explicit(0x7FE00010, vr, value, order=order))


def test_bytes_under_ow_are_turned_in_pairs():
    content = explicit(0x00280100, "US", b"\0\x08", order=">") + explicit(0x7FE00010, "OW", b"\1\2\3\4", order=">")
    out = to(content, EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN)
    assert out == explicit(0x00280100, "US", b"\x08\0") + explicit(0x7FE00010, "OW", b"\2\1\4\3")


def test_cells_of_32_bits_are_refused_in_big_endian_where_makers_disagree():
    content = explicit(0x00280100, "US", b"\x20\0") + explicit(0x7FE00010, "OW", bytes(8))
    with pytest.raises(TranscodingError, match="byte order"):
        to(content, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN)


def test_private_elements_go_out_as_they_came():
    private = explicit(0x00091001, "UN", b"\1\2\3\4") + explicit(0x00091002, "LO", b" a \\b ")
    content = explicit(0x00090010, "LO", b"ACME") + private
    big = to(content, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN)
    assert explicit(0x00091001, "UN", b"\1\2\3\4", order=">") in big
    assert to(big, EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN) == content


def test_a_private_sequence_is_recognized_in_implicit_vr():
    content = explicit(0x00091003, "SQ", item(explicit(0x00100020, "LO", b"ID")))
    out = to(content, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
    assert out == implicit(0x00091003, item(implicit(0x00100020, b"ID")) + SEQUENCE_END, length=UNDEFINED)
    assert to(out, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN) == explicit(
        0x00091003, "SQ", item(explicit(0x00100020, "LO", b"ID")) + SEQUENCE_END, length=UNDEFINED
    )


def test_a_sequence_under_unknown_stays_implicit_little_endian():
    inner = open_item(implicit(0x00280010, b"\1\0"))
    content = explicit(0x00091003, "UN", inner + SEQUENCE_END, length=UNDEFINED)
    out = to(content, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN)
    expected = (
        explicit(0x00091003, "UN", length=UNDEFINED, order=">") + item(implicit(0x00280010, b"\1\0")) + SEQUENCE_END
    )
    assert out == expected
    assert to(out, EXPLICIT_VR_BIG_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN) == implicit(
        0x00091003, item(implicit(0x00280010, b"\1\0")) + SEQUENCE_END, length=UNDEFINED
    )


def test_group_lengths_and_length_to_end_are_left_out():
    content = explicit(0x00080000, "UL", b"\x0c\0\0\0") + explicit(0x00080001, "UL", b"\x20\0\0\0")
    kept = explicit(0x00100020, "LO", b"ID")
    out = to(content + kept, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
    assert out == implicit(0x00100020, b"ID")


def test_odd_values_are_padded_as_their_vr_wants():
    content = (
        explicit(0x00080018, "UI", b"1.2") + explicit(0x00100020, "LO", b"abc") + explicit(0x00420011, "OB", b"\1")
    )
    out = to(content, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
    assert out == implicit(0x00080018, b"1.2\0") + implicit(0x00100020, b"abc ") + implicit(0x00420011, b"\1\0")


def test_a_cut_data_set_is_refused():
    content = encode(pydicom.dcmread(real_file("MR_small.dcm")), EXPLICIT_VR_LITTLE_ENDIAN)[:-10]
    with pytest.raises(TranscodingError, match="damaged"):
        to(content, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)


def test_a_data_set_from_which_the_scan_had_to_skip_is_refused():
    content = explicit(0x00081140, "SQ", b"not an item!") + explicit(0x00100020, "LO", b"ID")
    with pytest.raises(TranscodingError, match="damaged at byte"):
        to(content, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)


def test_a_cut_deflate_stream_is_refused():
    content, source, _ = read(real_file("image_dfl.dcm"))
    with pytest.raises(TranscodingError, match="deflate stream"):
        to(content[:-100], source, EXPLICIT_VR_LITTLE_ENDIAN)


def test_a_deflated_data_set_has_an_even_length_and_is_inflated_by_pydicom():
    for size in range(2, 12, 2):
        content = explicit(0x00420011, "OB", bytes(range(size)))
        out = to(content, EXPLICIT_VR_LITTLE_ENDIAN, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
        assert len(out) % 2 == 0
        assert decode(out, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)[0x00420011].value == bytes(range(size))


@given(st.binary(max_size=300), st.permutations(SYNTAXES))
def test_no_bytes_make_it_fail_otherwise_than_it_says(content, syntaxes):
    with contextlib.suppress(TranscodingError):
        transcode(memoryview(content), syntaxes[0], [syntaxes[1]])
