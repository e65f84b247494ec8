"""How stored values are to be shown, and what compression did to them (PS3.3 C.11.1, C.11.2, C.7.6.1.1.5)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from dicomnode.dicom.tags import SOP_CLASS_UID
from dicomnode.qa.consistency.groups import in_groups
from dicomnode.qa.consistency.numbers import decimals
from dicomnode.qa.photometric import ALWAYS_LOSSY
from dicomnode.qa.rule import Hit, Subject

WINDOW_CENTER, WINDOW_WIDTH, VOI_LUT_FUNCTION = 0x00281050, 0x00281051, 0x00281056
FRAME_VOI_LUT = 0x00289132
RESCALE_INTERCEPT, RESCALE_SLOPE = 0x00281052, 0x00281053
LOSSY_IMAGE_COMPRESSION, LOSSY_RATIO, LOSSY_METHOD = 0x00282110, 0x00282112, 0x00282114

_PET_IMAGE: Final = "1.2.840.10008.5.1.4.1.1.128"
_OTHER_FUNCTIONS: Final = frozenset((b"LINEAR_EXACT", b"SIGMOID"))


def window_is_none(subject: Subject) -> Iterable[Hit]:
    """As many Window Widths as Window Centers; each at least 1, or above 0 where VOI LUT Function is not LINEAR."""
    elements = subject.dataset.elements
    if WINDOW_WIDTH in elements or WINDOW_CENTER in elements:
        function = subject.value(VOI_LUT_FUNCTION) if VOI_LUT_FUNCTION in elements else None
        fault = _window_fault(subject.value(WINDOW_CENTER), subject.value(WINDOW_WIDTH), function)
        if fault:
            return (Hit((WINDOW_CENTER, WINDOW_WIDTH), fault),)
    for (center, width, function), place in in_groups(
        subject, FRAME_VOI_LUT, WINDOW_CENTER, WINDOW_WIDTH, VOI_LUT_FUNCTION
    ):
        if fault := _window_fault(center, width, function):
            return (Hit((WINDOW_CENTER, WINDOW_WIDTH), fault, place),)
    return ()


def rescale_is_half(subject: Subject) -> Iterable[Hit]:
    """Rescale Intercept without Rescale Slope, or the other way round; or a PET image whose intercept is not 0 (PS3.3 C.8.9.4)."""
    elements = subject.dataset.elements
    there = RESCALE_INTERCEPT in elements
    if there != (RESCALE_SLOPE in elements):
        present, absent = ("Intercept", RESCALE_SLOPE) if there else ("Slope", RESCALE_INTERCEPT)
        return (Hit((absent,), f"Rescale{present} alone"),)
    if there and subject.uid(SOP_CLASS_UID) == _PET_IMAGE and any(decimals(subject.value(RESCALE_INTERCEPT)) or ()):
        return (Hit((RESCALE_INTERCEPT,), "RescaleIntercept of a PET image is not 0", "", "PS3.3 C.8.9.4"),)
    return ()


def compression_is_denied(subject: Subject) -> Iterable[Hit]:
    """The transfer syntax loses something of every image, and Lossy Image Compression says that nothing was lost."""
    if subject.dataset.transfer_syntax.uid in ALWAYS_LOSSY and subject.value(LOSSY_IMAGE_COMPRESSION) == b"00":
        return (Hit((LOSSY_IMAGE_COMPRESSION,), "LossyImageCompression 00, the syntax is lossy"),)
    return ()


def compression_is_not_described(subject: Subject) -> Iterable[Hit]:
    """Lossy Image Compression is 01 without ratio or method, or with more of one than of the other; or it is not said at all."""
    elements = subject.dataset.elements
    if LOSSY_IMAGE_COMPRESSION not in elements:
        if subject.dataset.transfer_syntax.uid in ALWAYS_LOSSY and subject.dataset.pixel_data is not None:
            return (Hit((LOSSY_IMAGE_COMPRESSION,), "LossyImageCompression missing, the syntax is lossy"),)
        return ()
    if subject.value(LOSSY_IMAGE_COMPRESSION) != b"01":
        return ()
    ratio, method = subject.value(LOSSY_RATIO), subject.value(LOSSY_METHOD)
    missing = tuple(tag for tag, value in ((LOSSY_RATIO, ratio), (LOSSY_METHOD, method)) if not value)
    if missing:
        return (Hit(missing, "LossyImageCompression 01 without ratio or method"),)
    if (ratio or b"").count(b"\\") != (method or b"").count(b"\\"):
        return (Hit((LOSSY_RATIO, LOSSY_METHOD), "not one lossy method for each ratio"),)
    return ()


@lru_cache(maxsize=1024)
def _window_fault(center: bytes | None, width: bytes | None, function: bytes | None) -> str:
    if not center and not width:
        return ""
    if not center or not width:
        return "WindowCenter and WindowWidth come together"
    if center.count(b"\\") != width.count(b"\\"):
        return "not one WindowWidth for each WindowCenter"
    widths = decimals(width)
    if widths is None:
        return ""
    if function in _OTHER_FUNCTIONS:
        return "WindowWidth not above 0" if min(widths) <= 0 else ""
    return "WindowWidth below 1" if min(widths) < 1 else ""
