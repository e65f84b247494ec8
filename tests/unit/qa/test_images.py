"""Image data beyond the core: encapsulation, colors, overlays, look-up tables, waveforms, too many bytes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import (
    HEVCMP51,
    JPEG2000,
    MPEG2MPML,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSNearLossless,
    RLELossless,
    TwelveLeadECGWaveformStorage,
)
from unit.dicom.elements import SEQUENCE_END, UNDEFINED, explicit, item
from unit.qa.judging import Changes, judge, number, pixel_data, text, told
from unit.qa.test_pixels import (
    ALLOCATED,
    DOUBLES,
    FLOATS,
    FRAMES,
    PHOTOMETRIC,
    PIXELS,
    SAMPLES,
    layout,
)

from dicomnode.dicom.instance import Severity
from dicomnode.qa import QaSettings, Validation, compression
from dicomnode.qa.images import IMAGES

VALIDATION = Validation(QaSettings(), IMAGES)
EXTENDED_OFFSETS, EXTENDED_LENGTHS = 0x7FE00001, 0x7FE00002
MODALITY_LUT, WAVEFORMS = 0x00283000, 0x54000100

Found = dict[str, str]


def found(changes: Changes, transfer_syntax: str = ExplicitVRLittleEndian, sop_class: str = "1.2") -> Found:
    """What the rules say, by rule."""
    verdict = judge(changes, transfer_syntax=transfer_syntax, sop_class=sop_class, validation=VALIDATION)
    return {rule: comment for rule, (_, _, comment) in told(verdict).items()}


def words(*values: int, size: int = 4) -> bytes:
    return b"".join(value.to_bytes(size, "little") for value in values)


def fragments(*values: bytes, table: bytes = b"") -> bytes:
    return explicit(PIXELS, "OB", b"".join(map(item, (table, *values))) + SEQUENCE_END, length=UNDEFINED)


def frames(count: int) -> bytes:
    return text(FRAMES, "IS", str(count))


def sequence(tag: int, *items: bytes) -> bytes:
    return explicit(tag, "SQ", b"".join(map(item, items)))


def test_slice_has_no_fault() -> None:
    assert found({}) == {}


@pytest.mark.parametrize(
    ("attributes", "needed"),
    [
        (layout(16, 16, 16), 512),
        (layout(3, 3, 8), 9),
        (layout(3, 3, 1, frames="3"), 4),
        (layout(5, 3, 12, frames="2"), 45),
        (layout(4, 6, 8, samples=3, photometric="YBR_FULL"), 72),
        (layout(4, 6, 8, samples=3, frames="2", photometric="YBR_FULL_422"), 96),
        (layout(16, 16, 64), 2048),
    ],
)
def test_native_pixels_that_go_on_are_told(attributes: Changes, needed: int) -> None:
    even = needed + needed % 2
    assert found({**attributes, PIXELS: pixel_data(even)}) == {}
    assert found({**attributes, PIXELS: pixel_data(even + 2)}) == {
        "pixel.trailing": f"PixelData {even + 2} bytes, {even + 2 - needed} too many"
    }


@pytest.mark.parametrize(("tag", "vr", "size"), [(FLOATS, "OF", 4), (DOUBLES, "OD", 8)])
def test_floats_that_go_on_are_told(tag: int, vr: str, size: int) -> None:
    floats = {**layout(4, 4, 8 * size), PIXELS: None}
    assert found({**floats, tag: pixel_data(16 * size, tag, vr)}) == {}
    assert set(found({**floats, tag: pixel_data(17 * size, tag, vr)})) == {"pixel.trailing"}


def test_quarantines_fewer_fragments_than_frames() -> None:
    two = {FRAMES: frames(2), **layout(16, 16, 8, frames="2")}
    assert found({**two, PIXELS: fragments(b"11", b"22")}, JPEGBaseline8Bit) == {}
    assert found({**two, PIXELS: fragments(b"11", b"22", b"33")}, JPEGBaseline8Bit) == {}
    verdict = judge({**two, PIXELS: fragments(b"11")}, transfer_syntax=JPEGBaseline8Bit, validation=VALIDATION)
    assert told(verdict) == {
        "pixel.fragments": (Severity.QUARANTINE, (PIXELS, FRAMES), "PixelData has 1 fragments for 2 frames")
    }


def test_a_frame_of_run_lengths_has_one_fragment() -> None:
    two = {FRAMES: frames(2), PIXELS: fragments(b"11", b"22", b"33")}
    assert found(two, RLELossless) == {"pixel.fragments": "PixelData has 3 fragments for 2 frames"}


def test_video_has_all_frames_in_one_fragment() -> None:
    assert found({**layout(16, 16, 8, frames="200"), PIXELS: fragments(b"11")}, MPEG2MPML) == {}


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ((0, 10), ""),
        ((0,), "has 1 offsets for 2 frames"),
        ((0, 10, 20), "has 3 offsets for 2 frames"),
        ((10, 20), "does not begin at 0 and rise"),
        ((0, 0), "does not begin at 0 and rise"),
        ((0, 4000), "leads to no fragment"),
        ((0, 9), "leads to no fragment"),
    ],
)
def test_basic_offset_table_leads_to_each_frame(table: tuple[int, ...], fault: str) -> None:
    two = {FRAMES: frames(2), PIXELS: fragments(b"11", b"22", table=words(*table))}
    expected = {"pixel.offset-table": f"Basic Offset Table {fault}"} if fault else {}
    assert found(two, JPEG2000Lossless) == expected


@pytest.mark.parametrize(
    ("offsets", "lengths", "fault"),
    [
        ((0, 10), (2, 2), None),
        ((0,), (2, 2), "Extended Offset Table has 1 offsets for 2 frames"),
        ((0, 10), (2,), "Extended Offset Table Lengths is not one a frame"),
        ((0, 10), (2, 400), "Extended Offset Table Lengths differ from the fragments"),
        ((0, 10), (2, 1), None),  # of an odd one the padding does not count
        ((0, 10), (2, 0), "Extended Offset Table Lengths differ from the fragments"),
        ((0, 12), (2, 2), "Extended Offset Table leads to no fragment"),
        ((0, 10), None, "Extended Offset Table without its other half"),
        (None, (2, 2), "Extended Offset Table without its other half"),
    ],
)
def test_extended_offset_table_leads_to_each_frame(
    offsets: tuple[int, ...] | None, lengths: tuple[int, ...] | None, fault: str | None
) -> None:
    two: Changes = {
        FRAMES: frames(2),
        PIXELS: fragments(b"11", b"22"),
        EXTENDED_OFFSETS: None if offsets is None else explicit(EXTENDED_OFFSETS, "OV", words(*offsets, size=8)),
        EXTENDED_LENGTHS: None if lengths is None else explicit(EXTENDED_LENGTHS, "OV", words(*lengths, size=8)),
    }
    assert found(two, JPEG2000Lossless) == ({} if fault is None else {"pixel.offset-table": fault})


@pytest.mark.parametrize(
    ("photometric", "samples", "is_fault"),
    [
        ("MONOCHROME2", 1, False),
        ("MONOCHROME1", 3, True),
        ("RGB", 3, False),
        ("RGB", 1, True),
        ("YBR_FULL_422", 1, True),
        ("CMYK", 4, False),
        ("SOMETHING ELSE", 2, False),
    ],
)
def test_photometric_interpretation_takes_its_samples(photometric: str, samples: int, is_fault: bool) -> None:
    assert ("pixel.photometric" in found(layout(16, 16, 8, samples, photometric=photometric))) is is_fault


@pytest.mark.parametrize(
    ("photometric", "samples", "syntax", "is_fault"),
    [
        ("YBR_ICT", 3, ExplicitVRLittleEndian, True),
        ("YBR_RCT", 3, JPEGBaseline8Bit, True),
        ("YBR_RCT", 3, JPEG2000Lossless, False),
        ("YBR_ICT", 3, JPEG2000Lossless, True),
        ("YBR_ICT", 3, JPEG2000, False),
        ("YBR_PARTIAL_420", 3, MPEG2MPML, False),
        ("YBR_PARTIAL_420", 3, JPEG2000, True),
        ("PALETTE COLOR", 1, JPEGBaseline8Bit, True),
        ("PALETTE COLOR", 1, JPEGLSNearLossless, True),
        ("PALETTE COLOR", 1, RLELossless, False),
        ("RGB", 3, JPEGBaseline8Bit, False),
        ("RGB", 3, "1.2.3.4", False),
    ],
)
def test_transfer_syntax_can_carry_the_colors(photometric: str, samples: int, syntax: str, is_fault: bool) -> None:
    changes = layout(16, 16, 8, samples, photometric=photometric)
    assert ("pixel.compression" in found({**changes, PIXELS: fragments(b"11")}, syntax)) is is_fault


def test_transfer_syntax_can_carry_the_bits() -> None:
    wide = {**layout(16, 16, 16), PIXELS: fragments(b"11")}
    assert found(wide, JPEGBaseline8Bit) == {
        "pixel.compression": "BitsAllocated is not 8, as the transfer syntax has it"
    }
    assert "pixel.compression" in found(wide, HEVCMP51)
    assert found(wide, JPEG2000) == {}


def test_floats_are_not_compressed() -> None:
    floats = {**layout(4, 4, 32), PIXELS: None, FLOATS: pixel_data(64, FLOATS, "OF")}
    assert found(floats, RLELossless) == {"pixel.compression": "floating point pixels in a compressed syntax"}


def overlay(group: int, rows: int, columns: int, count: int, size: int) -> Changes:
    base = group << 16
    return {
        base | 0x10: number(base | 0x10, rows),
        base | 0x11: number(base | 0x11, columns),
        base | 0x15: text(base | 0x15, "IS", str(count)),
        base | 0x3000: explicit(base | 0x3000, "OW", bytes(size)),
    }


@pytest.mark.parametrize("group", [0x6000, 0x6002, 0x601E])
def test_overlay_is_as_long_as_its_rows_and_columns(group: int) -> None:
    assert found(overlay(group, 5, 5, 3, 10)) == {}
    assert found(overlay(group, 5, 5, 3, 8)) == {"pixel.overlay": "OverlayData 8 bytes, expected 10"}
    assert found({**overlay(group, 5, 5, 3, 8), group << 16 | 0x10: None}) == {}


def palette(entries: int, bits: int, size: int) -> Changes:
    changes = {**layout(16, 16, 8, photometric="PALETTE COLOR"), PIXELS: pixel_data(256)}
    for color in range(3):
        changes[0x00281101 + color] = number(0x00281101 + color, entries, 0, bits)
        changes[0x00281201 + color] = explicit(0x00281201 + color, "OW", bytes(size))
    return changes


@pytest.mark.parametrize(
    ("entries", "bits", "size", "is_fault"),
    [
        (256, 16, 512, False),
        (256, 16, 510, True),
        (256, 8, 256, False),
        (256, 8, 512, False),
        (256, 8, 254, True),
        (0, 16, 1 << 17, False),
        (0, 16, 1 << 16, True),
    ],
)
def test_palette_has_the_entries_that_its_descriptor_says(entries: int, bits: int, size: int, is_fault: bool) -> None:
    expected = {"pixel.lut": f"palette has {size} bytes for {entries or 65536} entries"} if is_fault else {}
    assert found(palette(entries, bits, size)) == expected


def test_palette_colors_need_a_palette() -> None:
    assert found({**palette(256, 16, 512), 0x00281202: None}) == {"pixel.lut": "PALETTE COLOR without its palette"}
    segmented = {**palette(256, 16, 512), 0x00281202: None, 0x00281222: explicit(0x00281222, "OW", bytes(8))}
    assert found(segmented) == {}


@pytest.mark.parametrize(("size", "is_fault"), [(32, False), (30, True)])
def test_look_up_table_in_an_item_has_its_entries(size: int, is_fault: bool) -> None:
    table = number(0x00283002, 16, 0, 12) + explicit(0x00283006, "OW", bytes(size))
    verdict = judge({MODALITY_LUT: sequence(MODALITY_LUT, table)}, validation=VALIDATION)
    assert [(one.rule, one.path) for one in verdict.findings] == [("pixel.lut", "(0028,3000)[0]")] * is_fault


@pytest.mark.parametrize(("size", "is_fault"), [(240, False), (238, True)])
def test_waveform_has_its_samples(size: int, is_fault: bool) -> None:
    group = (
        number(0x003A0005, 12)
        + explicit(0x003A0010, "UL", words(10))
        + number(0x54001004, 16)
        + explicit(0x54001010, "OW", bytes(size))
    )
    changes = {PIXELS: None, WAVEFORMS: sequence(WAVEFORMS, group)}
    expected = {"waveform.size": f"WaveformData {size} bytes, expected 240"} if is_fault else {}
    assert found(changes, sop_class=TwelveLeadECGWaveformStorage) == expected


@pytest.mark.parametrize("rule", IMAGES, ids=lambda rule: rule.id)
def test_none_rejects(rule: object) -> None:
    assert getattr(rule, "severity") < Severity.REJECT  # noqa: B009


def test_frame_may_be_in_several_fragments() -> None:
    two = {FRAMES: frames(2), PIXELS: fragments(b"11", b"22", b"33", table=words(0, 20))}
    assert found(two, JPEG2000Lossless) == {}


def test_table_of_many_frames_is_looked_at_as_far_as_fragments_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_MAX_FRAGMENTS", 2)
    four = {FRAMES: frames(4), **layout(16, 16, 8, frames="4")}
    right, wrong_early = words(0, 10, 20, 31), words(0, 9, 20, 30)
    assert found({**four, PIXELS: fragments(*[b"11"] * 4, table=right)}, JPEG2000Lossless) == {}
    assert found({**four, PIXELS: fragments(*[b"11"] * 4, table=wrong_early)}, JPEG2000Lossless) == {
        "pixel.offset-table": "Basic Offset Table leads to no fragment"
    }


LOOKED_AT = sorted({0x00280002, 0x00280004, 0x00280008, 0x00280010, 0x00280011, 0x00280100, 0x60000010, 0x60000011, 0x60000015,
                    0x60003000, 0x00281101, 0x00281201, 0x00283000, 0x54000100, 0x7FE00001, 0x7FE00002, 0x7FE00008,
                    0x7FE00010})  # fmt: skip
VALUES = [b"0", b"1", b"PALETTE COLOR ", b"YBR_ICT ", words(0, 10), b"\xff\xff\xff\xff", b"-99999999999"]


@given(
    st.dictionaries(
        st.sampled_from(LOOKED_AT),
        st.tuples(
            st.sampled_from(["US", "IS", "CS", "OW", "OB", "OV", "SQ", "UN"]),
            st.binary(max_size=40) | st.sampled_from(VALUES),
        ),
        max_size=6,
    ),
    st.lists(st.binary(max_size=12), max_size=4),
    st.sampled_from([ExplicitVRLittleEndian, JPEG2000, JPEGBaseline8Bit, RLELossless, MPEG2MPML, "1.2.3"]),
)
@settings(max_examples=300, deadline=None)
def test_any_values_are_judged(changes: dict[int, tuple[str, bytes]], values: list[bytes], syntax: str) -> None:
    raw = {PIXELS: fragments(*values, table=words(0, 10)), **{tag: explicit(tag, *one) for tag, one in changes.items()}}
    verdict = judge(raw, transfer_syntax=syntax, validation=VALIDATION)
    assert {one.rule for one in verdict.findings} <= {rule.id for rule in IMAGES}  # above all no core.engine
    assert all(len(one.comment) <= 64 for one in verdict.findings)


def test_missing_attributes_are_for_others_to_tell() -> None:
    assert found({SAMPLES: None, PHOTOMETRIC: None, ALLOCATED: None}) == {}
