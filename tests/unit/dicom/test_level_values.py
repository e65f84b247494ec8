"""What is remembered of earlier data sets changes nothing of what is told of the next one."""

from __future__ import annotations

import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.dicom.against_pydicom import REAL_FILES, encode, read, real_file
from unit.dicom.elements import SEQUENCE_END, UNDEFINED, explicit, implicit, item, open_item
from unit.dicom.test_layout import spoil

from dicomnode.dicom import level_values as values
from dicomnode.dicom.attributes import LEVEL_ATTRIBUTES, describe
from dicomnode.dicom.further_attributes import FurtherAttributes
from dicomnode.dicom.layout import Layouts
from dicomnode.dicom.level_values import level_values
from dicomnode.dicom.scan import scan
from dicomnode.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

pytestmark = pytest.mark.filterwarnings("ignore")

CHARACTER_SET, SOP_INSTANCE, TIME_ZONE, PROCEDURE_CODE = 0x00080005, 0x00080018, 0x00080201, 0x00081032
PATIENT_NAME, PATIENT_ID, BODY_PART, SERIES_UID = 0x00100010, 0x00100020, 0x00180015, 0x0020000E
INSTANCE_NUMBER, IMAGE_COMMENTS, ROWS, STEP_ID, CONCEPT = 0x00200013, 0x00204000, 0x00280010, 0x00400253, 0x0040A043
PIXEL_DATA, SIGNATURES = 0x7FE00010, 0xFFFAFFFA
PIXELS = explicit(PIXEL_DATA, "OW", b"\1\2\3\4")


def read_alone(scanned, kept=LEVEL_ATTRIBUTES):
    """What a data set says, each value read for itself."""
    return [level_values(scanned, kept[level]) for level in ("PATIENT", "STUDY", "SERIES", "IMAGE")]


def told(scanned, kept=LEVEL_ATTRIBUTES):
    said = describe(scanned, kept)
    return [said.patient, said.study, said.series, said.instance]


def assert_told_alike(contents, syntax=EXPLICIT_VR_LITTLE_ENDIAN, kept=LEVEL_ATTRIBUTES):
    """Each is told as if it were the only one, whether its layout is known or not; the last of them."""
    layouts = Layouts()
    for content in (*contents, *contents):
        alone = read_alone(scan(content, syntax), kept)
        scanned = scan(content, syntax, layouts=layouts)
        assert told(scanned, kept) == alone
        assert told(scan(content, syntax), kept) == alone
    return scanned


def described(*elements):
    scanned = scan(b"".join(elements), EXPLICIT_VR_LITTLE_ENDIAN)
    assert not scanned.faults  # where there is one, nothing is remembered
    return told(scanned)


# --- real data sets, with their values and with others


@pytest.mark.parametrize("path", REAL_FILES, ids=lambda path: path.name)
def test_real_data_sets_are_told_alike(path):
    content, syntax, _ = read(path)
    scanned = scan(content, syntax)
    contents = [content]
    if scanned.data is content:  # not deflated
        for seed in range(4):
            changed = bytearray(content)
            spoil(changed, scanned, scanned.items, random.Random(seed))
            contents.append(bytes(changed))
    assert_told_alike(contents, syntax)


