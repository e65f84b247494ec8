"""Answers worklist queries: what a device is shown of what matches (PS3.4 Section K.4.1), and how many of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import structlog
from pydantic import Field

from dicomnode.dicom import status
from dicomnode.dicom.peer import OwnEntries, PeerSettings, Sender
from dicomnode.dicom.query.worklist import WorklistIdentifier
from dicomnode.dicom.step_status import WAITING
from dicomnode.dicom.worklist_attributes import SCHEDULED_STATION_AE_TITLE
from dicomnode.errors import IndexUnavailableError, TooManyMatchesError
from dicomnode.index import AnsweredQuery, Index, WorklistView
from dicomnode.services.query import Matches
from dicomnode.services.worklist.identifiers import StepEncoder, encoder_of
from dicomnode.settings import Settings

log = structlog.get_logger()


class WorklistSettings(Settings):
    """The worklist, and how queries of it are answered."""

    folder: Path | None = None
    """A folder of worklist files (``*.wl``), as wlmscpfs and Orthanc have them, maybe in subfolders: the worklist follows them.
    null for none."""
    folder_interval_s: Annotated[float, Field(ge=1, le=86_400)] = 10.0
    """Time in s after which that folder is looked at again."""
    kept_days: Annotated[int, Field(ge=0, le=36500)] = 180
    """Days after its start for which an entry is kept, finished or not; one that follows a file goes with that. 0: for ever."""
    maximum_matches: Annotated[int, Field(ge=0)] = 0
    """Entries that one query may get; past them it fails (0xA700). 0 for no limit."""
    queries_kept_hours: Annotated[int, Field(ge=0, le=876_000)] = 72
    """Hours for which queries are kept for ``dicomnode worklist explain``; 0 keeps none."""
    queries_kept: Annotated[int, Field(ge=1)] = 5000
    """Queries that are kept at most."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who asks, and what the configuration says that it is shown.

    Attributes:
        only_set: the Specific Character Set that it is known to read; empty when it reads what it asks in, and UTF-8.
        limit: entries that it is shown at most; 0 for all.
    """

    sender: Sender
    view: WorklistView
    only_set: str = ""
    limit: int = 0

    @classmethod
    def of(cls, sender: Sender, peer: PeerSettings | None, identifier: WorklistIdentifier) -> Reader:
        """What the configuration has for a peer; strangers are shown what is still to be begun."""
        if peer is None:
            return cls(sender, WorklistView(WAITING))
        asked = SCHEDULED_STATION_AE_TITLE in (identifier.step or {}) and any(
            path[-1] == SCHEDULED_STATION_AE_TITLE for path in identifier.matched()
        )
        own = peer.worklist_own_entries
        is_restricted = own is OwnEntries.ALWAYS or (own is OwnEntries.UNLESS_ASKED and not asked)
        view = WorklistView(peer.worklist_statuses, sender.calling_ae_title if is_restricted else "")
        return cls(sender, view, peer.character_set, peer.worklist_limit)


class WorklistQuery:
    """Finds what is scheduled."""

    def __init__(self, index: Index, settings: WorklistSettings) -> None:
        self._index = index
        self._settings = settings

    def find(self, identifier: WorklistIdentifier, transfer_syntax_uid: str, reader: Reader) -> Matches:
        """What matches the query, the earliest first; nothing is read before the first page is asked for.

        Raises:
            IndexUnavailableError: out of the pages.
            TooManyMatchesError: out of the pages, after as many as there may be.
        """
        encoder = encoder_of(identifier, transfer_syntax_uid, reader.only_set)
        return Matches(
            status.PENDING if identifier.is_supported else status.PENDING_WITH_UNSUPPORTED_KEYS,
            self._pages(identifier, reader, encoder),
        )

    def keep(self, query: AnsweredQuery) -> None:
        """Keep what was asked and how it ended, for `dicomnode worklist explain`; an answer never fails for it."""
        settings = self._settings
        if not settings.queries_kept_hours:
            return
        try:
            self._index.worklist_queries.record(
                query, kept_hours=settings.queries_kept_hours, kept=settings.queries_kept
            )
        except IndexUnavailableError as error:
            log.warning("worklist_query.not_kept", reason=str(error))

    def _pages(self, identifier: WorklistIdentifier, reader: Reader, encoder: StepEncoder) -> Iterator[list[bytes]]:
        matches, most = 0, self._settings.maximum_matches
        for page in self._index.worklist.find(identifier, reader.view):
            left = min((limit - matches for limit in (most, reader.limit) if limit), default=len(page))
            yield [encoder[step] for step in page[:left]]
            matches += len(page)
            if reader.limit and matches >= reader.limit:
                return
            if most and matches > most:
                raise TooManyMatchesError(f"more than {most} worklist entries match; ask for less")
