"""Segments that belong together, and which of several patient numbers counts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from dicomnode.hl7.mapping import Group
from dicomnode.hl7.message import Message, Segment

_ISSUER: Final = 4
_IDENTIFIERS: Final = (("PID", 3), ("MRG", 1))
"""Fields of the data type CX that may repeat."""


def identified(group: Group, local_issuers: frozenset[str] | None) -> Group:
    """The group with the patient number in use that one of the local issuers gave out; the first one when none did."""
    if not local_issuers:
        return group
    chosen = {}
    for name, number in _IDENTIFIERS:
        segment = group.segments.get(name)
        if segment is not None:
            chosen[name, number] = _chosen(segment, number, local_issuers)
    return Group(group.segments, {**group.repetitions, **chosen})


def _chosen(segment: Segment, field: int, local_issuers: frozenset[str]) -> int:
    issuers = [segment.value(field, _ISSUER, repetition=number) for number in range(segment.repetitions(field))]
    return next((number for number, issuer in enumerate(issuers) if issuer in local_issuers), 0)


def step_groups(message: Message) -> list[Group]:
    """The segments of each step of an order message, with those of its procedure, its order, its visit and its patient.

    An ORC begins an order; a second OBR in it is another procedure; each IPC is a step. A Study Instance UID (ZDS) that stands
    once in the message is of all of them.

    Raises:
        MessageError: there is no patient or no order in it.
    """
    common = {"PID": message.required("PID")}
    if visit := message.first("PV1"):
        common["PV1"] = visit
    message.required("ORC")
    procedures: list[_Procedure] = []
    for segment in message.segments:
        if segment.name == "ORC":
            procedures.append(_Procedure({"ORC": segment}))
        elif procedures:
            _put(segment, procedures)
    studies = list(message.all("ZDS"))
    if len(studies) == 1:
        common["ZDS"] = studies[0]
    groups = []
    for procedure in procedures:
        segments = {**common, **procedure.segments}
        groups += [Group({**segments, "IPC": step}) for step in procedure.steps] or [Group(segments)]
    return groups


@dataclass(slots=True)
class _Procedure:
    """The segments of one OBR, or of an ORC without one."""

    segments: dict[str, Segment]
    steps: list[Segment] = field(default_factory=list)


def _put(segment: Segment, procedures: list[_Procedure]) -> None:
    """Put a segment where it belongs: to the last procedure, or a new one of the same order."""
    last = procedures[-1]
    match segment.name:
        case "OBR" if "OBR" in last.segments:
            procedures.append(_Procedure({"ORC": last.segments["ORC"], "OBR": segment}))
        case "OBR" | "TQ1" | "ZDS":
            last.segments.setdefault(segment.name, segment)
        case "IPC":
            last.steps.append(segment)
