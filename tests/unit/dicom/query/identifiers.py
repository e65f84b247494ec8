"""Identifiers as a peer sends them."""

from __future__ import annotations

from io import BytesIO
from typing import Any

from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from dicomnode.dicom.query.identifier import Identifier, Model, QueryOptions, Selection, parse_query, parse_retrieve
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN

PATIENT_ROOT, STUDY_ROOT = Model.PATIENT_ROOT, Model.STUDY_ROOT


def identifier(level: str | None, *, character_set: str | None = None, **keys: Any) -> Dataset:
    """An Identifier with these keys by keyword."""
    dataset = Dataset()
    if character_set is not None:
        dataset.SpecificCharacterSet = character_set
    if level is not None:
        dataset.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(dataset, keyword, value)
    return dataset


def encoded(dataset: Dataset, *, implicit_vr: bool = False, little_endian: bool = True) -> bytes:
    """The Identifier's bytes."""
    stream = DicomBytesIO()
    stream.is_implicit_VR, stream.is_little_endian = implicit_vr, little_endian
    write_dataset(stream, dataset)
    return BytesIO(stream.getvalue()).getvalue()


def query(
    level: str | None,
    model: Model = STUDY_ROOT,
    options: QueryOptions | None = None,
    *,
    character_set: str | None = None,
    **keys: Any,
) -> Identifier:
    """A C-FIND Identifier, understood."""
    content = encoded(identifier(level, character_set=character_set, **keys))
    return parse_query(content, EXPLICIT_VR_LITTLE_ENDIAN, model, options or QueryOptions())


def retrieve(
    level: str | None, model: Model = STUDY_ROOT, options: QueryOptions | None = None, **keys: Any
) -> Selection:
    """A C-MOVE or C-GET Identifier, understood."""
    content = encoded(identifier(level, **keys))
    return parse_retrieve(content, EXPLICIT_VR_LITTLE_ENDIAN, model, options or QueryOptions())
