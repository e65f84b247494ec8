"""Orders as what they do with the worklist (HL7 2.5 Chapter 4; IHE RAD-4, RAD-13): ORM^O01, OMG^O19, OMI^O23.

An order may have several procedures (OBR), each of them several steps (IPC); one message may bring several orders.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from dicomnode.dicom.json_form import hex_name
from dicomnode.dicom.procedure import StepStatus, WorklistEntry, new_uid
from dicomnode.dicom.tags import ACCESSION_NUMBER, ISSUER_OF_PATIENT_ID, PATIENT_ID, STUDY_INSTANCE_UID
from dicomnode.dicom.value_representation import UNSPLIT, dictionary_vr
from dicomnode.dicom.worklist_attributes import REQUESTED_PROCEDURE_ID, SCHEDULED_PROCEDURE_STEP_SEQUENCE, STEP_ID
from dicomnode.errors import MessageError, WorklistError
from dicomnode.hl7.groups import identified, step_groups
from dicomnode.hl7.mapping import Code, FieldMapping, Group, Value
from dicomnode.hl7.message import Message, required
from dicomnode.index import StepKey, Transaction, change_status, entry_of, put_entry, steps_with, successor

_PLACER_NUMBER, _FILLER_NUMBER = 0x00402016, 0x00402017
_LONGEST_ID: Final = 16
"""Characters of VR SH."""
_REQUIRED_FIELD_MISSING: Final = 101
_TABLE_VALUE_NOT_FOUND: Final = 103
_UNKNOWN_KEY: Final = 204
_APPLICATION_ERROR: Final = 207

ORDERS: Final = frozenset({("ORM", "O01"), ("OMG", "O19"), ("OMI", "O23")})


@dataclass(frozen=True, slots=True)
class Step:
    """What an order says of one Scheduled Procedure Step.

    Attributes:
        status: that it shall have; SCHEDULED makes or changes it.
        attributes: of patient, order and Requested Procedure, by tag; an empty one shall be deleted.
        own: those of the step.
        number: of the step in its message, from 1.
    """

    status: StepStatus
    attributes: Mapping[int, Value]
    own: Mapping[int, Value]
    number: int

    def text(self, tag: int) -> str:
        """An attribute's text; empty when nothing is said."""
        value = self.own.get(tag) or self.attributes.get(tag) or ""
        return value if isinstance(value, str) else ""


def steps_of(message: Message, mapping: FieldMapping, local_issuers: frozenset[str] | None) -> list[Step]:
    """The steps of an order message, in its order.

    Raises:
        MessageError: a segment or a value is missing or wrong.
    """
    steps = []
    groups = [identified(group, local_issuers) for group in step_groups(message)]
    for number, group in enumerate(groups, start=1):
        patient = mapping.values("patient", group)
        required(str(patient.get(PATIENT_ID) or ""), "PID", 3, "the patient's ID")
        steps.append(
            Step(
                status=_status(group, mapping),
                attributes={**patient, **mapping.values("order", group)},
                own=mapping.values("step", group),
                number=number,
            )
        )
    return steps


def order(transaction: Transaction, step: Step, *, by: str, reason: str) -> None:
    """Do what an order says of a step, within the caller's transaction.

    Raises:
        MessageError: there is no such step, or it lacks what a scanner needs.
    """
    step = _of_today(transaction, step)
    known = _known(transaction, step)
    if step.status is StepStatus.SCHEDULED:
        _schedule(transaction, step, known, by=by, reason=reason)
        return
    if not known:
        raise MessageError("no such order in the worklist", code=_UNKNOWN_KEY, location="ORC^1^2")
    for entry in known:
        if entry.status is StepStatus.COMPLETED and step.status is not StepStatus.COMPLETED:
            raise MessageError("the step is completed already", code=_APPLICATION_ERROR, location="ORC^1^1")
        change_status(transaction, *StepKey.of(entry), step.status, by=by, reason=reason)


def entry_made_of(step: Step, known: WorklistEntry | None = None) -> WorklistEntry:
    """The worklist entry that the step becomes, with what ``known`` says where the order says nothing.

    Raises:
        MessageError: it lacks what a scanner needs.
    """
    attributes = _merged(known.attributes if known else {}, step.attributes)
    own = _merged(known.step if known else {}, step.own)
    name = step.text(_FILLER_NUMBER) or step.text(_PLACER_NUMBER) or step.text(ACCESSION_NUMBER)
    if name:
        own.setdefault(hex_name(STEP_ID), {"vr": "SH", "Value": [_short(name, step.number)]})
        if hex_name(ACCESSION_NUMBER) not in attributes:
            attributes.setdefault(hex_name(REQUESTED_PROCEDURE_ID), {"vr": "SH", "Value": [_short(name, 1)]})
    attributes.setdefault(hex_name(STUDY_INSTANCE_UID), {"vr": "UI", "Value": [new_uid()]})
    attributes[hex_name(SCHEDULED_PROCEDURE_STEP_SEQUENCE)] = {"vr": "SQ", "Value": [own]}
    try:
        return WorklistEntry.of(attributes)
    except WorklistError as error:
        raise MessageError(
            f"not enough for a worklist (is it in hl7.mapping?): {error}", code=_REQUIRED_FIELD_MISSING
        ) from error


