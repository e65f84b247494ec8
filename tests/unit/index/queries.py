"""Queries of the index, by attribute keywords, as an Identifier would ask them."""

from __future__ import annotations

from types import MappingProxyType

from pydicom.datadict import dictionary_VR, tag_for_keyword

from dicomnode.dicom.character_sets import DEFAULT_REPERTOIRE
from dicomnode.dicom.query.identifier import Identifier, Key, Level, Model, QueryOptions
from dicomnode.index import Index

Value = str | dict[str, "Value"]


def key(tag: int, value: Value) -> Key:
    """A key: text with backslashes between values, or the keys of a sequence's item."""
    if isinstance(value, dict):
        return Key(tag, "SQ", items=(MappingProxyType(keys(value)),) if value else ())
    vr = dictionary_VR(tag)
    return Key(tag, vr, tuple(filter(None, [value] if vr in ("LT", "ST", "UT") else value.split("\\"))))


def keys(values: dict[str, Value]) -> dict[int, Key]:
    """Keys by keyword."""
    return {tag: key(tag, value) for keyword, value in values.items() if (tag := tag_for_keyword(keyword))}


def asked(
    level: str, options: QueryOptions | None = None, model: Model = Model.STUDY_ROOT, **values: Value
) -> Identifier:
    """An Identifier with these keys by keyword."""
    return Identifier(model, Level(level), keys(values), DEFAULT_REPERTOIRE, options or QueryOptions())


def found(index: Index, identifier: Identifier, *keywords: str) -> list[tuple[str | None, ...]]:
    """The values of these attributes in every match, in the order of the keywords."""
    tags = [tag for keyword in keywords if (tag := tag_for_keyword(keyword)) is not None]
    answer = index.find(identifier, tags)
    at = [answer.tags.index(tag) for tag in tags]
    return [tuple(row[place] for place in at) for page in answer.pages for row in page]
