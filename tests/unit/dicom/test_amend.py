"""Amended data sets, read back by pydicom: changed as asked, all else as it came, the old values kept."""

from __future__ import annotations

import contextlib
import struct
import tracemalloc
import zlib
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydicom import Dataset
from unit.dicom.against_pydicom import decode, encode, read, real_file
from unit.dicom.datasets import datasets
from unit.dicom.elements import SEQUENCE_END, UNDEFINED, explicit, item

from dicomnode.dicom.amend import Change, OriginalAttributes, Reason, amend, amended, vr_of
from dicomnode.dicom.scan import scan
from dicomnode.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from dicomnode.errors import AmendError

pytestmark = pytest.mark.filterwarnings("ignore")

SYNTAXES = [
    IMPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
]
WHEN = datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=UTC)
ORIGINAL = OriginalAttributes(WHEN, "DICOMNODE", "CT1", Reason.CORRECT)
NATIVE, JPEG = EXPLICIT_VR_LITTLE_ENDIAN, "1.2.840.10008.1.2.4.50"
PIXELS = explicit(0x7FE00010, "OW", bytes(range(256)))

_TEXT = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="\\^="), min_size=1, max_size=20
)
CHANGES = st.lists(
    st.one_of(
        st.builds(Change, st.just(0x00100020), st.just("LO"), _TEXT | st.sampled_from(["", None])),
        st.builds(Change, st.just(0x00080060), st.just("CS"), _TEXT | st.sampled_from(["", None])),
        st.builds(Change, st.just(0x00104000), st.just("LT"), _TEXT | st.sampled_from(["", None])),
        st.builds(Change, st.just(0x00280010), st.just("US"), st.integers(0, 0xFFFF).map(str) | st.none()),
        st.builds(Change, st.just(0x00081140), st.just("SQ"), st.sampled_from(["", None])),
        st.builds(Change, st.just(0x0020000D), st.just("UI"), st.just("1.2.3") | st.none()),
        st.builds(Change, st.just(0x00720066), st.just("LO"), _TEXT | st.none()),
    ),
    min_size=1,
    max_size=5,
    unique_by=lambda change: change.tag,
)


def encoded(dataset: Dataset, syntax: str) -> bytes:
    content = encode(dataset, syntax)
    if syntax != DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        return content
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(content) + stream.flush()


def changed(content: bytes, *changes: Change, syntax: str = NATIVE, original: OriginalAttributes = ORIGINAL) -> Dataset:
    return decode(amend(memoryview(content), syntax, changes, original=original), syntax)


def change(tag: int, vr: str, value: str | None) -> Change:
    return Change(tag, vr, value)


def tags_of(dataset: Dataset) -> set[int]:
    return set(map(int, dataset.keys()))


def raw(dataset: Dataset) -> dict[int, Any]:
    """Every element but those of Original Attributes; sequences as data sets, values as their bytes."""
    return {
        int(tag): [raw(inner) for inner in dataset[tag].value]
        if dataset[tag].VR == "SQ"
        else dataset.get_item(tag).value
        for tag in list(dataset.keys())
        if tag != 0x04000561
    }


@given(datasets(), CHANGES, st.sampled_from(SYNTAXES))
def test_changes_what_was_asked_and_nothing_else(dataset, changes, syntax):
    content = encoded(dataset, syntax)
    before, after = decode(content, syntax), changed(content, *changes, syntax=syntax)
    tags = {one.tag for one in changes}
    assert {tag: value for tag, value in raw(before).items() if tag not in tags} == {
        tag: value for tag, value in raw(after).items() if tag not in tags
    }
    for one in changes:
        if one.value is None:
            assert one.tag not in after
        elif one.vr == "SQ":
            assert len(after[one.tag].value) == 0
        else:
            element = after[one.tag]
            assert ("" if element.is_empty else str(element.value)) == one.value
    _check_kept(before, after, tags)


