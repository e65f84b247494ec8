"""Bytes to text and back, by Specific Character Set (0008,0005) (PS3.3 Section C.12.1.1.2, PS3.5 Section 6.1).

Which Python codec a set has comes from pydicom's table. Code extensions (ISO 2022) are followed here: pydicom decodes each stretch
behind an escape sequence by one codec, which leaves the escape sequences of ISO 2022 IR 58 in the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pydicom.charset import python_encoding

_DEFAULT: Final = "latin_1"
"""In place of ASCII: what undeclared bytes most often are, and every byte has a character."""

_DEFAULT_TERMS: Final = frozenset({"", "ISO_IR 6", "ISO 2022 IR 6"})

_NEWER_THAN_THE_TABLE: Final = {"ISO_IR 203": "iso8859_15", "ISO 2022 IR 203": "iso8859_15"}

_WITHOUT_EXTENSIONS: Final = frozenset({"ISO_IR 192", "GB18030", "GBK"})
"""Used alone: an escape character is no switch, and further sets mean nothing (PS3.3 Table C.12-5)."""

_WITHOUT_G1: Final = frozenset({"ISO 2022 IR 87", "ISO 2022 IR 159"})
"""Even as the first set they need their escape sequence: initially there is ASCII, and nothing else."""

_SPELLINGS: Final = re.compile(r"ISO[-_ ]?(?:(2022)[-_ ])?IR[-_ ]?(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _CodeElement:
    """What an escape sequence puts into G0 (bytes below 80H) or G1 (the others)."""

    codec: str
    in_g0: bool
    prefix: bytes = b""
    """Goes before the bytes, for codecs that follow escape sequences themselves."""


_ASCII: Final = _CodeElement("ascii", in_g0=True)

# PS3.3 Tables C.12-3 and C.12-4
_ESCAPES: Final = {
    b"\x1b(B": _ASCII,
    b"\x1b(J": _CodeElement("ascii", in_g0=True),  # ISO-IR 14: but for yen and overline, ASCII
    b"\x1b$B": _CodeElement("iso2022_jp", in_g0=True, prefix=b"\x1b$B"),
    b"\x1b$@": _CodeElement("iso2022_jp", in_g0=True, prefix=b"\x1b$@"),
    b"\x1b$(D": _CodeElement("iso2022_jp_2", in_g0=True, prefix=b"\x1b$(D"),
    b"\x1b)I": _CodeElement("shift_jis", in_g0=False),
    b"\x1b$)C": _CodeElement("euc_kr", in_g0=False),
    b"\x1b$)A": _CodeElement("gb2312", in_g0=False),
    b"\x1b-A": _CodeElement("latin_1", in_g0=False),
    b"\x1b-B": _CodeElement("iso8859_2", in_g0=False),
    b"\x1b-C": _CodeElement("iso8859_3", in_g0=False),
    b"\x1b-D": _CodeElement("iso8859_4", in_g0=False),
    b"\x1b-F": _CodeElement("iso8859_7", in_g0=False),
    b"\x1b-G": _CodeElement("iso8859_6", in_g0=False),
    b"\x1b-H": _CodeElement("iso8859_8", in_g0=False),
    b"\x1b-L": _CodeElement("iso8859_5", in_g0=False),
    b"\x1b-M": _CodeElement("iso8859_9", in_g0=False),
    b"\x1b-T": _CodeElement("tis_620", in_g0=False),
    b"\x1b-b": _CodeElement("iso8859_15", in_g0=False),
}

_ESCAPES_OF_TERM: Final = {
    "ISO 2022 IR 6": (b"\x1b(B",),
    "ISO 2022 IR 13": (b"\x1b(J", b"\x1b)I"),
    "ISO 2022 IR 58": (b"\x1b$)A",),
    "ISO 2022 IR 87": (b"\x1b$B",),
    "ISO 2022 IR 100": (b"\x1b-A",),
    "ISO 2022 IR 101": (b"\x1b-B",),
    "ISO 2022 IR 109": (b"\x1b-C",),
    "ISO 2022 IR 110": (b"\x1b-D",),
    "ISO 2022 IR 126": (b"\x1b-F",),
    "ISO 2022 IR 127": (b"\x1b-G",),
    "ISO 2022 IR 138": (b"\x1b-H",),
    "ISO 2022 IR 144": (b"\x1b-L",),
    "ISO 2022 IR 148": (b"\x1b-M",),
    "ISO 2022 IR 149": (b"\x1b$)C",),
    "ISO 2022 IR 159": (b"\x1b$(D",),
    "ISO 2022 IR 166": (b"\x1b-T",),
    "ISO 2022 IR 203": (b"\x1b-b",),
}

# an escape sequence, or a stretch of bytes that one code element decodes
_STRETCHES: Final = re.compile(rb"\x1b(?:\$[()][A-D]|\$[@AB]|[()\-][A-Za-z])|[\x80-\xff]+|[^\x1b\x80-\xff]+|\x1b")

_SWITCHES: Final = re.compile(rb"\x1b(?:\$[()][A-D]|\$[@AB]|[()\-][A-Za-z])?")
"""An escape sequence, or an escape character that begins none."""

_RESETS: Final = frozenset("\\\t\n\f\r")
_RESETS_IN_NAMES: Final = _RESETS | {"^", "="}
"""After one of these the initial code elements are in use again (PS3.5 Section 6.1.2.5.3)."""


@dataclass(frozen=True, slots=True)
class CharacterSet:
    """How the text of one data set (or sequence item) is encoded.

    Attributes:
        terms: the values of Specific Character Set as understood; empty for the default repertoire.
        codec: the Python codec of the first term.
        known: False when a term is none of the standard's; text is then decoded as if it were latin-1.
    """

    terms: tuple[str, ...]
    codec: str
    known: bool

    @property
    def label(self) -> str:
        """The value of Specific Character Set; empty for the default repertoire, which needs none (PS3.3 Section C.12.1.1.2)."""
        return "\\".join(self.terms) if any(term not in _DEFAULT_TERMS for term in self.terms) else ""

    def decode(self, value: bytes, *, is_name: bool = False) -> str:
        """``value`` as text; bytes that mean nothing in this set become U+FFFD. Never raises.

        Args:
            is_name: it has the VR PN, where ``^`` and ``=`` end the reach of an escape sequence.
        """
        if value.isascii() and b"\x1b" not in value:
            return value.decode("ascii")
        if b"\x1b" not in value or (self.terms[:1] and self.terms[0] in _WITHOUT_EXTENSIONS):
            return value.decode(self.codec, "replace")
        return self._decode_extended(value, _RESETS_IN_NAMES if is_name else _RESETS)

    def encode(self, text: str, *, is_name: bool = False) -> bytes | None:
        """``text`` in this set, with the escape sequences that it needs; None when a character is not in it."""
        if text.isascii():
            return text.encode("ascii")
        if self.terms[:1] and self.terms[0] in _WITHOUT_EXTENSIONS:
            return _encode_character(text, self.codec)
        if len(self.terms) > 1 or (self.terms[:1] and self.terms[0] in _WITHOUT_G1):
            return self._encode_extended(text, _RESETS_IN_NAMES if is_name else _RESETS)
        pieces = [_encode_character(character, self._first_codec) for character in text]
        return None if None in pieces else b"".join(piece for piece in pieces if piece is not None)

    @property
    def is_ascii_first(self) -> bool:
        """Whether a set is named, and bytes from 80H on mean nothing in it until an escape sequence says what they mean."""
        return bool(self.terms) and self.terms[0] in _DEFAULT_TERMS

    def has_undeclared_escapes(self, value: bytes) -> bool:
        """Whether ``value`` switches to a set that no term names, or has an escape character that switches nothing."""
        switches = _SWITCHES.findall(value)
        return bool(switches) and not self._declared_escapes.issuperset(switches)

    @property
    def _declared_escapes(self) -> frozenset[bytes]:
        declared = {escape for term in self.terms for escape in _ESCAPES_OF_TERM.get(term, ())}
        return frozenset(declared | set(_ESCAPES_OF_TERM["ISO 2022 IR 6"]) if declared or len(self.terms) > 1 else ())

    @property
    def _first_codec(self) -> str:
        """For writing, until an escape sequence: the default repertoire is nothing but ASCII, however generously it is read."""
        return self.codec if self.terms and self.terms[0] not in _DEFAULT_TERMS | _WITHOUT_G1 else "ascii"

    def _decode_extended(self, value: bytes, resets: frozenset[str]) -> str:
        initial_g1 = _CodeElement(self.codec, in_g0=False)
        g0, g1 = _ASCII, initial_g1
        text = []
        for stretch in _STRETCHES.findall(value):
            designated = _ESCAPES.get(stretch)
            if designated is not None:
                g0, g1 = (designated, g1) if designated.in_g0 else (g0, designated)
            elif stretch[0] >= 0x80:  # noqa: PLR2004 - G1 begins there
                text.append(stretch.decode(g1.codec, "replace"))
            else:
                text.append((g0.prefix + stretch).decode(g0.codec, "replace"))
                # among bytes of two-byte characters no delimiter is one
                if not g0.prefix and not resets.isdisjoint(text[-1]):
                    g1 = initial_g1
        return "".join(text)

    def _encode_extended(self, text: str, resets: frozenset[str]) -> bytes | None:
        to_ascii = b"\x1b(J" if self.terms[0] == "ISO 2022 IR 13" else b"\x1b(B"
        encoded = bytearray()
        g0 = g1 = b""  # the escape sequences in force; empty: the initial code elements
        for character in text:
            if character.isascii():
                encoded += to_ascii if g0 else b""
                encoded += character.encode("ascii")
                g0, g1 = b"", b"" if character in resets else g1
                continue
            escape, piece = self._find(character, g0, g1)
            if piece is None:
                return None
            if escape not in (g0, g1):
                encoded += escape
                g0, g1 = (escape, g1) if _ESCAPES[escape].in_g0 else (g0, escape)
            encoded += piece
        return bytes(encoded + to_ascii if g0 else encoded)

    def _find(self, character: str, g0: bytes, g1: bytes) -> tuple[bytes, bytes | None]:
        """The escape sequence that must be in force for ``character``, rather one that is already, and its bytes."""
        if not g1 and (piece := _encode_character(character, self._first_codec)) is not None:
            return b"", piece
        for escape in (g0, g1, *(escape for term in self.terms for escape in _ESCAPES_OF_TERM.get(term, ()))):
            element = _ESCAPES.get(escape)
            if (
                element is not None
                and (piece := _encode_character(character, element.codec, element.prefix)) is not None
            ):
                return escape, piece
        return b"", None


def _encode_character(character: str, codec: str, prefix: bytes = b"") -> bytes | None:
    """The bytes of one character, without escape sequences; None when the codec lacks it."""
    try:
        encoded = character.encode(codec)
    except UnicodeEncodeError:
        return None
    if codec == "shift_jis" and (len(encoded) > 1 or encoded.isascii() != character.isascii()):
        return None  # ISO-IR 13 has no kanji, and yen and overline are where a backslash and a tilde are understood
    if not encoded.startswith(prefix):
        return None
    return encoded[len(prefix) : len(prefix) + 2] if prefix else encoded


DEFAULT_REPERTOIRE: Final = CharacterSet((), _DEFAULT, known=True)


@lru_cache(maxsize=256)
def character_set(specific_character_set: str) -> CharacterSet:
    """The character set that the value of Specific Character Set names, its terms joined by backslashes.

    Common misspellings are understood; an unknown term counts as latin-1 and shows in ``known``.
    """
    terms = [_spelled(term.strip(" \0")) for term in specific_character_set.split("\\")]
    if not any(terms):
        return DEFAULT_REPERTOIRE
    codecs = [_codec(term) for term in terms]
    return CharacterSet(tuple(terms), codecs[0] or _DEFAULT, known=None not in codecs)


def _spelled(term: str) -> str:
    match = _SPELLINGS.fullmatch(term)
    if match is None:
        return term
    return f"ISO 2022 IR {match[2]}" if match[1] else f"ISO_IR {match[2]}"


def _codec(term: str) -> str | None:
    """The Python codec of bytes from 80H on; those below are ASCII unless an escape sequence says otherwise."""
    if term in _DEFAULT_TERMS:
        return _DEFAULT
    if term in ("ISO 2022 IR 87", "ISO 2022 IR 159"):
        return "iso2022_jp_2"
    if term == "ISO 2022 IR 58":
        return "gb2312"
    return _NEWER_THAN_THE_TABLE.get(term) or python_encoding.get(term)
