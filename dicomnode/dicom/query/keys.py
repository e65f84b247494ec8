"""The keys of an Identifier: its elements as text, each value checked for what its VR allows (PS3.4 Section C.2.2.2)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from dicomnode.dicom.query.model import QueryOptions
from dicomnode.dicom.query.temporal import date_interval, date_time_interval, time_interval
from dicomnode.dicom.query.wildcards import has_wildcard
from dicomnode.dicom.scan import UNDEFINED, FaultKind, scan
from dicomnode.dicom.scanned import SPECIFIC_CHARACTER_SET, Buffer, Item, ScannedDataset
from dicomnode.dicom.tags import TIMEZONE_OFFSET
from dicomnode.dicom.value_representation import CHARACTERS, NUMBERS, TEXT, UNSPLIT, dictionary_vr
from dicomnode.errors import IdentifierError

EMPTY_VALUE: Final = '""'
"""The key value that means: stored without a value, once that is negotiated (PS3.4 Section C.2.2.2.7)."""
WILDCARD: Final = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
"""VRs in whose keys ``*`` and ``?`` stand for other characters (PS3.4 Section C.2.2.2.4)."""
_FIRST_GROUP: Final = 0x0008
_LONGEST: Final = 1024
"""Characters of a value that are looked at; names have up to 324, other text less (PS3.5 Table 6.2-1)."""
_LONGEST_TEXT: Final = 10_240
"""The same for LT, and others of its kind."""

_NUMBERS: Final = {vr: form for vr, form in NUMBERS.items() if vr not in (b"FL", b"FD")}
_BROKEN: Final = frozenset({FaultKind.TRUNCATED, FaultKind.BAD_ITEM, FaultKind.INFLATE_FAILED, FaultKind.TOO_DEEP})


@dataclass(frozen=True, slots=True)
class Key:
    """One key of an Identifier.

    Attributes:
        vr: as the data dictionary has it; of an attribute that it does not know, as the request has it.
        values: Unicode, without padding, split at backslashes; none: universal matching.
        items: of a sequence: the keys of its one item, or nothing; None for what is no sequence.
    """

    tag: int
    vr: str
    values: tuple[str, ...] = ()
    items: tuple[Mapping[int, Key], ...] | None = None

    @property
    def is_universal(self) -> bool:
        """Whether everything matches it (PS3.4 Section C.2.2.2.3)."""
        if self.items is not None:
            return all(key.is_universal for item in self.items for key in item.values())
        nothing = "*^= " if self.vr == "PN" else "*"
        return not self.values or (self.vr in WILDCARD and any(not value.strip(nothing) for value in self.values))


def read_identifier(dataset: Buffer, transfer_syntax_uid: str) -> ScannedDataset:
    """The elements of an Identifier, whose character set is known.

    Raises:
        IdentifierError: it cannot be read to its end, or its text cannot be understood.
    """
    scanned = scan(dataset, transfer_syntax_uid)
    broken = next((fault for fault in scanned.faults if fault.kind in _BROKEN), None)
    if broken is not None or not scanned.complete:
        raise IdentifierError(
            f"Identifier cannot be read: {broken.kind if broken else 'too many elements'}",
            (broken.tag,) if broken and broken.tag is not None else (),
        )
    if not scanned.character_set().known:
        raise IdentifierError("Identifier in an unknown character set", (SPECIFIC_CHARACTER_SET,))
    return scanned


def read_keys(scanned: ScannedDataset, options: QueryOptions) -> dict[int, Key]:
    """Every key by its tag; group lengths, groups below 0008 and Specific Character Set are none (PS3.4 Section C.2.2.2).

    Raises:
        IdentifierError: a value is none that its VR and kind of matching allow.
    """
    return _keys_of(scanned, scanned, options)


def read_key(scanned: ScannedDataset, tag: int, options: QueryOptions) -> Key | None:
    """One key that is no sequence; None when it is absent.

    Raises:
        IdentifierError: as for `read_keys`.
    """
    return _key(scanned, scanned, tag, options) if tag in scanned.elements else None


def _keys_of(scanned: ScannedDataset, item: Item, options: QueryOptions) -> dict[int, Key]:
    return {
        tag: _key(scanned, item, tag, options)
        for tag in sorted(item.elements)
        if tag & 0xFFFF and tag >> 16 >= _FIRST_GROUP and tag != SPECIFIC_CHARACTER_SET
    }


def _key(scanned: ScannedDataset, item: Item, tag: int, options: QueryOptions) -> Key:
    vr, _, length = item.elements[tag]
    known = dictionary_vr(tag)
    vr = vr if known == b"UN" else known
    name = vr.decode("latin_1")
    if vr == b"SQ" or tag in item.items:
        items = item.items.get(tag, ())
        if vr != b"SQ" or (length and not items) or len(items) > 1:
            raise IdentifierError("a sequence key has exactly one item", (tag,))
        keys = (_keys_of(scanned, one, options) for one in items)
        return Key(tag, name, items=tuple(MappingProxyType(one) for one in keys))
    values = _values(scanned, item, tag, vr) if length not in (0, UNDEFINED) else ()
    if tag == TIMEZONE_OFFSET:
        values = ()  # tells how times in the request are meant, and is not matched
    for value in values:
        _check(tag, vr, value, options)
    return Key(tag, name, values)


def _values(scanned: ScannedDataset, item: Item, tag: int, vr: bytes) -> tuple[str, ...]:
    raw = scanned.raw(item.elements[tag])
    if vr in _NUMBERS:
        number = struct.Struct((">" if scanned.big_endian else "<") + _NUMBERS[vr])
        return tuple(str(value) for (value,) in number.iter_unpack(raw[: len(raw) // number.size * number.size]))
    if vr not in CHARACTERS:
        return ()  # nothing of this kind is kept
    character_set = scanned.character_set(item)
    if not character_set.known:
        raise IdentifierError("Identifier in an unknown character set", (SPECIFIC_CHARACTER_SET,))
    text = character_set.decode(raw, is_name=vr == b"PN") if vr in TEXT else raw.decode("latin_1")
    if "\ufffd" in text:
        raise IdentifierError("text is not in the Identifier's character set", (SPECIFIC_CHARACTER_SET, tag))
    values = [text.rstrip(" \0")] if vr in UNSPLIT else [value.strip(" \0") for value in text.split("\\")]
    return tuple(filter(None, values))


def _check(tag: int, vr: bytes, value: str, options: QueryOptions) -> None:
    if value == EMPTY_VALUE and options.empty_value:
        return
    if len(value) > (_LONGEST_TEXT if vr in UNSPLIT else _LONGEST):
        raise IdentifierError("key has a value that is too long", (tag,))
    if vr == b"UI" and has_wildcard(value):
        raise IdentifierError("a UID has no wildcards", (tag,))
    interval = _INTERVALS.get(vr)
    if interval is None:
        return
    try:
        if vr == b"TM":
            time_interval(value, may_pass_midnight=options.combined_datetime)
        else:
            interval(value)
    except ValueError as error:
        raise IdentifierError(str(error), (tag,)) from error


_INTERVALS: Final[Mapping[bytes, Callable[[str], object]]] = {
    b"DA": date_interval,
    b"TM": time_interval,
    b"DT": date_time_interval,
}
