"""The same elements with the same values are the same content, however they are encoded; one changed value is another."""

from __future__ import annotations

import mmap
import struct
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import DataElement
from pydicom.uid import generate_uid
from unit.dicom.against_pydicom import decode, encode, read, real_file
from unit.dicom.datasets import datasets
from unit.dicom.elements import SEQUENCE_END, UNDEFINED, explicit, implicit, item, open_item

from dicomnode.dicom.equivalence import same_content
from dicomnode.dicom.scan import scan
from dicomnode.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

pytestmark = pytest.mark.filterwarnings("ignore")

EXPLICIT, IMPLICIT, BIG, DEFLATED = (
    EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
)  # fmt: skip
JPEG = "1.2.840.10008.1.2.4.50"

SOP_INSTANCE, PATIENT_ID, SEQUENCE, PRIVATE_SEQUENCE = 0x00080018, 0x00100020, 0x00400275, 0x00411001
ROWS, DOUBLE, PIXEL_DATA, TRAILING_PADDING = 0x00280010, 0x00189073, 0x7FE00010, 0xFFFCFFFC

UID = explicit(SOP_INSTANCE, "UI", b"1.2\0")
INNER = explicit(PATIENT_ID, "LO", b"P1")


def deflated(content):
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(content) + deflate.flush()


def same(a, b, a_syntax=EXPLICIT, b_syntax=EXPLICIT):
    """Whether they are the same, asked both ways."""
    answer = same_content(a, a_syntax, b, b_syntax)
    assert same_content(b, b_syntax, a, a_syntax) == answer
    return answer


# --- however it is encoded


@pytest.mark.parametrize("other", [IMPLICIT, BIG, DEFLATED])
@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small.dcm", "liver_1frame.dcm", "rtplan.dcm", "test-SR.dcm", "chrRuss.dcm"]
)
def test_real_files_are_the_same_in_another_transfer_syntax(name, other):
    content, syntax, dataset = read(real_file(name))
    if other == BIG:
        swap_pixels(dataset)
    again = encode(dataset, EXPLICIT if other == DEFLATED else other)
    assert same(content, deflated(again) if other == DEFLATED else again, syntax, other)


def swap_pixels(dataset):
    """pydicom writes pixel data as it stands, whatever the byte order."""
    if "PixelData" in dataset and dataset.BitsAllocated == 16:
        words = struct.unpack(f"<{len(dataset.PixelData) // 2}H", dataset.PixelData)
        dataset[PIXEL_DATA] = DataElement(PIXEL_DATA, "OW", struct.pack(f">{len(words)}H", *words))


@given(datasets(), st.sampled_from([(EXPLICIT, IMPLICIT), (EXPLICIT, EXPLICIT), (IMPLICIT, IMPLICIT)]))
def test_what_pydicom_writes_anew_is_the_same(dataset, syntaxes):
    dataset.SOPInstanceUID = "1.2.3"
    first, second = syntaxes
    content = encode(dataset, first)
    again = decode(content, first)
    set_lengths(again, undefined=False)
    assert same(content, encode(again, second), first, second)


def set_lengths(dataset, *, undefined):
    for element in dataset:
        if element.VR == "SQ":
            element.is_undefined_length = undefined
            for each in element.value:
                each.is_undefined_length_sequence_item = undefined
                set_lengths(each, undefined=undefined)


ITEM, IMPLICIT_ITEM = item(INNER), item(implicit(PATIENT_ID, b"P1"))

