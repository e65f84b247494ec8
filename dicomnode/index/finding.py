"""What a query finds: the first few matches at once; then the other rows that match, and their values page by page."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from dicomnode.dicom.query.identifier import Identifier, Level
from dicomnode.dicom.query.model import levels_up_to
from dicomnode.index.database import Connections
from dicomnode.index.functions import in_use
from dicomnode.index.matching import Conditions, conditions_of
from dicomnode.index.places import TABLES, Places, climbed, joined

Row = tuple[str | None, ...]

_HELD: Final = ("instance.state = 'accepted'", "instance.series IS NOT NULL")
"""Only an accepted instance has a series; both are said for the indices that hold no other rows."""
_FEW: Final = 20
"""Matches of the first page, which is read at once."""
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


def few_matches(places: Places, level: Level, tags: tuple[int, ...], conditions: Conditions) -> str:
    """The statement for the first few matches, rows and their values: all that most queries have."""
    values, highest = _values(places, level, tags)
    tables = joined(level, conditions.highest) + climbed(conditions.highest, highest)
    return f"SELECT {TABLES[level]}.id{values} FROM {tables}{_where(level, conditions)} LIMIT {_FEW + 1}"  # noqa: S608 - bound


def matching_rows(level: Level, conditions: Conditions) -> str:
    """The statement for the rows that match, in the order in which they came: those that are read together lie together."""
    row, tables = f"{TABLES[level]}.id", joined(level, conditions.highest)
    # the sign keeps SQLite from reading the whole table in that order
    return f"SELECT {row} FROM {tables}{_where(level, conditions)} ORDER BY +{row}"  # noqa: S608 - bound


def values_of_rows(places: Places, level: Level, tags: tuple[int, ...]) -> str:
    """The statement for the values of some rows; it binds the rows as a JSON array."""
    values, highest = _values(places, level, tags)
    return (
        f"SELECT {values.removeprefix(', ') or 'NULL'} FROM {TABLES[level]}{climbed(level, highest)}"  # noqa: S608 - bound
        f" WHERE {TABLES[level]}.id IN (SELECT value FROM json_each(?)) ORDER BY {TABLES[level]}.id"
    )


@lru_cache(maxsize=256)
def _values(places: Places, level: Level, tags: tuple[int, ...]) -> tuple[str, Level]:
    """What a statement selects besides the row, and the highest level that it takes it from."""
    found = [place for tag in tags if (place := places.of(tag, level))]
    highest = max((place.level for place in found), key=levels_up_to(level).index, default=level)
    return "".join(f", {place.expression}" for place in found), highest


def _where(level: Level, conditions: Conditions) -> str:
    terms = (*_HELD, *conditions.terms) if level is Level.IMAGE else conditions.terms
    return f" WHERE {' AND '.join(terms)}" if terms else ""


def _pages(
    connections: Connections, places: Places, identifier: Identifier, tags: tuple[int, ...]
) -> Iterator[list[Row]]:
    level, conditions = identifier.level, conditions_of(identifier, places)
    few = _read(connections, few_matches(places, level, tags, conditions), conditions)
    first = sorted(few[:_FEW], key=itemgetter(0))
    if first:
        yield [row[1:] for row in first]
    if len(few) <= _FEW:
        return
    rows = _others(connections, matching_rows(level, conditions), conditions, {row[0] for row in first})
    text = values_of_rows(places, level, tags)
    for start in range(0, len(rows), _PAGE):
        page = json.dumps(rows[start : start + _PAGE].tolist())
        with connections.reading() as connection:
            values = connection.execute(text, (page,)).fetchall()
        if values:
            yield values if tags else [()] * len(values)


def _read(connections: Connections, text: str, conditions: Conditions) -> list[tuple[Any, ...]]:
    with in_use(conditions.matchers), connections.reading() as connection:
        return connection.execute(text, conditions.values).fetchall()


def _others(connections: Connections, text: str, conditions: Conditions, shown: set[int]) -> array[int]:
    """The rows that are not shown yet, eight bytes each: they may be millions."""
    with in_use(conditions.matchers), connections.reading() as connection:
        return array("q", (row for (row,) in connection.execute(text, conditions.values) if row not in shown))
