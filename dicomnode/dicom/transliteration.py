"""Text in a character set that lacks some of its characters: for devices that know just one set."""

from __future__ import annotations

import unicodedata
from typing import Final

from dicomnode.dicom.character_sets import CharacterSet

_LETTERS: Final = str.maketrans(
    {
        "ß": "ss",
        "ẞ": "SS",
        "æ": "ae",
        "Æ": "AE",
        "œ": "oe",
        "Œ": "OE",
        "ø": "o",
        "Ø": "O",
        "đ": "d",
        "Đ": "D",
        "ð": "d",
        "Ð": "D",
        "ł": "l",
        "Ł": "L",
        "þ": "th",
        "Þ": "TH",
        "\u0131": "i",
        "ħ": "h",
        "Ħ": "H",
        "\u2019": "'",
        "\u2018": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u2013": "-",
        "\u2014": "-",
        "\u2026": "...",
    }
)
"""Those that Unicode does not take apart."""
_UNKNOWN: Final = "?"


def transliterated(text: str, character_set: CharacterSet) -> str:
    """``text`` with each character that is not in the set replaced: by its base letters in ASCII, else by a question mark."""
    return "".join(
        character if character_set.encode(character) is not None else _nearest(character)
        for character in unicodedata.normalize("NFC", text)
    )


def _nearest(character: str) -> str:
    letters = unicodedata.normalize("NFKD", character.translate(_LETTERS))
    plain = "".join(letter for letter in letters if letter.isascii() and letter.isprintable())
    # what a compatibility decomposition yields may be one of PN's or the values' delimiters
    return plain.replace("\\", _UNKNOWN).replace("^", _UNKNOWN).replace("=", _UNKNOWN) or _UNKNOWN
