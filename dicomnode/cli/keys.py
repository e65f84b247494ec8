"""From options to the keys of a query: which attribute each one stands for at a level, and what a level shows by default.

To give `find` one more option for a key, add its line to ``_FILTERS``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import click
from pydicom.datadict import dictionary_description, dictionary_has_tag, tag_for_keyword
from pydicom.tag import Tag

from dicomnode.dicom.query.model import UNIQUE_KEYS, Level, Model, levels_up_to
from dicomnode.dicom.query.request_keys import check_keys
from dicomnode.dicom.tags import (
    ACCESSION_NUMBER,
    INSTANCE_NUMBER,
    MODALITIES_IN_STUDY,
    MODALITY,
    PATIENT_BIRTH_DATE,
    PATIENT_ID,
    PATIENT_NAME,
    PATIENT_SEX,
    SERIES_DESCRIPTION,
    SERIES_INSTANCE_UID,
    SERIES_NUMBER,
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    STUDY_DATE,
    STUDY_DESCRIPTION,
    STUDY_INSTANCE_UID,
    STUDY_TIME,
)

_OPTIONS: Final = {Level.PATIENT: "--patient-id", Level.STUDY: "--study", Level.SERIES: "--series"}
"""What gives the unique key of a level."""

_OF_PATIENT: Final = {"Patient ID": PATIENT_ID, "Name": PATIENT_NAME}
SHOWN: Final[Mapping[Level, Mapping[str, int]]] = {
    Level.PATIENT: {**_OF_PATIENT, "Birth Date": PATIENT_BIRTH_DATE, "Sex": PATIENT_SEX, "Studies": 0x00201200},
    Level.STUDY: {
        "Date": STUDY_DATE,
        "Time": STUDY_TIME,
        **_OF_PATIENT,
        "Accession": ACCESSION_NUMBER,
        "Description": STUDY_DESCRIPTION,
        "Modality": MODALITIES_IN_STUDY,
        "Series": 0x00201206,
        "Instances": 0x00201208,
        "Study Instance UID": STUDY_INSTANCE_UID,
    },
    Level.SERIES: {
        "Number": SERIES_NUMBER,
        "Modality": MODALITY,
        "Date": 0x00080021,
        "Description": SERIES_DESCRIPTION,
        "Instances": 0x00201209,
        "Series Instance UID": SERIES_INSTANCE_UID,
    },
    Level.IMAGE: {"Number": INSTANCE_NUMBER, "SOP Class": SOP_CLASS_UID, "SOP Instance UID": SOP_INSTANCE_UID},
}
"""What a table of each level shows, and so what is asked for."""

_FILTERS: Final[Mapping[str, Mapping[Level, int]]] = {
    "patient_id": {Level.PATIENT: PATIENT_ID},
    "patient_name": {Level.PATIENT: PATIENT_NAME},
    "accession": {Level.STUDY: ACCESSION_NUMBER},
    "dates": {Level.STUDY: STUDY_DATE},
    "study": {Level.STUDY: STUDY_INSTANCE_UID},
    "series": {Level.SERIES: SERIES_INSTANCE_UID},
    "modality": {Level.STUDY: MODALITIES_IN_STUDY, Level.SERIES: MODALITY},
    "description": {Level.STUDY: STUDY_DESCRIPTION, Level.SERIES: SERIES_DESCRIPTION},
}
"""The attribute that each option is matched with, by the level that the attribute belongs to."""
_WRITTEN: Final = {"dates": "--from and --to"}


def matched(level: Level, filters: Mapping[str, str], *, relational: bool) -> dict[int, str]:
    """{tag: value} of the options that were given.

    Raises:
        click.UsageError: one says nothing at this level (PS3.4 Section C.4.1.2.1).
    """
    return {_attribute(option, level, relational=relational): value for option, value in filters.items() if value}


def parse_keys(texts: Sequence[str]) -> dict[int, str]:
    """{tag: value} of TAG=VALUE each.

    Raises:
        click.BadParameter: one is none.
    """
    keys = {}
    for text in texts:
        tag, equals, value = text.partition("=")
        if not equals:
            raise click.BadParameter(f"{text} is no TAG=VALUE", param_hint="--key")
        keys[parse_tag(tag, "--key")] = value
    return keys


def check(keys: Mapping[int, str]) -> None:
    """Nothing when every value can be written.

    Raises:
        click.UsageError: one cannot.
    """
    try:
        check_keys(keys)
    except ValueError as error:
        raise click.UsageError(str(error)) from error


def columns(level: Level, model: Model, more: Sequence[int]) -> dict[str, int]:
    """What a table of this level shows: {heading: tag}, ``more`` at the end."""
    shown = dict(SHOWN[level])
    if level is Level.STUDY and model is Model.PATIENT_ROOT:  # the patient's other keys belong to a level above then
        del shown["Name"]
    return shown | headings(more, shown)


def headings(more: Sequence[int], shown: Mapping[str, int]) -> dict[str, int]:
    """Further columns, for what is not shown yet: {heading: tag}."""
    return {_heading(tag): tag for tag in more if tag not in shown.values()}


def levels_above(level: Level, model: Model) -> tuple[Level, ...]:
    """The levels of the information model above this one, from the top down."""
    return tuple(above for above in model.levels if above in levels_up_to(level)[1:])


def check_hierarchy(level: Level, model: Model, keys: Mapping[int, str]) -> None:
    """Nothing when there is one value for the unique key of each level above (PS3.4 Section C.4.1.2.1).

    Raises:
        click.UsageError: one is missing.
    """
    for above in levels_above(level, model):
        value = keys.get(UNIQUE_KEYS[above], "")
        if not value or any(character in value for character in "*?\\"):
            raise click.UsageError(f"at {level.lower()} level exactly one {_OPTIONS[above]} is needed, or --relational")


def date_range(first: str, last: str) -> str:
    """Two days as a key of VR DA has them (PS3.4 Section C.2.2.2.5); empty when both are."""
    return first if first == last else f"{first}-{last}"


def parse_tag(text: str, option: str) -> int:
    """The tag that a keyword stands for, or hexadecimal digits: PatientName, 0010,0010, (0010,0010), 00100010.

    Raises:
        click.BadParameter: it is none.
    """
    tag = tag_for_keyword(text)
    if tag is not None:
        return int(tag)
    digits = text.strip("()").replace(",", "")
    try:
        if len(digits) == 8:  # noqa: PLR2004 - a group and an element
            return int(Tag(int(digits, 16)))
    except ValueError:
        pass
    raise click.BadParameter(f"{text} is no attribute: write PatientName or 0010,0010", param_hint=option)


def _heading(tag: int) -> str:
    name = dictionary_description(tag) if dictionary_has_tag(tag) else ""
    return name or f"{tag >> 16:04X},{tag & 0xFFFF:04X}"


def _attribute(option: str, level: Level, *, relational: bool) -> int:
    """The tag that an option is matched with: the lowest one that does not lie below the level."""
    by_level = _FILTERS[option]
    usable = [tag for own, tag in by_level.items() if own in levels_up_to(level)]
    if usable:
        return usable[-1]
    if relational:
        return next(iter(by_level.values()))
    name = _WRITTEN.get(option, f"--{option.replace('_', '-')}")
    raise click.UsageError(f"{name} says nothing at {level.lower()} level")
