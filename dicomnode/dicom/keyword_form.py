"""Worklist entries as people write them: values by keyword, the step's own beside the others.

``{"PatientID": "4711", "Modality": "CT", "ScheduledStationAETitle": "CT1"}``: what belongs into Scheduled Procedure Step Sequence
is put there. A code is written as in the standard: ``(CODE, SCHEME, "Meaning")``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydicom.datadict import tag_for_keyword

from dicomnode.dicom.json_form import hex_name
from dicomnode.dicom.value_representation import NUMBERS, UNSPLIT, dictionary_vr
from dicomnode.dicom.worklist_attributes import SCHEDULED_PROCEDURE_STEP_SEQUENCE, STEP
from dicomnode.errors import WorklistError

_CODE: Final = re.compile(r"\(\s*([^,]*?)\s*,\s*([^,]*?)\s*,\s*\"?(.*?)\"?\s*\)", re.DOTALL)
_CODE_TAGS: Final = (0x00080100, 0x00080102, 0x00080104)
"""Code Value, Coding Scheme Designator, Code Meaning."""
_DEEPEST: Final = 8
_JSON_NAME: Final = re.compile(r"[0-9A-Fa-f]{8}")


def attributes_of(values: object) -> dict[str, Any]:
    """The DICOM JSON of an entry, from DICOM JSON or from values by keyword.

    Raises:
        WorklistError: this is neither, a keyword is none, or a value cannot be one.
    """
    if not isinstance(values, Mapping):
        raise WorklistError(["an entry is an object of attributes"])
    if values and all(_JSON_NAME.fullmatch(str(name)) for name in values):
        return dict(values)
    problems: list[str] = []
    given = dict(_attributes(values, problems, 0))
    if problems:
        raise WorklistError(problems)
    step = {hex_name(tag): given.pop(hex_name(tag)) for tag in STEP if hex_name(tag) in given}
    sequence = given.setdefault(hex_name(SCHEDULED_PROCEDURE_STEP_SEQUENCE), {"vr": "SQ", "Value": [{}]})
    sequence["Value"] = [{**step, **item} for item in sequence["Value"]]
    return given


def _attributes(values: Mapping[str, Any], problems: list[str], depth: int) -> Iterator[tuple[str, dict[str, Any]]]:
    if depth > _DEEPEST:
        problems.append("sequences are nested too deeply")
        return
    for name, value in values.items():
        tag = _tag(str(name))
        if tag is None:
            problems.append(f"{str(name)[:64]} is no attribute: write PatientName or 0010,0010")
        elif value not in (None, "", []):
            vr = dictionary_vr(tag)
            try:
                yield hex_name(tag), {"vr": vr.decode("ascii"), "Value": list(_values(vr, value, problems, depth))}
            except (TypeError, ValueError):
                problems.append(f"{str(name)[:64]} has a value that is no {vr.decode('ascii')}")


def _tag(name: str) -> int | None:
    tag = tag_for_keyword(name)
    if tag is None:
        digits = name.strip("()").replace(",", "")
        return int(digits, 16) if _JSON_NAME.fullmatch(digits) else None
    return int(tag)


def _values(vr: bytes, value: Any, problems: list[str], depth: int) -> Iterator[Any]:
    several = value if isinstance(value, list) else [value]
    for one in several:
        if vr == b"SQ":
            yield dict(_attributes(one if isinstance(one, Mapping) else _code(one), problems, depth + 1))
        elif isinstance(one, Mapping | list | bool):
            raise TypeError
        elif not isinstance(one, str):
            yield one if vr in NUMBERS or vr in (b"DS", b"IS") else str(one)
        elif vr in NUMBERS:
            yield int(one)
        else:
            yield from [one] if vr in UNSPLIT else one.split("\\")


def _code(text: Any) -> dict[str, str]:
    """The item of a code sequence.

    Raises:
        ValueError: this is no code.
    """
    match = _CODE.fullmatch(str(text).strip())
    if match is None:
        raise ValueError("a code is written as (CODE, SCHEME, Meaning)")
    return {hex_name(tag): part for tag, part in zip(_CODE_TAGS, match.groups(), strict=True) if part}
