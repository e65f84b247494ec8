"""A data set that is kept as DICOM JSON, line by line for a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydicom.datadict import dictionary_has_tag, dictionary_keyword

from dicomnode.dicom.query.matching import attribute_text


def lines(dataset: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    """One line for each attribute, what is nested behind its sequence."""
    for name, attribute in dataset.items():
        if attribute["vr"] != "SQ":
            yield f"{indent}{keyword(int(name, 16))}: {attribute_text(attribute)}"
            continue
        yield f"{indent}{keyword(int(name, 16))}:"
        for item in attribute.get("Value", ()):
            yield from lines(item, f"{indent}  ")


def keyword(tag: int) -> str:
    """The attribute's keyword; its digits when it has none."""
    known = dictionary_keyword(tag) if dictionary_has_tag(tag) else ""
    return known or f"{tag >> 16:04X},{tag & 0xFFFF:04X}"
