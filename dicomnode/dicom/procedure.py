"""One entry of the worklist: a Scheduled Procedure Step with its Requested Procedure, order, visit and patient (PS3.4 Annex K).

Whatever it comes from (a file, a message, a command), it is checked here, once, for what a scanner needs: a query never meets an
entry without the attributes of type 1 (PS3.4 Table K.6-1).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from dicomnode.dicom.json_form import Json, attribute_name, has_value, hex_name, normalised
from dicomnode.dicom.query.matching import attribute_text
from dicomnode.dicom.step_status import StepStatus
from dicomnode.dicom.tags import (
    ACCESSION_NUMBER,
    ISSUER_OF_PATIENT_ID,
    MODALITY,
    PATIENT_ID,
    PATIENT_NAME,
    STUDY_INSTANCE_UID,
)
from dicomnode.dicom.worklist_attributes import (
    PROCEDURE,
    PROCEDURE_CODE_SEQUENCE,
    PROCEDURE_DESCRIPTION,
    PROTOCOL_CODE_SEQUENCE,
    REQUESTED_PROCEDURE_ID,
    SCHEDULED_PROCEDURE_STEP_SEQUENCE,
    SCHEDULED_STATION_AE_TITLE,
    START_DATE,
    START_TIME,
    STEP,
    STEP_DESCRIPTION,
    STEP_ID,
    STEP_STATUS,
)
from dicomnode.errors import WorklistError

__all__ = ["StepStatus", "WorklistEntry", "new_uid", "steps_of"]

_LONGEST_ENTRY: Final = 64 << 10
"""Characters of an entry as JSON; real ones have some thousand."""
_MOST_STATIONS: Final = 64


@dataclass(frozen=True, slots=True)
class WorklistEntry:
    """One Scheduled Procedure Step, and all that a scanner is told with it.

    Attributes:
        attributes: DICOM JSON; Scheduled Procedure Step Sequence has one item. The step's status is not among them.
        status: of the step.
    """

    attributes: Json
    status: StepStatus = StepStatus.SCHEDULED

    @classmethod
    def of(cls, attributes: Json, *, study_instance_uid: str = "") -> WorklistEntry:
        """The entry that these attributes make, checked; a status among them is the entry's.

        What is left out is filled in where it follows: the time of a step is the begin of its day, Requested Procedure ID is the
        Accession Number, one description stands for the other.

        Args:
            attributes: DICOM JSON; VRs that the dictionary knows need not be given.
            study_instance_uid: the study's, when the attributes do not name it; empty for a new one.

        Raises:
            WorklistError: an attribute that a scanner needs is missing, or a value is none of its VR; it names all of them.
        """
        problems: list[str] = []
        given = dict(normalised(attributes, problems))
        items = given.get(hex_name(SCHEDULED_PROCEDURE_STEP_SEQUENCE), {}).get("Value", [])
        if len(items) > 1:
            problems.append(f"{attribute_name(SCHEDULED_PROCEDURE_STEP_SEQUENCE)} has {len(items)} items, not one")
            raise WorklistError(problems)
        step: dict[str, Any] = dict(items[0]) if items else {}
        status = _status(step.pop(hex_name(STEP_STATUS), None), problems)
        _fill(given, step, study_instance_uid)
        given[hex_name(SCHEDULED_PROCEDURE_STEP_SEQUENCE)] = {"vr": "SQ", "Value": [dict(sorted(step.items()))]}
        problems += _missing(given, step)
        entry = cls(dict(sorted(given.items())), status)
        if len(json.dumps(entry.attributes)) > _LONGEST_ENTRY:
            problems.append("the entry is too long")
        if len(entry.scheduled_station_ae_titles) > _MOST_STATIONS:
            problems.append(f"{attribute_name(SCHEDULED_STATION_AE_TITLE)} has more than {_MOST_STATIONS} values")
        if problems:
            raise WorklistError(problems)
        return entry

    @property
    def study_instance_uid(self) -> str:
        """Study Instance UID (0020,000D) of the study to be made."""
        return self.text(STUDY_INSTANCE_UID)

    @property
    def step_id(self) -> str:
        """Scheduled Procedure Step ID (0040,0009); with the Study Instance UID it tells entries apart."""
        return self.step_text(STEP_ID)

    @property
    def requested_procedure_id(self) -> str:
        """Requested Procedure ID (0040,1001)."""
        return self.text(REQUESTED_PROCEDURE_ID)

    @property
    def accession_number(self) -> str:
        """Accession Number (0008,0050); empty when it is unknown."""
        return self.text(ACCESSION_NUMBER)

    @property
    def patient_id(self) -> str:
        """Patient ID (0010,0020)."""
        return self.text(PATIENT_ID)

    @property
    def issuer(self) -> str:
        """Issuer of Patient ID (0010,0021); empty when it is unknown."""
        return self.text(ISSUER_OF_PATIENT_ID)

    @property
    def patient_name(self) -> str:
        """Patient's Name (0010,0010), all component groups."""
        return self.text(PATIENT_NAME)

    @property
    def modality(self) -> str:
        """Modality (0008,0060) of the step."""
        return self.step_text(MODALITY)

    @property
    def scheduled_station_ae_titles(self) -> tuple[str, ...]:
        """Scheduled Station AE Title (0040,0001): the devices that may do it."""
        return tuple(filter(None, self.step_text(SCHEDULED_STATION_AE_TITLE).split("\\")))

    @property
    def start(self) -> str:
        """Start date and time as text that sorts: ``YYYYMMDDHHMMSS.FFFFFF``, as precise as they are."""
        return self.step_text(START_DATE) + self.step_text(START_TIME)

    @property
    def step(self) -> Json:
        """The item of Scheduled Procedure Step Sequence."""
        step: Json = self.attributes[hex_name(SCHEDULED_PROCEDURE_STEP_SEQUENCE)]["Value"][0]
        return step

    def text(self, tag: int) -> str:
        """An attribute of the entry itself as text, several values joined by backslashes; empty when it is unknown."""
        return attribute_text(self.attributes.get(hex_name(tag)))

    def step_text(self, tag: int) -> str:
        """The same of the step's item."""
        return attribute_text(self.step.get(hex_name(tag)))

    def dataset(self) -> dict[str, Any]:
        """All of it as DICOM JSON, with the step's status."""
        step = {**self.step, hex_name(STEP_STATUS): {"vr": "CS", "Value": [str(self.status)]}}
        sequence = {"vr": "SQ", "Value": [dict(sorted(step.items()))]}
        return {**self.attributes, hex_name(SCHEDULED_PROCEDURE_STEP_SEQUENCE): sequence}

    def with_status(self, status: StepStatus) -> WorklistEntry:
        """The same step in another state."""
        return replace(self, status=status)


