"""What the node holds, as Identifiers of C-FIND responses (PS3.4 Section C.4.1.1.3.2).

A response has what was asked for as far as the index keeps it, the level, the unique keys of the levels above, and where to
retrieve from. Its text is in the one character set that the peer is known to read; else in the request's, where that has all of
its characters; else in UTF-8. It is labelled accordingly.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final

from pydantic import Field

from dicomnode.dicom import status
from dicomnode.dicom.character_sets import CharacterSet, character_set
from dicomnode.dicom.encode import Encoding
from dicomnode.dicom.encode_rows import RowEncoder, Shape
from dicomnode.dicom.query.identifier import Identifier, Key
from dicomnode.dicom.query.model import UNIQUE_KEYS
from dicomnode.dicom.scanned import SPECIFIC_CHARACTER_SET
from dicomnode.dicom.tags import QUERY_RETRIEVE_LEVEL, TIMEZONE_OFFSET
from dicomnode.errors import TooManyMatchesError
from dicomnode.index import Found, Index
from dicomnode.settings import Settings

_RETRIEVE_AE_TITLE: Final = 0x00080054
_INSTANCE_AVAILABILITY: Final = 0x00080056

_ONLINE: Final = "ONLINE"
_UTF8: Final = character_set("ISO_IR 192")
_SHAPES: Final = 32
"""Kinds of queries (keys, transfer syntax, character set) whose encoders are kept."""


class QuerySettings(Settings):
    """How queries are answered."""

    maximum_matches: Annotated[int, Field(ge=0)] = 0
    """Matches that one query may get; past them it fails (0xA700), so that nobody takes a part for the whole. 0 for no limit."""


@dataclass(frozen=True, slots=True)
class Matches:
    """The matches of a query.

    Attributes:
        status: of the Pending responses: whether all keys of the request are supported.
        pages: encoded Identifiers; read from the index as they are asked for.
    """

    status: int
    pages: Iterator[list[bytes]]


class Query:
    """Finds what the node holds."""

    def __init__(self, index: Index, settings: QuerySettings, *, retrieve_ae_title: str) -> None:
        self._index = index
        self._maximum = settings.maximum_matches
        self._retrieve_ae_title = retrieve_ae_title

    def find(self, identifier: Identifier, transfer_syntax_uid: str, *, only_set: str = "") -> Matches:
        """What matches the query; nothing is read before the first page is asked for.

        Args:
            only_set: the Specific Character Set that the peer is known to read; empty when it reads what it asks in, and UTF-8.

        Raises:
            IndexUnavailableError: also out of the pages.
            TooManyMatchesError: out of the pages, after as many as there may be.
        """
        constants = self._constants(identifier)
        asked = identifier.keys.keys() - constants.keys() - {TIMEZONE_OFFSET}  # says how the times are meant; no key
        found = self._index.find(identifier, sorted(asked | _unique_keys_above(identifier)))
        shape = _shape(identifier.keys, found.tags)

        def encoder(chosen: CharacterSet, *, transliterates: bool = False) -> RowEncoder:
            encoding = Encoding.of(transfer_syntax_uid, chosen, transliterates=transliterates)
            return _encoder(found.tags, tuple(_labelled(constants, chosen)), encoding, shape)

        preferred = (
            encoder(character_set(only_set), transliterates=True) if only_set else encoder(identifier.character_set)
        )
        is_supported = asked <= set(found.tags)
        return Matches(
            status.PENDING if is_supported else status.PENDING_WITH_UNSUPPORTED_KEYS,
            self._pages(found, preferred, in_utf8=lambda: encoder(_UTF8)),
        )

    def _constants(self, identifier: Identifier) -> dict[int, str]:
        """Elements that are the same in all responses."""
        constants = {
            QUERY_RETRIEVE_LEVEL: str(identifier.level),
            _RETRIEVE_AE_TITLE: self._retrieve_ae_title,
        }
        if _INSTANCE_AVAILABILITY in identifier.keys:
            constants[_INSTANCE_AVAILABILITY] = _ONLINE
        return constants

    def _pages(self, found: Found, encoder: RowEncoder, in_utf8: Callable[[], RowEncoder]) -> Iterator[list[bytes]]:
        matches = 0
        for rows in found.pages:
            left = self._maximum - matches if self._maximum else len(rows)
            yield [
                dataset if dataset is not None else _expressed(in_utf8(), row)
                for row, dataset in zip(rows, encoder(rows[:left]), strict=False)
            ]
            if len(rows) > left:
                raise TooManyMatchesError(f"more than {self._maximum} matches; ask for less")
            matches += len(rows)


def _expressed(in_utf8: RowEncoder, row: tuple[str | None, ...]) -> bytes:
    [dataset] = in_utf8([row])
    assert dataset is not None, "UTF-8 has every character"
    return dataset


@lru_cache(maxsize=_SHAPES)
def _encoder(
    tags: tuple[int, ...], constants: tuple[tuple[int, str], ...], encoding: Encoding, shape: Shape
) -> RowEncoder:
    return RowEncoder(tags, dict(constants), encoding, shape)


def _labelled(constants: Mapping[int, str], chosen: CharacterSet) -> Iterator[tuple[int, str]]:
    """The constants, with Specific Character Set where one is needed."""
    if chosen.label:
        yield SPECIFIC_CHARACTER_SET, chosen.label
    yield from constants.items()


def _unique_keys_above(identifier: Identifier) -> set[int]:
    levels = identifier.model.levels
    return {UNIQUE_KEYS[level] for level in levels[: levels.index(identifier.level)]}


def _shape(keys: Mapping[int, Key], tags: Collection[int]) -> Shape:
    """What is wanted of the items of sequences: as with every data set, what the request names (PS3.4 Section C.2.2.2.6)."""
    asked = ((tag, key.items) for tag in tags if (key := keys.get(tag)) is not None and key.items)
    return tuple((tag, item_shape(item)) for tag, (item, *_) in asked)


def item_shape(item: Mapping[int, Key]) -> Shape:
    """What is wanted of an item: nothing means all of it."""
    return tuple((tag, item_shape(key.items[0]) if key.items else ()) for tag, key in item.items())
