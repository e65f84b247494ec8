"""A data set whose layout is known is read as one that comes for the first time."""

from __future__ import annotations

import gc
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.dicom.against_pydicom import REAL_FILES, encode, read, real_file
from unit.dicom.datasets import datasets
from unit.dicom.elements import SEQUENCE_END, UNDEFINED, explicit, item

from dicomnode.dicom import layout as layout_module
from dicomnode.dicom.layout import Layout, Layouts, cutter
from dicomnode.dicom.scan import FaultKind, scan
from dicomnode.dicom.transfer_syntax import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

pytestmark = pytest.mark.filterwarnings("ignore")

PLAIN = [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN]
SOP_INSTANCE, PATIENT_NAME, STUDY = 0x00080018, 0x00100010, 0x0020000D
REFERENCED_IMAGES, MODALITY, PIXEL_DATA, SIGNATURES = 0x00081140, 0x00080060, 0x7FE00010, 0xFFFAFFFA
SLICE = explicit(SOP_INSTANCE, "UI", b"1.2.3\0") + explicit(PATIENT_NAME, "PN", b"A^B ")


def pixels(value=b"\1\2\3\4"):
    return explicit(PIXEL_DATA, "OW", value)


def told(scanned):
    """All that a scan tells, those of its parts compared by value that have no equality."""
    return (
        list(scanned.elements.items()),
        told_items(scanned.items),
        scanned.implicit_vr,
        scanned.big_endian,
        scanned.faults,
        scanned.complete,
        scanned.pixel_data,
        scanned.head,
    )


def told_items(items):
    return {tag: [(list(one.elements.items()), told_items(one.items)) for one in each] for tag, each in items.items()}


def known(content, syntax):
    """Layouts that know that of a data set, if it has one."""
    layouts = Layouts()
    for _ in range(2):
        scan(content, syntax, layouts=layouts)
    return layouts


def assert_same(content, syntax, layouts):
    assert told(scan(content, syntax, layouts=layouts)) == told(scan(content, syntax))


def changed_values(content, scanned, random):
    """The data set with other values of the same lengths, sequences and pixel data excepted."""
    changed = bytearray(content)
    spoil(changed, scanned, scanned.items, random)
    return bytes(changed)


def spoil(changed, item, items, random):
    for tag, (_, offset, length) in item.elements.items():
        for inner in items.get(tag, ()):
            spoil(changed, inner, inner.items, random)
        if tag not in items and 0 < length <= 64 and random.random() < 0.5:
            changed[offset : offset + length] = random.randbytes(length)


# --- what is recognised


def test_a_layout_is_remembered_when_it_comes_again():
    layouts = Layouts()
    first, second, third = (scan(SLICE + pixels(), EXPLICIT_VR_LITTLE_ENDIAN, layouts=layouts) for _ in range(3))
    assert first.layout is None
    assert second.layout is not None
    assert third.layout is second.layout


def test_other_values_have_the_same_layout():
    layouts = known(SLICE + pixels(), EXPLICIT_VR_LITTLE_ENDIAN)
    other = SLICE.replace(b"1.2.3\0", b"1.2.44").replace(b"A^B ", b"\xff\0\0\0") + pixels(b"\0" * 100)
    scanned = scan(other, EXPLICIT_VR_LITTLE_ENDIAN, layouts=layouts)
    assert scanned.layout is not None
    assert scanned.uid(SOP_INSTANCE) == "1.2.44"
    assert_same(other, EXPLICIT_VR_LITTLE_ENDIAN, layouts)


