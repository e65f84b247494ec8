"""Names of persons as they are compared (PS3.4 Section C.2.2.2.4 leaves it to the implementation, PS3.5 Section 6.2.1).

A name has up to three component groups, alphabetic=ideographic=phonetic. A key without ``=`` matches any one of them, a key with it
matches group by group. Upper and lower case, accents, width and composed forms of letters do not count, nor do spaces around a
component and what a name may leave out at its end (``^``). An absent component is what ``*`` matches: ``DOE^*`` finds ``Doe``.

Fuzzy, once negotiated, compares words: each word of the key must begin some word of one group, whatever their order.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from dicomnode.dicom.query.wildcards import wildcard_test

_GROUPS: Final = 3
_WORDS: Final = re.compile(r"[^\s^,]+")


def fold(text: str) -> str:
    """``text`` without what names are not told apart by: case, accents and how Unicode composes a letter.

    Marks of other scripts stay: in Japanese a voiced sound is another letter.
    """
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFC", "".join(one for one in decomposed if not "\u0300" <= one <= "\u036f"))


@lru_cache(maxsize=4096)
def name_groups(name: str) -> tuple[str, str, str]:
    """The three component groups as they are compared; what is not there is empty."""
    alphabetic, ideographic, phonetic = ([*map(_group, name.split("=")), "", "", ""])[:_GROUPS]
    return alphabetic, ideographic, phonetic


@lru_cache(maxsize=4096)
def is_same_name(one: str, other: str) -> bool:
    """Whether two names may be one person's: component groups that both have agree word by word, however they are divided.

    ``Doe^Jane`` is ``DOE JANE`` and ``doe, jane``, but not ``Jane^Doe``.
    """
    pairs = zip(name_groups(one), name_groups(other), strict=True)
    return all(_WORDS.findall(ours) == _WORDS.findall(theirs) for ours, theirs in pairs if ours and theirs)


def has_several_groups(key: str) -> bool:
    """Whether a key says which of its component groups is which."""
    return "=" in key.rstrip("= ")


def group_patterns(group: str) -> tuple[str, ...]:
    """What a key's component group matches, as patterns of which one must fit."""
    shortened = group
    while shortened.endswith("^*"):
        shortened = shortened[:-2].rstrip("^")
    if shortened == group or not shortened:
        return (group,)
    return f"{shortened}^*", shortened


def key_words(key: str) -> list[str]:
    """The words of a key, for fuzzy matching."""
    return _WORDS.findall("^".join(name_groups(key)))


def name_matches(key: str, *, fuzzy: bool) -> Callable[[str], bool]:
    """Whether a stored name matches the key."""
    groups = name_groups(key)
    tests = [_fuzzy_test(group) if fuzzy else _test(group) for group in groups]
    if not has_several_groups(key):
        return lambda name: any(tests[0](group) for group in name_groups(name) if group)

    def by_group(name: str) -> bool:
        return all(
            test(stored) for wanted, test, stored in zip(groups, tests, name_groups(name), strict=True) if wanted
        )

    return by_group


def _group(text: str) -> str:
    return "^".join(component.strip() for component in fold(text).split("^")).rstrip("^")


def _test(group: str) -> Callable[[str], bool]:
    tests = [wildcard_test(pattern) for pattern in group_patterns(group)]
    return lambda stored: any(test(stored) for test in tests)


def _fuzzy_test(group: str) -> Callable[[str], bool]:
    tests = [wildcard_test(f"{word}*") for word in _WORDS.findall(group)]
    return lambda stored: all(any(map(test, _WORDS.findall(stored))) for test in tests)