@pytest.mark.parametrize("name", ["CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "test-SR.dcm"])
@pytest.mark.parametrize("syntax", [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN])
def test_every_encoding_is_told_alike(name, syntax):
    dataset = read(real_file(name))[2]
    contents = [encode(dataset, syntax)]
    for text in ("A", "B", ""):
        dataset.PatientName = dataset.SeriesDescription = dataset.ImageComments = text
        contents.append(encode(dataset, syntax))
    assert_told_alike(contents, syntax)


# --- made data sets that differ in little

_CHARACTER_SETS = st.sampled_from(
    [b"", b"ISO_IR 100", b"ISO_IR 192", b"\\ISO 2022 IR 87", b"ISO 2022 IR 87", b"ISO 2022 IR 6\\ISO 2022 IR 58", b"?"]
)
_BYTES = st.one_of(
    st.sampled_from(
        [b"", b" ", b"\0", b"A^B", b" a \\ b ", b"\x1b$B;3ED\x1b(B", b"Sch\xe4del", b"12", b"\2\1", b"\x1b"]
    ),
    st.sampled_from([b"1\\2\\3 ", b"x" * 5000, item(), item(b"\xe4" * 8), b"\xfe\xff"]),
    st.binary(max_size=12),
)
_CODES = st.builds(
    lambda value, is_open: (open_item if is_open else item)(explicit(0x00080104, "LO", even(value))),
    _BYTES,
    st.booleans(),
)
_ELEMENTS = {
    CHARACTER_SET: st.tuples(st.sampled_from(["CS", "UN"]), _CHARACTER_SETS),
    SOP_INSTANCE: st.tuples(st.just("UI"), _BYTES),
    TIME_ZONE: st.tuples(st.just("SH"), _BYTES),
    PROCEDURE_CODE: st.tuples(st.sampled_from(["SQ", "UN", "LO"]), _CODES | st.just(b"")),
    PATIENT_NAME: st.tuples(st.sampled_from(["PN", "UN"]), _BYTES),
    PATIENT_ID: st.tuples(st.sampled_from(["LO", "SQ"]), _BYTES),
    INSTANCE_NUMBER: st.tuples(st.just("IS"), _BYTES),
    IMAGE_COMMENTS: st.tuples(st.just("LT"), _BYTES),
    ROWS: st.tuples(st.sampled_from(["US", "IS", "UN"]), _BYTES),
    CONCEPT: st.tuples(st.just("SQ"), _CODES),
}
_DATA_SETS = st.lists(st.fixed_dictionaries({}, optional=_ELEMENTS), min_size=1, max_size=5)


def even(value):
    return value + b" " * (len(value) % 2)


def in_explicit(dataset):
    return b"".join(explicit(tag, vr, even(value)) for tag, (vr, value) in sorted(dataset.items())) + PIXELS


def in_implicit(dataset):
    return b"".join(implicit(tag, even(value)) for tag, (_, value) in sorted(dataset.items())) + implicit(
        PIXEL_DATA, b"\0\0"
    )


@given(_DATA_SETS)
@settings(deadline=None)
def test_made_data_sets_are_told_alike(datasets):
    assert_told_alike([in_explicit(dataset) for dataset in datasets])
    assert_told_alike([in_implicit(dataset) for dataset in datasets], IMPLICIT_VR_LITTLE_ENDIAN)


@given(st.fixed_dictionaries(_ELEMENTS), st.data())
@settings(deadline=None)
def test_data_sets_of_one_shape_are_told_alike(dataset, data):
    contents = []
    for _ in range(4):
        tag = data.draw(st.sampled_from(sorted(dataset)))
        dataset |= {tag: (dataset[tag][0], data.draw(_ELEMENTS[tag])[1])}
        contents.append(in_explicit(dataset))
    assert_told_alike(contents)


def test_same_bytes_are_told_in_each_data_sets_character_set():
    for character_set, text in ((b"ISO_IR 100", "Sch\xe4del"), (b"ISO_IR 144", "Sch\u0444del")):
        patient, _, series, instance = described(
            explicit(CHARACTER_SET, "CS", character_set),
            explicit(PATIENT_NAME, "PN", b"Sch\xe4del "),
            explicit(BODY_PART, "CS", b"HEAD"),
            explicit(IMAGE_COMMENTS, "LT", b"Sch\xe4del "),
        )
        assert (patient[PATIENT_NAME], instance[IMAGE_COMMENTS], series) == (text, text, {BODY_PART: "HEAD"})


def test_escapes_are_followed_where_the_character_set_has_code_extensions():
    for character_set, text in ((b"ISO_IR 192    ", "\x1b$B;3ED\x1b(B"), (b"\\ISO 2022 IR 87", "\u5c71\u7530")):
        description = explicit(0x00700081, "LO", b"\x1b$B;3ED\x1b(B")
        assert described(explicit(CHARACTER_SET, "CS", even(character_set)), description)[3][0x00700081] == text


@pytest.mark.parametrize(
    "element",
    [
        explicit(PATIENT_NAME, "UN", item(explicit(BODY_PART, "CS", b"HEAD")) + SEQUENCE_END, length=UNDEFINED),
        explicit(PATIENT_NAME, "OB", item() + SEQUENCE_END, length=UNDEFINED),
        explicit(PATIENT_NAME, "SQ", item()),
        explicit(PATIENT_NAME, "UT", b"A" * 10_000),
        explicit(PATIENT_NAME, "US", b"AB"),
    ],
    ids=["unknown items", "fragments", "items", "long", "other VR"],
)
def test_what_is_no_usual_value_is_told_alike(element):
    others = [explicit(PATIENT_NAME, "UN", b"A^B "), explicit(PATIENT_NAME, "PN", b"A^B ")]
    contents = [content + explicit(PATIENT_ID, "LO", b"P1") + PIXELS for content in (element, *others)]
    assert all(not scan(content, EXPLICIT_VR_LITTLE_ENDIAN).faults for content in contents)
    assert_told_alike(contents)


def test_what_can_no_longer_be_told_is_left_out():
    told_of = [described(explicit(ROWS, "IS", value))[3] for value in (b"12", b"ab", b"13")]
    assert told_of == [{ROWS: "12"}, {}, {ROWS: "13"}]


def test_instances_keep_what_was_told_of_them():
    first = described(explicit(SOP_INSTANCE, "UI", b"1.2\0"), explicit(INSTANCE_NUMBER, "IS", b"1 "))[3]
    described(explicit(SOP_INSTANCE, "UI", b"1.3\0"), explicit(INSTANCE_NUMBER, "IS", b"2 "))
    assert first == {SOP_INSTANCE: "1.2", INSTANCE_NUMBER: "1"}


# --- where elements stand


def test_values_far_behind_are_told_too():
    content = [
        explicit(PATIENT_NAME, "PN", b"A^B ")
        + explicit(0x00291010, "OB", bytes(40_000))
        + explicit(STEP_ID, "SH", step)
        + explicit(0x0040A491, "CS", b"COMPLETE")
        for step in (b"S1", b"S2")
    ]
    scanned = assert_told_alike(content)
    assert told(scanned) == [{PATIENT_NAME: "A^B"}, {}, {STEP_ID: "S2"}, {0x0040A491: "COMPLETE"}]


def test_kept_sequences_behind_the_pixel_data_are_told_too():
    kept = FurtherAttributes(study=("DigitalSignaturesSequence",)).kept
    content = (
        explicit(PATIENT_ID, "LO", b"P1")
        + PIXELS
        + explicit(SIGNATURES, "SQ", item(explicit(0x04000005, "US", b"\1\0")))
    )
    scanned = assert_told_alike([content, content[:-2] + b"\2\0"], kept=kept)
    assert scanned.layout is not None
    assert SIGNATURES in told(scanned, kept)[1]


def test_an_element_that_comes_again_behind_the_pixel_data_is_told():
    content = explicit(PATIENT_ID, "LO", b"P1") + explicit(SERIES_UID, "UI", b"1.2\0") + PIXELS
    again = content + explicit(PATIENT_ID, "LO", b"P2")
    scanned = assert_told_alike([content, content, again])
    assert scanned.layout is not None
    assert told(scanned)[0] == {PATIENT_ID: "P2"}


def test_an_element_that_comes_again_far_behind_deflated_pixel_data_is_told():
    content = explicit(PATIENT_ID, "LO", b"P1") + explicit(SERIES_UID, "UI", b"1.2\0")
    content += explicit(PIXEL_DATA, "OW", bytes(40_000)) + explicit(PATIENT_ID, "LO", b"P2")
    content += explicit(SIGNATURES, "OB", random.Random(1).randbytes(200_000))
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = deflate.compress(content) + deflate.flush()
    scanned = assert_told_alike([deflated], DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
    assert not scanned.faults  # those behind the pixel data are not told
    assert told(scanned)[0] == {PATIENT_ID: "P2"}


# --- what is remembered


def test_patient_study_and_series_are_remembered_whatever_else_changes():
    def one(uid, number):
        head = (
            explicit(SOP_INSTANCE, "UI", even(uid))
            + explicit(PATIENT_ID, "LO", b"P1")
            + explicit(SERIES_UID, "UI", b"1.2\0")
        )
        return head + explicit(INSTANCE_NUMBER, "IS", number) + PIXELS

    layouts = Layouts()
    contents = [one(b"1.2.3", b"9 "), one(b"1.2.4", b"10"), one(b"1.2.345", b"1000"), one(b"1.2.456", b"1001")]
    found = [told(scan(content, EXPLICIT_VR_LITTLE_ENDIAN, layouts=layouts)) for content in contents]
    for levels in found[1:]:
        assert all(level is first for level, first in zip(levels[:3], found[0][:3], strict=True))
    assert [levels[3][INSTANCE_NUMBER] for levels in found] == ["9", "10", "1000", "1001"]


def test_no_more_is_remembered_than_fits(monkeypatch):
    monkeypatch.setattr(values, "_REMEMBERED", 10)
    kept = FurtherAttributes().kept
    for number in range(100):
        name = explicit(PATIENT_NAME, "PN", b"A" * (4 + number % 7 * 2))
        content = name + explicit(PATIENT_ID, "LO", even(b"%d" % number))
        assert told(scan(content, EXPLICIT_VR_LITTLE_ENDIAN), kept)[0][PATIENT_ID] == str(number)
        assert 0 < len(kept.teller._memory) <= 10
