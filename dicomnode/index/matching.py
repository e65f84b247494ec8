"""A query's keys as conditions on the hierarchy (PS3.4 Section C.2.2.2).

Which keys they are is decided here, how each is written in `dicomnode.index.conditions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from dicomnode.dicom.query.identifier import EMPTY_VALUE, Identifier, Key, Level
from dicomnode.dicom.query.matching import Matcher
from dicomnode.dicom.query.model import levels_up_to
from dicomnode.dicom.tags import PATIENT_BIRTH_DATE, PATIENT_BIRTH_TIME, STUDY_DATE, STUDY_TIME
from dicomnode.index.conditions import ConditionWriter
from dicomnode.index.places import Place, Places

_NAME_COLUMNS: Final = ("patient.name_key", "patient.ideographic_key", "patient.phonetic_key")
_TIME_OF_DATE: Final[Mapping[int, int]] = MappingProxyType(
    {
        0x00080012: 0x00080013,  # Instance Creation
        STUDY_DATE: STUDY_TIME,  # Study
        0x00080021: 0x00080031,  # Series
        0x00080022: 0x00080032,  # Acquisition
        0x00080023: 0x00080033,  # Content
        PATIENT_BIRTH_DATE: PATIENT_BIRTH_TIME,  # Patient's Birth
        0x00400244: 0x00400245,  # Performed Procedure Step Start
        0x00400250: 0x00400251,  # Performed Procedure Step End
    }
)
"""Date and time that are one period once that is negotiated (PS3.4 Section C.2.2.2.5)."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What the rows must fulfil.

    Attributes:
        terms: SQL, all of which must hold.
        values: what they bind.
        matchers: what they call, by token.
        highest: the highest level whose table they name.
    """

    terms: tuple[str, ...]
    values: Mapping[str, object]
    matchers: Mapping[int, Matcher]
    highest: Level


def conditions_of(identifier: Identifier, places: Places) -> Conditions:
    """The conditions of a query; what the index does not keep is no condition (PS3.4 Section C.2.2.1.3)."""
    level, options = identifier.level, identifier.options
    writer = ConditionWriter(_NAME_COLUMNS)
    highest = level
    above = levels_up_to(level)
    in_pair = set()
    for tag, key in identifier.keys.items():
        place = places.of(tag, level)
        if place is None or key.is_universal or tag in in_pair:
            continue
        highest = max(highest, place.level, key=above.index)
        time = _time_of(identifier, tag, places) if options.combined_datetime else None
        if time is not None:
            in_pair.add(time[1].tag)
            writer.write_period(place, key.values[0], time[0], time[1].values[0])
        else:
            writer.write(tag, place, key, options)
    return Conditions(tuple(writer.terms), writer.values, writer.matchers, highest)


def _time_of(identifier: Identifier, date: int, places: Places) -> tuple[Place, Key] | None:
    """The time key that a date key makes one period with."""
    tag = _TIME_OF_DATE.get(date)
    key = identifier.keys.get(tag) if tag is not None else None
    if tag is None or key is None or EMPTY_VALUE in (*key.values, *identifier.keys[date].values):
        return None
    place = places.of(tag, identifier.level)
    if place is None or len(key.values) != 1 or len(identifier.keys[date].values) != 1:
        return None
    return place, key
