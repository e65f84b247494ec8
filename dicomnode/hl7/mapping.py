"""Which field of a message becomes which attribute: read from YAML, and applied to the segments of one order or patient."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from importlib import resources
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field
from pydicom.datadict import dictionary_VR, tag_for_keyword

from dicomnode.dicom.procedure import StepStatus
from dicomnode.errors import MessageError
from dicomnode.hl7.message import Segment
from dicomnode.hl7.person_names import person_name, physician
from dicomnode.settings import Settings
from dicomnode.settings.document import Document
from dicomnode.settings.yaml_text import parse_yaml

_PATH: Final = re.compile(r"([A-Z][A-Z0-9]{2})-([1-9][0-9]?)(?:\.([1-9][0-9]?))?(?:\.([1-9][0-9]?))?")
_TIMESTAMP: Final = re.compile(r"(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\.\d{1,6})?\d*([+-]\d{4})?")
_IDENTIFIERS: Final = frozenset({"SH", "UI", "AE", "CS"})
_LONGEST: Final = {"SH": 16, "LO": 64, "CS": 16, "AE": 16, "UI": 64, "ST": 1024, "LT": 10240, "PN": 64}
"""Characters (PS3.5 Table 6.2-1); of a name, in each component group."""
_TEXTS: Final = frozenset({"ST", "LT", "UT"})
"""Whose values may hold a backslash and new lines."""
_IDENTIFYING_FIELDS: Final = frozenset({("PID", 3), ("MRG", 1), ("PID", 18), ("PV1", 19), ("ORC", 2), ("ORC", 3)})
_VALUE_RANGE: Final = 102


class Kind(StrEnum):
    """How a value is read."""

    TEXT = "text"
    PERSON_NAME = "person-name"
    PHYSICIAN = "physician"
    CODE = "code"
    DATE = "date"
    TIME = "time"
    OFFSET = "offset"


_MOMENTS: Final = frozenset({Kind.DATE, Kind.TIME, Kind.OFFSET})
_KINDS_OF_VR: Final = {
    "DA": (Kind.DATE,),
    "TM": (Kind.TIME,),
    "PN": (Kind.PERSON_NAME, Kind.PHYSICIAN),
    "SQ": (Kind.CODE,),
    "SH": (Kind.TEXT, Kind.OFFSET),
}


@dataclass(frozen=True, slots=True)
class Code:
    """A coded entry (PS3.3 Section 8.8)."""

    value: str
    scheme: str
    meaning: str


Value = str | Code
"""Empty for one that shall be deleted."""


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A place in a message: ``PID-3.4.1``."""

    segment: str
    field: int
    component: int = 1
    subcomponent: int = 1

    def __str__(self) -> str:
        return f"{self.segment}-{self.field}" + (f".{self.component}" if self.component > 1 else "")

    @property
    def location(self) -> str:
        """As ERR-2 says it."""
        return f"{self.segment}^1^{self.field}^1^{self.component}"


def _path(text: object) -> str:
    if not isinstance(text, str) or not _PATH.fullmatch(text):
        raise ValueError(f"{text!r} is no place in a message, such as PID-3 or OBR-4.5")
    return text


def field_path(text: str) -> FieldPath:
    """The place that ``text`` names; it has been checked."""
    match = _PATH.fullmatch(text)
    assert match is not None
    segment, number, component, subcomponent = match.groups()
    return FieldPath(segment, int(number), int(component or 1), int(subcomponent or 1))


def _spelled_out(source: object) -> object:
    """A source in its long form."""
    if isinstance(source, str):
        return {"from": (source,)}
    if isinstance(source, list | tuple):
        return {"from": tuple(source)}
    if isinstance(source, dict) and isinstance(source.get("from"), str):
        return source | {"from": (source["from"],)}
    return source


