"""HL7's names (XPN, XCN) as DICOM's (VR PN): the components stand in another order there (PS3.5 Section 6.2.1)."""

from __future__ import annotations

from typing import Final

from dicomnode.errors import MessageError
from dicomnode.hl7.message import Segment

_GROUPS: Final = {"A": 0, "I": 1, "P": 2}
"""XPN-8, Name Representation Code (HL7 Table 0465): alphabetic, ideographic, phonetic."""
_REPRESENTATION: Final = 8
_LONGEST_GROUP: Final = 64
_VALUE_RANGE: Final = 102


def person_name(segment: Segment, field: int) -> str:
    """The XPN values of the field as one name with its component groups; empty when there is none."""
    groups = ["", "", ""]
    for repetition in range(segment.repetitions(field)):
        code = (segment.value(field, _REPRESENTATION, repetition=repetition) or "A").upper()
        group = _GROUPS.get(code, 0)
        if not groups[group]:
            groups[group] = _name(segment, field, repetition, family=1)
    return "=".join(groups).rstrip("=")


def physician(segment: Segment, field: int) -> str:
    """The first XCN value of the field as a name; empty when it is none, or just a number."""
    return _name(segment, field, 0, family=2)


def _name(segment: Segment, field: int, repetition: int, *, family: int) -> str:
    parts = [_part(segment.value(field, family + offset, repetition=repetition)) for offset in range(6)]
    last, given, middle, suffix, prefix, degree = parts
    name = "^".join([last, given, middle, prefix, " ".join(filter(None, (suffix, degree)))]).rstrip("^")
    if len(name) > _LONGEST_GROUP:
        place = f"{segment.name}-{field}"
        raise MessageError(
            f"{place} has more than {_LONGEST_GROUP} characters: DICOM has no room for such a name",
            code=_VALUE_RANGE,
            location=f"{segment.name}^1^{field}",
        )
    return name


def _part(text: str | None) -> str:
    """Without what separates components, groups and values in DICOM."""
    clean = "".join(" " if one in "^=\\" or not one.isprintable() else one for one in text or "")
    return " ".join(clean.split())
