"""What is wrong with the form and the length of a value (PS3.5 Table 6.2-1).

Nearly every value is right, and one regular expression for each VR says so: it covers all values of an element and the pad byte.
What does not match it is looked at more closely, value by value. To change what a VR allows: its pattern, and its function.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from dicomnode.qa.rule import day

FORM: Final = "value.form"
LENGTH: Final = "value.length"
PADDING: Final = "value.padding"
UNTIDY: Final = "value.untidy"

EARLIEST: Final = 1890
"""The year of the first day that is not odd: de-identified data sets like older ones."""


class Flaw(NamedTuple):
    """What one rule minds in one value, in words that quote nothing of it."""

    rule: str
    words: str


_MAX_UID, _MAX_CS, _MAX_DS, _MAX_IS, _MAX_TM, _MAX_DT, _MAX_AE, _MAX_GROUP = 64, 16, 16, 12, 14, 26, 16, 64
_MONTH_AND_DAY = (
    rb"(?:(?:0[13578]|1[02])(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)(?:0[1-9]|[12]\d|30)|02(?:0[1-9]|1\d|2[0-8]))"
)
_YEAR = rb"(?:189\d|19\d\d|2\d\d\d)"
# No group is followed by ?+, *+ or ++: Python up to 3.11.4 (Debian 12 has 3.11.2) then takes wrong values for right
# (https://github.com/python/cpython/issues/106052). Of single characters they are sound; elsewhere (?>(?:..)*) does the same.
_TIME = rb"(?:[01]\d|2[0-3])(?:[0-5]\d(?:(?:[0-5]\d|60)(?:\.\d{1,6}+)?)?)?"
_OFFSET = rb"(?:\+(?:0\d|1[0-3])[0-5]\d|-(?:0[1-9]|1[01])[0-5]\d)?"
_DECIMAL = rb"[+-]?+(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?+\d++)?"
_UID = rb"(?:0|[1-9]\d*+)(?:\.(?:0|[1-9]\d*+))+"
_NAME_GROUP = rb"(?![^=\\]{65})[ -<>-\[\]_-~]*+(?:\^[ -<>-\[\]_-~]*+){0,4}"


def _values(one: bytes, pad: bytes = b" ", length: int = 0) -> Callable[[bytes], object]:
    """Whether bytes are values of that form, each of at most ``length`` characters, empty ones too, the last one maybe padded."""
    ahead = rb"(?![^\\]{%d})" % (length + 1) if length else b""
    value = rb"(?:%s%s|)" % (ahead, one)
    return re.compile(rb"%s(?>(?:\\%s)*)%s?" % (value, value, pad)).fullmatch


_decimals: Final = _values(rb" *+" + _DECIMAL + rb" *+")


def _short_decimals(value: bytes) -> bool:
    """The same for DS, of which there may be thousands: looking ahead for the end of each would take twice as long."""
    if len(value) > _MAX_DS and max(map(len, value.split(b"\\"))) > _MAX_DS:
        return False
    return _decimals(value) is not None


RIGHT: Final[Mapping[bytes, Callable[[bytes], object]]] = {
    b"AE": _values(rb" *+[!-\[\]-~][ -\[\]-~]*+", length=16),
    b"AS": _values(rb"\d\d\d[DWMY]", pad=b"(?!)"),
    b"CS": _values(rb"[A-Z0-9_ ]++", length=16),
    b"DA": _values(_YEAR + _MONTH_AND_DAY, pad=b"(?!)"),
    b"DS": _short_decimals,
    b"DT": _values(_YEAR + rb"(?:%s(?:%s)?|0[1-9]|1[0-2])?%s *+" % (_MONTH_AND_DAY, _TIME, _OFFSET)),
    b"IS": _values(rb" *+[+-]?+\d{1,9}+ *+", length=12),
    b"LO": _values(rb"[ -\[\]-~]++", length=64),
    b"LT": re.compile(rb"[ -~\t\n\f\r]{0,10240}").fullmatch,
    b"PN": _values(rb"%s(?:=%s){0,2}" % (_NAME_GROUP, _NAME_GROUP)),
    b"SH": _values(rb"[ -\[\]-~]++", length=16),
    b"ST": re.compile(rb"[ -~\t\n\f\r]{0,1024}").fullmatch,
    b"TM": _values(_TIME + rb" *+", length=14),
    b"UC": _values(rb"[ -\[\]-~]++"),
    b"UI": _values(_UID, pad=rb"\0", length=64),
    b"UR": re.compile(rb"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+ *").fullmatch,
    b"UT": re.compile(rb"[ -~\t\n\f\r]*").fullmatch,
}
"""By VR: matches bytes that are right for it in every way; what does not match may yet be right, or merely odd."""

WORD_BYTES: Final = {
    **dict.fromkeys((b"OW", b"SS", b"US"), 2),
    **dict.fromkeys((b"AT", b"FL", b"OF", b"OL", b"SL", b"UL"), 4),
    **dict.fromkeys((b"FD", b"OD", b"OV", b"SV", b"UV"), 8),
}
"""Bytes that a value, or a word of one, takes (PS3.5 Table 6.2-1)."""

MAX_CHARACTERS: Final = {b"LO": 64, b"LT": 10240, b"SH": 16, b"ST": 1024}
"""Of text, by VR; PN has its own limit for each component group."""

_CONTROLS = re.compile(r"[\0-\x1f\x7f-\x9f]")
_CONTROLS_OF_TEXT = re.compile(r"[\0-\x08\x0b\x0e-\x1f\x7f-\x9f]")
_NOT_OF_UID, _NOT_OF_CS, _NOT_OF_AE = re.compile(r"[^0-9.]"), re.compile(r"[^A-Z0-9_ ]"), re.compile(r"[^ -\[\]-~]")
_NOT_OF_URI = re.compile(r"[^A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]")
_DS = re.compile(_DECIMAL.decode())
_IS = re.compile(r"[+-]?\d+")
_ONLY_ZEROS = re.compile(r"0+")
_ACR_TIME = re.compile(r"\d\d:\d\d(:\d\d(\.\d{1,6})?)?")
_TIME_TEXT = re.compile(_TIME.decode())
_DT = re.compile(r"(\d{4})(\d\d)?(\d\d)?((?<=\d{8})[\d.]+)?([+-]\d{4})?")
_OFFSETS = range(-1200, 1401)
_INTEGERS = range(-(2**31), 2**31)
_GROUPS, _COMPONENTS = 3, 5


def _age(value: str) -> Iterator[Flaw]:
    if not re.fullmatch(r"[0-9]{3}[DWMY]", value):
        yield Flaw(FORM, "is no age: nnnD, nnnW, nnnM or nnnY")


def _date(value: str) -> Iterator[Flaw]:
    taken = day(value.encode("latin_1"))
    if taken is None:
        yield Flaw(FORM, "is not a date")
        return
    if "." in value:
        yield Flaw(UNTIDY, "is a date in the form of ACR-NEMA")
    elif value != value.strip(" "):
        yield Flaw(UNTIDY, "has spaces around the date")
    if taken.year < EARLIEST:
        yield Flaw(UNTIDY, f"is before {EARLIEST}")


def _time(value: str) -> Iterator[Flaw]:
    text = value.rstrip(" ")
    if _TIME_TEXT.fullmatch(text):
        if len(text) > _MAX_TM:
            yield Flaw(LENGTH, f"exceeds {_MAX_TM} characters")
    elif _ACR_TIME.fullmatch(text) and _TIME_TEXT.fullmatch(text.replace(":", "")):
        yield Flaw(FORM, "is a time in the form of ACR-NEMA")
    else:
        yield Flaw(FORM, "is not a time")


def _date_time(value: str) -> Iterator[Flaw]:
    text = value.rstrip(" ")
    match = _DT.fullmatch(text)
    if match is None or not _is_moment(match):
        yield Flaw(FORM, "is not a date and time")
    elif len(text) > _MAX_DT:
        yield Flaw(LENGTH, f"exceeds {_MAX_DT} characters")
    elif int(match[1]) < EARLIEST:
        yield Flaw(UNTIDY, f"is before {EARLIEST}")


def _is_moment(match: re.Match[str]) -> bool:
    year, month, of_month, time, offset = match.groups()
    if day(f"{year}{month or '01'}{of_month or '01'}".encode()) is None:
        return False
    if time and not _TIME_TEXT.fullmatch(time):
        return False
    return offset is None or (int(offset) in _OFFSETS and offset[3:] < "60" and offset != "-0000")


def _decimal(value: str) -> Iterator[Flaw]:
    text = value.strip(" ")
    if text and not _DS.fullmatch(text):
        yield Flaw(FORM, "is no decimal number")
    elif not text:
        yield Flaw(UNTIDY, "has a value of spaces only")
    elif len(value) > _MAX_DS:
        yield Flaw(UNTIDY, f"exceeds {_MAX_DS} characters")


def _integer(value: str) -> Iterator[Flaw]:
    text = value.strip(" ")
    if text and not _IS.fullmatch(text):
        yield Flaw(FORM, "is no integer")
    elif not text:
        yield Flaw(UNTIDY, "has a value of spaces only")
    elif len(value) > _MAX_IS:
        yield Flaw(LENGTH, f"exceeds {_MAX_IS} characters")
    elif int(text) not in _INTEGERS:
        yield Flaw(FORM, "is no integer of 32 bits")


def _code(value: str) -> Iterator[Flaw]:
    if _NOT_OF_CS.search(value):
        yield Flaw(FORM, "has other than capitals, digits, space and _")
    if len(value.strip(" ")) > _MAX_CS:
        yield Flaw(LENGTH, f"exceeds {_MAX_CS} characters")


def _title(value: str) -> Iterator[Flaw]:
    if _NOT_OF_AE.search(value):
        yield Flaw(FORM, "has characters that no AE title has")
    elif value and not value.strip(" "):
        yield Flaw(FORM, "is an AE title of spaces only")
    if len(value.strip(" ")) > _MAX_AE:
        yield Flaw(LENGTH, f"exceeds {_MAX_AE} characters")


def _uid(value: str) -> Iterator[Flaw]:
    text = value.rstrip(" ")
    components = text.split(".")
    if _NOT_OF_UID.search(text):
        yield Flaw(FORM, "is no UID: it has other than digits and dots")
    elif "" in components:
        yield Flaw(FORM, "is no UID: a component is empty")
    elif len(components) == 1:
        yield Flaw(FORM, "is no UID: it has one component only")
    elif any(component[0] == "0" and len(component) > 1 for component in components):
        yield Flaw(UNTIDY, "has a UID with leading zeros")
    if len(text) > _MAX_UID:
        yield Flaw(LENGTH, f"exceeds {_MAX_UID} characters")
    if text != value:
        yield Flaw(PADDING, "is padded with spaces")


def _name(value: str) -> Iterator[Flaw]:
    if _CONTROLS.search(value):
        yield Flaw(FORM, "has control characters")
    groups = value.split("=")
    if len(groups) > _GROUPS:
        yield Flaw(FORM, f"has more than {_GROUPS} component groups")
    if any(group.count("^") >= _COMPONENTS for group in groups):
        yield Flaw(FORM, f"has more than {_COMPONENTS} components")
    if any(len(group.rstrip(" ")) > _MAX_GROUP for group in groups):
        yield Flaw(LENGTH, f"has a component group of more than {_MAX_GROUP} characters")


def _uri(value: str) -> Iterator[Flaw]:
    if _NOT_OF_URI.search(value.rstrip(" ")):
        yield Flaw(FORM, "has characters that no URI has")


def _short(limit: int) -> Callable[[str], Iterator[Flaw]]:
    def flaws(value: str) -> Iterator[Flaw]:
        if _CONTROLS.search(value):
            yield Flaw(FORM, "has control characters")
        if len(value.strip(" ")) > limit > 0:
            yield Flaw(LENGTH, f"exceeds {limit} characters")

    return flaws


def _long(limit: int) -> Callable[[str], Iterator[Flaw]]:
    def flaws(value: str) -> Iterator[Flaw]:
        if _CONTROLS_OF_TEXT.search(value):
            yield Flaw(FORM, "has control characters")
        if len(value.rstrip(" ")) > limit > 0:
            yield Flaw(LENGTH, f"exceeds {limit} characters")

    return flaws


_FLAWS: Final[Mapping[bytes, Callable[[str], Iterator[Flaw]]]] = {
    b"AE": _title,
    b"AS": _age,
    b"CS": _code,
    b"DA": _date,
    b"DS": _decimal,
    b"DT": _date_time,
    b"IS": _integer,
    b"LO": _short(MAX_CHARACTERS[b"LO"]),
    b"LT": _long(MAX_CHARACTERS[b"LT"]),
    b"PN": _name,
    b"SH": _short(MAX_CHARACTERS[b"SH"]),
    b"ST": _long(MAX_CHARACTERS[b"ST"]),
    b"TM": _time,
    b"UC": _short(0),
    b"UI": _uid,
    b"UR": _uri,
    b"UT": _long(0),
}


def flaws(vr: bytes, value: str) -> Iterator[Flaw]:
    """What is wrong with one value of characters: decoded text, without the element's pad byte. An empty one is right."""
    if value:
        yield from _FLAWS[vr](value)
