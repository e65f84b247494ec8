"""Conditions as data, and the tags that several of these modules name."""

from __future__ import annotations

from typing import Final

from dicomnode.qa.standard.sources import Condition

IMAGE_TYPE: Final = 0x00080008
PIXEL_PRESENTATION: Final = 0x00089205
VOLUMETRIC_PROPERTIES: Final = 0x00089206
VOLUMETRIC: Final = 0x00221622
"""Ophthalmic Volumetric Properties Flag."""
DERIVATION_IMAGE: Final = 0x00089124
PLANE_POSITION_SLIDE: Final = 0x0048021A
MR_FRAME_TYPE: Final = 0x00189226
MR_MODIFIER: Final = 0x00189115
SPATIAL_PRESATURATION: Final = 0x00189027


def there(tag: int) -> Condition:
    return ["+", tag, 0, []]


def absent(tag: int) -> Condition:
    return ["-", tag, 0, []]


def equals(tag: int, *values: str) -> Condition:
    return ["=", tag, 0, list(values)]


def none_of(tag: int, *values: str) -> Condition:
    """Absent, or anything else: a condition that must be met where nothing is said too."""
    return ["or", absent(tag), ["!=", tag, 0, list(values)]]


def in_no_group(group: int) -> Condition:
    return ["g-", group, group, []]


def of_any_frame(group: int, tag: int, value: str) -> Condition:
    return ["g=", tag, group, [value]]