@pytest.mark.parametrize(
    "other",
    [
        SLICE.replace(b"A^B ", b"A^BC").replace(b"PN", b"LO") + pixels(),
        SLICE.replace(b"\x10\0\x10\0PN", b"\x10\0\x11\0PN") + pixels(),
        explicit(SOP_INSTANCE, "UI", b"1.2.") + explicit(PATIENT_NAME, "PN", b"A^B^^ ") + pixels(),
        SLICE[:-1],
        SLICE,
        SLICE + explicit(0x00280010, "US", b"\1\0") + pixels(),
    ],
    ids=["VR", "tag", "lengths", "cut off", "no pixel data", "one more"],
)
def test_another_structure_has_another_layout(other):
    layouts = known(SLICE + pixels(), EXPLICIT_VR_LITTLE_ENDIAN)
    layout = scan(SLICE + pixels(), EXPLICIT_VR_LITTLE_ENDIAN, layouts=layouts).layout
    assert_same(other, EXPLICIT_VR_LITTLE_ENDIAN, layouts)
    scanned = scan(other, EXPLICIT_VR_LITTLE_ENDIAN, layouts=layouts)
    assert scanned.layout is not layout or other.startswith(SLICE)


def test_what_stands_in_items_belongs_to_the_layout():
    inner = explicit(SOP_INSTANCE, "UI", b"1.9\0")
    content = explicit(REFERENCED_IMAGES, "SQ", item(inner) + item(inner)) + SLICE[-12:] + pixels()
    layouts = known(content, EXPLICIT_VR_LITTLE_ENDIAN)
    assert scan(content, EXPLICIT_VR_LITTLE_ENDIAN, layouts=layouts).layout is not None
    assert_same(content.replace(b"1.9\0", b"1.77"), EXPLICIT_VR_LITTLE_ENDIAN, layouts)
    one_item = explicit(REFERENCED_IMAGES, "SQ", item(inner + inner)) + SLICE[-12:] + pixels()
    assert_same(one_item, EXPLICIT_VR_LITTLE_ENDIAN, layouts)


@pytest.mark.parametrize(
    "tail",
    [
        b"",
        pixels()[:-1],
        pixels() + b"\0" * 20,
        pixels() + SLICE[-12:],
        pixels() + pixels(),
        SLICE[-12:] + pixels(),
        b"\0" * 8,
        b"\xff" * 12,
        pixels() + explicit(SIGNATURES, "SQ", item(explicit(SOP_INSTANCE, "UI", b"1.9\0"))),
        explicit(PIXEL_DATA, "OB", b"\xfe\xff\0\xe0\0\0\0\0" + SEQUENCE_END, length=UNDEFINED),
    ],
)
def test_what_follows_on_a_layout_is_read_anew(tail):
    layouts = known(SLICE + pixels(), EXPLICIT_VR_LITTLE_ENDIAN)
    for _ in range(3):
        assert_same(SLICE + tail, EXPLICIT_VR_LITTLE_ENDIAN, layouts)
    assert_same(SLICE + pixels(), EXPLICIT_VR_LITTLE_ENDIAN, layouts)


# --- what is not remembered


@pytest.mark.parametrize(
    "content",
    [
        SLICE.replace(b"PN", b"ZZ") + pixels(),
        explicit(PATIENT_NAME, "PN", b"A^B") + pixels(),
        SLICE + pixels()[:-2],
        b"",
        pixels(),
        # an unknown VR whose value may be items, which only the value tells
        explicit(REFERENCED_IMAGES, "UN", b"\0" * 8) + pixels(),
    ],
    ids=["a VR that is none", "an odd length", "cut off", "empty", "pixel data alone", "maybe a sequence"],
)
def test_nothing_is_remembered_where_structure_is_not_told_by_headers_alone(content):
    layouts = Layouts()
    for _ in range(4):
        assert scan(content, EXPLICIT_VR_LITTLE_ENDIAN, layouts=layouts).layout is None


def test_a_value_that_turns_out_to_be_items_is_read_as_items():
    value = item(explicit(SOP_INSTANCE, "UI", b"1.9\0"))
    layouts = known(explicit(REFERENCED_IMAGES, "UN", b"\0" * len(value)) + pixels(), EXPLICIT_VR_LITTLE_ENDIAN)
    scanned = scan(explicit(REFERENCED_IMAGES, "UN", value) + pixels(), EXPLICIT_VR_LITTLE_ENDIAN, layouts=layouts)
    assert len(scanned.items[REFERENCED_IMAGES]) == 1