class SourceSettings(Settings):
    """Where the value of one attribute comes from."""

    paths: Annotated[tuple[Annotated[str, BeforeValidator(_path)], ...], Field(alias="from")] = ()
    """The places that are looked at, the first that has a value counts."""
    kind: Annotated[Kind | None, Field(alias="as")] = None
    """How it is read; null: as the attribute's VR says."""
    values: Mapping[str, str] = {}
    """What values become; ``*`` stands for all others."""
    default: str = ""
    """What it is without a value."""


Source = Annotated[SourceSettings, BeforeValidator(_spelled_out)]


def _keyword(word: str) -> str:
    if tag_for_keyword(word) is None:
        raise ValueError(f"{word!r} is no keyword of a DICOM attribute")
    return word


def _fitting(sources: Mapping[str, SourceSettings | None]) -> Mapping[str, SourceSettings | None]:
    for word, source in sources.items():
        vr = dictionary_VR(word)
        if source is not None and _kind(word, source) not in _KINDS_OF_VR.get(vr, (Kind.TEXT,)):
            allowed = " or ".join(_KINDS_OF_VR.get(vr, (Kind.TEXT,)))
            raise ValueError(f"{word} has the VR {vr}: as: {allowed}")
    return sources


def _kind(word: str, source: SourceSettings) -> Kind:
    if source.kind is not None:
        return source.kind
    return {"DA": Kind.DATE, "TM": Kind.TIME}.get(dictionary_VR(word), Kind.TEXT)


Attributes = Annotated[
    Mapping[Annotated[str, AfterValidator(_keyword)], Source | None],
    AfterValidator(_fitting),
]


class MappingSettings(Settings):
    """A mapping, or what differs from another one."""

    patient: Attributes = Field(default_factory=dict)
    """Attributes of the patient."""
    prior_patient: Attributes = Field(default_factory=dict)
    """Who a merged patient was."""
    order: Attributes = Field(default_factory=dict)
    """Attributes of order and Requested Procedure."""
    step: Attributes = Field(default_factory=dict)
    """Attributes of the Scheduled Procedure Step."""
    status: Mapping[str, StepStatus | None] = Field(default_factory=dict)
    """What ORC-1 and ORC-5 mean for the step."""


@dataclass(frozen=True, slots=True)
class Group:
    """The segments that one order or patient is read from: of each name one.

    Attributes:
        repetitions: which repetition of a field counts, where it is not the first.
    """

    segments: Mapping[str, Segment]
    repetitions: Mapping[tuple[str, int], int] = field(default_factory=dict)

    def value(self, path: FieldPath) -> str | None:
        """What stands at the path; empty for an explicit null, None for nothing."""
        segment = self.segments.get(path.segment)
        if segment is None:
            return None
        repetition = self.repetitions.get((path.segment, path.field), 0)
        value = segment.value(path.field, path.component, path.subcomponent, repetition=repetition)
        if value is None and segment.is_null(path.field):
            return ""
        return value


@dataclass(frozen=True, slots=True)
class _Rule:
    """Where one attribute comes from."""

    tag: int
    vr: str
    kind: Kind
    paths: tuple[FieldPath, ...]
    values: Mapping[str, str]
    default: str


def _rules(sources: Mapping[str, SourceSettings | None]) -> list[_Rule]:
    return [
        _Rule(
            int(tag_for_keyword(word) or 0),
            dictionary_VR(word),
            _kind(word, source),
            tuple(field_path(text) for text in source.paths),
            source.values,
            source.default,
        )
        for word, source in sources.items()
        if source is not None
    ]


class FieldMapping:
    """A checked mapping, applied to groups of segments."""

    def __init__(self, settings: MappingSettings) -> None:
        self.status = settings.status
        self._sections = {
            name: _rules(getattr(settings, name)) for name in ("patient", "prior_patient", "order", "step")
        }

    def values(self, section: str, group: Group) -> dict[int, Value]:
        """The attributes that the group says something of, by tag; an empty one shall be deleted.

        Raises:
            MessageError: a value does not fit its attribute.
        """
        found = {rule.tag: _value(rule, group) for rule in self._sections[section]}
        return {tag: value for tag, value in found.items() if value is not None}


