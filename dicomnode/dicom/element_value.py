"""One value, from what a person or a rule writes, to the bytes of its element: exactly, or not at all."""

from __future__ import annotations

import struct
from typing import Final

from dicomnode.dicom.encode import Encoding
from dicomnode.dicom.value_representation import CHARACTERS, LONG_FORM, NUMBERS, TEXT
from dicomnode.errors import AmendError

_LONGEST_SHORT_BYTES: Final = 0xFFFE
_MAY_HAVE_LINES: Final = frozenset({b"LT", b"ST", b"UT"})
_OF_LINES: Final = frozenset("\t\n\f\r")


def value_bytes(tag: int, vr: bytes, value: str, encoding: Encoding) -> bytes:
    """The bytes of ``value``, not yet padded.

    Args:
        value: values joined by backslashes; numbers in decimal, attribute tags in hexadecimal digits.

    Raises:
        AmendError: it cannot be told in this VR, or not in the character set; nothing is ever replaced by something like it.
    """
    if not value:
        return b""
    if vr in CHARACTERS:
        encoded = _text(tag, vr, value, encoding)
    elif vr in NUMBERS or vr == b"AT":
        encoded = b"".join(_number(tag, vr, part, encoding) for part in value.split("\\"))
    else:
        raise AmendError(f"{_told(tag)} cannot be given a value: it has the VR {vr.decode('ascii', 'replace')}")
    if vr not in LONG_FORM and len(encoded) > _LONGEST_SHORT_BYTES:
        raise AmendError(f"value of {_told(tag)} is too long")
    return encoded


def _text(tag: int, vr: bytes, value: str, encoding: Encoding) -> bytes:
    allowed = _OF_LINES if vr in _MAY_HAVE_LINES else frozenset[str]()
    if any(character < " " and character not in allowed for character in value):
        raise AmendError(f"value of {_told(tag)} has control characters")
    if value.isascii():
        return value.encode("ascii")
    if vr not in TEXT:
        raise AmendError(f"value of {_told(tag)} has characters that its VR does not allow")
    encoded = encoding.character_set.encode(value, is_name=vr == b"PN")
    # a second byte that is a backslash would end the value for many readers; what decodes otherwise would be another value
    if encoded is None or encoding.character_set.decode(encoded, is_name=vr == b"PN") != value:
        raise AmendError(f"value of {_told(tag)} cannot be written in the data set's character set")
    return encoded


def _number(tag: int, vr: bytes, text: str, encoding: Encoding) -> bytes:
    order = ">" if encoding.big_endian else "<"
    try:
        if vr == b"AT":
            return struct.pack(f"{order}HH", *divmod(int(text.strip("()").replace(",", ""), 16), 0x10000))
        number = float(text) if vr in (b"FL", b"FD") else int(text)
        return struct.pack(order + NUMBERS[vr], number)
    except (ValueError, OverflowError, struct.error):
        raise AmendError(f"value of {_told(tag)} is no {vr.decode('ascii')}") from None


def _told(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
