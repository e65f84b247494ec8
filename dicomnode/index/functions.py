"""A function of our own in SQL: ``matches(token, value)``, for comparisons that SQL does not know."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from dicomnode.dicom.query.matching import Matcher

_tokens: Final = itertools.count(1)
_in_use: Final[dict[int, Matcher]] = {}
"""Those of the statements that run; a statement binds the token, so that its text stays the same for all queries of its kind."""


def new_token() -> int:
    """A number that no other matcher of this process has."""
    return next(_tokens)


@contextmanager
def in_use(matchers: Mapping[int, Matcher]) -> Iterator[None]:
    """Lets SQL call ``matchers`` by their tokens."""
    _in_use.update(matchers)
    try:
        yield
    finally:
        for token in matchers:
            del _in_use[token]


def install(connection: sqlite3.Connection) -> None:
    """Make the function known to a connection."""
    connection.create_function("matches", 2, _matches, deterministic=True)


def _matches(token: int, value: str | None) -> bool:
    return _in_use[token](value)
