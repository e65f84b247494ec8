"""Core rules on pixel data: as much of it as Rows, Columns and the rest promise, and in the form that is announced
(PS3.5 Section 8, PS3.3 C.7.6.3)."""

from __future__ import annotations

from collections.abc import Iterator

from dicomnode.dicom.scan import ScannedDataset
from dicomnode.dicom.sop_class import is_image_storage
from dicomnode.qa.rule import Hit, Subject

PIXEL_DATA, FLOAT_PIXEL_DATA, DOUBLE_FLOAT_PIXEL_DATA = 0x7FE00010, 0x7FE00008, 0x7FE00009
SAMPLES_PER_PIXEL, PHOTOMETRIC_INTERPRETATION, NUMBER_OF_FRAMES = 0x00280002, 0x00280004, 0x00280008
ROWS, COLUMNS, BITS_ALLOCATED, BITS_STORED, HIGH_BIT = 0x00280010, 0x00280011, 0x00280100, 0x00280101, 0x00280102
PIXEL_REPRESENTATION = 0x00280103
PIXEL_DATA_PROVIDER_URL = 0x00287FE0

_ALWAYS_NEEDED = (SAMPLES_PER_PIXEL, PHOTOMETRIC_INTERPRETATION, ROWS, COLUMNS, BITS_ALLOCATED)
_ALSO_NEEDED_OF_INTEGERS = (BITS_STORED, HIGH_BIT, PIXEL_REPRESENTATION)
_BITS = {FLOAT_PIXEL_DATA: 32, DOUBLE_FLOAT_PIXEL_DATA: 64}


def pixels_missing(subject: Subject) -> Iterator[Hit]:
    """Fewer bytes came than Pixel Data says it has."""
    pixels = subject.dataset.pixel_data
    if pixels is None or pixels.declared_bytes is None or pixels.present_bytes is None:
        return
    if pixels.present_bytes < pixels.declared_bytes:
        yield Hit((pixels.tag,), f"PixelData has {pixels.present_bytes} of {pixels.declared_bytes} bytes")


def pixels_do_not_fit(subject: Subject) -> Iterator[Hit]:
    """Native Pixel Data is shorter than its attributes ask for (PS3.5 Section 8.1.1)."""
    dataset = subject.dataset
    pixels = dataset.pixel_data
    if pixels is None or pixels.fragments is not None or pixels.declared_bytes is None:
        return
    expected = native_size_bytes(dataset, pixels.tag)
    if expected is not None and pixels.declared_bytes < expected:
        yield Hit((pixels.tag,), f"PixelData {pixels.declared_bytes} bytes, expected {expected}")


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
    needed = _ALWAYS_NEEDED + (_ALSO_NEEDED_OF_INTEGERS if pixels.tag == PIXEL_DATA else ())
    if missing := tuple(tag for tag in needed if not subject.dataset.value(tag)):
        yield Hit(missing, f"Image Pixel attributes missing: {len(missing)}")


def bits_contradict(subject: Subject) -> Iterator[Hit]:
    """More bits stored than allocated, or a high bit beyond them (PS3.5 Section 8.1.1)."""
    allocated, stored, high = (subject.dataset.integer(tag) for tag in (BITS_ALLOCATED, BITS_STORED, HIGH_BIT))
    if allocated and stored and stored > allocated:
        yield Hit((BITS_STORED, BITS_ALLOCATED), "BitsStored exceeds BitsAllocated")
    elif allocated and high is not None and high >= allocated:
        yield Hit((HIGH_BIT, BITS_ALLOCATED), "HighBit beyond BitsAllocated")


def image_without_pixels(subject: Subject) -> Iterator[Hit]:
    """An image SOP Class, and no pixel data of any kind."""
    dataset = subject.dataset
    has_pixels = dataset.pixel_data is not None or PIXEL_DATA_PROVIDER_URL in dataset.elements
    if not has_pixels and dataset.complete and is_image_storage(subject.request.sop_class_uid):
        yield Hit((PIXEL_DATA,), "image without PixelData")


def native_size_bytes(dataset: ScannedDataset, tag: int) -> int | None:
    """How long native pixel data has to be at least, in bytes; None when the attributes do not say.

    Bits of one-bit images run on from frame to frame (PS3.5 Section 8.1.1); YBR_FULL_422 has two chrominance samples for two
    pixels, so two samples a pixel (PS3.3 C.7.6.3.1.2).
    """
    rows, columns = dataset.integer(ROWS), dataset.integer(COLUMNS)
    samples = dataset.integer(SAMPLES_PER_PIXEL)
    bits = _BITS.get(tag) or dataset.integer(BITS_ALLOCATED)
    if not rows or not columns or not samples or not bits:
        return None
    frames = dataset.integer(NUMBER_OF_FRAMES) or 1
    if samples == 3 and (dataset.value(PHOTOMETRIC_INTERPRETATION) or b"").strip() == b"YBR_FULL_422":  # noqa: PLR2004
        samples = 2
    return -(-rows * columns * samples * frames * bits // 8)
