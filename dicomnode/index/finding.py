"""What a query finds: first the rows that match, then their values page by page."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from dicomnode.dicom.identifier import Identifier, Level
from dicomnode.dicom.query_model import levels_up_to
from dicomnode.index.database import Connections
from dicomnode.index.functions import in_use
from dicomnode.index.matching import Conditions, conditions_of
from dicomnode.index.places import TABLES, Places, climbed, joined

Row = tuple[str | None, ...]

_HELD: Final = ("instance.state = 'accepted'", "instance.series IS NOT NULL")
"""Only an accepted instance has a series; both are said for the indices that hold no other rows."""
_FIRST_PAGE: Final = 20
_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Found:
    """The matches of a query.

    Attributes:
        tags: what the index can return of what was asked for, in rising order.
        pages: rows aligned with ``tags``: text, several values joined by backslashes, a sequence as DICOM JSON text; None for an
            absent attribute, ``""`` for one without a value (or absent). Read as they are asked for, and no transaction stays open
            between them. The first page is small.
    """

    tags: tuple[int, ...]
    pages: Iterator[list[Row]]


def find(connections: Connections, places: Places, identifier: Identifier, return_tags: Sequence[int]) -> Found:
    """What matches the query; `IndexUnavailableError` comes out of ``pages``."""
    tags = tuple(sorted(tag for tag in set(return_tags) if places.of(tag, identifier.level)))
    return Found(tags, _pages(connections, places, identifier, tags))


def matching_rows(level: Level, conditions: Conditions) -> str:
    """The statement for the rows that match; it binds the conditions' values."""
    text = f"SELECT {TABLES[level]}.id FROM {joined(level, conditions.highest)}"  # noqa: S608 - names of ours; values are bound
    terms = (*_HELD, *conditions.terms) if level is Level.IMAGE else conditions.terms
    return f"{text} WHERE {' AND '.join(terms)}" if terms else text


@lru_cache(maxsize=256)
def values_of_rows(places: Places, level: Level, tags: tuple[int, ...]) -> str:
    """The statement for the values of some rows; it binds them as a JSON array."""
    found = [place for tag in tags if (place := places.of(tag, level))]
    selected = ", ".join(place.expression for place in found) or "NULL"
    highest = max((place.level for place in found), key=levels_up_to(level).index, default=level)
    return (
        f"SELECT {selected} FROM {climbed(level, highest)}"  # noqa: S608 - names of ours
        f" WHERE {TABLES[level]}.id IN (SELECT value FROM json_each(?)) ORDER BY {TABLES[level]}.id"
    )


def _pages(
    connections: Connections, places: Places, identifier: Identifier, tags: tuple[int, ...]
) -> Iterator[list[Row]]:
    level = identifier.level
    keys = _matches(connections, level, conditions_of(identifier, places))
    text = values_of_rows(places, level, tags)
    start, size = 0, _FIRST_PAGE
    while start < len(keys):
        page = json.dumps(keys[start : start + size].tolist())
        with connections.reading() as connection:
            rows = connection.execute(text, (page,)).fetchall()
        if rows:
            yield rows if tags else [()] * len(rows)
        start, size = start + size, _PAGE


def _matches(connections: Connections, level: Level, conditions: Conditions) -> array[int]:
    """The rows that match, in the order in which they came."""
    with in_use(conditions.matchers), connections.reading() as connection:
        found = connection.execute(matching_rows(level, conditions), conditions.values).fetchall()
    return array("q", sorted(key for (key,) in found))
