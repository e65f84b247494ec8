"""Values to the bytes of elements (PS3.5 Section 7.1), for data sets that the node itself makes: Identifiers.

For thousands of data sets with the same elements there is `encode_rows`.
"""

from __future__ import annotations

import base64
import binascii
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from dicomnode.dicom.character_sets import CharacterSet
from dicomnode.dicom.transfer_syntax import transfer_syntax
from dicomnode.dicom.transliteration import transliterated
from dicomnode.dicom.value_representation import LONG_FORM, NAME_GROUPS, NUMBERS, TEXT, dictionary_vr

PADDED_WITH_NULL: Final = frozenset({b"UI", b"OB", b"UN"})
_MAX_SHORT_LENGTH: Final = 0xFFFE
_MAX_DECIMAL_LENGTH: Final = 16
"""Characters of a Decimal String (PS3.5 Table 6.2-1)."""
_ITEM: Final = 0xFFFEE000


class InexpressibleError(Exception):
    """A character of the value is not in the character set."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """How one data set is encoded; ``transliterates``: what is not in the character set is written as its letters come nearest."""

    implicit_vr: bool
    big_endian: bool
    character_set: CharacterSet
    transliterates: bool = False

    @classmethod
    def of(cls, transfer_syntax_uid: str, character_set: CharacterSet, *, transliterates: bool = False) -> Encoding:
        """The encoding of an uncompressed transfer syntax."""
        syntax = transfer_syntax(transfer_syntax_uid)
        return cls(syntax.implicit_vr, syntax.big_endian, character_set, transliterates)

    def dataset(self, elements: Mapping[int, str | None]) -> bytes:
        """The data set with these elements; VRs are the dictionary's, for values see `text`.

        Raises:
            InexpressibleError: a character is not in the character set.
        """
        return b"".join(self.text(tag, dictionary_vr(tag), elements[tag] or "") for tag in sorted(elements))

    def json_dataset(self, attributes: Mapping[str, Any]) -> bytes:
        """The data set that DICOM JSON says (PS3.18 Annex F).

        Raises:
            InexpressibleError: a character is not in the character set.
        """
        return b"".join(self._attribute(int(tag, 16), attributes[tag]) for tag in sorted(attributes))

    def text(self, tag: int, vr: bytes, value: str) -> bytes:
        """An element from its value as text.

        Args:
            value: values joined by backslashes; numbers in decimal, attribute tags in hexadecimal digits; the items of a sequence
                as a JSON array of DICOM JSON objects (PS3.18 Annex F).

        Raises:
            InexpressibleError: a character is not in the character set.
        """
        if vr == b"SQ":
            items = json.loads(value) if value else []
            return self.element(tag, vr, b"".join(self._item(item) for item in items))
        if vr in NUMBERS or vr == b"AT":
            return self.element(tag, vr, self._packed(vr, [part for part in value.split("\\") if part]))
        return self.element(tag, vr, self._characters(vr, value))

    def element(self, tag: int, vr: bytes, value: bytes) -> bytes:
        """An element from its value as bytes; padded to an even length (PS3.5 Section 6.2)."""
        if len(value) % 2:
            value += b"\0" if vr in PADDED_WITH_NULL else b" "
        return self.head(tag, vr, len(value)) + value

    def head(self, tag: int, vr: bytes, length: int) -> bytes:
        """What stands before a value of ``length`` bytes: tag, VR where it is explicit, and length."""
        order = ">" if self.big_endian else "<"
        group, number = tag >> 16, tag & 0xFFFF
        if self.implicit_vr or tag == _ITEM:
            return struct.pack(f"{order}HHL", group, number, length)
        if vr not in LONG_FORM and length <= _MAX_SHORT_LENGTH:
            return struct.pack(f"{order}HH2sH", group, number, vr, length)
        if vr not in LONG_FORM:
            vr = b"UN"  # for what is longer than its VR's length field can say (PS3.5 Section 6.2.2)
        return struct.pack(f"{order}HH2sxxL", group, number, vr, length)

    def _characters(self, vr: bytes, value: str) -> bytes:
        if value.isascii():
            return value.encode("ascii")
        if vr not in TEXT:
            return value.encode("ascii", "replace")
        encoded = self.character_set.encode(value, is_name=vr == b"PN")
        if encoded is None and self.transliterates:
            encoded = self.character_set.encode(transliterated(value, self.character_set), is_name=vr == b"PN")
        if encoded is None:
            raise InexpressibleError
        return encoded

    def _packed(self, vr: bytes, values: Sequence[Any]) -> bytes:
        """Binary numbers or attribute tags; those that are none are left out."""
        order = ">" if self.big_endian else "<"
        packed = bytearray()
        for value in values:
            try:
                if vr == b"AT":
                    packed += struct.pack(f"{order}HH", *divmod(int(str(value), 16), 0x10000))
                else:
                    number = float(value) if vr in (b"FL", b"FD") else int(value)
                    packed += struct.pack(order + NUMBERS[vr], number)
            except (ValueError, OverflowError, struct.error):
                continue
        return bytes(packed)

    # -- sequences ----------------------------------------------------------------------------------------------------

    def _item(self, item: Mapping[str, Any]) -> bytes:
        return self.element(_ITEM, b"", self.json_dataset(item))

    def _attribute(self, tag: int, attribute: Mapping[str, Any]) -> bytes:
        """An element from a DICOM JSON attribute."""
        vr = str(attribute["vr"]).encode("ascii")
        values = attribute.get("Value", [])
        if vr == b"SQ":
            return self.element(tag, vr, b"".join(self._item(item) for item in values))
        if vr in NUMBERS or vr == b"AT":
            return self.element(tag, vr, self._packed(vr, values))
        if "InlineBinary" in attribute:
            try:
                return self.element(tag, vr, base64.b64decode(attribute["InlineBinary"]))
            except (binascii.Error, ValueError):
                return self.element(tag, vr, b"")
        return self.element(tag, vr, self._characters(vr, "\\".join(_as_text(value) for value in values)))


def _as_text(value: Any) -> str:
    """One value of DICOM JSON as it stands in an element."""
    match value:
        case None:
            return ""
        case dict():
            return "=".join(str(value.get(group, "")) for group in NAME_GROUPS).rstrip("=")
        case float():
            text = repr(value)
            return text if len(text) <= _MAX_DECIMAL_LENGTH else f"{value:.10g}"
    return str(value)
