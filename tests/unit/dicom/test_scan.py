from __future__ import annotations

import mmap
import time
import tracemalloc
import zlib

import pytest
from unit.dicom.against_pydicom import read, real_file
from unit.dicom.elements import ITEM_END, SEQUENCE_END, UNDEFINED, explicit, implicit, item, open_item

from dicomnode.dicom.scan import UNDEFINED as UNDEFINED_LENGTH
from dicomnode.dicom.scan import FaultKind, scan
from dicomnode.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

JPEG = "1.2.840.10008.1.2.4.50"

CHARACTER_SET, SOP_CLASS, SOP_INSTANCE, MODALITY = 0x00080005, 0x00080016, 0x00080018, 0x00080060
REFERENCED_IMAGES, PATIENT_NAME, PATIENT_ID, STUDY = 0x00081140, 0x00100010, 0x00100020, 0x0020000D
ROWS, PIXEL_DATA, TRAILING_PADDING, CONTENT = 0x00280010, 0x7FE00010, 0xFFFCFFFC, 0x0040A730
PRIVATE = 0x00091001

BEFORE = explicit(SOP_INSTANCE, "UI", b"1.2.3\0")
AFTER = explicit(STUDY, "UI", b"1.2.4\0")
INNER = explicit(SOP_INSTANCE, "UI", b"1.9\0")


def kinds(scanned):
    return [fault.kind for fault in scanned.faults]


def deflated(content):
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(content) + deflate.flush()


def assert_both_sides_found(scanned):
    assert scanned.uid(SOP_INSTANCE) == "1.2.3"
    assert scanned.uid(STUDY) == "1.2.4"


# --- what is well-formed


def test_tells_where_each_value_stands():
    scanned = scan(BEFORE + explicit(PATIENT_NAME, "PN", b"A^B "), EXPLICIT_VR_LITTLE_ENDIAN)
    assert scanned.elements == {SOP_INSTANCE: (b"UI", 8, 6), PATIENT_NAME: (b"PN", 22, 4)}
    assert scanned.complete
    assert scanned.faults == ()


def test_takes_the_vr_from_the_dictionary_in_implicit_vr():
    content = b"".join(implicit(tag) for tag in (0x00080000, SOP_INSTANCE, 0x00090010, PRIVATE, 0x00280106, 0x60020010))
    scanned = scan(content, IMPLICIT_VR_LITTLE_ENDIAN)
    assert [vr for vr, _, _ in scanned.elements.values()] == [b"UL", b"UI", b"LO", b"UN", b"US", b"US"]


@pytest.mark.parametrize("wrap", [bytes, bytearray, memoryview, deflated])
def test_reads_any_buffer(wrap):
    syntax = DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN if wrap is deflated else EXPLICIT_VR_LITTLE_ENDIAN
    assert_both_sides_found(scan(wrap(BEFORE + AFTER), syntax))


def test_reads_a_mapped_file_and_lets_it_be_closed(tmp_path):
    (tmp_path / "dataset").write_bytes(BEFORE + AFTER)
    with (tmp_path / "dataset").open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert_both_sides_found(scan(mapped, EXPLICIT_VR_LITTLE_ENDIAN))


@pytest.mark.parametrize("inside", [item(INNER), open_item(INNER)], ids=["defined item", "undefined item"])
@pytest.mark.parametrize("undefined", [False, True], ids=["defined sequence", "undefined sequence"])
def test_reads_items_of_either_length(inside, undefined):
    sequence = explicit(
        REFERENCED_IMAGES, "SQ", inside * 2 + SEQUENCE_END * undefined, length=UNDEFINED if undefined else None
    )
    scanned = scan(BEFORE + sequence + AFTER, EXPLICIT_VR_LITTLE_ENDIAN)
    assert [scanned.uid(SOP_INSTANCE, each) for each in scanned.items[REFERENCED_IMAGES]] == ["1.9", "1.9"]
    assert scanned.elements[REFERENCED_IMAGES][2] == len(inside) * 2
    assert scanned.faults == ()
    assert_both_sides_found(scanned)


