"""What those rules on consistency read that look at values which are the same in a whole series; the others are asked each time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dicomnode.dicom.tags import COLUMNS, PER_FRAME_GROUPS, ROWS, SHARED_GROUPS, SOP_CLASS_UID
from dicomnode.qa.consistency.display import (
    RESCALE_INTERCEPT,
    RESCALE_SLOPE,
    VOI_LUT_FUNCTION,
    WINDOW_CENTER,
    WINDOW_WIDTH,
)
from dicomnode.qa.consistency.geometry import (
    IMAGE_ORIENTATION,
    IMAGER_PIXEL_SPACING,
    NOMINAL_SPACING,
    PIXEL_SPACING,
    SLICE_THICKNESS,
)
from dicomnode.qa.reads import Reads
from dicomnode.qa.topics import GENERAL, PIXELS

_GROUPS: Final = (SHARED_GROUPS, PER_FRAME_GROUPS)

_PLANE: Final = Reads(
    (
        *(IMAGE_ORIENTATION, PIXEL_SPACING, IMAGER_PIXEL_SPACING, NOMINAL_SPACING, SLICE_THICKNESS, ROWS, COLUMNS),
        *_GROUPS,
    )
)
"""How an image lies, but not where, and how far its pixels are apart."""

_DISPLAY: Final = Reads(
    (
        *(SOP_CLASS_UID, WINDOW_CENTER, WINDOW_WIDTH, VOI_LUT_FUNCTION, RESCALE_INTERCEPT, RESCALE_SLOPE),
        *_GROUPS,
    )
)
"""How stored values are to be shown."""

READS_OF_CONSISTENCY: Final[Mapping[str, Reads]] = {
    f"consistency.{name}": reads
    for reads, names in (
        (GENERAL, ("modality", "dates", "age")),
        (PIXELS, ("lossy",)),
        (_PLANE, ("orientation", "spacing", "thickness")),
        (_DISPLAY, ("window", "rescale")),
    )
    for name in names
}
"""By rule id."""