def _of_today(transaction: Transaction, step: Step) -> Step:
    """The step with the ID that its patient has now, when the order names one that was merged or changed since."""
    current = successor(transaction, (step.text(PATIENT_ID), step.text(ISSUER_OF_PATIENT_ID)))
    if current is None:
        return step
    (patient_id, issuer), corrections = current
    named = {**corrections, PATIENT_ID: patient_id, ISSUER_OF_PATIENT_ID: issuer}
    return replace(step, attributes={**step.attributes, **named})


def _schedule(transaction: Transaction, step: Step, known: list[WorklistEntry], *, by: str, reason: str) -> None:
    if len(known) > 1:
        raise MessageError(
            "the order has several steps: which one is changed?", code=_REQUIRED_FIELD_MISSING, location="OBR^1^20"
        )
    here = known[0] if known else None
    study = step.text(STUDY_INSTANCE_UID)
    if here is None and not study and (other := _of_order(transaction, step)):
        # another step of a Requested Procedure that is scheduled already
        shared = {**step.attributes, STUDY_INSTANCE_UID: other[0].study_instance_uid}
        step = Step(step.status, shared, step.own, step.number)
    put_entry(transaction, entry_made_of(step, here), by=by, reason=reason)


def _known(transaction: Transaction, step: Step) -> list[WorklistEntry]:
    """The entries that the order speaks of: by study and step, else by the order's numbers."""
    study, step_id = step.text(STUDY_INSTANCE_UID), step.text(STEP_ID)
    if study and step_id:
        entry = entry_of(transaction, study, step_id)
        if entry is not None:
            return [entry]
    found = _of_order(transaction, step)
    if study:
        found = [entry for entry in found if entry.study_instance_uid == study]
    if step_id:
        return [entry for entry in found if entry.step_id == step_id]
    found = [entry for entry in found if not _is_of_another_order(entry, step)]
    if step.status is StepStatus.SCHEDULED and found:
        name = step.text(_FILLER_NUMBER) or step.text(_PLACER_NUMBER) or step.text(ACCESSION_NUMBER)
        same = [entry for entry in found if entry.step_id == _short(name, step.number)]
        return same or (found if step.number == 1 else [])
    return found


def _is_of_another_order(entry: WorklistEntry, step: Step) -> bool:
    """Whether filler, else placer, gave the two different numbers: several orders may share an accession number."""
    for tag in (_FILLER_NUMBER, _PLACER_NUMBER):
        here, said = entry.text(tag), step.text(tag)
        if here and said:
            return here != said
    return False


def _of_order(transaction: Transaction, step: Step) -> list[WorklistEntry]:
    """The entries of the same patient and Requested Procedure."""
    patient, issuer = step.text(PATIENT_ID), step.text(ISSUER_OF_PATIENT_ID)
    entries = steps_with(transaction, patient_id=patient, issuer=issuer)
    for tag in (REQUESTED_PROCEDURE_ID, ACCESSION_NUMBER, _FILLER_NUMBER, _PLACER_NUMBER):
        number = step.text(tag)
        same = [entry for entry in entries if number and entry.text(tag) == number]
        if same:
            return same
    return []


def _short(name: str, number: int) -> str:
    """An ID of 16 characters at most, the same for the same order."""
    suffix = "" if number == 1 else f"-{number}"
    room = _LONGEST_ID - len(suffix)
    if len(name) > room:
        name = hashlib.blake2b(name.encode(), digest_size=6).hexdigest()
    return name + suffix


def _merged(known: Mapping[str, Any], said: Mapping[int, Value]) -> dict[str, Any]:
    attributes = dict(known)
    for tag, value in said.items():
        attributes.pop(hex_name(tag), None)
        if value:
            attributes[hex_name(tag)] = _attribute(tag, value)
    return attributes


def _attribute(tag: int, value: Value) -> dict[str, Any]:
    if isinstance(value, Code):
        item = {
            "00080100": {"vr": "SH", "Value": [value.value]},
            "00080102": {"vr": "SH", "Value": [value.scheme]},
            "00080104": {"vr": "LO", "Value": [value.meaning]},
        }
        return {"vr": "SQ", "Value": [item]}
    is_one = dictionary_vr(tag) in UNSPLIT
    return {"Value": [value] if is_one else value.split("\\")}


def _status(group: Group, mapping: FieldMapping) -> StepStatus:
    segment = group.segments["ORC"]
    control, status = (segment.value(1) or "").upper(), (segment.value(5) or "").upper()
    word = mapping.status.get(f"{control}_{status}") or mapping.status.get(control)
    if word is None:
        raise MessageError(
            f"order control {control[:8]!a} with status {status[:8]!a} is not known here",
            code=_TABLE_VALUE_NOT_FOUND,
            location="ORC^1^1",
        )
    return word
