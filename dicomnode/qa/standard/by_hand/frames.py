"""When attributes within functional groups are required, by what stands elsewhere."""

from __future__ import annotations

from typing import Final

from dicomnode.dicom.tags import FRAME_OF_REFERENCE_UID, SOP_CLASS_UID
from dicomnode.qa.standard.by_hand.groups import CONTENT, MEASURES, ORIENTATION, POSITION, REFERENCED
from dicomnode.qa.standard.by_hand.terms import (
    DERIVATION_IMAGE,
    IMAGE_TYPE,
    MR_MODIFIER,
    SPATIAL_PRESATURATION,
    VOLUMETRIC,
    VOLUMETRIC_PROPERTIES,
    absent,
    equals,
)
from dicomnode.qa.standard.sources import Condition

_ORIGINAL_FRAME: Final = equals(IMAGE_TYPE, "ORIGINAL")
"""What Image Type says, all frames are: it is MIXED otherwise (C.8.16.1), and then nothing can be told."""
_ACQUISITION_TYPE, _TAGGING, _DIMENSION_INDICES = 0x00189302, 0x00189028, 0x00209222
_SEGMENTATIONS: Final = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
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
    MR_MODIFIER: (  # C.8.13.5.5
        *(0x00189009, 0x00189010, 0x00189021, 0x00189026),
        *(SPATIAL_PRESATURATION, 0x00189077, 0x00189081),
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
    return _original_and(equals(tag, *values))


_TAGGED: Final = _where(_TAGGING, "GRID", "LINE")
_TAGGED_TWICE: Final = _where(_TAGGING, "GRID")
_IN_PARALLEL: Final = _where(0x00189077, "YES")


def _geometric(condition: Condition) -> Condition:
    """What is required of the geometry of some frames, and of all segments and volumes of the eye that lie somewhere."""
    return [
        "or",
        condition,
        ["and", equals(SOP_CLASS_UID, *_SEGMENTATIONS), ["t+", FRAME_OF_REFERENCE_UID, 0, []]],
        ["and", equals(SOP_CLASS_UID, _OCT), equals(VOLUMETRIC, "YES")],
        equals(SOP_CLASS_UID, _OCT_ANALYSIS),
    ]


_PLACED: Final = _geometric(_original_and(equals(VOLUMETRIC_PROPERTIES, "VOLUME", "SAMPLED")))
_UNCONVERTED: Final = ["!=", SOP_CLASS_UID, 0, [*_CONVERTED]]
_TIMED: Final = _original_and(["!=", SOP_CLASS_UID, 0, [*_CONVERTED, _WHOLE_SLIDE]])

FRAME_CONDITIONS: Final[dict[tuple[int, ...], Condition]] = {
    **{(group, tag): _ORIGINAL_FRAME for group, tags in _OF_ORIGINALS.items() for tag in tags},
    (0x00189301, 0x00189303): _where(_ACQUISITION_TYPE, "CONSTANT_ANGLE"),  # C.8.15.3.2
    (0x00189314, 0x00181100): _original_and(absent(0x00189317)),  # C.8.15.3.7: a diameter or a field of view
    (0x00189314, 0x00189317): _original_and(absent(0x00181100)),
    (0x00189749, 0x00189317): _original_and(absent(0x00181100)),  # C.8.22.5.6
    (0x00189325, 0x00187050): _original_and(["!=", 0x00181160, 0, ["NONE"]]),  # C.8.15.3.9
    (0x00189006, 0x00189030): _TAGGED,  # C.8.13.5.6, as the next ones
    (0x00189006, 0x00189019): _TAGGED,
    (0x00189006, 0x00189035): _TAGGED,
    (0x00189006, 0x00189218): _TAGGED_TWICE,
    (0x00189006, 0x00189219): _TAGGED_TWICE,
    (0x00189042, 0x00189045): _where(0x00189043, "MULTICOIL"),  # C.8.13.5.7
    (MR_MODIFIER, 0x00189036): _where(0x00189081, "YES"),  # C.8.13.5.5, as the next ones
    (MR_MODIFIER, 0x00189069): _IN_PARALLEL,
    (MR_MODIFIER, 0x00189078): _IN_PARALLEL,
    (MR_MODIFIER, 0x00189155): _IN_PARALLEL,
    (MR_MODIFIER, 0x00189168): _IN_PARALLEL,
    (MR_MODIFIER, 0x00189016): _where(0x00189008, "GRADIENT", "BOTH"),
    (MR_MODIFIER, 0x00189079): _where(0x00189009, "YES"),
    (MR_MODIFIER, 0x00189183): _original_and(["!=", 0x00189010, 0, ["NONE"]]),
    (0x00189117, 0x00189076): equals(0x00189075, "DIRECTIONAL"),  # C.8.13.5.9
    (0x00189117, 0x00189076, 0x00189089): _ORIGINAL_FRAME,
    (CONTENT[1], 0x00189074): _TIMED,  # C.7.6.16.2.2
    (CONTENT[1], 0x00189151): _TIMED,
    (CONTENT[1], 0x00189220): _TIMED,
    (CONTENT[1], 0x00209157): ["t+", _DIMENSION_INDICES, 0, []],
    (MEASURES[1], 0x00280030): _geometric(equals(VOLUMETRIC_PROPERTIES, "VOLUME")),  # C.7.6.16.2.1
    (MEASURES[1], 0x00180050): _geometric(equals(VOLUMETRIC_PROPERTIES, "VOLUME", "SAMPLED")),
    (REFERENCED[1], 0x0040A170): _UNCONVERTED,  # C.7.6.16.2.5
    (DERIVATION_IMAGE, 0x00089215): _UNCONVERTED,  # C.7.6.16.2.6
    (DERIVATION_IMAGE, 0x00082112, 0x0040A170): _UNCONVERTED,
    (POSITION[1], 0x00200032): _PLACED,  # C.7.6.16.2.3
    (ORIENTATION[1], 0x00200037): _PLACED,  # C.7.6.16.2.4
}
"""Conditions on what is within functional groups that look at other groups of the frame, or at the data set, by the way to it."""
