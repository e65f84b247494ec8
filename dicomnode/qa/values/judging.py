"""What is wrong with one element's value, as a function of its tag, its VR, its bytes and the character set alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from dicomnode.dicom.character_sets import CharacterSet, character_set
from dicomnode.dicom.scanned import SPECIFIC_CHARACTER_SET
from dicomnode.dicom.value_representation import NUMBERS, TEXT, UNSPLIT, effective_vr
from dicomnode.qa.multiplicity import Multiplicity, allowed_values
from dicomnode.qa.values.forms import FORM, PADDING, RIGHT, UNTIDY, WORD_BYTES, Flaw, flaws

REPERTOIRE: Final = "value.repertoire"
MULTIPLICITY: Final = "value.multiplicity"
UNDECLARED: Final = "core.charset"
"""The core rule on text beyond ASCII where nothing says in which character set: told by it alone."""

MAX_BYTES: Final = 16 << 10
"""How much of a value is looked at."""

_MANY: Final = 50
"""Values of one element that are looked at closely, which takes ten times as long as a pattern."""

_COUNTED = NUMBERS.keys() | {b"AT"}


def flaws_of(tag: int, vr: bytes, value: bytes, length: int, characters: CharacterSet) -> tuple[Flaw, ...]:
    """All that is wrong with the value of ``tag``, each kind of fault once.

    Args:
        value: its bytes with their padding, at most the first ``MAX_BYTES``.
        length: of the whole value in bytes.
        characters: what Specific Character Set says here.
    """
    right, is_one, allowed, vr = _EXPECTED[tag, vr]
    if right is None:
        return _flaws_of_numbers(tag, vr, length, allowed)
    if right(value) and length == len(value):
        count = 1 if is_one else value.count(b"\\") + 1
        if count == allowed.least or allowed.allows(count):
            return ()
    return tuple(dict.fromkeys(_flaws_of_text(tag, vr, value, characters, is_cut=length > len(value))))


class _Expected(NamedTuple):
    """What is right without a closer look.

    Attributes:
        right: whether bytes have the form of the VR; None where only their length counts.
        is_one: a backslash separates nothing.
        allowed: how many values there may be.
        vr: the one that counts.
    """

    right: Callable[[bytes], object] | None
    is_one: bool
    allowed: Multiplicity
    vr: bytes


class _Expectations(dict[tuple[int, bytes], _Expected]):
    """By tag and VR, worked out when they come first."""

    def __missing__(self, key: tuple[int, bytes]) -> _Expected:
        if len(self) >= _MAX_EXPECTATIONS:
            self.clear()
        tag, written = key
        vr = effective_vr(tag, written)
        right = RIGHT.get(vr)
        if right is not None and tag == SPECIFIC_CHARACTER_SET:
            right = _never  # its terms are looked up
        expected = self[key] = _Expected(right, vr in UNSPLIT, allowed_values(tag), vr)
        return expected


def _never(_: bytes) -> bool:
    return False


_MAX_EXPECTATIONS: Final = 8192
_EXPECTED: Final = _Expectations()


def _flaws_of_numbers(tag: int, vr: bytes, length: int, allowed: Multiplicity) -> tuple[Flaw, ...]:
    size = WORD_BYTES.get(vr, 1)
    if length % size:
        # of bytes in words of two an odd length is told by core.untidy
        return () if vr == b"OW" else (Flaw(FORM, f"has {length} bytes, no multiple of {size}"),)
    if vr not in _COUNTED or length == size * allowed.least:
        return ()
    return tuple(_flaws_of_multiplicity(tag, length // size))


def _flaws_of_text(tag: int, vr: bytes, value: bytes, characters: CharacterSet, *, is_cut: bool) -> Iterator[Flaw]:
    text = value if is_cut else _unpadded(vr, value)
    if not is_cut:
        yield from _flaws_of_padding(vr, value)
    if vr in TEXT and not (text.isascii() and b"\x1b" not in text):
        flaw = _flaw_of_repertoire(text, vr, characters, is_cut=is_cut)
        if flaw is not None:
            yield flaw
        if flaw is not None or not characters.known:
            return
        decoded = characters.decode(text, is_name=vr == b"PN")
    else:
        decoded = text.decode("latin_1")
    if vr in UNSPLIT:
        yield from flaws(vr, decoded)
        return
    values = decoded.split("\\")
    if not is_cut:
        yield from _flaws_of_multiplicity(tag, len(values))
    for each in _doubtful(vr, values[:-1] if is_cut else values):
        yield from flaws(vr, each)
    if tag == SPECIFIC_CHARACTER_SET:
        yield from _flaws_of_terms(values[:_MANY])


def _doubtful(vr: bytes, values: list[str]) -> list[str]:
    """Those that deserve a closer look: all of a few; of many only the first ones that the pattern of the VR does not match."""
    if len(values) <= _MANY:
        return values
    right = RIGHT[vr]
    wrong = (value for value in dict.fromkeys(values) if not (value.isascii() and right(value.encode("ascii"))))
    return list(islice(wrong, _MANY))


def _flaws_of_padding(vr: bytes, value: bytes) -> Iterator[Flaw]:
    """A UI is padded with one NUL, all others with a space (PS3.5 Section 6.2)."""
    if vr == b"UI":
        if value.endswith(b"\0\0"):
            yield Flaw(PADDING, "is padded with more than one NUL")
    elif value.endswith(b"\0"):
        yield Flaw(PADDING, "is padded with NUL")


def _unpadded(vr: bytes, value: bytes) -> bytes:
    text = value.rstrip(b"\0")
    if text == value and len(text) % 2 == 0 and vr != b"UI" and text.endswith(b" "):
        return text[:-1]
    return text


def _flaw_of_repertoire(text: bytes, vr: bytes, characters: CharacterSet, *, is_cut: bool) -> Flaw | None:
    """What is wrong with text that is not plain ASCII, as to its characters."""
    if not characters.terms and not text.isascii():
        return Flaw(UNDECLARED, "")
    if characters.is_ascii_first and b"\x1b" not in text:
        return Flaw(REPERTOIRE, "has bytes that its character set does not have")
    if characters.has_undeclared_escapes(text):
        return Flaw(REPERTOIRE, "switches to a character set that is not declared")
    decoded = characters.decode(text, is_name=vr == b"PN") if characters.known else ""
    if "\ufffd" in (decoded[:-4] if is_cut else decoded):
        return Flaw(REPERTOIRE, "has bytes that its character set does not have")
    return None


def _flaws_of_multiplicity(tag: int, count: int) -> Iterator[Flaw]:
    allowed = allowed_values(tag)
    if not allowed.allows(count):
        yield Flaw(MULTIPLICITY, f"has {count} values, not {allowed}")


def _flaws_of_terms(terms: list[str]) -> Iterator[Flaw]:
    """Terms that PS3.3 Tables C.12-2 to C.12-5 do not have, and those that can only be guessed."""
    for term in terms:
        understood = character_set(term)
        if not understood.known:
            yield Flaw(REPERTOIRE, "names a character set that is none of the standard's")
        elif understood.terms and understood.terms[0] != term.strip(" "):
            yield Flaw(UNTIDY, "misspells a character set")
