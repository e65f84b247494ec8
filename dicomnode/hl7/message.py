"""One HL7 message, read: its header, its segments, and the values in them without escape sequences.

A value that is not there is None; one that says ``""`` (delete what you have) is the empty text (HL7 2.5 Section 2.5.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import hl7

from dicomnode.errors import MessageError
from dicomnode.hl7.character_sets import codec_of, decoded

_NULL: Final = '""'
_MOST_SEGMENTS: Final = 2000
_MOST_SEPARATORS: Final = 50_000
"""A message that is nothing but separators keeps the parser busy for long."""
_HEADER_FIELDS: Final = 21
_HEADER_BYTES: Final = 4096
_SHORTEST_HEADER: Final = 8
_REQUIRED_FIELD_MISSING: Final = 101
_SEGMENT_SEQUENCE_ERROR: Final = 100
_DATA_TYPE_ERROR: Final = 102


@dataclass(frozen=True, slots=True)
class Delimiters:
    """MSH-1 and MSH-2."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"


@dataclass(frozen=True, slots=True)
class Header:
    """What MSH says, as far as it can be read without knowing the character set; the first component of each field.

    Attributes:
        control_id: MSH-10 as it came, for it is only echoed and compared.
        kind: MSH-9.1, such as ``ORM``.
        event: MSH-9.2, such as ``O01``.
        character_sets: MSH-18, each repetition.
    """

    delimiters: Delimiters
    sending_application: str
    sending_facility: str
    receiving_application: str
    receiving_facility: str
    kind: str
    event: str
    control_id: str
    processing_id: str
    version: str
    character_sets: tuple[str, ...]
    fields: tuple[str, ...]
    """MSH-3 to MSH-6 as they came, for the answer."""

    @property
    def type(self) -> str:
        """Kind and event, such as ``ORM^O01``."""
        return f"{self.kind}^{self.event}" if self.event else self.kind


def read_header(data: bytes) -> Header:
    """The header of the message; bytes beyond ASCII in it are read by MSH-18 where that is known.

    Raises:
        MessageError: it has none.
    """
    line = re.split(rb"[\r\n]", data.lstrip(b"\r\n \t"), maxsplit=1)[0][:_HEADER_BYTES]
    if not line.startswith(b"MSH") or len(line) < _SHORTEST_HEADER:
        raise MessageError("message does not begin with an MSH segment", code=_SEGMENT_SEQUENCE_ERROR, location="MSH^1")
    latin = line.decode("latin_1")
    delimiters = _delimiters(latin)
    said = latin.split(delimiters.field)
    names = said[17].split(delimiters.repetition) if len(said) > 17 else []  # noqa: PLR2004 - MSH-18: MSH-1 is the separator
    text = line.decode(codec_of(names), "replace")
    fields = [field.strip() for field in text.split(delimiters.field)[:_HEADER_FIELDS]]
    fields += [""] * (_HEADER_FIELDS - len(fields))

    def first(number: int) -> str:
        value = fields[number - 1].split(delimiters.repetition)[0].split(delimiters.component)[0]
        return _unescaped(value, delimiters)

    kind, event = [*fields[8].split(delimiters.component), "", ""][:2]
    return Header(
        delimiters=delimiters,
        sending_application=first(3),
        sending_facility=first(4),
        receiving_application=first(5),
        receiving_facility=first(6),
        kind=kind,
        event=event,
        control_id=fields[9],
        processing_id=first(11),
        version=first(12),
        character_sets=tuple(name.strip() for name in names if name.strip() or len(names) > 1),
        fields=tuple(fields[2:6]),
    )


class Segment:
    """One segment, such as PID."""

    __slots__ = ("_codec", "_delimiters", "_fields", "name")

    def __init__(self, fields: Sequence[object], delimiters: Delimiters, codec: str) -> None:
        self._fields = fields
        self._delimiters = delimiters
        self._codec = codec
        self.name = str(fields[0]).strip() if fields else ""

    def __len__(self) -> int:
        return len(self._fields)

    def repetitions(self, field: int) -> int:
        """How many values the field has."""
        node = _at(self._fields, field)
        return len(node) if isinstance(node, list) else int(bool(node))

    def value(self, field: int, component: int = 1, subcomponent: int = 1, *, repetition: int = 0) -> str | None:
        """One value; None when it is not there, empty when it is explicitly null.

        A null field is null in its first component only.

        Raises:
            MessageError: it has an escape sequence that cannot be read.
        """
        node = _at(_at(self._fields, field), repetition)
        text = _at(_at(node, component - 1), subcomponent - 1)
        raw = str(text) if text else ""
        raw = raw.strip()
        if not raw:
            return None
        return "" if raw == _NULL else _unescaped(raw, self._delimiters, self._codec) or None

    def is_null(self, field: int) -> bool:
        """Whether the whole field says ``""``."""
        return self.value(field) == "" and not any(
            self.value(field, component) for component in range(2, self.components(field) + 1)
        )

    def components(self, field: int, repetition: int = 0) -> int:
        """How many components the value has."""
        node = _at(_at(self._fields, field), repetition)
        return len(node) if isinstance(node, list) else int(bool(node))


