"""What may stand in a site's rule file (docs/rules.md); every fault is told with its line and key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from string import Formatter
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator
from pydicom._uid_dict import UID_dictionary

from dicomnode.dicom import status
from dicomnode.qa.checks import CHECKS
from dicomnode.qa.language.days import day_of
from dicomnode.qa.language.expression import compile_expression
from dicomnode.qa.language.fix_text import FixText
from dicomnode.qa.language.modes import Mode, ModeText
from dicomnode.qa.language.operands import Kind, operand, tag_of
from dicomnode.qa.language.patterns import compile_pattern
from dicomnode.qa.settings import RuleSeverity
from dicomnode.settings import Settings
from dicomnode.settings.faults import nearest

MAX_CHARACTERS: Final = 256
"""The largest bound of a `length`: what stands in the part of a value that rules see, in any character set."""
KINDS: Final = ("required", "present", "fields", "assert", "check")
ON_FIELDS: Final = ("pattern", "enum", "range", "length", "date")

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


def _check_keyword(text: str) -> str:
    tag_of(text)
    return text


def _check_field(text: str) -> str:
    operand(text)
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
    if name not in CHECKS:
        meant = nearest(name, CHECKS)
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


RuleId = Annotated[str, AfterValidator(_check_id)]
Keyword = Annotated[str, AfterValidator(_check_keyword)]
Field_ = Annotated[str, AfterValidator(_check_field)]
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


class DateBounds(Settings):
    """The days between which a date must be, both included."""

    min: DayText | None = None
    """The first day: 2024-12-31, today or today-30d."""
    max: DayText | None = None
    """The last day."""


class LengthBounds(Settings):
    """How many characters each value has."""

    min: Annotated[int, Field(ge=0, le=MAX_CHARACTERS)] = 0
    """At least."""
    max: Annotated[int, Field(ge=0, le=MAX_CHARACTERS)] = MAX_CHARACTERS
    """At most."""


class RuleText(Settings):
    """One rule as the file has it."""

    id: RuleId
    """Its name in answers, logs and overrides, such as ct.slice."""
    required: Annotated[tuple[Keyword, ...], Field(min_length=1)] | None = None
    """Attributes that must be there and say something."""
    present: Annotated[tuple[Keyword, ...], Field(min_length=1)] | None = None
    """Attributes that must be there, if only empty."""
    fields: Annotated[tuple[Field_, ...], Field(min_length=1)] | None = None
    """Attributes of which each value must be as one or more of pattern, enum, range, length and date say."""
    pattern: Annotated[str, AfterValidator(_check_pattern), Field(max_length=500)] | None = None
    """A regular expression (RE2's) that the whole value must match."""
    enum: Annotated[tuple[str | int | float, ...], Field(min_length=1)] | None = None
    """The values that may be."""
    range: tuple[Number, Number] | None = None
    """The smallest and the largest number that may be."""
    length: LengthBounds | None = None
    """Bounds for the characters of a value."""
    date: DateBounds | None = None
    """Bounds for a date."""
    assert_: Annotated[Condition | None, Field(alias="assert")] = None
    """A condition that must hold; where an attribute in it is absent or empty, there is nothing to be found."""
    check: Annotated[str, AfterValidator(_check_check)] | None = None
    """The check of a core rule, by its id."""
    when: Condition | None = None
    """The rule looks only at instances for which this condition holds."""
    severity: Annotated[RuleSeverity, AfterValidator(_is_rule_severity)]
    """info, warn, fix, quarantine or reject."""
    fix: FixText | None = None
    """What becomes of what is wrong; with severity fix."""
    mode: ModeText | None = None
    """How far the rule may go; as its profile's unless given."""
    status: Annotated[int, AfterValidator(_check_status)] = status.DATASET_DOES_NOT_MATCH_SOP_CLASS
    """The DIMSE status of a refusal; only with severity reject."""
    comment: Annotated[str, AfterValidator(_check_comment), Field(min_length=1, max_length=200)] | None = None
    """What the sender is told, with {keyword} for the attribute."""
    ref: Annotated[str, Field(max_length=200)] = ""
    """Where it is written that it must be so."""

    @model_validator(mode="after")
    def _makes_sense(self) -> RuleText:
        said = [kind for kind in KINDS if getattr(self, "assert_" if kind == "assert" else kind) is not None]
        if len(said) != 1:
            raise ValueError(f"a rule has one of {', '.join(KINDS)}; this one has {' and '.join(said) or 'none'}")
        asked = [name for name in ON_FIELDS if getattr(self, name) is not None]
        changes = self.fix is not None and self.fix.changes_values and not self.fix.gives_values
        if (asked and self.fields is None) or (self.fields is not None and not (asked or changes)):
            raise ValueError(f"fields and one or more of {', '.join(ON_FIELDS)} belong together")
        for keyword in self.fields or ():
            self._suits(keyword)
        self._can_fix()
        if "status" in self.model_fields_set and not self._suits_status():
            raise ValueError("status is what a refused sender is told: it needs severity reject")
        if self.range is not None and self.range[0] > self.range[1]:
            raise ValueError("range begins with the smaller number")
        return self

    def _suits_status(self) -> bool:
        if self.fix is not None:
            return self.status == status.COERCED or self.fix.else_ is RuleSeverity.REJECT
        return self.severity is RuleSeverity.REJECT and self.status != status.COERCED

    def _can_fix(self) -> None:
        if (self.severity is RuleSeverity.FIX) is not (self.fix is not None):
            raise ValueError("fix and severity fix belong together")
        if self.fix is None:
            return
        filled = self.required or self.present
        if self.fields is None and filled is None:
            raise ValueError("a fix belongs to required, present or fields: anything else names no attribute to change")
        if filled and (self.fix.changes_values or not self.fix.gives_values):
            raise ValueError("what is missing has nothing to be changed: its fix has copy or default")

    def _suits(self, keyword: str) -> None:
        kind = operand(keyword).kind
        if self.range is not None and kind is not Kind.NUMBER:
            raise ValueError(f"range is for numbers, and {keyword} is {kind.value}")
        if self.date is not None and kind is not Kind.DATE:
            raise ValueError(f"date is for dates, and {keyword} is {kind.value}")
        if kind is Kind.DATE and (self.pattern is not None or self.enum is not None or self.length is not None):
            raise ValueError(f"{keyword} is a date: only date can be asked of it")
        if kind is Kind.NUMBER and (self.pattern is not None or self.length is not None):
            raise ValueError(f"{keyword} is a number: only range and enum can be asked of it")
        if kind is Kind.NUMBER and any(isinstance(each, str) for each in self.enum or ()):
            raise ValueError(f"{keyword} is a number, and enum has text")


class Override(Settings):
    """Another severity or mode for one rule, for the instances of a profile."""

    severity: RuleSeverity | None = None
    """off, info, warn, fix, quarantine or reject; null leaves it as it is."""
    mode: ModeText | None = None
    """How far the rule may go; null leaves it as it is."""
    reason: Annotated[str, Field(max_length=200)] = ""
    """Why, for those who read the file later."""
    until: Date | None = None
    """The last day that it holds; null for ever."""

    @model_validator(mode="after")
    def _changes_something(self) -> Override:
        if self.severity is None and self.mode is None:
            raise ValueError("an override has a severity, a mode or both")
        return self


class Match(Settings):
    """Which instances a profile is for: all that is named must match, each by one of its words or patterns (*, ?, [ab])."""

    sop_class: SopClasses | None = None
    """Keyword (CTImageStorage) or UID."""
    modality: Globs | None = None
    """Modality (0008,0060)."""
    calling_ae: Globs | None = None
    """The AE title of the sender."""
    station: Globs | None = None
    """Station Name (0008,1010)."""
    device_serial: Globs | None = None
    """Device Serial Number (0018,1000)."""
    model: Globs | None = None
    """Manufacturer's Model Name (0008,1090)."""


class ProfileText(Settings):
    """Rules for a kind of instances."""

    match: Match = Match()
    """Which instances; without it all."""
    mode: ModeText | None = None
    """How far these rules and overrides may go; as the file's unless given."""
    rules: tuple[RuleText, ...] = ()
    """What is looked at in them."""
    override: Mapping[str, Override] = {}
    """Other severities and modes of rules for them, by rule id: this file's rules, or core rules."""


def _absent_as_word(value: object) -> object:
    return "none" if value is None else value


TestValue = str | int | float | None
Expected = Annotated[
    Literal["none", "info", "warn", "fix", "quarantine", "reject"],
    BeforeValidator(_absent_as_word),
    WithJsonSchema({"enum": ["none", "info", "warn", "fix", "quarantine", "reject", None]}),
]


class TestText(Settings):
    """An instance, and how it must be judged; run whenever the file is loaded."""

    __test__ = False

    name: Annotated[str, Field(min_length=1, max_length=200)]
    """What it shows."""
    dataset: Mapping[str, TestValue | tuple[TestValue, ...]]
    """Values by keyword, a list for several; null for an absent attribute; ``from: ct`` begins with a CT slice."""
    calling_ae: str = "TEST"
    """The AE title of the sender."""
    today: Date = date(2024, 1, 1)
    """The day on which it is judged: it must not matter when a file is loaded."""
    expect: Mapping[str, Expected] = {}
    """By rule id the severity of what it finds; none for nothing. Rules that are not named may find what they will."""
    fixed: Mapping[str, str | None] = {}
    """By keyword, what the instance says once it is fixed; several values joined by backslashes, null for an absent attribute."""
    answer: int | None = None
    """The status that the sender is told."""


class RuleFile(Settings):
    """A site's rules."""

    version: Literal[1]
    """Of the language: 1."""
    mode: ModeText = Mode.ENFORCE
    """How far its rules may go: observe, warn, quarantine or enforce; profiles, rules and overrides may have another."""
    profiles: Mapping[str, ProfileText] = {}
    """Rules for kinds of instances, each under a name of your choice; of several overrides the last one holds."""
    tests: tuple[TestText, ...] = ()
    """What the rules must find; a file whose tests fail is refused."""


def json_schema() -> dict[str, object]:
    """What a rule file may hold, as JSON Schema (2020-12)."""
    schema = RuleFile.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "dicomnode rules"} | {
        key: value for key, value in schema.items() if key != "title"
    }
