"""What the rules on studies read of each instance: a few values, so that thousands of instances fit into memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dicomnode.dicom.scan import ScannedDataset
from dicomnode.dicom.sop_class import is_image_storage
from dicomnode.dicom.tags import (
    ACCESSION_NUMBER,
    COLUMNS,
    FRAME_OF_REFERENCE_UID,
    INSTANCE_NUMBER,
    ISSUER_OF_PATIENT_ID,
    LATERALITY,
    MODALITY,
    NUMBER_OF_FRAMES,
    PATIENT_BIRTH_DATE,
    PATIENT_ID,
    PATIENT_NAME,
    PATIENT_SEX,
    REFERRING_PHYSICIAN_NAME,
    ROWS,
    SERIES_INSTANCE_UID,
    SERIES_NUMBER,
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    STUDY_DATE,
    STUDY_ID,
)

PATIENT: Final = (PATIENT_NAME, PATIENT_ID, ISSUER_OF_PATIENT_ID, PATIENT_BIRTH_DATE, PATIENT_SEX)
STUDY: Final = (STUDY_DATE, ACCESSION_NUMBER, STUDY_ID, REFERRING_PHYSICIAN_NAME)
SERIES: Final = (MODALITY, SERIES_NUMBER, LATERALITY)
TELLING_APART: Final = (
    0x00080008,  # Image Type
    0x00180086,  # Echo Number(s)
    0x00200100,  # Temporal Position Identifier
    0x00200012,  # Acquisition Number
    0x00189087,  # Diffusion b-value
    0x00181060,  # Trigger Time
    0x00180081,  # Echo Time
    0x00080032,  # Acquisition Time
)
"""What images at the same place are told apart by: volumes of another echo, phase, weighting or moment."""
POSITION, ORIENTATION = 0x00200032, 0x00200037
_IMAGE_TYPE: Final = 0x00080008
_LONGEST_BYTES: Final = 1024
_COORDINATES, _DIRECTIONS = 3, 6
_FARTHEST_MM: Final = 1e6

Vector = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Plane:
    """Where an image lies (PS3.3 Section C.7.6.2).

    Attributes:
        position: of its first pixel, mm.
        orientation: of its rows and columns, as two unit vectors.
        size: Rows and Columns.
    """

    position: Vector
    orientation: Vector
    size: tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class Header:
    """One instance; values aligned with the tags above, empty where it does not say.

    Attributes:
        number: Instance Number; None when it has none.
        plane: None for what is no single slice: other objects, localizers, multi-frame images.
    """

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    patient: tuple[str, ...]
    study: tuple[str, ...]
    series: tuple[str, ...]
    number: int | None
    frame_of_reference_uid: str
    plane: Plane | None
    told_apart_by: tuple[str, ...]


def header_of(dataset: ScannedDataset) -> Header:
    """What is read of an instance."""
    sop_class_uid = dataset.uid(SOP_CLASS_UID) or ""
    return Header(
        sop_class_uid=sop_class_uid,
        sop_instance_uid=dataset.uid(SOP_INSTANCE_UID) or "",
        series_instance_uid=dataset.uid(SERIES_INSTANCE_UID) or "",
        patient=_texts(dataset, PATIENT),
        study=_texts(dataset, STUDY),
        series=_texts(dataset, SERIES),
        number=dataset.integer(INSTANCE_NUMBER) if _is_short(dataset, INSTANCE_NUMBER) else None,
        frame_of_reference_uid=_text(dataset, FRAME_OF_REFERENCE_UID),
        plane=_plane(dataset) if is_image_storage(sop_class_uid) else None,
        told_apart_by=_texts(dataset, TELLING_APART),
    )


def _plane(dataset: ScannedDataset) -> Plane | None:
    position = _numbers(dataset, POSITION, _COORDINATES)
    orientation = _numbers(dataset, ORIENTATION, _DIRECTIONS)
    if position is None or orientation is None or (dataset.integer(NUMBER_OF_FRAMES) or 1) > 1:
        return None
    if "LOCALIZER" in _text(dataset, _IMAGE_TYPE).upper():
        return None
    return Plane(position, orientation, (dataset.integer(ROWS), dataset.integer(COLUMNS)))


def _numbers(dataset: ScannedDataset, tag: int, count: int) -> Vector | None:
    values = _text(dataset, tag).split("\\")
    if len(values) != count:
        return None
    try:
        numbers = tuple(float(value) for value in values)
    except ValueError:
        return None
    return numbers if all(abs(number) <= _FARTHEST_MM for number in numbers) else None  # NaN is not, either


def _texts(dataset: ScannedDataset, tags: Sequence[int]) -> tuple[str, ...]:
    return tuple(_text(dataset, tag) for tag in tags)


def _text(dataset: ScannedDataset, tag: int) -> str:
    return (dataset.text(tag) or "").strip(" \0") if _is_short(dataset, tag) else ""


def _is_short(dataset: ScannedDataset, tag: int) -> bool:
    element = dataset.elements.get(tag)
    return element is not None and 0 <= element[2] <= _LONGEST_BYTES
