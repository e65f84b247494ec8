"""What may stand in a site's rule file (docs/rules.md); every fault is told with its line and key."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from dicomnode.dicom import status
from dicomnode.qa.checks import CHECK_GROUPS
from dicomnode.qa.language.fix_text import FixText
from dicomnode.qa.language.modes import Mode, ModeText
from dicomnode.qa.language.operands import Kind, kind_of
from dicomnode.qa.language.places import UNKNOWN, place_of
from dicomnode.qa.language.words import (
    CheckName,
    Comment,
    Condition,
    Date,
    DayText,
    Failure,
    Field_,
    Globs,
    Number,
    Pattern,
    PlaceText,
    RuleId,
    SeverityText,
    SopClasses,
    TextVr,
)
from dicomnode.qa.settings import RuleSeverity
from dicomnode.settings import Settings

MAX_CHARACTERS: Final = 256
"""The largest bound of a `length`: what stands in the part of a value that rules see, in any character set."""
KINDS: Final = ("required", "present", "fields", "assert", "check")
ON_FIELDS: Final = ("pattern", "enum", "range", "length", "date", "vr")


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
    required: Annotated[tuple[PlaceText, ...], Field(min_length=1)] | None = None
    """Attributes that must be there and say something: keywords, Sequence>Attribute, or private ones as (0019,"CREATOR",02)."""
    present: Annotated[tuple[PlaceText, ...], Field(min_length=1)] | None = None
    """Attributes that must be there, if only empty."""
    fields: Annotated[tuple[Field_, ...], Field(min_length=1)] | None = None
    """Attributes of which each value must be as one or more of pattern, enum, range, length, date and vr say."""
    pattern: Pattern | None = None
    """A regular expression (RE2's) that the whole value must match."""
    enum: Annotated[tuple[str | int | float, ...], Field(min_length=1)] | None = None
    """The values that may be."""
    range: tuple[Number, Number] | None = None
    """The smallest and the largest number that may be."""
    length: LengthBounds | None = None
    """Bounds for the characters of a value."""
    date: DateBounds | None = None
    """Bounds for a date."""
    vr: TextVr | None = None
    """A VR whose form and length the value must have (PS3.5 Table 6.2-1)."""
    assert_: Annotated[Condition | None, Field(alias="assert")] = None
    """A condition that must hold; where an attribute in it is absent or empty, there is nothing to be found."""
    check: CheckName | None = None
    """The check of a core rule, by its id; or those of a group, such as iod, by the first part of theirs."""
    report: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Of a group's checks these, by the last parts of their ids, such as type1; all unless given."""
    when: Condition | None = None
    """The rule looks only at instances for which this condition holds."""
    severity: SeverityText
    """info, warn, fix, quarantine or reject."""
    fix: FixText | None = None
    """What becomes of what is wrong; with severity fix."""
    mode: ModeText | None = None
    """How far the rule may go; as its profile's unless given."""
    status: Failure = status.DATASET_DOES_NOT_MATCH_SOP_CLASS
    """The DIMSE status of a refusal; only with severity reject."""
    comment: Comment | None = None
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
        if self.report is not None:
            self._can_report(self.report)
        if self.range is not None and self.range[0] > self.range[1]:
            raise ValueError("range begins with the smaller number")
        return self

    def _can_report(self, report: tuple[str, ...]) -> None:
        known = CHECK_GROUPS.get(self.check or "")
        if known is None:
            raise ValueError(f"report chooses from a group of checks: {', '.join(sorted(CHECK_GROUPS))}")
        for name in report:
            if name not in known:
                raise ValueError(f"{self.check} has no check {name}: it has {', '.join(sorted(known))}")

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
        kind = kind_in(self, keyword)
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


def kind_in(rule: RuleText, name: str) -> Kind:
    """As what a rule looks at the values of an attribute; where the dictionaries do not know it, as what is asked of them."""
    last = place_of(name).last
    if last.vr != UNKNOWN:
        return kind_of(last.name, last.vr)
    if rule.range is not None:
        return Kind.NUMBER
    return Kind.TEXT if rule.date is None else Kind.DATE


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
TestItem = Mapping[str, TestValue | tuple[TestValue, ...]]
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
    dataset: Mapping[str, TestValue | tuple[TestValue, ...] | tuple[TestItem, ...]]
    """Values by keyword or private attribute: a list for several, a list of sections for a sequence, null for what is absent;
    ``from: ct`` begins with a CT slice."""
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
