"""What was asked of the worklist, for a while: so that somebody can find out why a scanner's list is empty.

A scanner asks every minute. Each new record takes up to two of the oldest with it when they are past their time or too many, so
that no clock is needed for it. Of a query only the keys that select are kept; entries are compared when somebody asks.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from dicomnode.dicom.character_sets import DEFAULT_REPERTOIRE
from dicomnode.dicom.procedure import StepStatus
from dicomnode.dicom.query.keys import Key
from dicomnode.dicom.query.model import QueryOptions
from dicomnode.dicom.query.worklist import WorklistIdentifier
from dicomnode.dicom.value_representation import dictionary_vr
from dicomnode.index.database import Connections
from dicomnode.index.keys import instant, microseconds
from dicomnode.index.schema.statements import insert_into
from dicomnode.index.schema.worklist import WorklistQuery
from dicomnode.index.worklist.finding import Explanation, WorklistView, explain
from dicomnode.index.writer import Writer

_LONGEST_KEYS: Final = 8 << 10
"""Characters of a query's keys as JSON; of longer ones nothing is kept but that they were there."""
_REMOVED_WITH_EACH: Final = 2
_INSERT: Final = insert_into(WorklistQuery)
_REMOVE_OLD: Final = """
DELETE FROM worklist_query WHERE id IN (
    SELECT id FROM worklist_query WHERE at < :before OR id <= (SELECT max(id) FROM worklist_query) - :kept ORDER BY id LIMIT :count)
"""
_KEPT: Final = """
SELECT id, at, calling_ae_title, peer, keys, shown, matches, status, reason FROM worklist_query
WHERE (:ae_title = '' OR calling_ae_title = :ae_title) ORDER BY id DESC LIMIT :count
"""


@dataclass(frozen=True, slots=True)
class AnsweredQuery:
    """A worklist query and its outcome.

    Attributes:
        identifier: with the keys that selected; None when it could not be understood, or was too long to be kept.
        view: what the peer was shown.
        status: of the final response.
        reason: why it failed; empty when it did not.
    """

    at: datetime
    calling_ae_title: str
    peer: str | None
    identifier: WorklistIdentifier | None
    view: WorklistView
    matches: int
    status: int
    reason: str = ""


class WorklistQueries:
    """The queries of the last hours."""

    def __init__(self, connections: Connections, writer: Writer) -> None:
        self._connections = connections
        self._writer = writer

    def record(self, query: AnsweredQuery, *, kept_hours: int, kept: int) -> None:
        """Keep a query. Nobody is promised this record, so nobody waits until it is on the disk.

        Args:
            kept_hours: how long one is kept.
            kept: how many are kept at most.

        Raises:
            IndexUnavailableError: it could not be written.
        """
        row = {
            "at": microseconds(query.at),
            "calling_ae_title": query.calling_ae_title,
            "peer": query.peer,
            "keys": _keys_text(query.identifier),
            "shown": json.dumps({"statuses": query.view.statuses, "ae_title": query.view.ae_title}),
            "matches": query.matches,
            "status": query.status,
            "reason": query.reason,
        }
        old = {
            "before": microseconds(query.at - timedelta(hours=kept_hours)),
            "kept": kept,
            "count": _REMOVED_WITH_EACH,
        }

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(_INSERT, row)
            connection.execute(_REMOVE_OLD, old)

        self._writer.note(work)

    def latest(self, ae_title: str = "", *, count: int = 1) -> list[AnsweredQuery]:
        """The last queries, the newest first; of one calling AE title when one is given.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        with self._connections.reading() as connection:
            rows = connection.execute(_KEPT, {"ae_title": ae_title, "count": count}).fetchall()
        return [_query(*row[1:]) for row in rows]

    def explain(self, query: AnsweredQuery) -> Explanation | None:
        """How the entries of now compare with a query; None when its keys were not kept.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        return explain(self._connections, query.identifier, query.view) if query.identifier else None


def _keys_text(identifier: WorklistIdentifier | None) -> str:
    if identifier is None:
        return ""
    selecting = {
        "fuzzy": identifier.options.fuzzy,
        "keys": _written(identifier.keys),
        "step": _written(identifier.step or {}),
    }
    text = json.dumps(selecting, ensure_ascii=False, separators=(",", ":"))
    return text if len(text) <= _LONGEST_KEYS else ""


def _written(keys: Mapping[int, Key]) -> dict[str, Any]:
    return {
        f"{tag:08X}": list(key.values) if key.items is None else [_written(item) for item in key.items]
        for tag, key in keys.items()
        if not key.is_universal
    }


def _read(keys: Mapping[str, Any]) -> Iterator[tuple[int, Key]]:
    for name, values in keys.items():
        tag = int(name, 16)
        vr = dictionary_vr(tag).decode("ascii")
        if vr == "SQ":
            yield tag, Key(tag, vr, items=tuple(MappingProxyType(dict(_read(item))) for item in values))
        else:
            yield tag, Key(tag, vr, tuple(values))


def _query(
    at: int, calling_ae_title: str, peer: str | None, keys: str, shown: str, matches: int, status: int, reason: str
) -> AnsweredQuery:
    view = json.loads(shown)
    identifier = None
    if keys:
        kept = json.loads(keys)
        identifier = WorklistIdentifier(
            MappingProxyType(dict(_read(kept["keys"]))),
            MappingProxyType(dict(_read(kept["step"]))),
            DEFAULT_REPERTOIRE,
            QueryOptions(combined_datetime=True, fuzzy=kept["fuzzy"]),
        )
    return AnsweredQuery(
        instant(at),
        calling_ae_title,
        peer,
        identifier,
        WorklistView(tuple(map(StepStatus, view["statuses"])), view["ae_title"]),
        matches,
        status,
        reason,
    )