@pytest.mark.parametrize("content", [INNER, implicit(SOP_INSTANCE, b"1.9\0")], ids=["explicit", "implicit"])
@pytest.mark.parametrize("tag", [PRIVATE, REFERENCED_IMAGES])
def test_reads_a_sequence_of_unknown_vr_and_undefined_length(tag, content):
    before, after = (BEFORE, AFTER) if tag == REFERENCED_IMAGES else (b"", BEFORE.replace(b"\x08\0\x18", b"\x18\0\x18"))
    sequence = explicit(tag, "UN", item(content) + SEQUENCE_END, length=UNDEFINED)
    scanned = scan(before + sequence + after, EXPLICIT_VR_LITTLE_ENDIAN)
    assert scanned.elements[tag][0] == b"UN"
    assert scanned.uid(SOP_INSTANCE, scanned.items[tag][0]) == "1.9"
    assert scanned.faults == ()
    assert scanned.complete


def test_reads_a_known_sequence_that_was_written_as_unknown():
    sequence = explicit(REFERENCED_IMAGES, "UN", item(implicit(SOP_INSTANCE, b"1.9\0")))
    scanned = scan(BEFORE + sequence + AFTER, EXPLICIT_VR_LITTLE_ENDIAN)
    assert scanned.uid(SOP_INSTANCE, scanned.items[REFERENCED_IMAGES][0]) == "1.9"


def test_leaves_a_private_value_of_unknown_vr_alone():
    scanned = scan(explicit(PRIVATE, "UN", item(implicit(SOP_INSTANCE, b"1.9\0"))), EXPLICIT_VR_LITTLE_ENDIAN)
    assert scanned.items == {}


def test_sees_by_its_items_that_a_private_element_in_implicit_vr_is_a_sequence():
    sequence = implicit(PRIVATE, item(implicit(SOP_INSTANCE, b"1.9\0")) + SEQUENCE_END, length=UNDEFINED)
    scanned = scan(sequence, IMPLICIT_VR_LITTLE_ENDIAN)
    assert scanned.elements[PRIVATE][0] == b"SQ"
    assert scanned.uid(SOP_INSTANCE, scanned.items[PRIVATE][0]) == "1.9"


# --- pixel data


def test_jumps_over_native_pixel_data():
    pixels = explicit(PIXEL_DATA, "OW", b"\1\2" * 50)
    scanned = scan(BEFORE + pixels + explicit(TRAILING_PADDING, "OB", b"\0\0"), EXPLICIT_VR_LITTLE_ENDIAN)
    found = scanned.pixel_data
    assert (found.tag, found.vr, found.declared_bytes, found.present_bytes, found.fragments) == (
        PIXEL_DATA,
        b"OW",
        100,
        100,
        None,
    )
    assert TRAILING_PADDING in scanned.elements


def test_tells_how_much_of_native_pixel_data_is_there():
    scanned = scan(BEFORE + explicit(PIXEL_DATA, "OW", b"\1\2", length=100), EXPLICIT_VR_LITTLE_ENDIAN)
    assert (scanned.pixel_data.declared_bytes, scanned.pixel_data.present_bytes) == (100, 2)
    assert kinds(scanned) == [FaultKind.TRUNCATED]
    assert not scanned.complete


def test_counts_fragments():
    fragments = item() + item(b"\1\2\3\4") + item(SEQUENCE_END)  # a delimiter within a fragment is none
    pixels = explicit(PIXEL_DATA, "OB", fragments + SEQUENCE_END, length=UNDEFINED)
    scanned = scan(BEFORE + pixels + explicit(TRAILING_PADDING, "OB"), JPEG)
    found = scanned.pixel_data
    assert (found.declared_bytes, found.present_bytes, found.fragments) == (None, 12, 3)
    assert scanned.elements[PIXEL_DATA][2] == UNDEFINED_LENGTH
    assert TRAILING_PADDING in scanned.elements
    assert scanned.faults == ()