FORMS = {
    "lengths": (
        explicit(SEQUENCE, "SQ", ITEM),
        explicit(SEQUENCE, "SQ", open_item(INNER) + SEQUENCE_END, length=UNDEFINED),
    ),
    "padding": (explicit(PATIENT_ID, "LO", b"P1  "), explicit(PATIENT_ID, "LO", b"P1")),
    "padding of a UID": (UID, explicit(SOP_INSTANCE, "UI", b"1.2 ")),
    "unknown VR": (explicit(PATIENT_ID, "LO", b"P1"), explicit(PATIENT_ID, "UN", b"P1")),
    "group length": (explicit(0x00080000, "UL", b"\1\0\0\0") + UID, UID),
    "trailing padding": (UID + explicit(TRAILING_PADDING, "OB", b"\0\0"), UID),
    "zeros behind": (UID, UID + b"\0\0"),
    "sequence of unknown VR": (explicit(PRIVATE_SEQUENCE, "UN", IMPLICIT_ITEM), explicit(PRIVATE_SEQUENCE, "SQ", ITEM)),
    "VR of pixels": (explicit(PIXEL_DATA, "OB", b"\1\2\3\0"), explicit(PIXEL_DATA, "OW", b"\1\2\3\0")),
    "padding of pixels": (explicit(PIXEL_DATA, "OB", b"\1\2\3"), explicit(PIXEL_DATA, "OB", b"\1\2\3\0")),
}
IMPLICIT_FORMS = {
    "text": (explicit(0x00091001, "LO", b"abc "), implicit(0x00091001, b"abc ")),
    "sequence": (explicit(PRIVATE_SEQUENCE, "SQ", ITEM), implicit(PRIVATE_SEQUENCE, IMPLICIT_ITEM)),
    "open sequence": (
        explicit(PRIVATE_SEQUENCE, "SQ", ITEM),
        implicit(PRIVATE_SEQUENCE, IMPLICIT_ITEM + SEQUENCE_END, length=UNDEFINED),
    ),
    "empty sequence": (explicit(PRIVATE_SEQUENCE, "SQ"), implicit(PRIVATE_SEQUENCE)),
}
BIG_ENDIAN_FORMS = {
    "8 bit pixels": (explicit(PIXEL_DATA, "OB", b"\1\2\3\4"), explicit(PIXEL_DATA, "OW", b"\2\1\4\3", order=">")),
    "number": (explicit(ROWS, "US", b"\1\2"), explicit(ROWS, "US", b"\2\1", order=">")),
    "double": (explicit(DOUBLE, "FD", bytes(range(8))), explicit(DOUBLE, "FD", bytes(range(7, -1, -1)), order=">")),
    "tag": (explicit(0x00280009, "AT", b"\x10\0\x20\0"), explicit(0x00280009, "AT", b"\0\x10\0\x20", order=">")),
}


@pytest.mark.parametrize(("a", "b"), FORMS.values(), ids=FORMS)
def test_the_form_of_an_element_is_no_content(a, b):
    assert same(a, b)


@pytest.mark.parametrize(("a", "b"), IMPLICIT_FORMS.values(), ids=IMPLICIT_FORMS)
def test_a_private_element_is_the_same_without_its_vr(a, b):
    assert same(a, b, EXPLICIT, IMPLICIT)


@pytest.mark.parametrize(("a", "b"), BIG_ENDIAN_FORMS.values(), ids=BIG_ENDIAN_FORMS)
def test_the_order_of_bytes_is_no_content(a, b):
    assert same(a, b, EXPLICIT, BIG)


def pixels(*fragments):
    return UID + explicit(PIXEL_DATA, "OB", b"".join(map(item, fragments)) + SEQUENCE_END, length=UNDEFINED)


def test_fragments_are_the_same_with_and_without_an_offset_table():
    assert same(pixels(b"", b"abcd", b"ef"), pixels(b"\0\0\0\0\x0c\0\0\0", b"abcd", b"ef"), JPEG, JPEG)


def test_equal_bytes_are_the_same_even_if_they_cannot_be_read():
    assert same(b"no data set", b"no data set")
    assert same(b"", b"")


# --- what is other content


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (explicit(PATIENT_ID, "LO", b"P1"), explicit(PATIENT_ID, "LO", b"P2")),
        (explicit(PATIENT_ID, "LO", b"P1"), explicit(PATIENT_ID, "LO", b" P1 ")),
        (explicit(PATIENT_ID, "LO", b"P1"), explicit(PATIENT_ID, "LO")),
        (explicit(PATIENT_ID, "LO"), b""),
        (explicit(ROWS, "US", b"\1\2"), explicit(ROWS, "US", b"\2\1")),
        (explicit(SEQUENCE, "SQ", item(INNER)), explicit(SEQUENCE, "SQ", item(INNER) * 2)),
        (explicit(SEQUENCE, "SQ", item(INNER)), explicit(SEQUENCE, "SQ", item())),
        (explicit(SEQUENCE, "SQ", item()), explicit(SEQUENCE, "SQ")),
        (explicit(SEQUENCE, "SQ", item(INNER)), explicit(SEQUENCE, "LO", b"P1")),
        (explicit(PIXEL_DATA, "OW", b"\1\2\3\4"), explicit(PIXEL_DATA, "OW", b"\1\2\3\5")),
        (explicit(PIXEL_DATA, "OW", b"\1\2\3\4"), explicit(PIXEL_DATA, "OW", b"\1\2\3\4\0\0")),
        (explicit(PIXEL_DATA, "OB", b"\1\2\3\4"), explicit(PIXEL_DATA, "OB", b"\1\2\3")),
    ],
)
def test_a_changed_value_is_other_content(a, b):
    assert not same(UID + a, UID + b)