def steps_of(attributes: Json) -> list[dict[str, Any]]:
    """The attributes of one entry each, of a data set that may schedule several steps."""
    name = hex_name(SCHEDULED_PROCEDURE_STEP_SEQUENCE)
    sequence = attributes.get(name)
    items = sequence.get("Value", []) if isinstance(sequence, Mapping) else []
    if not isinstance(items, list) or len(items) < 2:  # noqa: PLR2004 - nothing to take apart
        return [dict(attributes)]
    return [{**attributes, name: {"vr": "SQ", "Value": [item]}} for item in items]


def new_uid() -> str:
    """A UID made from a random UUID (PS3.5 Section B.2)."""
    return f"2.25.{uuid.uuid4().int}"


def _status(attribute: Json | None, problems: list[str]) -> StepStatus:
    text = attribute_text(attribute)
    if not text:
        return StepStatus.SCHEDULED
    try:
        return StepStatus(text)
    except ValueError:
        problems.append(f"{attribute_name(STEP_STATUS)} is none of {', '.join(StepStatus)}")
        return StepStatus.SCHEDULED


def _fill(entry: dict[str, Any], step: dict[str, Any], study_instance_uid: str) -> None:
    """Fill in what follows from the rest."""
    entry.setdefault(hex_name(STUDY_INSTANCE_UID), {"vr": "UI", "Value": [study_instance_uid or new_uid()]})
    if hex_name(START_DATE) in step:
        step.setdefault(hex_name(START_TIME), {"vr": "TM", "Value": ["000000"]})
    if accession_number := attribute_text(entry.get(hex_name(ACCESSION_NUMBER))):
        entry.setdefault(hex_name(REQUESTED_PROCEDURE_ID), {"vr": "SH", "Value": [accession_number]})
    descriptions = (entry, hex_name(PROCEDURE_DESCRIPTION)), (step, hex_name(STEP_DESCRIPTION))
    for (to, name), (origin, other) in (descriptions, descriptions[::-1]):
        if other in origin:
            to.setdefault(name, origin[other])


def _missing(entry: Json, step: Json) -> Iterator[str]:
    for table, given in ((PROCEDURE, entry), (STEP, step)):
        for tag in sorted(tag for tag, kind in table.items() if kind == "1"):
            if not has_value(given.get(hex_name(tag))):
                yield f"{attribute_name(tag)} is missing"
    for description, codes, given in (
        (PROCEDURE_DESCRIPTION, PROCEDURE_CODE_SEQUENCE, entry),
        (STEP_DESCRIPTION, PROTOCOL_CODE_SEQUENCE, step),
    ):
        if hex_name(description) not in given and hex_name(codes) not in given:
            yield f"{attribute_name(description)} and {attribute_name(codes)} are both missing"