def _check_kept(before: Dataset, after: Dataset, tags: set[int]) -> None:
    if "OriginalAttributesSequence" not in after:
        assert raw(before) == raw(after)
        return
    [kept] = after.OriginalAttributesSequence
    [old] = kept.ModifiedAttributesSequence
    assert tags_of(old) <= tags
    for tag in tags_of(old):
        was = raw(before).get(tag) or b""
        assert (raw(old)[tag] or b"") == was or (was == b"" and len(old[tag].value) == 0)
    for tag in tags - tags_of(old):  # not changed at all
        assert raw(before).get(tag) == raw(after).get(tag)


@given(datasets(), CHANGES, st.sampled_from(SYNTAXES))
def test_what_it_makes_has_no_fault_of_encoding(dataset, changes, syntax):
    amended_bytes = amend(memoryview(encoded(dataset, syntax)), syntax, changes, original=ORIGINAL)
    scanned = scan(amended_bytes, syntax)
    assert scanned.faults == ()
    assert scanned.complete


@given(st.binary(max_size=300), CHANGES, st.sampled_from([*SYNTAXES, JPEG]))
# what is put behind an element without a VR might be read as its value
@example(b"\0\0\0\0\0\0\0\1", [Change(0x00081140, "SQ", "")], EXPLICIT_VR_LITTLE_ENDIAN)
def test_hostile_bytes_are_amended_or_refused(content, changes, syntax):
    with contextlib.suppress(AmendError):
        made = amend(memoryview(content), syntax, changes, original=ORIGINAL)
        assert made == content or 0x04000561 in scan(made, syntax).elements


@pytest.mark.parametrize(
    "name",
    ["CT_small.dcm", "MR_small_bigendian.dcm", "JPEG2000.dcm", "image_dfl.dcm", "rtplan.dcm", "SC_rgb_gdcm_KY.dcm"],
)
def test_real_file_keeps_every_other_element(name):
    content, syntax, before = read(real_file(name))
    after = changed(content, change(0x00100020, "LO", "NEW"), syntax=syntax)
    assert after.PatientID == "NEW"
    left, right = raw(before), raw(after)
    for both in (left, right):
        both.pop(0x00100020, None)
        both.pop(0x00100000, None)
    assert left == right
    [kept] = after.OriginalAttributesSequence
    assert kept.ModifiedAttributesSequence[0].PatientID == before.PatientID


def test_says_who_changed_what_when_and_why():
    after = changed(explicit(0x00100020, "LO", b"P1") + PIXELS, change(0x00100020, "LO", "P2"))
    [kept] = after.OriginalAttributesSequence
    assert kept.AttributeModificationDateTime == "20260203040506.000007+0000"
    assert (kept.ModifyingSystem, kept.SourceOfPreviousValues) == ("DICOMNODE", "CT1")
    assert kept.ReasonForTheAttributeModification == "CORRECT"
    assert kept.ModifiedAttributesSequence[0].PatientID == "P1"


def test_earlier_changes_stay_beside_the_new_one():
    content = explicit(0x00100020, "LO", b"P1") + PIXELS
    once = amend(memoryview(content), NATIVE, [change(0x00100020, "LO", "P2")], original=ORIGINAL)
    after = changed(once, change(0x00100020, "LO", "P3"))
    assert [kept.ModifiedAttributesSequence[0].PatientID for kept in after.OriginalAttributesSequence] == ["P1", "P2"]


def test_items_of_an_undelimited_sequence_stay_byte_for_byte():
    earlier = item(explicit(0x04000563, "LO", b"OTHER "))
    content = explicit(0x04000561, "SQ", earlier + SEQUENCE_END, length=UNDEFINED) + PIXELS
    made = amend(memoryview(content), NATIVE, [change(0x00100020, "LO", "P2")], original=ORIGINAL)
    assert earlier in made
    assert SEQUENCE_END not in made
    assert [kept.ModifyingSystem for kept in decode(made, NATIVE).OriginalAttributesSequence] == ["OTHER", "DICOMNODE"]