def test_notes_fragments_that_nothing_ends():
    pixels = explicit(PIXEL_DATA, "OB", item() + item(b"\1\2\3\4", length=400), length=UNDEFINED)
    scanned = scan(BEFORE + pixels, JPEG)
    assert kinds(scanned) == [FaultKind.TRUNCATED]
    assert (scanned.pixel_data.fragments, scanned.pixel_data.present_bytes) == (2, 4)


def test_goes_on_behind_fragments_whose_lengths_are_wrong():
    pixels = explicit(PIXEL_DATA, "OB", item() + item(b"\1\2\3\4", length=2) + SEQUENCE_END, length=UNDEFINED)
    scanned = scan(BEFORE + pixels + explicit(TRAILING_PADDING, "OB"), JPEG)
    assert kinds(scanned) == [FaultKind.BAD_ITEM]
    assert TRAILING_PADDING in scanned.elements


def test_never_looks_into_pixel_data_of_a_deflated_data_set():
    content = BEFORE + explicit(PIXEL_DATA, "OW", bytes(10_000_000))
    scanned = scan(deflated(content), DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
    assert len(scanned.data) < 1_000_000
    assert (scanned.pixel_data.declared_bytes, scanned.pixel_data.present_bytes) == (10_000_000, None)
    assert scanned.faults == ()
    assert scanned.complete


# --- what is encoded otherwise than announced


@pytest.mark.parametrize("announced", [IMPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, JPEG])
@pytest.mark.parametrize(
    ("content", "is_announced_in"),
    [
        (BEFORE + AFTER, (EXPLICIT_VR_LITTLE_ENDIAN, JPEG)),
        (implicit(SOP_INSTANCE, b"1.2.3\0") + implicit(STUDY, b"1.2.4\0"), (IMPLICIT_VR_LITTLE_ENDIAN,)),
        (
            explicit(SOP_INSTANCE, "UI", b"1.2.3\0", order=">") + explicit(STUDY, "UI", b"1.2.4\0", order=">"),
            (EXPLICIT_VR_BIG_ENDIAN,),
        ),
    ],
    ids=["explicit", "implicit", "big endian"],
)
def test_reads_a_data_set_as_it_is_encoded_whatever_was_announced(content, is_announced_in, announced):
    scanned = scan(content, announced)
    assert_both_sides_found(scanned)
    assert kinds(scanned) == ([] if announced in is_announced_in else [FaultKind.OTHER_ENCODING])


def test_reads_items_in_implicit_vr_within_explicit_vr():
    sequence = explicit(REFERENCED_IMAGES, "SQ", item(implicit(SOP_INSTANCE, b"1.9\0")))
    scanned = scan(BEFORE + sequence + AFTER, EXPLICIT_VR_LITTLE_ENDIAN)
    assert scanned.uid(SOP_INSTANCE, scanned.items[REFERENCED_IMAGES][0]) == "1.9"
    assert kinds(scanned) == [FaultKind.OTHER_ENCODING]
    assert_both_sides_found(scanned)


def test_reads_what_was_announced_as_deflated_and_is_not():
    scanned = scan(BEFORE + AFTER, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
    assert_both_sides_found(scanned)
    assert kinds(scanned) == [FaultKind.INFLATE_FAILED]


def test_reads_a_zlib_stream_as_deflated():
    assert_both_sides_found(scan(zlib.compress(BEFORE + AFTER), DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN))


# --- faults that reading survives


def test_keeps_the_last_of_elements_with_one_tag():
    scanned = scan(BEFORE + INNER, EXPLICIT_VR_LITTLE_ENDIAN)
    assert scanned.uid(SOP_INSTANCE) == "1.9"
    assert kinds(scanned) == [FaultKind.DUPLICATE_ELEMENT]


def test_drops_the_items_of_a_sequence_that_comes_again_as_a_value():
    sequence = explicit(REFERENCED_IMAGES, "SQ", item(INNER))
    scanned = scan(sequence + explicit(REFERENCED_IMAGES, "OB", b"ab"), EXPLICIT_VR_LITTLE_ENDIAN)
    assert scanned.elements[REFERENCED_IMAGES][0] == b"OB"
    assert scanned.items == {}


def test_finds_elements_out_of_order_and_tells_it_once():
    modality = explicit(MODALITY, "CS", b"CT")
    scanned = scan(AFTER + BEFORE + modality + explicit(PATIENT_ID, "LO", b"P1"), EXPLICIT_VR_LITTLE_ENDIAN)
    assert_both_sides_found(scanned)
    assert [(fault.kind, fault.tag) for fault in scanned.faults] == [(FaultKind.OUT_OF_ORDER, SOP_INSTANCE)]


@pytest.mark.parametrize(
    "bad",
    [
        explicit(PATIENT_NAME, "Q1", b"A^B "),  # two letters that are no VR, short form
        explicit(PATIENT_NAME, "pn", b"A^B "),  # no capital letters
        explicit(PATIENT_NAME, "Q1", b"\0\0\4\0\0\0A^B ", length=0)[:8] + b"\4\0\0\0A^B ",  # long form, as new VRs have
        implicit(PATIENT_NAME, b"A^B "),  # the VR is missing
    ],
    ids=["unknown", "small letters", "long form", "missing"],
)
def test_finds_the_end_of_an_element_with_a_bad_vr(bad):
    scanned = scan(BEFORE + bad + AFTER, EXPLICIT_VR_LITTLE_ENDIAN)
    assert_both_sides_found(scanned)
    assert scanned.text(PATIENT_NAME) == "A^B"
    assert [(fault.kind, fault.tag) for fault in scanned.faults] == [(FaultKind.BAD_VR, PATIENT_NAME)]


def test_reads_on_behind_a_first_element_with_a_bad_vr():
    scanned = scan(BEFORE.replace(b"UI", b"ui") + AFTER, EXPLICIT_VR_LITTLE_ENDIAN)
    assert_both_sides_found(scanned)
    assert kinds(scanned) == [FaultKind.BAD_VR]


@pytest.mark.parametrize("vr", ["LO", "UT", "UN"])
def test_notes_an_odd_length(vr):
    scanned = scan(BEFORE + explicit(PATIENT_ID, vr, b"P12") + AFTER, EXPLICIT_VR_LITTLE_ENDIAN)
    assert [(fault.kind, fault.tag) for fault in scanned.faults] == [(FaultKind.ODD_LENGTH, PATIENT_ID)]
    assert scanned.text(PATIENT_ID) == "P12"
    assert_both_sides_found(scanned)


@pytest.mark.parametrize(
    "content",
    [
        item(INNER, length=len(INNER) + 20),
        item(INNER, length=4),
        item(INNER + b"\x08\0"),
        INNER,
        item(INNER) + b"\1\2\3\4",
        item(INNER + ITEM_END + INNER),
    ],
    ids=["item too long", "item too short", "half an element", "no item", "something behind", "delimiter within"],
)
def test_goes_on_behind_a_sequence_that_is_wrong_inside(content):
    scanned = scan(BEFORE + explicit(REFERENCED_IMAGES, "SQ", content) + AFTER, EXPLICIT_VR_LITTLE_ENDIAN)
    assert_both_sides_found(scanned)
    assert FaultKind.BAD_ITEM in kinds(scanned)
    assert scanned.complete


@pytest.mark.parametrize(
    "content",
    [INNER + SEQUENCE_END, item(INNER, length=UNDEFINED) + SEQUENCE_END, item(INNER) + b"\1\2\3\4" + SEQUENCE_END],
    ids=["no item", "item without delimiter", "something before the delimiter"],
)
def test_goes_on_behind_a_sequence_of_undefined_length_that_is_wrong_inside(content):
    sequence = explicit(REFERENCED_IMAGES, "SQ", content, length=UNDEFINED)
    scanned = scan(BEFORE + sequence + AFTER, EXPLICIT_VR_LITTLE_ENDIAN)
    assert_both_sides_found(scanned)
    assert FaultKind.BAD_ITEM in kinds(scanned)


def test_reads_the_next_item_where_a_delimiter_is_missing():
    sequence = explicit(
        REFERENCED_IMAGES, "SQ", item(INNER, length=UNDEFINED) + item(INNER) + SEQUENCE_END, length=UNDEFINED
    )
    scanned = scan(BEFORE + sequence + AFTER, EXPLICIT_VR_LITTLE_ENDIAN)
    assert len(scanned.items[REFERENCED_IMAGES]) == 2
    assert_both_sides_found(scanned)


def test_goes_on_behind_the_items_of_a_sequence_that_is_longer_than_the_data_set():
    scanned = scan(
        BEFORE + explicit(REFERENCED_IMAGES, "SQ", item(INNER), length=60_000) + AFTER, EXPLICIT_VR_LITTLE_ENDIAN
    )
    assert_both_sides_found(scanned)
    assert len(scanned.items[REFERENCED_IMAGES]) == 1
    assert not scanned.complete


def test_goes_on_behind_the_delimiter_of_a_sequence_with_an_item_longer_than_the_data_set():
    content = item(INNER, length=60_000) + SEQUENCE_END
    scanned = scan(
        BEFORE + explicit(REFERENCED_IMAGES, "SQ", content, length=UNDEFINED) + AFTER, EXPLICIT_VR_LITTLE_ENDIAN
    )
    assert_both_sides_found(scanned)
    assert len(scanned.items[REFERENCED_IMAGES]) == 1


def test_goes_on_behind_the_delimiter_of_an_element_with_neither_vr_nor_length():
    content = BEFORE + implicit(PATIENT_NAME, length=UNDEFINED) + b"A^B " + SEQUENCE_END + AFTER
    assert_both_sides_found(scan(content, EXPLICIT_VR_LITTLE_ENDIAN))


def test_passes_over_a_delimiter_between_elements():
    scanned = scan(BEFORE + ITEM_END + SEQUENCE_END + AFTER, EXPLICIT_VR_LITTLE_ENDIAN)
    assert_both_sides_found(scanned)
    assert set(kinds(scanned)) == {FaultKind.BAD_ITEM}


@pytest.mark.parametrize("syntax", [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN])
@pytest.mark.parametrize("zeros", [1, 8, 100])
def test_takes_zeros_at_the_end_for_padding(syntax, zeros):
    content = BEFORE if syntax == EXPLICIT_VR_LITTLE_ENDIAN else implicit(SOP_INSTANCE, b"1.2.3\0")
    scanned = scan(content + bytes(zeros), syntax)
    assert list(scanned.elements) == [SOP_INSTANCE]
    assert kinds(scanned) == [FaultKind.TRAILING_PADDING]
    assert scanned.complete


@pytest.mark.parametrize("name", ["CT_small.dcm", "rtplan.dcm", "MR_small_implicit.dcm", "test-SR.dcm"])
def test_cut_anywhere_it_yields_what_stands_before_the_cut(name):
    content, syntax, _ = read(real_file(name))
    whole = scan(content, syntax)
    ends = {offset + length for _, offset, length in whole.elements.values()}
    for end in range(min(len(content), 3000)):
        cut = scan(content[:end], syntax)
        before = {tag: element for tag, element in whole.elements.items() if element[1] + element[2] <= end}
        assert before.items() <= cut.elements.items()
        assert cut.complete == (end in ends or end == 0), f"cut at {end}"


# --- limits


def nested(depth, *, undefined):
    content = INNER
    for _ in range(depth):
        if undefined:
            content = explicit(CONTENT, "SQ", open_item(content) + SEQUENCE_END, length=UNDEFINED)
        else:
            content = explicit(CONTENT, "SQ", item(content))
    return content


def depth_of(found):
    return 1 + max(depth_of(each) for each in found.items[CONTENT]) if found.items.get(CONTENT) else 0


@pytest.mark.parametrize("undefined", [False, True])
def test_reads_32_sequences_within_each_other_and_no_more(undefined):
    assert scan(BEFORE + nested(32, undefined=undefined), EXPLICIT_VR_LITTLE_ENDIAN).faults == ()
    scanned = scan(BEFORE + nested(33, undefined=undefined), EXPLICIT_VR_LITTLE_ENDIAN)
    assert kinds(scanned) == [FaultKind.TOO_DEEP]
    assert scanned.uid(SOP_INSTANCE) == "1.2.3"
    assert not scanned.complete


def test_a_deflated_data_set_of_which_something_was_passed_over_is_not_complete():
    content = BEFORE + nested(40, undefined=False) + explicit(PIXEL_DATA, "OW", bytes(1_000_000))
    scanned = scan(deflated(content), DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
    assert scanned.pixel_data is not None
    assert kinds(scanned) == [FaultKind.TOO_DEEP]
    assert not scanned.complete


def test_goes_on_behind_a_sequence_of_known_length_that_is_too_deep():
    scanned = scan(
        BEFORE + explicit(REFERENCED_IMAGES, "SQ", item(nested(40, undefined=False))) + AFTER, EXPLICIT_VR_LITTLE_ENDIAN
    )
    assert_both_sides_found(scanned)
    assert depth_of(scanned.items[REFERENCED_IMAGES][0]) == 31


@pytest.mark.parametrize("opening", [explicit(CONTENT, "SQ", item(length=UNDEFINED), length=UNDEFINED)])
def test_survives_sequences_nested_without_end(opening):
    scanned = scan(BEFORE + opening * 10_000, EXPLICIT_VR_LITTLE_ENDIAN)
    assert scanned.uid(SOP_INSTANCE) == "1.2.3"
    assert kinds(scanned) == [FaultKind.TOO_DEEP]


@pytest.mark.parametrize(
    "repeated",
    [explicit(SOP_INSTANCE, "UI"), explicit(CONTENT, "SQ", item()), explicit(CONTENT, "SQ", item() * 10)],
    ids=["elements", "sequences", "items"],
)
def test_stops_at_the_limit_of_elements(repeated):
    scanned = scan(BEFORE + repeated * 3000, EXPLICIT_VR_LITTLE_ENDIAN, max_elements=1000)
    assert FaultKind.HEADER_TOO_LARGE in kinds(scanned)
    assert not scanned.complete


def test_keeps_the_first_hundred_faults_and_what_ended_the_reading():
    found = kinds(scan(BEFORE * 1000 + BEFORE[:-2], EXPLICIT_VR_LITTLE_ENDIAN))
    assert found == [FaultKind.DUPLICATE_ELEMENT] * 100 + [FaultKind.TRUNCATED]


def test_inflates_no_more_than_it_may():
    bomb = deflated(BEFORE + explicit(PATIENT_ID, "UT", bytes(50_000_000)))
    tracemalloc.start()
    scanned = scan(bomb, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, max_inflated_bytes=1 << 20)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 << 20
    assert kinds(scanned)[-1] is FaultKind.HEADER_TOO_LARGE
    assert scanned.uid(SOP_INSTANCE) == "1.2.3"
    assert not scanned.complete


def test_stops_inflating_at_the_limit_of_elements():
    bomb = deflated(BEFORE + explicit(PATIENT_ID, "LO") * 2_000_000)
    started = time.process_time()
    scanned = scan(bomb, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, max_elements=10_000)
    assert time.process_time() - started < 3
    assert kinds(scanned)[-1] is FaultKind.HEADER_TOO_LARGE
    assert len(scanned.data) < 1 << 20


def test_keeps_what_was_inflated_before_the_stream_breaks():
    stream = deflated(BEFORE + AFTER + explicit(0x00204000, "LT", bytes(range(256)) * 200))
    scanned = scan(stream[:-20], DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
    assert_both_sides_found(scanned)
    assert FaultKind.INFLATE_FAILED in kinds(scanned)
    assert not scanned.complete


@pytest.mark.parametrize(
    "content",
    [
        explicit(PIXEL_DATA, "OB", item() * 200_000, length=UNDEFINED),
        explicit(PIXEL_DATA, "OB", SEQUENCE_END, length=UNDEFINED) * 50_000,
        explicit(CONTENT, "SQ", b"\1" * 8, length=UNDEFINED) * 50_000,
        bytes(60_000) + b"\1" * 8,
        explicit(PRIVATE, "Q1") * 50_000,
    ],
    ids=["empty fragments", "empty pixel data", "sequences without items", "zeros that are no padding", "bad VRs"],
)
def test_takes_time_in_proportion_to_the_bytes(content):
    started = time.process_time()
    scan(BEFORE + content, JPEG)
    assert time.process_time() - started < 3


# --- values


def test_strips_the_padding_of_text_and_leaves_numbers_alone():
    content = explicit(PATIENT_ID, "LO", b" P1 \0 ") + explicit(ROWS, "US", b"\x20\0")
    scanned = scan(BEFORE + content, EXPLICIT_VR_LITTLE_ENDIAN)
    assert scanned.value(SOP_INSTANCE) == b"1.2.3"
    assert scanned.value(PATIENT_ID) == b" P1"
    assert scanned.value(ROWS) == b"\x20\0"
    assert scanned.value(PATIENT_NAME) is None


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("US", b"\xff\xff", 65535),
        ("SS", b"\xff\xff", -1),
        ("UL", b"\1\0\1\0", 65537),
        ("SL", b"\xfe\xff\xff\xff", -2),
        ("US", b"\1\0\2\0", 1),
        ("US", b"", None),
        ("IS", b" +12\\7 ", 12),
        ("IS", b"-3 ", -3),
        ("IS", b"1.5 ", None),
        ("IS", b"9" * 5000, None),
        ("LO", b"\xb2 ", None),
    ],
)
def test_reads_whole_numbers(vr, value, expected):
    assert scan(explicit(ROWS, vr, value), EXPLICIT_VR_LITTLE_ENDIAN).integer(ROWS) == expected


def test_reads_whole_numbers_in_big_endian_and_of_unknown_vr():
    assert scan(explicit(ROWS, "US", b"\1\2", order=">"), EXPLICIT_VR_BIG_ENDIAN).integer(ROWS) == 0x0102
    assert scan(explicit(ROWS, "UN", b"\1\2"), EXPLICIT_VR_LITTLE_ENDIAN).integer(ROWS) == 0x0201


def test_decodes_text_by_the_character_set_of_its_item_or_of_the_data_set():
    name = explicit(PATIENT_NAME, "PN", b"\xcd\xfb\xea ")
    content = (
        explicit(CHARACTER_SET, "CS", b"ISO_IR 126")
        + explicit(REFERENCED_IMAGES, "SQ", item(name) + item(explicit(CHARACTER_SET, "CS", b"ISO_IR 144") + name))
        + explicit(PATIENT_ID, "LO", b"\xdc ")
    )
    scanned = scan(content, EXPLICIT_VR_LITTLE_ENDIAN)
    greek, russian = scanned.items[REFERENCED_IMAGES]
    assert scanned.text(PATIENT_ID) == "ά"
    assert scanned.text(PATIENT_NAME, greek) == "Νϋκ"
    assert scanned.text(PATIENT_NAME, russian) == "Эћъ"


def test_keeps_a_uid_that_is_none_as_it_came():
    scanned = scan(explicit(SOP_INSTANCE, "UI", b"../\xe9\0\0"), EXPLICIT_VR_LITTLE_ENDIAN)
    assert scanned.uid(SOP_INSTANCE) == "../é"