@pytest.mark.parametrize(
    "other",
    [
        pixels(b"", b"abcd", b"eg"),
        pixels(b"", b"ab", b"cdef"),
        pixels(b"", b"abcd"),
        pixels(b"", b"abcd", b"ef", b"\0\0"),
        UID + explicit(PIXEL_DATA, "OB", b"abcdef"),
        UID,
    ],
    ids=["byte", "other fragments", "fewer", "more", "native", "none"],
)
def test_other_fragments_are_other_content(other):
    assert not same(pixels(b"", b"abcd", b"ef"), other, JPEG, JPEG)


@pytest.mark.parametrize("name", ["CT_small.dcm", "liver_1frame.dcm", "rtplan.dcm", "test-SR.dcm", "JPEG2000.dcm"])
def test_any_byte_of_a_value_counts(name):
    content, syntax, _ = read(real_file(name))
    scanned = scan(content, syntax)
    for offset, length in list(values_of(scanned)):
        at = offset + length // 2
        changed = content[:at] + bytes([content[at] ^ 0x01 or 0x41]) + content[at + 1 :]
        if content[at] not in b" \0":
            assert not same(content, changed, syntax, syntax), f"byte {at}"


def values_of(found):
    for tag, (_, offset, length) in found.elements.items():
        for inner in found.items.get(tag, ()):
            yield from values_of(inner)
        if tag not in found.items and tag & 0xFFFF and tag != TRAILING_PADDING and length > 0:
            yield offset, length


@given(datasets(), st.data(), st.sampled_from([EXPLICIT, IMPLICIT]))
def test_one_changed_attribute_anywhere_is_other_content(dataset, data, other):
    dataset.SOPInstanceUID = "1.2.3"
    content = encode(dataset, EXPLICIT)
    changed = decode(content, EXPLICIT)
    everywhere = [changed, *(each for element in changed.iterall() if element.VR == "SQ" for each in element.value)]
    data.draw(st.sampled_from(everywhere)).StudyID = data.draw(st.text("ABC", min_size=14, max_size=16))
    assert not same(content, encode(changed, other), EXPLICIT, other)


@pytest.mark.parametrize(
    "content",
    [
        UID + explicit(PATIENT_ID, "LO", b"P1", length=10),
        UID + UID,
        UID + explicit(SEQUENCE, "SQ", INNER),
    ],
    ids=["truncated", "duplicate", "no item"],
)
def test_in_doubt_only_equal_bytes_are_the_same(content):
    group_length = explicit(0x00080000, "UL", b"\1\0\0\0")
    assert same(content, content)
    assert not same(content, group_length + content)


# --- large ones


def test_compares_large_mapped_files_in_little_memory(tmp_path):
    size = 64 << 20
    for name, last in (("a", 1), ("b", 1), ("c", 2)):
        head = UID + explicit(PIXEL_DATA, "OW", length=size)
        with (tmp_path / name).open("wb") as file:
            file.write(head)
            file.truncate(len(head) + size)
            file.seek(-1, 2)
            file.write(bytes([last]))
    mapped = {}
    for name in "abc":
        with (tmp_path / name).open("rb") as file:
            mapped[name] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    tracemalloc.start()
    # the syntaxes differ, so that values are compared, not files
    assert same_content(mapped["a"], EXPLICIT, mapped["b"], "1.2.3.4")
    assert not same_content(mapped["a"], EXPLICIT, mapped["c"], "1.2.3.4")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 << 20
    for each in mapped.values():
        each.close()


def test_compares_a_large_deflated_data_set():
    content = UID + explicit(PIXEL_DATA, "OW", bytes(80 << 20) + b"\1\0")
    assert same(content, deflated(content), EXPLICIT, DEFLATED)
    assert not same(content, deflated(content[:-2] + b"\2\0"), EXPLICIT, DEFLATED)


@pytest.mark.parametrize("cut", [1, 20])
def test_a_deflated_data_set_that_breaks_off_is_other_content(cut):
    content = UID + explicit(PIXEL_DATA, "OW", bytes(range(256)) * 1000)
    assert not same(content, deflated(content)[:-cut], EXPLICIT, DEFLATED)


SYNTAXES = st.sampled_from([EXPLICIT, IMPLICIT, BIG, DEFLATED, JPEG])


@given(st.binary(max_size=200), SYNTAXES, st.binary(max_size=200), SYNTAXES)
def test_compares_any_bytes(a, a_syntax, b, b_syntax):
    assert same_content(a, a_syntax, b, b_syntax) in (True, False)


def test_other_instances_are_other_content():
    _, syntax, dataset = read(real_file("CT_small.dcm"))
    content = encode(dataset, syntax)
    dataset.SOPInstanceUID = generate_uid()
    assert not same(content, encode(dataset, IMPLICIT), syntax, IMPLICIT)
