"""The Identifier of a request of ours, encoded: each key a text, empty for whatever there is (PS3.4 Section C.2.2.2.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dicomnode.dicom.character_sets import character_set
from dicomnode.dicom.encode import Encoding, InexpressibleError
from dicomnode.dicom.scanned import SPECIFIC_CHARACTER_SET
from dicomnode.dicom.value_representation import CHARACTERS, TEXT, dictionary_vr

_CHARACTER_SETS: Final = ("", "ISO_IR 100", "ISO_IR 192")
"""Tried in this order: what old peers know best comes first."""
_WHOLE_NUMBERS: Final = frozenset({b"US", b"SS", b"UL", b"SL", b"UV", b"SV"})
_MOST_BYTES: Final = 0xFFFE
"""Of a value whose length has two bytes (PS3.5 Table 7.1-2)."""


def encode_keys(keys: Mapping[int, str], transfer_syntax_uid: str, peers_character_set: str = "") -> bytes:
    """The data set of these keys, with the Specific Character Set that it needs; values are those that `check_keys` lets pass.

    Args:
        keys: {tag: value}; several values are joined by backslashes.
        peers_character_set: used rather than another one, when the keys can be written in it.
    """
    for terms in (peers_character_set, *_CHARACTER_SETS):
        encoding = Encoding.of(transfer_syntax_uid, character_set(terms))
        try:
            return encoding.dataset(_with_character_set(keys, terms))
        except InexpressibleError:
            continue
    raise AssertionError("Unicode has every character")


def check_keys(keys: Mapping[int, str]) -> None:
    """Nothing when each value is one of its attribute's Value Representation.

    Raises:
        ValueError: one is not; the message names the attribute.
    """
    for tag, value in keys.items():
        wrong = _what_is_wrong(dictionary_vr(tag), value) if value else ""
        if wrong:
            raise ValueError(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {wrong}")


def _with_character_set(keys: Mapping[int, str], terms: str) -> Mapping[int, str]:
    """It must not be empty, and says nothing of ASCII (PS3.4 Section C.2.2.2)."""
    needs_one = terms and not all(value.isascii() for value in keys.values())
    return {**keys, SPECIFIC_CHARACTER_SET: terms} if needs_one else keys


def _what_is_wrong(vr: bytes, value: str) -> str:
    if vr in _WHOLE_NUMBERS:
        return "" if all(part.lstrip("-").isdecimal() for part in value.split("\\")) else "is a whole number"
    if vr not in CHARACTERS:
        return f"has VR {vr.decode('ascii')}, for which a value cannot be given"
    if vr not in TEXT and not value.isascii():
        return "holds ASCII characters only"
    return "is too long" if len(value.encode()) > _MOST_BYTES else ""
