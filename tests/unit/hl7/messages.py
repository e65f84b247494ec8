"""Messages for tests."""

from __future__ import annotations


def message(
    kind: str,
    *segments: str,
    control_id: str = "1",
    charset: str = "",
    version: str = "2.5.1",
    header: str = "RIS|HOSPITAL|DICOMNODE|RADIOLOGY",
) -> bytes:
    """A message of these segments behind its MSH, encoded as ``charset`` says."""
    codec = {"": "utf-8", "8859/1": "latin_1", "ASCII": "ascii"}.get(charset, "utf-8")
    msh = f"MSH|^~\\&|{header}|20260105101500||{kind}|{control_id}|P|{version}||||||{charset}"
    return "\r".join((msh, *segments, "")).encode(codec)


PID = "PID|||P1^^^HOSPITAL^MR||DOE^JANE^Q^^DR||19700203|F"
PV1 = "PV1||O|ER^1^2|||||77^WELBY^MARCUS|||||||||||V100"
ORC = "ORC|NW|PL1|FL1||SC||^^^20260105110000^^S"
OBR = "OBR||PL1|FL1|CTH^CT Head^L|||||||||Allergy|||77^WELBY^MARCUS||ACC1|RP1|SPS1||||CT"


def adt(event: str, *segments: str, **more: str) -> bytes:
    """A message of patient administration."""
    return message(f"ADT^{event}", "EVN||20260105101500", *segments, **more)
