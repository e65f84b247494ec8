"""The Query/Retrieve information models: their SOP Classes, levels and keys (PS3.4 Sections C.3 and C.6)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from types import MappingProxyType
from typing import Final

from dicomnode.dicom.attributes import LEVEL_ATTRIBUTES, LevelAttributes
from dicomnode.dicom.scanned import SPECIFIC_CHARACTER_SET
from dicomnode.dicom.tags import (
    MODALITIES_IN_STUDY,
    PATIENT_ID,
    SERIES_INSTANCE_UID,
    SOP_CLASSES_IN_STUDY,
    SOP_INSTANCE_UID,
    STUDY_INSTANCE_UID,
    TIMEZONE_OFFSET,
)


class Level(StrEnum):
    """Query/Retrieve Level (0008,0052), from the top down."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


class Model(StrEnum):
    """An information model (PS3.4 Section C.6)."""

    PATIENT_ROOT = "patient-root"
    STUDY_ROOT = "study-root"
    PATIENT_STUDY_ONLY = "patient-study-only"
    """Retired, and still asked for."""

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels that a request in this model may name, from the top down."""
        return _LEVELS[self]


class Operation(StrEnum):
    """What a SOP Class of a model does."""

    FIND = "C-FIND"
    MOVE = "C-MOVE"
    GET = "C-GET"


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """What extended negotiation agreed (PS3.4 Section C.5.1.1), and the peer's settings.

    Attributes:
        relational: unique keys of the levels above may be missing.
        combined_datetime: a pair of date and time ranges is one period.
        fuzzy: names match by their words.
        empty_value: ``""`` matches what has no value.
        multiple_value: all values of a key must be there, not just one.
        strict: other keys of the levels above are refused, and the level's own unique key must be there.
    """

    relational: bool = False
    combined_datetime: bool = False
    fuzzy: bool = False
    empty_value: bool = False
    multiple_value: bool = False
    strict: bool = False


_LEVELS: Final = {
    Model.PATIENT_ROOT: tuple(Level),
    Model.STUDY_ROOT: (Level.STUDY, Level.SERIES, Level.IMAGE),
    Model.PATIENT_STUDY_ONLY: (Level.PATIENT, Level.STUDY),
}

SOP_CLASSES: Final[Mapping[str, tuple[Model, Operation]]] = MappingProxyType(
    {
        "1.2.840.10008.5.1.4.1.2.1.1": (Model.PATIENT_ROOT, Operation.FIND),
        "1.2.840.10008.5.1.4.1.2.1.2": (Model.PATIENT_ROOT, Operation.MOVE),
        "1.2.840.10008.5.1.4.1.2.1.3": (Model.PATIENT_ROOT, Operation.GET),
        "1.2.840.10008.5.1.4.1.2.2.1": (Model.STUDY_ROOT, Operation.FIND),
        "1.2.840.10008.5.1.4.1.2.2.2": (Model.STUDY_ROOT, Operation.MOVE),
        "1.2.840.10008.5.1.4.1.2.2.3": (Model.STUDY_ROOT, Operation.GET),
        "1.2.840.10008.5.1.4.1.2.3.1": (Model.PATIENT_STUDY_ONLY, Operation.FIND),
        "1.2.840.10008.5.1.4.1.2.3.2": (Model.PATIENT_STUDY_ONLY, Operation.MOVE),
        "1.2.840.10008.5.1.4.1.2.3.3": (Model.PATIENT_STUDY_ONLY, Operation.GET),
    }
)
"""The Query/Retrieve SOP Classes (PS3.4 Section C.6.1.3 to C.6.3.3)."""

UNIQUE_KEYS: Final[Mapping[Level, int]] = MappingProxyType(
    {
        Level.PATIENT: PATIENT_ID,
        Level.STUDY: STUDY_INSTANCE_UID,
        Level.SERIES: SERIES_INSTANCE_UID,
        Level.IMAGE: SOP_INSTANCE_UID,
    }
)

COMPUTED_KEYS: Final[Mapping[Level, Mapping[int, str]]] = MappingProxyType(
    {
        Level.PATIENT: {
            0x00201200: "IS",  # Number of Patient Related Studies
            0x00201202: "IS",  # Number of Patient Related Series
            0x00201204: "IS",  # Number of Patient Related Instances
        },
        Level.STUDY: {
            MODALITIES_IN_STUDY: "CS",
            SOP_CLASSES_IN_STUDY: "UI",
            0x00201206: "IS",  # Number of Study Related Series
            0x00201208: "IS",  # Number of Study Related Instances
        },
        Level.SERIES: {
            0x00201209: "IS",  # Number of Series Related Instances
        },
        Level.IMAGE: {
            0x00083002: "UI",  # Available Transfer Syntax UID
        },
    }
)
"""Keys whose values the index makes from what it holds (PS3.4 Section C.3.4)."""

_NO_KEYS: Final = frozenset({SPECIFIC_CHARACTER_SET, TIMEZONE_OFFSET})
"""Say how an Identifier is meant (PS3.4 Section C.2.2.2)."""

QueryKeys = Mapping[Level, Mapping[int, str]]
"""Every attribute that an index can match and return, with its VR."""


def query_keys(kept: LevelAttributes) -> QueryKeys:
    """The keys of an index that keeps these attributes."""
    return MappingProxyType(
        {
            level: MappingProxyType(
                {tag: vr for tag, vr in {**kept[level], **COMPUTED_KEYS[level]}.items() if tag not in _NO_KEYS}
            )
            for level in Level
        }
    )


QUERY_KEYS: Final = query_keys(LEVEL_ATTRIBUTES)
"""Those of an index without further attributes."""


def model_of(sop_class_uid: str) -> tuple[Model, Operation] | None:
    """The model and the operation of a Query/Retrieve SOP Class; None when it is none."""
    return SOP_CLASSES.get(sop_class_uid)


def sop_class_of(model: Model, operation: Operation) -> str:
    """The SOP Class of an operation in a model."""
    return next(uid for uid, meant in SOP_CLASSES.items() if meant == (model, operation))


@cache
def levels_up_to(level: Level) -> tuple[Level, ...]:
    """``level`` and those above it, the nearest first."""
    levels = tuple(Level)
    return levels[levels.index(level) :: -1]


def level_of_key(tag: int, level: Level, keys: QueryKeys = QUERY_KEYS) -> Level | None:
    """The level that gives the attribute its value in a query at ``level``: this one, or the nearest above that has it; None when
    neither has."""
    return next((one for one in levels_up_to(level) if tag in keys[one]), None)
