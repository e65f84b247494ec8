"""What came in since an instant, whatever became of it: for reports on quality, and to judge it anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final

from dicomnode.dicom.instance import Finding, State
from dicomnode.dicom.peer import Sender
from dicomnode.index.database import Connections
from dicomnode.index.keys import instant, microseconds
from dicomnode.index.texts import findings_of, level_of, levels_of

_PAGE_ROWS: Final = 500
_LATE: Final = timedelta(hours=1)
"""Rows stand nearly in the order in which instances came: none came so much earlier than the row before."""
_SERIES: Final = 2
"""Place of the series' attributes among those of the higher levels."""

_ROWS: Final = """
SELECT instance.id, state, sop_instance_uid, sop_class_uid, transfer_syntax_uid, location, received_at, calling_ae_title,
    called_ae_title, address, peer, rule_set, findings, series.attributes, higher_attributes, instance.attributes
FROM instance LEFT JOIN series ON instance.series = series.id
WHERE instance.id > :after AND received_at >= :since AND (:ae = '' OR calling_ae_title = :ae)
ORDER BY instance.id LIMIT :limit
"""
_FIRST_FROM: Final = "SELECT received_at FROM instance WHERE id >= ? ORDER BY id LIMIT 1"
_LAST: Final = "SELECT coalesce(max(id), 0) FROM instance"
_COUNT: Final = """
SELECT count(*), coalesce(sum(instr(findings, :rule) > 0), 0), max(CASE WHEN instr(findings, :rule) THEN received_at END)
FROM instance WHERE id > :after AND received_at >= :since
"""
_OLDER_SERIES: Final = """
SELECT attributes FROM series
WHERE (SELECT received_at FROM instance WHERE instance.series = series.id ORDER BY instance.id LIMIT 1) < ?
"""


@dataclass(frozen=True, slots=True)
class ReceivedRow:
    """One instance as it came, and as it was judged then.

    Attributes:
        location: None when nothing of it was kept, or nothing is left.
        series: what the index keeps of its series: device, protocol ...; empty of one that was refused.
        instance: what the index keeps of itself.
    """

    state: State
    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    location: str | None
    received_at: datetime
    sender: Sender
    rule_set: str
    findings: tuple[Finding, ...]
    series: Mapping[int, str]
    instance: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Fired:
    """How often a rule found something.

    Attributes:
        instances: that came in the time looked at, and ``found`` those of them in which it did.
        last_at: when the last of these came; None when there is none.
    """

    instances: int
    found: int
    last_at: datetime | None


class Receptions:
    """Looks back at what came."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def since(self, moment: datetime, *, calling_ae_title: str = "") -> Iterator[ReceivedRow]:
        """The instances that came then or later, about in their order; read a page at a time.

        Args:
            calling_ae_title: only those that this one sent.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        key = {
            "since": microseconds(moment),
            "ae": calling_ae_title,
            "limit": _PAGE_ROWS,
            "after": self._before(moment),
        }
        while True:
            with self._connections.reading() as connection:
                rows = connection.execute(_ROWS, key).fetchall()
            yield from map(_received, rows)
            if len(rows) < _PAGE_ROWS:
                return
            key["after"] = rows[-1][0]

    def fired(self, rule: str, moment: datetime) -> Fired:
        """How often ``rule`` found something in what came then or later.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        key = {"since": microseconds(moment), "after": self._before(moment), "rule": f'["{rule}",'}
        with self._connections.reading() as connection:
            instances, found, last = connection.execute(_COUNT, key).fetchone()
        return Fired(instances, found, None if last is None else instant(last))

    def series_before(self, moment: datetime) -> Iterator[Mapping[int, str]]:
        """What the index keeps of each series that began to come before.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        with self._connections.reading() as connection:
            rows = connection.execute(_OLDER_SERIES, (microseconds(moment),)).fetchall()
        for (text,) in rows:
            yield _level(text)

    def _before(self, moment: datetime) -> int:
        """A row up to which nothing came then or later."""
        since = microseconds(moment - _LATE)
        with self._connections.reading() as connection:
            (high,) = connection.execute(_LAST).fetchone()
            low = 0
            while low < high:
                middle = (low + high + 1) // 2
                if _came(connection, middle) < since:
                    low = middle
                else:
                    high = middle - 1
        return low


def _came(connection: sqlite3.Connection, row: int) -> int:
    """When the instance of this row, or of the next one that is left, came."""
    (received_at,) = connection.execute(_FIRST_FROM, (row,)).fetchone()
    return int(received_at)


def _received(row: tuple[Any, ...]) -> ReceivedRow:
    _, state, instance_uid, class_uid, syntax_uid, location, received_at, calling, called, address, peer = row[:11]
    rule_set, findings, series, higher, attributes = row[11:]
    return ReceivedRow(
        State(state),
        instance_uid,
        class_uid,
        syntax_uid,
        location,
        instant(received_at),
        Sender(calling, called, address, peer),
        rule_set,
        _findings(findings),
        _series_level(series, higher),
        level_of(attributes),
    )


def _series_level(series: str | None, higher: str | None) -> Mapping[int, str]:
    if series is not None:
        return _level(series)
    return levels_of(higher)[_SERIES] if higher is not None else {}


@lru_cache(maxsize=1024)
def _level(text: str) -> Mapping[int, str]:
    """Read once a series; not to be changed."""
    return level_of(text)


@lru_cache(maxsize=1024)
def _findings(text: str) -> tuple[Finding, ...]:
    return findings_of(text)
