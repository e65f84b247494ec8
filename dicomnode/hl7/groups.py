"""Segments that belong together, and which of several patient numbers counts."""

from __future__ import annotations

from typing import Final

from dicomnode.hl7.mapping import Group
from dicomnode.hl7.message import Segment

_ISSUER: Final = 4
_IDENTIFIERS: Final = (("PID", 3), ("MRG", 1))
"""Fields of the data type CX that may repeat."""


def identified(group: Group, local_issuers: frozenset[str] | None) -> Group:
    """The group with the patient number in use that one of the local issuers gave out; the first one when none did."""
    if not local_issuers:
        return group
    chosen = {}
    for name, field in _IDENTIFIERS:
        segment = group.segments.get(name)
        if segment is not None:
            chosen[name, field] = _chosen(segment, field, local_issuers)
    return Group(group.segments, {**group.repetitions, **chosen})


def _chosen(segment: Segment, field: int, local_issuers: frozenset[str]) -> int:
    issuers = [segment.value(field, _ISSUER, repetition=number) for number in range(segment.repetitions(field))]
    return next((number for number, issuer in enumerate(issuers) if issuer in local_issuers), 0)
