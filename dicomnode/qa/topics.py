"""What rules read that look at nothing else, topic by topic (`Reads`).

To a topic belongs what is the same in a whole series, and mostly short: where one value is long, none of its rules is remembered.
"""

from __future__ import annotations

from typing import Final

from dicomnode.dicom.tags import (
    BITS_ALLOCATED,
    BITS_STORED,
    COLUMNS,
    HIGH_BIT,
    MODALITY,
    NUMBER_OF_FRAMES,
    PATIENT_ID,
    PATIENT_NAME,
    PATIENT_SEX,
    PHOTOMETRIC_INTERPRETATION,
    PIXEL_REPRESENTATION,
    ROWS,
    SAMPLES_PER_PIXEL,
    SOP_CLASS_UID,
)
from dicomnode.qa.content import DATES
from dicomnode.qa.pixels import PIXEL_DATA_PROVIDER_URL
from dicomnode.qa.planes import (
    LUT_SEQUENCES,
    OVERLAY_ATTRIBUTES,
    OVERLAY_DATA,
    PALETTE_DATA,
    PALETTE_DESCRIPTORS,
    WAVEFORMS,
)
from dicomnode.qa.reads import Reads

PATIENT_AGE = 0x00101010

GENERAL: Final = Reads((SOP_CLASS_UID, MODALITY, PATIENT_ID, PATIENT_SEX, PATIENT_AGE, *DATES), shapes=(PATIENT_NAME,))
"""What an instance is, whose, and of which days."""

PIXELS: Final = Reads(
    (
        *(SAMPLES_PER_PIXEL, PHOTOMETRIC_INTERPRETATION, NUMBER_OF_FRAMES, ROWS, COLUMNS),
        *(BITS_ALLOCATED, BITS_STORED, HIGH_BIT, PIXEL_REPRESENTATION, *OVERLAY_ATTRIBUTES),
    ),
    shapes=(PIXEL_DATA_PROVIDER_URL, *OVERLAY_DATA),
)
"""By what pixels and overlays are read."""

TABLES: Final = Reads(
    (PHOTOMETRIC_INTERPRETATION, *PALETTE_DESCRIPTORS, *LUT_SEQUENCES, WAVEFORMS), shapes=PALETTE_DATA
)
"""What has a length that something else tells: palettes, look-up tables, waveforms."""
