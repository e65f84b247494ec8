"""Messages of patient administration (ADT) as what they change (HL7 2.5 Chapter 3): updates, merges, changes of the ID."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dicomnode.dicom.tags import ISSUER_OF_PATIENT_ID, PATIENT_ID
from dicomnode.errors import MessageRefusedError
from dicomnode.hl7.groups import identified
from dicomnode.hl7.mapping import FieldMapping, Group, Value
from dicomnode.hl7.message import Message, Segment, required
from dicomnode.index import ChangeKind, PatientChange

UPDATES: Final = frozenset({"A01", "A02", "A03", "A04", "A05", "A06", "A07", "A08", "A10", "A13", "A14", "A28", "A31"})
"""Events whose PID says who the patient is now; what else they tell (a bed, a visit) is nothing to us."""
MERGES: Final = frozenset({"A18", "A30", "A34", "A39", "A40"})
ID_CHANGES: Final = frozenset({"A46", "A47"})
_UNSUPPORTED_EVENT: Final = 201


def patient_changes(
    message: Message, mapping: FieldMapping, local_issuers: frozenset[str] | None
) -> list[PatientChange]:
    """What an ADT message asks for, in its order; one A40 may merge several.

    Raises:
        MessageError: it cannot be done as it is.
    """
    event = message.header.event
    if event in UPDATES:
        return _changes(ChangeKind.UPDATED, message.required("PID"), None, mapping, local_issuers)
    if event not in MERGES | ID_CHANGES:
        raise MessageRefusedError(
            f"event {event[:8]} is not supported", code=_UNSUPPORTED_EVENT, location="MSH^1^9^1^2"
        )
    kind = ChangeKind.MERGED if event in MERGES else ChangeKind.ID_CHANGED
    message.required("PID")
    message.required("MRG")
    changes: list[PatientChange] = []
    patient: Segment | None = None
    for segment in message.segments:
        if segment.name == "PID":
            patient = segment
        elif segment.name == "MRG" and patient is not None:
            changes += _changes(kind, patient, segment, mapping, local_issuers)
    return changes


def _changes(
    kind: ChangeKind,
    patient: Segment,
    prior: Segment | None,
    mapping: FieldMapping,
    local_issuers: frozenset[str] | None,
) -> list[PatientChange]:
    """The change of the patient with the issuer that the message names, and of the one whose images name none."""
    said = mapping.values("patient", identified(Group({"PID": patient}), local_issuers))
    attributes = {tag: str(value) for tag, value in said.items() if tag not in (PATIENT_ID, ISSUER_OF_PATIENT_ID)}
    identity = _identity(said, "PID", 3)
    former = None
    if prior is not None:
        named = mapping.values("prior_patient", identified(Group({"MRG": prior}), local_issuers))
        former = _identity(named, "MRG", 1)
        if not former[1]:
            former = former[0], identity[1]
    changes = [PatientChange(kind, identity, attributes, former)]
    issuers = {identity[1], former[1] if former else identity[1]}
    if any(issuers) and (local_issuers is None or issuers <= local_issuers):
        without = former and (former[0], "")
        changes.append(PatientChange(kind, (identity[0], ""), attributes, without))
    return changes


def _identity(said: Mapping[int, Value], segment: str, field: int) -> tuple[str, str]:
    patient_id = said.get(PATIENT_ID)
    return required(str(patient_id or ""), segment, field, "the patient's ID"), str(
        said.get(ISSUER_OF_PATIENT_ID) or ""
    )
