"""Regular expressions of a site's rules: matched by RE2, whose time is bounded by pattern and value, whatever a sender makes up."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Final

import re2

_MAX_MEMORY_BYTES: Final = 1 << 20
"""For one compiled pattern; a few nested counts ask for more than any rule needs."""
_REMEMBERED: Final = 128
"""Values of which a pattern remembers whether they match: those of a series are nearly all the same."""


def compile_pattern(text: str) -> Callable[[str], bool]:
    """Whether a whole value matches ``text``, a regular expression in RE2's syntax.

    Raises:
        ValueError: it is none: look-around and references back are not known, for no bound could be given.
    """
    options = re2.Options()
    options.max_mem = _MAX_MEMORY_BYTES
    options.never_capture = True
    options.log_errors = False
    try:
        match = re2.compile(text, options).fullmatch
    except re2.error as error:
        [reason] = error.args
        told = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(f"is no pattern: {told} (RE2's syntax: no look-around, no references back)") from None

    @lru_cache(maxsize=_REMEMBERED)
    def matches(value: str) -> bool:
        return match(value) is not None

    return matches
