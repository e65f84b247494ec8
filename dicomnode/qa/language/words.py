"""What may stand where in a rule file: the type of each key, and what is said of a value that is none."""

from __future__ import annotations

import re
from datetime import date
from string import Formatter
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydicom._uid_dict import UID_dictionary

from dicomnode.dicom import status
from dicomnode.qa.checks import CHECK_GROUPS, CHECKS
from dicomnode.qa.language.days import day_of
from dicomnode.qa.language.expression import compile_expression
from dicomnode.qa.language.operands import kind_of
from dicomnode.qa.language.patterns import compile_pattern
from dicomnode.qa.language.places import UNKNOWN, place_of
from dicomnode.qa.settings import RuleSeverity
from dicomnode.settings.faults import nearest

_FAILURES: Final = (*range(0xA900, 0xAA00), *range(0xC000, 0xD000), 0x0110, 0x0117, 0x0122, 0x0124)
_UIDS: Final = {entry[4]: uid for uid, entry in UID_dictionary.items() if entry[1] == "SOP Class" and entry[4]}


def _one_or_many(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _written_out(value: object) -> object:
    if isinstance(value, int | float):
        raise ValueError("expected a date such as 2024-12-31")  # noqa: TRY004 - pydantic reports a ValueError
    return value


def _check_id(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", text) or len(text) > 64:  # noqa: PLR2004 - the length of an answer
        raise ValueError("an id consists of small letters, digits and -, in parts joined by dots, such as ct.slice")
    return text


def _check_place(text: str) -> str:
    place_of(text)
    return text


def _check_field(text: str) -> str:
    last = place_of(text).last
    if last.vr != UNKNOWN:
        kind_of(last.name, last.vr)
    return text


def _check_pattern(text: str) -> str:
    compile_pattern(text)
    return text


def _check_expression(text: str) -> str:
    compile_expression(text)
    return text


def _check_day(text: str) -> str:
    day_of(text)
    return text


def _check_comment(text: str) -> str:
    try:
        places = {(name, form, conversion) for _, name, form, conversion in Formatter().parse(text) if name is not None}
    except ValueError as error:
        raise ValueError(f"is no comment: {error}") from None
    if places - {("keyword", "", None)}:
        raise ValueError("a comment can name {keyword} and nothing else: what values say may tell of a patient")
    return text


def _check_status(code: int) -> int:
    if code == status.COERCED:
        return code  # of a fix; see RuleText
    if 0xA700 <= code <= 0xA7FF:  # noqa: PLR2004 - PS3.4 Table B.2-1
        raise ValueError(f"{code:#06x} says that the node is short of room: the sender may try again for ever")
    if code not in _FAILURES:
        raise ValueError(f"{code:#06x} is no failure of a C-STORE: 0xA9xx, 0xCxxx, 0x0110, 0x0117, 0x0122 or 0x0124")
    return code


def _check_check(name: str) -> str:
    if name not in CHECKS and name not in CHECK_GROUPS:
        meant = nearest(name, [*CHECKS, *CHECK_GROUPS])
        hint = f"did you mean {meant}?" if meant else f"known are {', '.join(sorted(CHECKS))}"
        raise ValueError(f"no check has this name; {hint}")
    return name


def _check_sop_class(text: str) -> str:
    """A UID or pattern as it is, a keyword of PS3.6 Table A-1 as its UID."""
    if re.fullmatch(r"[0-9.*?\[\]!-]+", text):
        return text
    if text not in _UIDS:
        meant = nearest(text, _UIDS)
        raise ValueError("no SOP Class has this keyword or UID" + (f"; did you mean {meant}?" if meant else ""))
    return _UIDS[text]


def _is_rule_severity(severity: RuleSeverity) -> RuleSeverity:
    if severity is RuleSeverity.OFF:
        raise ValueError("a rule is switched off by an override, or left out")
    return severity


Pattern = Annotated[str, AfterValidator(_check_pattern), Field(max_length=500)]
CheckName = Annotated[str, AfterValidator(_check_check)]
SeverityText = Annotated[RuleSeverity, AfterValidator(_is_rule_severity)]
Failure = Annotated[int, AfterValidator(_check_status)]
Comment = Annotated[str, AfterValidator(_check_comment), Field(min_length=1, max_length=200)]
RuleId = Annotated[str, AfterValidator(_check_id)]
PlaceText = Annotated[str, AfterValidator(_check_place)]
Field_ = Annotated[str, AfterValidator(_check_field)]
TextVr = Literal[
    "AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT"
]  # fmt: skip
Condition = Annotated[str, AfterValidator(_check_expression)]
_ONE_OR_MANY: Final = WithJsonSchema(
    {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}
)
Globs = Annotated[tuple[str, ...], BeforeValidator(_one_or_many), Field(min_length=1), _ONE_OR_MANY]
SopClasses = Annotated[
    tuple[Annotated[str, AfterValidator(_check_sop_class)], ...],
    BeforeValidator(_one_or_many),
    Field(min_length=1),
    _ONE_OR_MANY,
]
Number = Annotated[float, Field(strict=False, allow_inf_nan=False)]
DayText = Annotated[str, AfterValidator(_check_day)]
Date = Annotated[date, BeforeValidator(_written_out)]
