"""Pixel data against what Rows, Columns and the rest promise, in every layout."""

from __future__ import annotations

import zlib

import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    EnhancedSRStorage,
    ExplicitVRLittleEndian,
    JPEGBaseline8Bit,
)
from unit.dicom.elements import SEQUENCE_END, UNDEFINED, explicit, item
from unit.qa.judging import Changes, answer, judge, number, pixel_data, sliced, text, told

from dicomnode.dicom import status
from dicomnode.dicom.instance import Severity

SAMPLES, PHOTOMETRIC, FRAMES, ROWS, COLUMNS = 0x00280002, 0x00280004, 0x00280008, 0x00280010, 0x00280011
ALLOCATED, STORED, HIGH, REPRESENTATION, URL = 0x00280100, 0x00280101, 0x00280102, 0x00280103, 0x00287FE0
PIXELS, FLOATS, DOUBLES = 0x7FE00010, 0x7FE00008, 0x7FE00009
SOP_CLASS = 0x00080016


def layout(rows: int, columns: int, bits: int, samples: int = 1, frames: str = "", photometric: str = "") -> Changes:
    """Image Pixel attributes; no Number of Frames when it is empty."""
    return {
        ROWS: number(ROWS, rows),
        COLUMNS: number(COLUMNS, columns),
        ALLOCATED: number(ALLOCATED, bits),
        STORED: number(STORED, bits),
        HIGH: number(HIGH, bits - 1),
        SAMPLES: number(SAMPLES, samples),
        PHOTOMETRIC: text(PHOTOMETRIC, "CS", photometric or ("MONOCHROME2" if samples == 1 else "RGB")),
        FRAMES: text(FRAMES, "IS", frames) if frames else None,
    }


@pytest.mark.parametrize(
    ("attributes", "needed"),
    [
        (layout(16, 16, 16), 512),
        (layout(16, 16, 8), 256),
        (layout(3, 3, 8), 9),
        (layout(16, 16, 32), 1024),
        (layout(16, 16, 64), 2048),
        (layout(3, 3, 1), 2),
        (layout(3, 3, 1, frames="3"), 4),  # 27 bits: frames do not begin on a byte
        (layout(8, 8, 1, frames="2"), 16),
        (layout(5, 3, 12, frames="2"), 45),
        (layout(4, 6, 8, samples=3), 72),
        (layout(4, 6, 16, samples=3, frames="2"), 288),
        (layout(4, 6, 8, samples=3, photometric="YBR_FULL"), 72),
        (layout(4, 6, 8, samples=3, photometric="YBR_FULL_422"), 48),
        (layout(4, 6, 8, samples=3, frames="2", photometric="YBR_PARTIAL_422"), 96),
        (layout(4, 6, 8, samples=3, photometric="YBR_PARTIAL_420"), 36),
        (layout(4, 6, 8, samples=4, photometric="CMYK"), 96),
        (layout(16, 16, 16, frames="0"), 512),
        (layout(65535, 65535, 16, frames="999999999"), 65535 * 65535 * 2 * 999999999),
    ],
)
def test_native_pixels_are_as_many_as_the_attributes_say(attributes: Changes, needed: int) -> None:
    if needed < 10_000:
        for enough in (needed + needed % 2, needed + needed % 2 + 10):
            assert judge({**attributes, PIXELS: pixel_data(enough)}).findings == ()
    short = min(needed - 1 - (needed - 1) % 2, 600)
    verdict = judge({**attributes, PIXELS: pixel_data(short)})
    assert told(verdict) == {
        "pixel.size": (Severity.QUARANTINE, (PIXELS,), f"PixelData {short} bytes, expected {needed}")
    }
    assert answer(verdict).status == status.STORED_WITH_FAULTS


@pytest.mark.parametrize(("tag", "vr", "size"), [(FLOATS, "OF", 4), (DOUBLES, "OD", 8)])
def test_float_pixels_have_a_size_and_attributes_of_their_own(tag: int, vr: str, size: int) -> None:
    floats = {**layout(4, 4, 8 * size), PIXELS: None, STORED: None, HIGH: None, REPRESENTATION: None}
    assert judge({**floats, tag: pixel_data(16 * size, tag, vr)}).findings == ()
    assert told(judge({**floats, tag: pixel_data(15 * size, tag, vr)})) == {
        "pixel.size": (Severity.QUARANTINE, (tag,), f"PixelData {15 * size} bytes, expected {16 * size}")
    }


def test_quarantines_pixels_of_which_some_did_not_come() -> None:
    verdict = judge(sliced()[:-10])
    assert told(verdict) == {"pixel.present": (Severity.QUARANTINE, (PIXELS,), "PixelData has 502 of 512 bytes")}
    assert answer(verdict).offending_elements == (PIXELS,)


def fragments(*values: bytes) -> bytes:
    """Encapsulated pixel data with an empty offset table."""
    return explicit(PIXELS, "OB", b"".join(map(item, (b"", *values))) + SEQUENCE_END, length=UNDEFINED)


def test_encapsulated_pixels_have_no_size_to_be_wrong() -> None:
    assert judge({PIXELS: fragments(b"\xff\xd8", b"\xff\xd9")}, transfer_syntax=JPEGBaseline8Bit).findings == ()