def test_a_head_that_is_longer_than_what_is_copied_has_no_layout():
    content = SLICE + explicit(0x00291010, "OB", bytes(40_000)) + pixels()
    layouts = Layouts()
    for _ in range(3):
        assert scan(content, EXPLICIT_VR_LITTLE_ENDIAN, layouts=layouts).layout is None


def test_no_peer_fills_the_memory(monkeypatch):
    monkeypatch.setattr(layout_module, "_MAX_IN_ALL", 50)
    layouts = Layouts()
    for number in range(200):
        content = SLICE + explicit(0x00280030, "DS", b"1 " * (number + 1)) + pixels()
        for _ in range(2):
            scanned = scan(content, EXPLICIT_VR_LITTLE_ENDIAN, layouts=layouts)
        assert scanned.layout is not None
    assert sum(isinstance(one, Layout) for one in gc.get_objects()) <= 50


# --- it makes no difference


@pytest.mark.parametrize("path", REAL_FILES, ids=lambda path: path.name)
def test_real_files_are_read_the_same_with_and_without(path):
    content, syntax, _ = read(path)
    layouts = known(content, syntax)
    assert_same(content, syntax, layouts)
    chance = random.Random(path.name)
    scanned = scan(content, syntax)
    if scanned.data is content:
        for _ in range(20):
            assert_same(changed_values(content, scanned, chance), syntax, layouts)


@settings(max_examples=100)
@given(datasets(), st.sampled_from(PLAIN), st.randoms(use_true_random=False))
def test_any_data_set_is_read_the_same_with_and_without(dataset, syntax, chance):
    content = encode(dataset, syntax)
    layouts = known(content, syntax)
    assert_same(content, syntax, layouts)
    assert_same(changed_values(content, scan(content, syntax), chance), syntax, layouts)


SPOILT = ["CT_small.dcm", "rtplan.dcm", "test-SR.dcm", "MR_small_bigendian.dcm", "JPEG2000.dcm", "UN_sequence.dcm"]
SPOILT_FILES = {name: read(real_file(name))[:2] for name in SPOILT}
SPOILT_LAYOUTS = {name: known(content[:6000], syntax) for name, (content, syntax) in SPOILT_FILES.items()}


@settings(max_examples=400)
@given(
    st.sampled_from(SPOILT), st.lists(st.tuples(st.integers(0, 6000), st.binary(min_size=1, max_size=8)), max_size=3)
)
def test_spoilt_files_are_read_the_same_with_and_without(name, pieces):
    content, syntax = SPOILT_FILES[name]
    layouts = SPOILT_LAYOUTS[name]
    for _ in range(2):
        scan(content, syntax, layouts=layouts)
    spoilt = bytearray(content[:8000])
    for at, piece in pieces:
        spoilt[at : at + len(piece)] = piece
    assert_same(bytes(spoilt), syntax, layouts)


# --- what is made of one


def test_what_follows_from_a_layout_is_made_once():
    layouts = known(SLICE + pixels(), EXPLICIT_VR_LITTLE_ENDIAN)
    made = []
    for _ in range(3):
        layout = scan(SLICE + pixels(), EXPLICIT_VR_LITTLE_ENDIAN, layouts=layouts).layout
        assert layout.derived("tags", lambda one: made.append(one) or tuple(one.elements)) == (
            SOP_INSTANCE,
            PATIENT_NAME,
        )
    assert made == [layout]


def test_cuts_pieces_out_of_bytes():
    assert cutter([(1, 3), (3, 4), (6, 6), (6, 8)])(b"0123456789") == (b"12", b"3", b"", b"67")
    assert cutter([])(b"0123") == ()


def test_a_fault_behind_the_layout_is_told():
    layouts = known(SLICE + pixels(), EXPLICIT_VR_LITTLE_ENDIAN)
    scanned = scan(SLICE + pixels()[:-1], EXPLICIT_VR_LITTLE_ENDIAN, layouts=layouts)
    assert scanned.layout is not None
    assert [fault.kind for fault in scanned.faults] == [FaultKind.TRUNCATED]
    assert not scanned.complete
