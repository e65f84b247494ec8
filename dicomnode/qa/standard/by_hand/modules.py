"""When conditional modules (PS3.3 Annex A, by IOD) and attributes (by section) are required."""

from __future__ import annotations

from typing import Any, Final

from dicomnode.dicom.tags import (
    DOUBLE_FLOAT_PIXEL_DATA,
    FLOAT_PIXEL_DATA,
    NUMBER_OF_FRAMES,
    PER_FRAME_GROUPS,
    PIXEL_DATA,
    SOP_CLASS_UID,
)
from dicomnode.qa.standard.by_hand.terms import DERIVATION_IMAGE, PIXEL_PRESENTATION, absent, equals, in_no_group, there
from dicomnode.qa.standard.sources import Condition

_IMAGE_POSITION, _IMAGE_ORIENTATION, _PATIENT_ORIENTATION = 0x00200032, 0x00200037, 0x00200020
_GRAPHIC_ANNOTATIONS, _GLOBAL_CROP, _POSITIONER_MOTION = 0x00700001, 0x0070120B, 0x00181500
_PALETTE_UID, _RED_PALETTE = 0x00281199, 0x00281101
_FRAME_INCREMENT_POINTER: Final = 0x00280009
_NM_VECTORS: Final = tuple(0x00540000 | number for number in (0x10, 0x20, 0x30, 0x50, 0x60, 0x70, 0x80, 0x90, 0x100))

_POSITIONED: Final[Condition] = ["or", there(_IMAGE_POSITION), there(_IMAGE_ORIENTATION)]
_ANNOTATED: Final = there(_GRAPHIC_ANNOTATIONS)
_CROPPED: Final = equals(_GLOBAL_CROP, "YES")
_COLORED: Final = equals(PIXEL_PRESENTATION, "COLOR")

MODULES: Final[dict[tuple[str, str], Condition]] = {
    ("secondary-capture-image", "frame-of-reference"): _POSITIONED,
    ("segmentation", "frame-of-reference"): in_no_group(DERIVATION_IMAGE),
    ("rt-dose", "general-image"): there(PIXEL_DATA),  # grid-based doses are those with pixels
    ("rt-dose", "image-plane"): there(PIXEL_DATA),
    ("rt-dose", "image-pixel"): there(PIXEL_DATA),
    ("rt-dose", "multi-frame"): [">", NUMBER_OF_FRAMES, 0, ["1"]],
    ("rt-image", "multi-frame"): [">", NUMBER_OF_FRAMES, 0, ["1"]],
    ("parametric-map", "image-pixel"): there(PIXEL_DATA),
    ("parametric-map", "floating-point-image-pixel"): there(FLOAT_PIXEL_DATA),
    ("parametric-map", "double-floating-point-image-pixel"): there(DOUBLE_FLOAT_PIXEL_DATA),
    ("parametric-map", "palette-color-lookup-table"): [
        "and",
        equals(PIXEL_PRESENTATION, "COLOR_RANGE"),
        absent(_PALETTE_UID),
    ],
    ("enhanced-ct-image", "supplemental-palette-color-lookup-table"): equals(PIXEL_PRESENTATION, "COLOR", "MIXED"),
    ("enhanced-mr-image", "supplemental-palette-color-lookup-table"): equals(PIXEL_PRESENTATION, "COLOR", "MIXED"),
    ("intravascular-optical-coherence-tomography-image", "supplemental-palette-color-lookup-table"): _COLORED,
    ("photoacoustic-image", "supplemental-palette-color-lookup-table"): _COLORED,
    ("photoacoustic-image", "icc-profile"): equals(PIXEL_PRESENTATION, "TRUE_COLOR", "COLOR"),
    ("variable-modality-lut-softcopy-presentation-state", "icc-profile"): there(_RED_PALETTE),
    ("variable-modality-lut-softcopy-presentation-state", "softcopy-presentation-lut"): absent(_RED_PALETTE),
    ("grayscale-softcopy-presentation-state", "graphic-layer"): _ANNOTATED,
    ("color-softcopy-presentation-state", "graphic-layer"): _ANNOTATED,
    ("pseudo-color-softcopy-presentation-state", "graphic-layer"): _ANNOTATED,
    ("blending-softcopy-presentation-state", "graphic-layer"): _ANNOTATED,
    ("advanced-blending-presentation-state", "graphic-layer"): _ANNOTATED,
    ("variable-modality-lut-softcopy-presentation-state", "graphic-layer"): _ANNOTATED,
    ("xa-xrf-grayscale-softcopy-presentation-state", "graphic-layer"): _ANNOTATED,
}
"""By IOD and module: when a conditional module is required."""

ATTRIBUTES: Final[dict[tuple[str, int], Condition]] = {
    ("C.8.7.5", _POSITIONER_MOTION): [">", NUMBER_OF_FRAMES, 0, ["1"]],
    **{("C.8.4.8", vector): ["=>", _FRAME_INCREMENT_POINTER, 0, [str(vector)]] for vector in _NM_VECTORS},
}
"""By section and tag."""

WITHOUT_A_PLANE: Final = (
    *("computed-radiography-image", "corneal-topography-map", "dermoscopic-photography-image"),
    *("digital-intra-oral-x-ray-image", "digital-mammography-x-ray-image", "digital-x-ray-image"),
    *("multi-frame-single-bit-secondary-capture-image", "ophthalmic-photography-16-bit-image"),
    *(
        "ophthalmic-photography-8-bit-image",
        "ophthalmic-thickness-map",
        "rt-dose",
        "rt-image",
        "secondary-capture-image",
    ),
    *("ultrasound-image", "ultrasound-multi-frame-image", "video-endoscopic-image", "video-microscopic-image"),
    *("video-photographic-image", "vl-endoscopic-image", "vl-microscopic-image", "vl-photographic-image"),
    *("wide-field-ophthalmic-photography-3d-coordinates-image",),
    *("wide-field-ophthalmic-photography-stereographic-projection-image",),
    *("x-ray-angiographic-image", "x-ray-radiofluoroscopic-image"),
)
"""IODs of which Image Plane is no mandatory module, and that say where the image lies nowhere else."""


def attributes(sop_classes: dict[str, str]) -> dict[tuple[str, int], Condition]:
    """All conditions of attributes; some name SOP Classes, which ``sop_classes`` has with their IODs.

    Patient Orientation is required of images that do not require Image Orientation and Image Position (Patient) (C.7.6.1).
    """
    named = sorted(uid for uid, iod in sop_classes.items() if iod in WITHOUT_A_PLANE)
    lies_nowhere: list[Any] = [
        "and",
        absent(_IMAGE_ORIENTATION),
        absent(_IMAGE_POSITION),
        equals(SOP_CLASS_UID, *named),
    ]
    return {**ATTRIBUTES, ("C.7.6.1", _PATIENT_ORIENTATION): lies_nowhere}


def each_frame_has_its_own() -> Condition:
    """When Per-Frame Functional Groups are required: always, where a mandatory group may not be a shared one (C.7.6.16)."""
    return absent(PER_FRAME_GROUPS)
