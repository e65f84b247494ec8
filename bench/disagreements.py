"""Where our checks and dciodvfy differ, and the standard's text says who is right: counted apart by ``bench.accuracy``.

A line here is a claim: it names the IOD, and where PS3.3 says so. docs/qa.md tells the same to readers.
"""

from __future__ import annotations

from typing import Final, NamedTuple

US: Final = "us"
DCIODVFY: Final = "dciodvfy"


class Disagreement(NamedTuple):
    """One attribute in instances of some IODs (of all where empty), told by one of the two only.

    Attributes:
        told_by: ``US`` or ``DCIODVFY``.
        why: what the standard says.
    """

    check: str
    keyword: str
    iods: tuple[str, ...]
    told_by: str
    why: str


SETTLED: Final = (
    Disagreement(
        "iod.enum",
        "PhotometricInterpretation",
        ("secondary-capture-image",),
        DCIODVFY,
        "other values than the defined ones are permitted (C.7.6.3.1.2)",
    ),
    Disagreement(
        "iod.type1", "Modality", ("secondary-capture-image",), US, "General Series has it as type 1 (C.7.3.1)"
    ),
    Disagreement(
        "iod.type1", "NumberOfFrames", ("rt-dose",), US, "Frame Increment Pointer makes Multi-frame be there (C.7.6.6)"
    ),
    Disagreement(
        "iod.type1", "FrameOfReferenceUID", ("rt-structure-set",), DCIODVFY, "Frame of Reference has usage U (A.19.3)"
    ),
    Disagreement(
        "iod.type2",
        "PositionReferenceIndicator",
        ("rt-structure-set",),
        DCIODVFY,
        "Frame of Reference has usage U (A.19.3)",
    ),
)


def is_settled(check: str, keyword: str, iod: str, told_by: str) -> bool:
    """Whether it is known who is right on what only one of the two tells."""
    return any(
        (one.check, one.keyword, one.told_by) == (check, keyword, told_by) and (not one.iods or iod in one.iods)
        for one in SETTLED
    )
