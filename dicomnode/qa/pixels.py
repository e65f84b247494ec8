"""Core rules on pixel data: as much of it as Rows, Columns and the rest promise, and in the form that is announced
(PS3.5 Section 8, PS3.3 C.7.6.3)."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.datadict import keyword_for_tag

from dicomnode.dicom.tags import (
    BITS_ALLOCATED,
    BITS_STORED,
    COLUMNS,
    DOUBLE_FLOAT_PIXEL_DATA,
    FLOAT_PIXEL_DATA,
    HIGH_BIT,
    NUMBER_OF_FRAMES,
    PHOTOMETRIC_INTERPRETATION,
    PIXEL_DATA,
    PIXEL_REPRESENTATION,
    ROWS,
    SAMPLES_PER_PIXEL,
)
from dicomnode.qa.rule import Hit, Subject

PIXEL_DATA_PROVIDER_URL = 0x00287FE0

_ABOVE_ZERO = (SAMPLES_PER_PIXEL, ROWS, COLUMNS, BITS_ALLOCATED)
_OF_INTEGERS = (HIGH_BIT, PIXEL_REPRESENTATION)
_BITS = {FLOAT_PIXEL_DATA: 32, DOUBLE_FLOAT_PIXEL_DATA: 64}
_HALF_SAMPLES = {b"YBR_FULL_422": 4, b"YBR_PARTIAL_422": 4, b"YBR_PARTIAL_420": 3}
"""Half samples that a pixel takes: Cb and Cr come once for two pixels, or for four."""


def pixels_missing(subject: Subject) -> Iterator[Hit]:
    """Fewer bytes came than Pixel Data says it has."""
    pixels = subject.dataset.pixel_data
    if pixels is None or pixels.declared_bytes is None or pixels.present_bytes is None:
        return
    if pixels.present_bytes < pixels.declared_bytes:
        yield Hit((pixels.tag,), f"PixelData has {pixels.present_bytes} of {pixels.declared_bytes} bytes")


def pixels_do_not_fit(subject: Subject) -> Iterator[Hit]:
    """Native Pixel Data is shorter than its attributes ask for (PS3.5 Section 8.1.1), or encapsulated Pixel Data is empty."""
    pixels = subject.dataset.pixel_data
    if pixels is None:
        return
    if pixels.declared_bytes is None:
        if pixels.present_bytes == 0:
            yield Hit((pixels.tag,), "PixelData has fragments, but nothing in them")
        return
    expected = subject.once(native_size_bytes, native_size_bytes)
    if expected is not None and pixels.declared_bytes < expected:
        yield Hit((pixels.tag,), f"PixelData {pixels.declared_bytes} bytes, expected {expected}")


def pixels_too_long(subject: Subject) -> Iterator[Hit]:
    """Native Pixel Data goes on after its last frame by more than the byte that makes its length even (PS3.5 Section 8.1.1)."""
    pixels = subject.dataset.pixel_data
    if pixels is None or pixels.declared_bytes is None:
        return
    expected = subject.once(native_size_bytes, native_size_bytes)
    if expected is not None and pixels.declared_bytes > expected + expected % 2:
        yield Hit(
            (pixels.tag,), f"PixelData {pixels.declared_bytes} bytes, {pixels.declared_bytes - expected} too many"
        )


def form_differs_from_transfer_syntax(subject: Subject) -> Iterator[Hit]:
    """Encapsulated fragments in a native transfer syntax, or native pixels in a compressed one (PS3.5 Section A.4)."""
    pixels = subject.dataset.pixel_data
    encapsulated = subject.dataset.transfer_syntax.encapsulated
    if pixels is None or encapsulated is None or pixels.tag != PIXEL_DATA:
        return
    if (pixels.fragments is not None) != encapsulated:
        found, announced = ("native", "encapsulated") if encapsulated else ("encapsulated", "native")
        yield Hit((pixels.tag,), f"PixelData is {found}, the transfer syntax {announced}")


def image_pixel_incomplete(subject: Subject) -> Iterator[Hit]:
    """Pixel Data without what it takes to show it (PS3.3 Table C.7-11)."""
    pixels = subject.dataset.pixel_data
    if pixels is None:
        return
    missing = [tag for tag in _ABOVE_ZERO if not subject.integer(tag)]
    if subject.is_empty(PHOTOMETRIC_INTERPRETATION):
        missing.append(PHOTOMETRIC_INTERPRETATION)
    if pixels.tag == PIXEL_DATA:
        missing += [tag for tag in _OF_INTEGERS if subject.is_empty(tag)]
        if not subject.integer(BITS_STORED):
            missing.append(BITS_STORED)
    if missing:
        tags = tuple(sorted(missing))
        more = f" and {len(tags) - 1} more" if len(tags) > 1 else ""
        yield Hit(tags, f"{keyword_for_tag(tags[0])}{more} missing, empty or 0")


def bits_contradict(subject: Subject) -> Iterator[Hit]:
    """More bits stored than allocated, or a high bit beyond them (PS3.5 Section 8.1.1)."""
    allocated = subject.integer(BITS_ALLOCATED)
    if not allocated:
        return
    if (subject.integer(BITS_STORED) or 0) > allocated:
        yield Hit((BITS_STORED, BITS_ALLOCATED), "BitsStored exceeds BitsAllocated")
    elif (subject.integer(HIGH_BIT) or 0) >= allocated:
        yield Hit((HIGH_BIT, BITS_ALLOCATED), "HighBit beyond BitsAllocated")


def high_bit_is_not_the_last(subject: Subject) -> Iterator[Hit]:
    """High Bit is one less than Bits Stored (PS3.5 Section 8.1.1); older editions let it be anywhere."""
    stored, high = subject.integer(BITS_STORED), subject.integer(HIGH_BIT)
    if stored and high is not None and high != stored - 1:
        yield Hit((HIGH_BIT, BITS_STORED), "HighBit is not one less than BitsStored")


def image_without_pixels(subject: Subject) -> Iterator[Hit]:
    """An image SOP Class, and no pixel data of any kind."""
    dataset = subject.dataset
    if dataset.pixel_data is None and PIXEL_DATA_PROVIDER_URL not in dataset.elements and dataset.complete:
        yield Hit((PIXEL_DATA,), "image without PixelData")


def native_size_bytes(subject: Subject) -> int | None:
    """How long native pixel data has to be at least, in bytes; None when there is none, or the attributes do not say.

    Bits of one-bit images run on from frame to frame (PS3.5 Section 8.1.1). Subsampled chrominance takes fewer samples than
    Samples per Pixel says (PS3.3 Section C.7.6.3.1.2).
    """
    pixels = subject.dataset.pixel_data
    if pixels is None:
        return None
    rows, columns = subject.integer(ROWS), subject.integer(COLUMNS)
    samples = subject.integer(SAMPLES_PER_PIXEL)
    bits = _BITS.get(pixels.tag) or subject.integer(BITS_ALLOCATED)
    if not rows or not columns or not samples or not bits:
        return None
    frames = max(subject.integer(NUMBER_OF_FRAMES) or 1, 1)
    halves = 2 * samples
    if samples == 3:  # noqa: PLR2004 - luminance and two of chrominance
        halves = _HALF_SAMPLES.get((subject.value(PHOTOMETRIC_INTERPRETATION) or b"").strip(), halves)
    return -(-rows * columns * halves * frames * bits // 16)
