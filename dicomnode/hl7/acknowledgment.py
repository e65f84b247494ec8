"""The answer to a message: ACK with MSA, and ERR where something is wrong (HL7 2.5 Section 2.9.2, original mode)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from dicomnode.hl7.character_sets import codec_of
from dicomnode.hl7.message import Delimiters, Header

_LONGEST_REASON: Final = 80
"""MSA-3 has the data type ST with 80 characters (HL7 2.5 Section 2.15.8.3); ERR-8 has room for all of it."""


class Code(StrEnum):
    """MSA-1 (HL7 Table 0008)."""

    ACCEPT = "AA"
    """Done, and on the disk."""
    ERROR = "AE"
    """It cannot be done as it is; nothing was done."""
    REJECT = "AR"
    """Not for this node, or of a kind that it does not serve."""


@dataclass(frozen=True, slots=True)
class Acknowledgment:
    """What a sender is told.

    Attributes:
        reason: for a person; empty when all is well.
        error: HL7 Table 0357; 0 when all is well.
        location: ERR-2, such as ``PID^1^3``.
    """

    code: Code
    reason: str = ""
    error: int = 0
    location: str = ""


def encoded(answer: Acknowledgment, header: Header | None, control_id: str, now: datetime) -> bytes:
    """The message that says it.

    Args:
        header: of the message that is answered; None when it had none.
        control_id: of the answer.
    """
    delimiters = header.delimiters if header else Delimiters()
    d = delimiters
    sender, facility, receiver, their_facility = header.fields if header else ("", "", "", "")
    kind = f"ACK{d.component}{header.event}{d.component}ACK" if header and header.event else "ACK"
    sets = d.repetition.join(header.character_sets) if header else ""
    encoding = d.component + d.repetition + d.escape + d.subcomponent
    msh = [
        "MSH" + d.field + encoding,
        receiver,
        their_facility,
        sender,
        facility,
        f"{now:%Y%m%d%H%M%S%z}",
        "",
        kind,
        control_id,
        (header.processing_id if header else "") or "P",
        (header.version if header else "") or "2.5",
        *["", "", "", "", "", sets],
    ]
    msa = ["MSA", answer.code, header.control_id if header else "", _escaped(answer.reason[:_LONGEST_REASON], d)]
    lines = [d.field.join(msh).rstrip(d.field), d.field.join(msa).rstrip(d.field)]
    if answer.code is not Code.ACCEPT:
        location = answer.location.replace("^", d.component)
        lines.append(
            d.field.join(["ERR", "", location, str(answer.error), "E", "", "", "", _escaped(answer.reason, d)])
        )
    text = "".join(line + "\r" for line in lines)
    return text.encode(codec_of(header.character_sets) if header else "ascii", "replace")


def _escaped(text: str, d: Delimiters) -> str:
    text = text.replace(d.escape, f"{d.escape}E{d.escape}")
    for character, name in ((d.field, "F"), (d.component, "S"), (d.repetition, "R"), (d.subcomponent, "T")):
        text = text.replace(character, f"{d.escape}{name}{d.escape}")
    return " ".join(text.split())
