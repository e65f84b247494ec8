"""Where the image lies: orientation, position, spacing and thickness (PS3.3 C.7.6.2, 10.7)."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from pydicom.datadict import keyword_for_tag

from dicomnode.dicom.tags import COLUMNS, ROWS
from dicomnode.qa.consistency.groups import in_groups
from dicomnode.qa.consistency.numbers import decimals
from dicomnode.qa.rule import Hit, Subject

IMAGE_POSITION, IMAGE_ORIENTATION = 0x00200032, 0x00200037
PIXEL_SPACING, IMAGER_PIXEL_SPACING, NOMINAL_SPACING = 0x00280030, 0x00181164, 0x00182010
SLICE_THICKNESS = 0x00180050
PLANE_ORIENTATION, PIXEL_MEASURES = 0x00209116, 0x00289110

SPACINGS: Final = (PIXEL_SPACING, IMAGER_PIXEL_SPACING, NOMINAL_SPACING)
_TOLERANCE: Final = 1e-3
"""Of a vector's length and of the cosine between two: scanners write four digits and more."""


def orientation_is_no_plane(subject: Subject) -> Iterable[Hit]:
    """Image Orientation (Patient) is not two vectors of length 1 at right angles."""
    value = subject.value(IMAGE_ORIENTATION)
    fault = _orientation_fault(value) if value else ""
    if fault:
        return (Hit((IMAGE_ORIENTATION,), f"ImageOrientationPatient {fault}"),)
    for (grouped,), place in in_groups(subject, PLANE_ORIENTATION, IMAGE_ORIENTATION):
        if grouped and (fault := _orientation_fault(grouped)):
            return (Hit((IMAGE_ORIENTATION,), f"ImageOrientationPatient {fault}", place),)
    return ()


def position_without_orientation(subject: Subject) -> Iterable[Hit]:
    """One of Image Position (Patient) and Image Orientation (Patient) without the other, or a position that is no three numbers."""
    elements = subject.dataset.elements
    there = IMAGE_POSITION in elements
    if there != (IMAGE_ORIENTATION in elements):
        present, absent = (IMAGE_POSITION, IMAGE_ORIENTATION) if there else (IMAGE_ORIENTATION, IMAGE_POSITION)
        return (Hit((absent,), f"{keyword_for_tag(present)} alone"),)
    if there and _is_no_point(subject.value(IMAGE_POSITION)):
        return (Hit((IMAGE_POSITION,), "ImagePositionPatient is no point"),)
    return ()


def spacing_is_none(subject: Subject) -> Iterable[Hit]:
    """Pixel Spacing, or one of its kin, is not two numbers above 0; one of a single row or column may be 0."""
    hits = []
    for tag in SPACINGS:
        value = subject.value(tag)
        if value and _is_no_spacing(value, subject.integer(ROWS) == 1, subject.integer(COLUMNS) == 1):
            hits.append(Hit((tag,), f"{keyword_for_tag(tag)} is not two numbers above 0"))
    for (grouped,), place in in_groups(subject, PIXEL_MEASURES, PIXEL_SPACING):
        if grouped and _is_no_spacing(grouped, subject.integer(ROWS) == 1, subject.integer(COLUMNS) == 1):
            return [*hits, Hit((PIXEL_SPACING,), "PixelSpacing is not two numbers above 0", place)]
    return hits


def thickness_below_zero(subject: Subject) -> Iterable[Hit]:
    """A slice thinner than nothing."""
    thickness = decimals(subject.value(SLICE_THICKNESS))
    return (Hit((SLICE_THICKNESS,), "SliceThickness below 0"),) if thickness and thickness[0] < 0 else ()


@lru_cache(maxsize=1024)
def _orientation_fault(value: bytes) -> str:
    cosines = decimals(value)
    if cosines is None or len(cosines) != 6:  # noqa: PLR2004 - of a row and of a column
        return "is not six numbers"
    row, column = cosines[:3], cosines[3:]
    if abs(_dot(row, row) - 1) > 2 * _TOLERANCE or abs(_dot(column, column) - 1) > 2 * _TOLERANCE:
        return "has a vector whose length is not 1"
    return "has vectors at no right angle" if abs(_dot(row, column)) > _TOLERANCE else ""


@lru_cache(maxsize=1024)
def _is_no_point(value: bytes | None) -> bool:
    return bool(value) and len(decimals(value) or ()) != 3  # noqa: PLR2004 - x, y, z


@lru_cache(maxsize=1024)
def _is_no_spacing(value: bytes, one_row: bool, one_column: bool) -> bool:  # noqa: FBT001 - keys of a cache
    spacing = decimals(value)
    if spacing is None or len(spacing) != 2:  # noqa: PLR2004 - between rows, between columns
        return True
    between_rows, between_columns = spacing
    return not _is_distance(between_rows, one_row) or not _is_distance(between_columns, one_column)


def _is_distance(spacing: float, is_single: bool) -> bool:  # noqa: FBT001
    return spacing > 0 or (spacing == 0 and is_single)


def _dot(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]