@pytest.mark.parametrize("values", [(), (b"",)])
def test_quarantines_fragments_with_nothing_in_them(values: tuple[bytes, ...]) -> None:
    assert told(judge({PIXELS: fragments(*values)}, transfer_syntax=JPEGBaseline8Bit)) == {
        "pixel.size": (Severity.QUARANTINE, (PIXELS,), "PixelData has fragments, but nothing in them")
    }


def test_quarantines_native_pixels_in_a_compressed_transfer_syntax() -> None:
    assert told(judge({}, transfer_syntax=JPEGBaseline8Bit)) == {
        "pixel.form": (Severity.QUARANTINE, (PIXELS,), "PixelData is native, the transfer syntax encapsulated")
    }


def test_quarantines_fragments_in_a_native_transfer_syntax() -> None:
    assert told(judge({PIXELS: fragments(b"\xff\xd8")}, transfer_syntax=ExplicitVRLittleEndian)) == {
        "pixel.form": (Severity.QUARANTINE, (PIXELS,), "PixelData is encapsulated, the transfer syntax native")
    }


@pytest.mark.parametrize("pixels", [pixel_data(512), fragments(b"12")])
def test_a_private_transfer_syntax_may_have_either_form(pixels: bytes) -> None:
    assert judge({PIXELS: pixels}, transfer_syntax="1.2.840.113619.5.99").findings == ()


def test_deflated_pixels_are_looked_at_too() -> None:
    def deflated(data: bytes) -> bytes:
        packer = zlib.compressobj(wbits=-15)
        return packer.compress(data) + packer.flush()

    syntax = DeflatedExplicitVRLittleEndian
    assert judge(deflated(sliced()), transfer_syntax=syntax).findings == ()
    assert set(told(judge(deflated(sliced({PIXELS: pixel_data(500)})), transfer_syntax=syntax))) == {"pixel.size"}


@pytest.mark.parametrize(
    ("tag", "keyword", "may_be_zero"),
    [
        (SAMPLES, "SamplesPerPixel", False),
        (PHOTOMETRIC, "PhotometricInterpretation", None),
        (ROWS, "Rows", False),
        (COLUMNS, "Columns", False),
        (ALLOCATED, "BitsAllocated", False),
        (STORED, "BitsStored", False),
        (HIGH, "HighBit", True),
        (REPRESENTATION, "PixelRepresentation", True),
    ],
)
def test_quarantines_pixels_without_what_it_takes_to_show_them(
    tag: int, keyword: str, may_be_zero: bool | None
) -> None:
    found = (Severity.QUARANTINE, (tag,), f"{keyword} missing, empty or 0")
    empty = explicit(tag, "CS", b"  ") if may_be_zero is None else explicit(tag, "US")
    for raw in (None, empty):
        assert told(judge({tag: raw}))["pixel.attributes"] == found
    if may_be_zero is not None:
        zero = told(judge({tag: number(tag, 0)})).get("pixel.attributes")
        assert zero == (None if may_be_zero else found)


def test_names_all_attributes_that_are_missing() -> None:
    assert told(judge({ROWS: None, COLUMNS: None, HIGH: None})) == {
        "pixel.attributes": (Severity.QUARANTINE, (ROWS, COLUMNS, HIGH), "Rows and 2 more missing, empty or 0")
    }


@pytest.mark.parametrize(
    ("changes", "rule", "severity", "tags", "words"),
    [
        (
            {STORED: number(STORED, 17), HIGH: number(HIGH, 15)},
            "pixel.bits",
            Severity.QUARANTINE,
            (STORED, ALLOCATED),
            "BitsStored exceeds BitsAllocated",
        ),
        (
            {HIGH: number(HIGH, 16)},
            "pixel.bits",
            Severity.QUARANTINE,
            (HIGH, ALLOCATED),
            "HighBit beyond BitsAllocated",
        ),
        (
            {HIGH: number(HIGH, 15)},
            "pixel.high-bit",
            Severity.WARN,
            (HIGH, STORED),
            "HighBit is not one less than BitsStored",
        ),
    ],
)
def test_finds_bits_that_contradict_each_other(
    changes: Changes, rule: str, severity: Severity, tags: tuple[int, ...], words: str
) -> None:
    verdict = judge(changes)
    assert told(verdict)[rule] == (severity, tags, words)
    assert verdict.severity is severity


def test_remarks_on_an_image_without_pixels() -> None:
    assert told(judge({PIXELS: None})) == {"pixel.absent": (Severity.WARN, (PIXELS,), "image without PixelData")}


def test_pixels_may_be_elsewhere() -> None:
    assert judge({PIXELS: None, URL: text(URL, "UR", "https://pixels.example/1")}).findings == ()


def test_what_is_no_image_needs_no_pixels() -> None:
    report = {PIXELS: None, SOP_CLASS: text(SOP_CLASS, "UI", EnhancedSRStorage)}
    assert judge(report, sop_class=EnhancedSRStorage).findings == ()


def test_pixels_that_were_cut_off_before_they_began_are_not_absent() -> None:
    verdict = judge(sliced({PIXELS: None})[:-1])
    assert set(told(verdict)) == {"core.damaged"}