def load_mapping(site: Document | None) -> FieldMapping:
    """The mapping that comes with dicomnode, with what the site's file changes.

    Raises:
        ConfigurationError: the file is wrong; file, line and key are in it.
    """
    own = resources.files("dicomnode.hl7").joinpath("mapping.yaml")
    base = parse_yaml(own.read_text("utf-8"), "mapping.yaml").check(MappingSettings)
    if site is None:
        return FieldMapping(base)
    changes = site.check(MappingSettings)
    merged = {name: {**getattr(base, name), **getattr(changes, name)} for name in MappingSettings.model_fields}
    return FieldMapping(base.model_copy(update=merged))


def _value(rule: _Rule, group: Group) -> Value | None:
    for path in rule.paths:
        value = _read(rule.kind, path, group)
        if value is None:
            continue
        if isinstance(value, Code):
            return value
        if not value and rule.kind in _MOMENTS and group.value(path):  # a year, or a day without its time: no deletion
            break
        if value and rule.kind is Kind.TEXT:
            meant = rule.values.get(value, rule.values.get("*"))
            if meant is not None:
                return meant or rule.default
        return _fitted(value, rule.vr, path) or rule.default
    return rule.default or None


def _read(kind: Kind, path: FieldPath, group: Group) -> Value | None:
    match kind:
        case Kind.PERSON_NAME | Kind.PHYSICIAN:
            segment = group.segments.get(path.segment)
            if segment is None:
                return None
            if segment.is_null(path.field):
                return ""
            return (person_name if kind is Kind.PERSON_NAME else physician)(segment, path.field) or None
        case Kind.CODE:
            return _code(path, group)
    value = group.value(path)
    if not value or kind is Kind.TEXT:
        return value
    return _moment(value, kind, path)


def _code(path: FieldPath, group: Group) -> Value | None:
    first = path.component
    value, meaning, scheme = (group.value(FieldPath(path.segment, path.field, first + offset)) for offset in range(3))
    if value == "":
        return ""
    if not value:
        return None
    return Code(
        str(_fitted(value, "SH", path)),
        str(_fitted(scheme or "L", "SH", path)),
        str(_fitted(meaning or value, "LO", path)),
    )


def _moment(value: str, kind: Kind, path: FieldPath) -> str:
    """A part of an HL7 time stamp; empty when it does not go so far."""
    match = _TIMESTAMP.fullmatch(value.replace(" ", ""))
    if match is None:
        raise MessageError(f"{path} is no date or time", code=_VALUE_RANGE, location=path.location)
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    if kind is Kind.OFFSET:
        return offset or ""
    try:
        datetime(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0))  # noqa: DTZ001
    except ValueError as error:
        raise MessageError(f"{path} is no date or time", code=_VALUE_RANGE, location=path.location) from error
    if kind is Kind.DATE:
        return f"{year}{month}{day}" if day else ""
    return "".join(part or "" for part in (hour, minute, second, fraction if second else ""))


def _fitted(value: str, vr: str, path: FieldPath) -> str:
    """The value as its VR can hold it: an identifier as it is or not at all, other text without what DICOM forbids.

    Raises:
        MessageError: it is an identifier, and too long or with characters that it may not have.
    """
    if vr in _TEXTS:
        return value[: _LONGEST[vr]]
    is_identifier = vr in _IDENTIFIERS or (path.segment, path.field) in _IDENTIFYING_FIELDS
    if "\\" in value or not value.isprintable():
        if is_identifier:
            raise MessageError(
                f"{path} holds a character that DICOM does not allow there", code=_VALUE_RANGE, location=path.location
            )
        value = " ".join("".join(one if one.isprintable() else " " for one in value.replace("\\", "/")).split())
    longest = _LONGEST.get(vr)
    if longest and vr != "PN" and len(value) > longest:
        if is_identifier:
            raise MessageError(
                f"{path} has {len(value)} characters, {longest} fit into the DICOM attribute",
                code=_VALUE_RANGE,
                location=path.location,
            )
        value = value[:longest].rstrip()
    return value