def test_what_was_not_there_is_kept_as_an_element_without_a_value():
    after = changed(PIXELS, change(0x00100020, "LO", "P1"))
    assert after.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]["PatientID"].is_empty


def test_same_value_is_no_change():
    content = explicit(0x00100020, "LO", b"P1") + PIXELS
    assert amend(memoryview(content), NATIVE, [change(0x00100020, "LO", "P1")], original=ORIGINAL) == content
    deflated = zlib.compress(content, wbits=-15)
    changes = [change(0x00100020, "LO", "P1")]
    assert amend(memoryview(deflated), DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, changes, original=ORIGINAL) == deflated


def test_group_lengths_of_changed_groups_go():
    group = explicit(0x00100020, "LO", b"P1")
    content = (
        explicit(0x00080001, "UL", b"\0\0\0\0")
        + explicit(0x00100000, "UL", struct.pack("<L", len(group)))
        + group
        + explicit(0x00200000, "UL", b"\x0a\0\0\0")
        + explicit(0x00200010, "SH", b"S1")
    )
    after = changed(content, change(0x00100020, "LO", "P22"))
    assert tags_of(after) == {0x00100020, 0x00200000, 0x00200010, 0x04000561}


def test_pixel_data_is_not_copied():
    pixels = bytearray(64 << 20)
    content = memoryview(explicit(0x00100020, "LO", b"P1") + explicit(0x7FE00010, "OW", bytes(pixels)))
    tracemalloc.start()
    try:
        pieces = list(amended(content, NATIVE, [change(0x00100020, "LO", "P2")], original=ORIGINAL))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1 << 20
    assert sum(len(piece) for piece in pieces) > len(pixels)


def test_cut_pixel_data_does_not_hinder():
    content = explicit(0x00100020, "LO", b"P1") + PIXELS[:-100]
    made = amend(memoryview(content), NATIVE, [change(0x00100020, "LO", "P2")], original=ORIGINAL)
    assert made.endswith(PIXELS[:-100])


def test_fragments_stay_byte_for_byte():
    fragments = explicit(0x7FE00010, "OB", item() + item(b"\xff\xd8\xff\xd9") + SEQUENCE_END, length=UNDEFINED)
    content = explicit(0x00100020, "LO", b"P1") + fragments
    made = amend(memoryview(content), JPEG, [change(0x00100020, "LO", "P2")], original=ORIGINAL)
    assert made.endswith(fragments)


def test_deflated_pixel_data_is_deflated_again():
    content = explicit(0x00100020, "LO", b"P1") + explicit(0x7FE00010, "OW", bytes(range(256)) * 4096)
    deflated = zlib.compress(content, wbits=-15)
    made = amend(
        memoryview(deflated), DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, [change(0x00100020, "LO", "P2")], original=ORIGINAL
    )
    assert len(made) % 2 == 0
    after = decode(made, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
    assert (after.PatientID, after.PixelData) == ("P2", bytes(range(256)) * 4096)


@pytest.mark.parametrize("deflated", [b"\x63\x00", zlib.compress(PIXELS * 3000, wbits=-15)[:-200]])
def test_broken_deflate_stream_is_refused(deflated):
    with pytest.raises(AmendError):
        amend(
            memoryview(deflated), DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, [change(0x00100020, "LO", "2")], original=ORIGINAL
        )


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        ("ISO_IR 100", "Müller^Jörg"),
        ("ISO_IR 192", "山田^太郎"),
        ("ISO_IR 144", "Иванов^Иван"),
        ("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎"),
        ("ISO 2022 IR 6\\ISO 2022 IR 149", "Hong^Gildong=洪^吉洞=홍^길동"),
    ],
)
def test_text_is_written_in_the_data_sets_character_set(declared, name):
    content = explicit(0x00080005, "CS", (declared + " " * (len(declared) % 2)).encode()) + explicit(
        0x00100010, "PN", b"A^B "
    )
    assert str(changed(content, change(0x00100010, "PN", name)).PatientName) == name


