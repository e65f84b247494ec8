"""Bytes of a message to text, by MSH-18 (HL7 Table 0211): strictly, for a name that was guessed is a wrong name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from dicomnode.dicom.character_sets import character_set
from dicomnode.errors import MessageError

_CODECS: Final = {
    "ASCII": "ascii",
    "ISOIR6": "ascii",
    "UTF8": "utf-8",
    "UNICODE": "utf-8",  # UCS-2 cannot be framed by MLLP; those who say UNICODE send UTF-8
    "UNICODEUTF8": "utf-8",
    "GB180302000": "gb18030",
    "BIG5": "big5",
    "KSX1001": "euc_kr",
    "ISOIR14": "iso2022_jp_ext",
    "ISOIR87": "iso2022_jp_ext",
    "ISOIR159": "iso2022_jp_ext",
} | {f"8859{part}": f"iso8859_{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15)}
"""By name without blanks and signs, for these are written in every way."""

_DICOM_TERMS: Final = {
    "ascii": "",
    "ISOIR14": "ISO 2022 IR 13",
    "ISOIR87": "ISO 2022 IR 87",
    "ISOIR159": "ISO 2022 IR 159",
    "KSX1001": "ISO 2022 IR 149",
    "88591": "ISO 2022 IR 100",
    "88592": "ISO 2022 IR 101",
    "88593": "ISO 2022 IR 109",
    "88594": "ISO 2022 IR 110",
    "88595": "ISO 2022 IR 144",
    "88596": "ISO 2022 IR 127",
    "88597": "ISO 2022 IR 126",
    "88598": "ISO 2022 IR 138",
    "88599": "ISO 2022 IR 148",
    "885915": "ISO 2022 IR 203",
}
"""What PS3.3 Table C.12-3 calls them, for messages that switch between several."""
_ISO_NUMBERS: Final = {
    "ISOIR100": "88591",
    "ISOIR101": "88592",
    "ISOIR109": "88593",
    "ISOIR110": "88594",
    "ISOIR144": "88595",
    "ISOIR127": "88596",
    "ISOIR126": "88597",
    "ISOIR138": "88598",
    "ISOIR148": "88599",
    "ISOIR149": "KSX1001",
    "ISOIR192": "UNICODEUTF8",
    "ISOIR203": "885915",
}
_ESCAPE: Final = b"\x1b"
_TABLE_VALUE_NOT_FOUND: Final = 103
_DATA_TYPE_ERROR: Final = 102


def check_character_set(name: str) -> str:
    """``name`` when it is one of HL7 Table 0211 that can be read.

    Raises:
        ValueError: it is not.
    """
    if _key(name) not in _CODECS:
        raise ValueError(f"{name!r} is no character set of HL7, such as UNICODE UTF-8, 8859/1 or ASCII")
    return name


def codec_of(names: Sequence[str]) -> str:
    """The Python codec of the first one; "ascii" for none that is known."""
    return _CODECS.get(_key(names[0]), "ascii") if names else "ascii"


def decoded(data: bytes, names: Sequence[str]) -> str:
    """The text of a message.

    Args:
        names: MSH-18, each repetition: the first is in use at the start, the others are switched to by escape sequences (ISO 2022).

    Raises:
        MessageError: a set is not known, or the bytes are none of it.
    """
    keys = [_key(name) for name in names if name] or ["ASCII"]
    unknown = next((name for name in names if name and _key(name) not in _CODECS), None)
    if unknown is not None:
        raise MessageError(
            f"MSH-18: character set {unknown[:32]!a} is not supported", code=_TABLE_VALUE_NOT_FOUND, location="MSH^1^18"
        )
    if data.isascii() and _ESCAPE not in data:
        return data.decode("ascii")
    codecs = {_CODECS[key] for key in keys} - {"ascii"}
    if len(codecs) > 1 and _ESCAPE in data:
        return _switched(data, keys)
    # ASCII and one other: the other has all of ASCII, and needs no escape sequence or knows its own
    codec = next(iter(codecs)) if len(codecs) == 1 and _ESCAPE in data else _CODECS[keys[0]]
    try:
        return data.decode(codec)
    except UnicodeDecodeError as error:
        raise _undecodable(names, f"byte {error.start}") from error


def _switched(data: bytes, keys: Sequence[str]) -> str:
    terms = [_DICOM_TERMS.get("ascii" if _CODECS[key] == "ascii" else key) for key in keys]
    if None in terms:
        raise _undecodable(keys, "these cannot be switched between")
    text = character_set("\\".join(term or "" for term in terms)).decode(data)
    if "\ufffd" in text:
        raise _undecodable(keys, f"character {text.index(chr(0xFFFD))}")
    return text


def _undecodable(names: Sequence[str], where: str) -> MessageError:
    said = "~".join(name for name in names if name) or "ASCII"
    return MessageError(
        f"characters are not {said[:64]} as MSH-18 (or the setting for messages without it) says: {where}",
        code=_DATA_TYPE_ERROR,
        location="MSH^1^18",
    )


def _key(name: str) -> str:
    key = re.sub(r"[^0-9A-Z]", "", name.upper())
    return _ISO_NUMBERS.get(key, key.removeprefix("ISO") if key.startswith("ISO8859") else key)
