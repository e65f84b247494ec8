"""Attributes that the configuration adds to those that the index keeps, level by level."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import AfterValidator
from pydicom.datadict import dictionary_has_tag, keyword_for_tag, tag_for_keyword

from dicomnode.dicom.attributes import LEVEL_ATTRIBUTES, LevelAttributes
from dicomnode.dicom.level_values import KEPT_VRS
from dicomnode.dicom.value_representation import dictionary_vr
from dicomnode.settings import Settings

_TAG: Final = re.compile(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?")


def check_attribute(text: str) -> str:
    """The keyword of the attribute that ``text`` names by its keyword or as ``gggg,eeee``.

    Raises:
        ValueError: the data dictionary has none such, or its values are not text, small numbers or sequences.
    """
    match = _TAG.fullmatch(text)
    tag = int(match[1] + match[2], 16) if match else tag_for_keyword(text)
    if tag is None or not dictionary_has_tag(tag) or not keyword_for_tag(tag):
        raise ValueError(
            "no attribute of the data dictionary; name it by its keyword, such as PatientAddress, or its tag"
        )
    if dictionary_vr(tag).decode("ascii") not in KEPT_VRS:
        raise ValueError(
            "an attribute of this kind cannot be kept: its values are neither text nor small numbers nor items"
        )
    return keyword_for_tag(tag)


Attribute = Annotated[str, AfterValidator(check_attribute)]


class FurtherAttributes(Settings):
    """Attributes that the index keeps besides those of docs/query.md, by keyword or tag: queries match and return them, and
    `dicomnode reindex` adds them to what is stored already."""

    patient: tuple[Attribute, ...] = ()
    """Of each patient."""
    study: tuple[Attribute, ...] = ()
    """Of each study."""
    series: tuple[Attribute, ...] = ()
    """Of each series."""
    image: tuple[Attribute, ...] = ()
    """Of each instance."""

    @property
    def kept(self) -> LevelAttributes:
        """These and those that are always kept, by Query/Retrieve Level."""
        levels: Mapping[str, tuple[str, ...]] = {
            "PATIENT": self.patient,
            "STUDY": self.study,
            "SERIES": self.series,
            "IMAGE": self.image,
        }
        return LevelAttributes(
            {level: MappingProxyType({**_table(levels[level]), **always}) for level, always in LEVEL_ATTRIBUTES.items()}
        )


def _table(keywords: tuple[str, ...]) -> dict[int, str]:
    tags = [tag for keyword in keywords if (tag := tag_for_keyword(keyword)) is not None]
    return {tag: dictionary_vr(tag).decode("ascii") for tag in tags}
