"""What the Identifier of a Modality Worklist C-FIND asks for (PS3.4 Section K.4.1.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from dicomnode.dicom.character_sets import CharacterSet
from dicomnode.dicom.query.keys import Key, read_identifier, read_keys
from dicomnode.dicom.query.model import QueryOptions
from dicomnode.dicom.query.temporal import time_interval
from dicomnode.dicom.scanned import Buffer
from dicomnode.dicom.tags import QUERY_RETRIEVE_LEVEL, TIMEZONE_OFFSET
from dicomnode.dicom.worklist_attributes import (
    PROCEDURE,
    SCHEDULED_PROCEDURE_STEP_SEQUENCE,
    START_DATE,
    START_TIME,
    STEP,
)
from dicomnode.errors import IdentifierError

_NO_KEYS: Final = frozenset({QUERY_RETRIEVE_LEVEL, TIMEZONE_OFFSET})
"""The worklist has no levels, though some devices name one."""


@dataclass(frozen=True, slots=True)
class WorklistIdentifier:
    """A query, understood.

    Attributes:
        keys: of the entry itself that the node supports; no Scheduled Procedure Step Sequence.
        step: of that sequence's item; None when the query does not ask for it.
        is_whole_step: the query has that sequence without any key: it asks for all there is (PS3.4 Section K.2.2.1.2).
        is_supported: whether all that was asked for is; what is not is neither matched nor returned (PS3.4 Section C.2.2.1.3).
    """

    keys: Mapping[int, Key]
    step: Mapping[int, Key] | None
    character_set: CharacterSet
    options: QueryOptions
    is_whole_step: bool = False
    is_supported: bool = True

    def matched(self) -> dict[tuple[int, ...], Key]:
        """The keys that not everything matches, by the tags that lead to them."""
        paths: dict[tuple[int, ...], Key] = {(tag,): key for tag, key in self.keys.items()}
        paths |= {(SCHEDULED_PROCEDURE_STEP_SEQUENCE, tag): key for tag, key in (self.step or {}).items()}
        return {path: key for path, key in paths.items() if not key.is_universal}


def parse_worklist_query(dataset: Buffer, transfer_syntax_uid: str, *, fuzzy: bool = False) -> WorklistIdentifier:
    """The Identifier of a worklist query; its ranges of dates and times are one period (PS3.4 Section K.6.1.2.2).

    Raises:
        IdentifierError: it cannot be understood.
    """
    options = QueryOptions(combined_datetime=True, fuzzy=fuzzy)
    scanned = read_identifier(dataset, transfer_syntax_uid)
    asked = {tag: key for tag, key in read_keys(scanned, options).items() if tag not in _NO_KEYS}
    sequence = asked.pop(SCHEDULED_PROCEDURE_STEP_SEQUENCE, None)
    step = dict(sequence.items[0] if sequence.items else {}) if sequence and sequence.items is not None else None
    _check_times(step or {})
    keys = {tag: key for tag, key in asked.items() if tag in PROCEDURE}
    supported = {tag: key for tag, key in (step or {}).items() if tag in STEP}
    return WorklistIdentifier(
        MappingProxyType(keys),
        MappingProxyType(supported) if step is not None else None,
        scanned.character_set(),
        options,
        is_whole_step=step is not None and not step,
        is_supported=len(keys) == len(asked) and len(supported) == len(step or {}),
    )


def _check_times(step: Mapping[int, Key]) -> None:
    """Times that pass midnight need the days that they begin and end on."""
    times, dates = step.get(START_TIME), step.get(START_DATE)
    if times is None or (dates is not None and len(dates.values) == len(times.values) == 1):
        return
    try:
        for value in times.values:
            time_interval(value)
    except ValueError as error:
        raise IdentifierError(str(error), (START_TIME,)) from error