@dataclass(frozen=True, slots=True)
class Message:
    """A message and its segments, in their order."""

    header: Header
    segments: tuple[Segment, ...]

    def first(self, name: str) -> Segment | None:
        """The first segment of this name."""
        return next(self.all(name), None)

    def all(self, name: str) -> Iterator[Segment]:
        """All segments of this name."""
        return (segment for segment in self.segments if segment.name == name)

    def required(self, name: str) -> Segment:
        """The first segment of this name.

        Raises:
            MessageError: there is none.
        """
        segment = self.first(name)
        if segment is None:
            raise MessageError(f"segment {name} is missing", code=_SEGMENT_SEQUENCE_ERROR, location=name)
        return segment


def read_message(data: bytes, header: Header, default_character_set: str) -> Message:
    """The message, its text decoded as MSH-18 or else ``default_character_set`` says.

    Raises:
        MessageError: it cannot be read.
    """
    names = header.character_sets or (default_character_set,)
    text = decoded(data, names).strip("\r\n \t\0")
    text = re.sub(r"\r\n|\n", "\r", text)
    if text.count("\r") > _MOST_SEGMENTS or sum(map(text.count, _separators(header))) > _MOST_SEPARATORS:
        raise MessageError("message has too many parts", code=_DATA_TYPE_ERROR)
    try:
        parsed = hl7.parse(text)
    except (hl7.HL7Exception, IndexError, KeyError, ValueError, AssertionError, RecursionError) as error:
        raise MessageError("message cannot be parsed", code=_DATA_TYPE_ERROR) from error
    codec = codec_of(names)
    segments = [Segment(fields, header.delimiters, codec) for fields in parsed]
    return Message(header, tuple(segment for segment in segments if segment.name))


def readable(data: bytes) -> str:
    """The text of a message for a person: decoded as its header says where that is true, else as well as it goes."""
    try:
        return decoded(data, read_header(data).character_sets or ("UNICODE UTF-8",))
    except MessageError:
        return data.decode("utf-8", "replace")


def required(value: str | None, segment: str, field: int, what: str) -> str:
    """``value``, when it is one.

    Raises:
        MessageError: it is missing or null.
    """
    if not value:
        raise MessageError(
            f"{segment}-{field} ({what}) is missing", code=_REQUIRED_FIELD_MISSING, location=f"{segment}^1^{field}"
        )
    return value


def _delimiters(line: str) -> Delimiters:
    field = line[3]
    encoding = line[4:].split(field, 1)[0]
    chosen = field + encoding[:4]
    usable = all(" " < one <= "~" and not one.isalnum() and one != '"' for one in chosen)
    if not encoding or len(set(chosen)) != len(chosen) or not usable:
        raise MessageError("MSH-1 and MSH-2 name no usable delimiters", code=_DATA_TYPE_ERROR, location="MSH^1^2")
    given = dict(zip(("component", "repetition", "escape", "subcomponent"), encoding, strict=False))
    return Delimiters(field, **given)


def _separators(header: Header) -> str:
    delimiters = header.delimiters
    return delimiters.field + delimiters.component + delimiters.repetition + delimiters.subcomponent


def _at(node: object, index: int) -> object:
    """What stands at ``index`` (from 0); a text is its own first part."""
    if isinstance(node, str):
        return node if index == 0 else ""
    if isinstance(node, list):
        return node[index] if index < len(node) else ""
    return ""


# -- escape sequences (HL7 2.5 Section 2.7) ---------------------------------------------------------------------------

_FORMATTING: Final = re.compile(r"\.(?:br|sp\d*|sk\d*|in[+-]?\d*|ti[+-]?\d*|fi|nf|ce)", re.IGNORECASE)
_HEXADECIMAL: Final = re.compile(r"X(?:[0-9A-Fa-f]{2})+")
_SWITCH: Final = re.compile(r"[CM][0-9A-Fa-f]{4,6}")


def _unescaped(text: str, delimiters: Delimiters, codec: str = "ascii") -> str:
    escape = delimiters.escape
    if escape not in text:
        return text
    parts = text.split(escape)
    said = [parts[0]]
    position = 1
    while position < len(parts):
        meant = _meaning(parts[position], delimiters, codec) if position + 1 < len(parts) else None
        if meant is None:  # no escape sequence: the character itself, as careless senders write it
            said += [escape, parts[position]]
            position += 1
        else:
            said += [meant, parts[position + 1]]
            position += 2
    return "".join(said)


def _meaning(sequence: str, delimiters: Delimiters, codec: str) -> str | None:
    """What an escape sequence stands for; None when it is none."""
    characters = {
        "F": delimiters.field,
        "S": delimiters.component,
        "T": delimiters.subcomponent,
        "R": delimiters.repetition,
        "E": delimiters.escape,
        "H": "",
        "N": "",
    }
    if sequence in characters:
        return characters[sequence]
    if _FORMATTING.fullmatch(sequence):
        return "\n" if sequence[1:3].lower() == "br" else " "
    if _HEXADECIMAL.fullmatch(sequence):
        try:
            return bytes.fromhex(sequence[1:]).decode(codec)
        except UnicodeDecodeError as error:
            raise MessageError("an escape sequence \\X..\\ is not text", code=_DATA_TYPE_ERROR) from error
    if _SWITCH.fullmatch(sequence):
        raise MessageError("escape sequences that switch character sets are not supported", code=_DATA_TYPE_ERROR)
    if sequence[:1] == "Z" and sequence.isalnum():
        return ""
    return None
