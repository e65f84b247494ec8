"""A Performed Procedure Step as its modality tells it: what it has to say, what may change, when it is final (PS3.4 Section F.7.2).

All of it is kept as DICOM JSON, also what the tables here do not name. To hold one attribute more to its type, add its line.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from dicomnode.dicom.json_form import Json, hex_name
from dicomnode.dicom.query.matching import attribute_text
from dicomnode.dicom.tags import (
    ACCESSION_NUMBER,
    MODALITY,
    PATIENT_BIRTH_DATE,
    PATIENT_ID,
    PATIENT_NAME,
    PATIENT_SEX,
    SERIES_DESCRIPTION,
    SERIES_INSTANCE_UID,
    STUDY_ID,
    STUDY_INSTANCE_UID,
)
from dicomnode.errors import FinalStateError, InvalidValuesError, MissingAttributesError, MissingValuesError

STATUS: Final = 0x00400252
PERFORMED_STEP_ID: Final = 0x00400253
STATION_AE_TITLE: Final = 0x00400241
START_DATE: Final = 0x00400244
START_TIME: Final = 0x00400245
END_DATE: Final = 0x00400250
END_TIME: Final = 0x00400251
SCHEDULED_STEPS: Final = 0x00400270
PERFORMED_SERIES: Final = 0x00400340
DISCONTINUATION_REASON: Final = 0x00400281

_SCHEDULED_STEP_ID: Final = 0x00400009
_PROTOCOL_NAME: Final = 0x00181030
_IMAGES: Final = 0x00081140
_NOT_IMAGES: Final = 0x00400220
_SOP_INSTANCE_UID: Final = 0x00081155
_CODE_VALUE: Final = 0x00080100
_CODING_SCHEME: Final = 0x00080102

# PS3.4 Table F.7.2-1: told at creation, and never changed
_NEEDED_ONCE: Final = (SCHEDULED_STEPS, PERFORMED_STEP_ID, STATION_AE_TITLE, START_DATE, START_TIME, MODALITY)
_ASKED_ONCE: Final = (
    PATIENT_NAME,
    PATIENT_ID,
    PATIENT_BIRTH_DATE,
    PATIENT_SEX,
    0x00081120,  # Referenced Patient Sequence
    STUDY_ID,
    0x00400242,  # Performed Station Name
    0x00400243,  # Performed Location
)
_ASKED_OF_A_SCHEDULED_STEP: Final = (
    ACCESSION_NUMBER,
    0x00081110,  # Referenced Study Sequence
    0x00401001,  # Requested Procedure ID
    0x00321060,  # Requested Procedure Description
    _SCHEDULED_STEP_ID,
    0x00400007,  # Scheduled Procedure Step Description
    0x00400008,  # Scheduled Protocol Code Sequence
)
# told at creation, maybe empty, and changed later
_ASKED: Final = (
    0x00400254,  # Performed Procedure Step Description
    0x00400255,  # Performed Procedure Type Description
    0x00081032,  # Procedure Code Sequence
    0x00400260,  # Performed Protocol Code Sequence
    END_DATE,
    END_TIME,
    PERFORMED_SERIES,
)
# of the final state
_NEEDED_AT_THE_END: Final = (END_DATE, END_TIME, PERFORMED_SERIES)
_NEEDED_OF_A_SERIES: Final = (SERIES_INSTANCE_UID, _PROTOCOL_NAME)
_ASKED_OF_A_SERIES: Final = (
    0x00081050,  # Performing Physician's Name
    0x00081070,  # Operators' Name
    SERIES_DESCRIPTION,
    0x00080054,  # Retrieve AE Title
    _IMAGES,
    _NOT_IMAGES,
)

_NEVER_CHANGED: Final = frozenset((*_NEEDED_ONCE, *_ASKED_ONCE))
_WRONG_WORKLIST_ENTRY: Final = ("110514", "DCM")
"""Incorrect worklist entry selected (PS3.16 Annex D)."""
_UID: Final = re.compile(r"[0-9.]{1,64}")


class PerformedStatus(StrEnum):
    """Performed Procedure Step Status (0040,0252) (PS3.3 Section C.4.14)."""

    IN_PROGRESS = "IN PROGRESS"
    DISCONTINUED = "DISCONTINUED"
    COMPLETED = "COMPLETED"

    @property
    def is_final(self) -> bool:
        """Whether the step may no longer be changed by its modality."""
        return self is not PerformedStatus.IN_PROGRESS


@dataclass(frozen=True, slots=True)
class ScheduledStep:
    """What a performed step says of a scheduled one that it does; empty where it does not know."""

    study_instance_uid: str
    step_id: str
    accession_number: str


@dataclass(frozen=True, slots=True)
class PerformedStep:
    """A Performed Procedure Step; ``attributes`` is all of it as DICOM JSON, its text in Unicode."""

    attributes: Json

    @classmethod
    def created(cls, attributes: Json, *, is_lenient: bool = False) -> PerformedStep:
        """The step that an N-CREATE makes (PS3.4 Section F.7.2.1).

        Args:
            is_lenient: take an attribute of type 2 that is missing for an empty one.

        Raises:
            MissingAttributesError: an attribute is missing.
            MissingValuesError: one of type 1 is empty.
            InvalidValuesError: its status is not IN PROGRESS, or a study's UID is none.
        """
        step = cls(dict(attributes))
        items = _items(attributes, SCHEDULED_STEPS)
        missing = _absent(attributes, (*_NEEDED_ONCE, STATUS))
        empty = _empty(attributes, (*(tag for tag in _NEEDED_ONCE if tag != SCHEDULED_STEPS), STATUS))
        for item in items:
            missing += _absent(item, (STUDY_INSTANCE_UID,))
            empty += _empty(item, (STUDY_INSTANCE_UID,))
        if not is_lenient:
            missing += _absent(attributes, (*_ASKED_ONCE, *_ASKED))
            for item in items:
                missing += _absent(item, _ASKED_OF_A_SCHEDULED_STEP)
        _refuse(missing, empty)
        if _text(attributes, STATUS) != PerformedStatus.IN_PROGRESS:
            raise InvalidValuesError("a performed procedure step begins as IN PROGRESS", (STATUS,))
        if not all(_UID.fullmatch(_text(item, STUDY_INSTANCE_UID)) for item in items):
            raise InvalidValuesError("a Study Instance UID is none", (SCHEDULED_STEPS,))
        return step

    def changed(self, modifications: Json, *, is_lenient: bool = False) -> tuple[PerformedStep, tuple[int, ...]]:
        """The step as an N-SET leaves it, and the attributes that it may not change, which stay (PS3.4 Section F.7.2.2).

        What was not created cannot be set, but for the reason of a discontinuation, which too many leave out at first.

        Args:
            is_lenient: let attributes be set that were not created, and a step be discontinued without what a final one needs.

        Raises:
            FinalStateError: it is final already.
            MissingAttributesError: the final state lacks an attribute.
            MissingValuesError: it lacks a value.
            InvalidValuesError: its status is none.
        """
        if self.status.is_final:
            raise FinalStateError("Performed Procedure Step Object may no longer be updated")
        attributes, refused = dict(self.attributes), []
        for name, value in modifications.items():
            if self.attributes.get(name) == value:
                continue
            tag = int(name, 16)
            is_there = name in attributes or is_lenient or tag == DISCONTINUATION_REASON
            if tag in _NEVER_CHANGED or not is_there:
                refused.append(tag)
            else:
                attributes[name] = value
        step = PerformedStep(dict(sorted(attributes.items())))
        if not _text(attributes, STATUS):
            raise MissingValuesError("the status is empty", (STATUS,))
        if _text(attributes, STATUS) not in list(PerformedStatus):
            raise InvalidValuesError("the status is none", (STATUS,))
        if step.status.is_final and not (is_lenient and step.status is PerformedStatus.DISCONTINUED):
            step._check_final(is_lenient=is_lenient)
        return step, tuple(refused)

    @property
    def status(self) -> PerformedStatus:
        """Its state."""
        return PerformedStatus(_text(self.attributes, STATUS))

    @property
    def scheduled_steps(self) -> tuple[ScheduledStep, ...]:
        """The scheduled steps that it does; of unscheduled work one without ID, or none (PS3.4 Section F.7.2.1.1)."""
        return tuple(
            ScheduledStep(
                _text(item, STUDY_INSTANCE_UID), _text(item, _SCHEDULED_STEP_ID), _text(item, ACCESSION_NUMBER)
            )
            for item in _items(self.attributes, SCHEDULED_STEPS)
        )

    @property
    def study_instance_uids(self) -> tuple[str, ...]:
        """The studies that it makes instances for."""
        return tuple(dict.fromkeys(step.study_instance_uid for step in self.scheduled_steps))

    @property
    def sop_instance_uids(self) -> tuple[str, ...]:
        """All instances that it says it made (PS3.3 Section C.4.16)."""
        return tuple(
            dict.fromkeys(
                uid
                for series in _items(self.attributes, PERFORMED_SERIES)
                for sequence in (_IMAGES, _NOT_IMAGES)
                for item in _items(series, sequence)
                if _UID.fullmatch(uid := _text(item, _SOP_INSTANCE_UID))
            )
        )

    @property
    def series(self) -> int:
        """How many series it made."""
        return len(_items(self.attributes, PERFORMED_SERIES))

    @property
    def is_of_the_wrong_entry(self) -> bool:
        """Whether it was discontinued because the wrong entry of the worklist had been selected."""
        return self.status is PerformedStatus.DISCONTINUED and any(
            (_text(item, _CODE_VALUE), _text(item, _CODING_SCHEME)) == _WRONG_WORKLIST_ENTRY
            for item in _items(self.attributes, DISCONTINUATION_REASON)
        )

    def text(self, tag: int) -> str:
        """An attribute as text; empty when it is unknown."""
        return _text(self.attributes, tag)

    def _check_final(self, *, is_lenient: bool) -> None:
        attributes, series = self.attributes, _items(self.attributes, PERFORMED_SERIES)
        missing, empty = _absent(attributes, _NEEDED_AT_THE_END), _empty(attributes, (END_DATE, END_TIME))
        if not series:
            empty += [PERFORMED_SERIES] if hex_name(PERFORMED_SERIES) in attributes else []
        for item in series:
            missing += _absent(item, _NEEDED_OF_A_SERIES)
            empty += _empty(item, _NEEDED_OF_A_SERIES)
            if not is_lenient:
                missing += _absent(item, _ASKED_OF_A_SERIES)
        _refuse(missing, empty)


def _refuse(missing: list[int], empty: list[int]) -> None:
    if missing:
        raise MissingAttributesError("attributes are missing", tuple(dict.fromkeys(missing)))
    if empty:
        raise MissingValuesError("values are missing", tuple(dict.fromkeys(empty)))


def _absent(attributes: Json, tags: Collection[int]) -> list[int]:
    return [tag for tag in tags if hex_name(tag) not in attributes]


def _empty(attributes: Json, tags: Collection[int]) -> list[int]:
    return [tag for tag in tags if hex_name(tag) in attributes and not _text(attributes, tag)]


def _text(attributes: Json, tag: int) -> str:
    return attribute_text(attributes.get(hex_name(tag)))


def _items(attributes: Json, tag: int) -> list[Mapping[str, Any]]:
    return list(_sequence_items(attributes.get(hex_name(tag), {})))


def _sequence_items(attribute: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if attribute.get("vr") == "SQ":
        yield from (item for item in attribute.get("Value", ()) if isinstance(item, Mapping))
