"""What the Image Pixel Module says of the pixels, read from raw elements (PS3.3 Section C.7.6.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dicomnode.dicom.scan import Item, ScannedDataset
from dicomnode.dicom.tags import (
    BITS_ALLOCATED,
    BITS_STORED,
    COLUMNS,
    HIGH_BIT,
    NUMBER_OF_FRAMES,
    PHOTOMETRIC_INTERPRETATION,
    PIXEL_REPRESENTATION,
    PLANAR_CONFIGURATION,
    ROWS,
    SAMPLES_PER_PIXEL,
)
from dicomnode.errors import TranscodingError

MAX_PIXEL_BYTES: Final = 0xFFFFFFFE
"""Native Pixel Data has a length of four bytes (PS3.5 Section 7.1)."""

MAX_FRAME_BYTES: Final = 256 << 20
"""Of one uncompressed frame; decoders take several times that."""

_WHOLE_BYTES: Final = (8, 16, 32)


@dataclass(frozen=True, slots=True)
class Image:
    """How pixels are laid out; a frame has ``rows`` x ``columns`` x ``samples`` cells of ``bits_allocated`` bits.

    Attributes:
        photometric: Photometric Interpretation, e.g. ``RGB``.
        is_planar: each sample has a plane of its own.
    """

    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    is_planar: bool
    photometric: str
    frames: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a frame's array, samples side by side."""
        return (self.rows, self.columns) if self.samples == 1 else (self.rows, self.columns, self.samples)

    @property
    def frame_bytes(self) -> int:
        """Of an uncompressed frame."""
        return self.rows * self.columns * self.samples * self.bits_allocated // 8

    @property
    def pixel_bytes(self) -> int:
        """Of all uncompressed frames, without padding."""
        return self.frame_bytes * self.frames


def image_of(scanned: ScannedDataset, item: Item) -> Image:
    """The image that a data set or an item of it holds.

    Raises:
        TranscodingError: what decides how the pixels are laid out is missing or impossible.
    """

    def number(tag: int, name: str, default: int | None = None) -> int:
        value = scanned.integer(tag, item)
        if value is None:
            value = default
        if value is None or value < 0:
            raise TranscodingError(f"{name} is missing or wrong")
        return value

    frames = scanned.text(NUMBER_OF_FRAMES, item)
    bits_allocated = number(BITS_ALLOCATED, "Bits Allocated")
    bits_stored = number(BITS_STORED, "Bits Stored")
    image = Image(
        rows=number(ROWS, "Rows"),
        columns=number(COLUMNS, "Columns"),
        samples=number(SAMPLES_PER_PIXEL, "Samples per Pixel"),
        bits_allocated=bits_allocated,
        bits_stored=bits_stored,
        high_bit=number(HIGH_BIT, "High Bit", bits_stored - 1),
        is_signed=number(PIXEL_REPRESENTATION, "Pixel Representation", 0) == 1,
        is_planar=number(PLANAR_CONFIGURATION, "Planar Configuration", 0) == 1,
        photometric=scanned.uid(PHOTOMETRIC_INTERPRETATION, item) or "",
        frames=number(NUMBER_OF_FRAMES, "Number of Frames") if frames else 1,
    )
    if not (image.rows and image.columns and image.frames and image.samples in (1, 3)):
        raise TranscodingError("Rows, Columns, Number of Frames or Samples per Pixel are no image's")
    if bits_allocated not in _WHOLE_BYTES or not 0 < bits_stored <= bits_allocated:
        raise TranscodingError(f"{bits_allocated} Bits Allocated with {bits_stored} Bits Stored cannot be transcoded")
    if image.frame_bytes > MAX_FRAME_BYTES:
        raise TranscodingError(f"an uncompressed frame has more than {MAX_FRAME_BYTES >> 20} MiB")
    if image.pixel_bytes > MAX_PIXEL_BYTES:
        raise TranscodingError("the uncompressed pixels are more than Pixel Data can hold")
    return image
