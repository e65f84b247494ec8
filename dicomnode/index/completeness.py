"""Which studies are complete and which are not, as the index knows from their growth."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from dicomnode.index.database import Connections
from dicomnode.index.growth import (
    COUNT_AWAITED,
    IN_PROGRESS,
    CompleteStudy,
    Source,
    completed,
    due_studies,
    ends,
    grow,
    moments,
)
from dicomnode.index.keys import instant
from dicomnode.index.writer import Writer

_MOST_NAMED: Final = 10_000
"""Missing instances of one study that are read."""


class Waiting(StrEnum):
    """What a study that is not complete waits for."""

    INSTANCES = "instances"
    """Instances that were announced."""
    PERFORMED_STEP = "performed-step"
    """The end of a performed step that is in progress."""
    SILENCE = "silence"
    """Nothing announced its instances; it is complete when no more come for a while."""
    NOTHING = "nothing"
    """Instances that were announced never came; it was taken for complete without them."""


@dataclass(frozen=True, slots=True)
class IncompleteStudy:
    """A study that is not complete.

    Attributes:
        last_received_at: None when nothing of it is here.
        announced: how many instances were announced; 0 when nothing was.
        missing: SOP Instance UIDs of those that are not here; of very many only the first.
    """

    study_instance_uid: str
    waits_for: Waiting
    last_received_at: datetime | None
    announced: int
    missing: tuple[str, ...]


_OPEN: Final = f"""
SELECT study_instance_uid, last_received_at, announced, is_given_up, {IN_PROGRESS} FROM study_growth
ORDER BY study_instance_uid
"""  # noqa: S608 - spelled out above
_AWAITED: Final = (
    "SELECT sop_instance_uid FROM awaited_instance WHERE study_instance_uid = ? ORDER BY sop_instance_uid LIMIT ?"
)


class Completeness:
    """What is complete and what is not; every method raises IndexUnavailableError when the index cannot be read or written."""

    def __init__(self, connections: Connections, writer: Writer) -> None:
        self._connections = connections
        self._writer = writer

    def look(self, silence: timedelta, give_up: timedelta = timedelta.max) -> list[CompleteStudy]:
        """The studies that are complete since the last look; recorded, and what follows is owed.

        It reads two numbers and the open studies; it only writes when something came, or a study is complete.

        Args:
            silence: how long nothing has to come for a study of which nothing else is known.
            give_up: after how long without anything new a study is taken for complete without what it lacks.
        """
        with self._connections.reading() as connection:
            mark, last = ends(connection)
            if mark == last and not due_studies(connection, silence, give_up):
                return []

        def work(connection: sqlite3.Connection) -> list[CompleteStudy] | None:
            if not grow(connection):
                return None
            return list(completed(connection, due_studies(connection, silence, give_up)))

        while (complete := self._writer.run(work)) is None:
            pass  # others may write in between
        return complete

    def incomplete(self) -> Iterator[IncompleteStudy]:
        """The studies that are not complete as of the last look, each with what it waits for."""
        with self._connections.reading() as connection:
            rows = connection.execute(_OPEN, moments()).fetchall()
        for study, last_received_at, announced, is_given_up, in_progress in rows:
            with self._connections.reading() as connection:
                missing = tuple(uid for (uid,) in connection.execute(_AWAITED, (study, _MOST_NAMED)))
            waits_for = Waiting.INSTANCES if missing else Waiting.SILENCE
            if in_progress:
                waits_for = Waiting.PERFORMED_STEP
            elif is_given_up:
                waits_for = Waiting.NOTHING
            received = instant(last_received_at) if last_received_at else None
            yield IncompleteStudy(study, waits_for, received, announced, missing)

    def awaited(self, study_instance_uid: str) -> int:
        """How many instances of the study were announced and are not here, as of the last look."""
        with self._connections.reading() as connection:
            (count,) = connection.execute(COUNT_AWAITED, (study_instance_uid,)).fetchone()
        return int(count)

    def rounds(self, study_instance_uid: str) -> list[tuple[datetime, Source]]:
        """When the study was complete, and what said so; the first time first."""
        with self._connections.reading() as connection:
            rows = connection.execute(
                "SELECT at, source FROM study_completion WHERE study_instance_uid = ? ORDER BY round",
                (study_instance_uid,),
            ).fetchall()
        return [(instant(at), Source(source)) for at, source in rows]
