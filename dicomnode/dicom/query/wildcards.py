"""``*`` and ``?`` in keys (PS3.4 Section C.2.2.2.4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import translate


def has_wildcard(value: str) -> bool:
    """Whether a key's value stands for more than itself."""
    return "*" in value or "?" in value


def as_glob(value: str) -> str:
    """The same pattern as GLOB reads it, where a bracket would begin a set of characters."""
    return value.replace("[", "[[]")


def wildcard_test(value: str) -> Callable[[str], bool]:
    """Whether a text as a whole fits ``value``, in time that grows with both lengths and not with the number of wildcards."""
    pattern = re.compile(translate(as_glob(value)))
    return lambda text: pattern.match(text) is not None