@pytest.mark.parametrize("declared", [b"", b"ISO_IR 100", b"ISO_IR 999"])
def test_text_that_the_character_set_lacks_is_refused(declared):
    content = explicit(0x00080005, "CS", declared + b" " * (len(declared) % 2)) + PIXELS
    with pytest.raises(AmendError):
        changed(content, change(0x00100010, "PN", "山田"))


def test_character_set_can_be_corrected_with_the_text():
    content = explicit(0x00100010, "PN", b"M\xfcller") + PIXELS
    after = changed(content, change(0x00080005, "CS", "ISO_IR 100"), change(0x00100020, "LO", "Jörg"))
    assert (str(after.PatientName), after.PatientID) == ("Müller", "Jörg")


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        ("US", "x"), ("US", "70000"), ("US", "-1"), ("FD", "one"), ("AT", "zz"), ("CS", "ÄRGER"), ("OB", "1"), ("SQ", "1"),
        ("LO", "a\x1bb"), ("LO", "a\nb"), ("UN", "x"), ("LO", "x" * 70000),
    ],
)  # fmt: skip
def test_value_that_the_vr_cannot_have_is_refused(vr, value):
    with pytest.raises(AmendError):
        changed(PIXELS, change(0x00181000, vr, value))


@pytest.mark.parametrize(
    "tag", [0x00020010, 0x00000010, 0x00100000, 0x04000561, 0x7FE00010, 0xFFFEE000, 0xFFFCFFFC, 0x00111001]
)
def test_element_that_is_not_to_be_changed_is_refused(tag):
    with pytest.raises(AmendError):
        changed(PIXELS, change(tag, "LO", "x"))


def test_element_that_is_there_twice_is_refused():
    content = explicit(0x00100020, "LO", b"P1") * 2 + PIXELS
    with pytest.raises(AmendError, match="more than once"):
        changed(content, change(0x00100020, "LO", "P2"))
    made = amend(memoryview(content), NATIVE, [change(0x00100010, "PN", "A")], original=ORIGINAL)
    assert made.count(explicit(0x00100020, "LO", b"P1")) == 2


def test_data_set_that_breaks_off_is_refused():
    with pytest.raises(AmendError, match="breaks off"):
        changed(explicit(0x00100010, "PN", b"Doe^", length=100), change(0x00100020, "LO", "P2"))


def test_private_element_is_kept_with_its_creator():
    creator, value = explicit(0x00090010, "LO", b"ACME"), explicit(0x00091001, "LO", b"old ")
    after = changed(creator + value + PIXELS, change(0x00091001, "LO", "new"))
    assert after[0x00091001].value == "new"
    old = after.OriginalAttributesSequence[0].ModifiedAttributesSequence[0]
    assert (old[0x00090010].value, old[0x00091001].value) == ("ACME", "old")


def test_vr_of_an_element_is_its_own_or_the_dictionarys():
    scanned = scan(explicit(0x00280106, "SS", b"\0\0") + explicit(0x00280107, "UN", b"\0\0"), NATIVE)
    assert [vr_of(scanned, tag) for tag in (0x00280106, 0x00280107, 0x00100020)] == ["SS", "US", "LO"]


@pytest.mark.parametrize("damaged", [b"\xc3S", b"QQ"])
def test_vr_that_is_none_is_the_dictionarys(damaged):
    content = explicit(0x00100040, "CS", b"M ").replace(b"CS", damaged) + explicit(0x00100020, "LO", b"P1")
    assert vr_of(scan(content, NATIVE), 0x00100040) == "CS"
    after = changed(content + PIXELS, change(0x00100040, "CS", "F"))
    assert after.PatientSex == "F"
