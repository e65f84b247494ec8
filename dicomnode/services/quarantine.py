"""What becomes of the instances that were held back: a person lets them in, or decides against them; both are recorded."""

from __future__ import annotations

from collections.abc import Iterator

import structlog

from dicomnode.files import Files
from dicomnode.index import Index, QuarantineEntry

log = structlog.get_logger()


class Quarantine:
    """The decisions on held back instances."""

    def __init__(self, index: Index, files: Files) -> None:
        self._index = index
        self._files = files

    def list(self) -> Iterator[QuarantineEntry]:
        """What waits for a decision, the oldest first."""
        return self._index.quarantine.list()

    def release(self, entry: int, *, reason: str, by: str) -> QuarantineEntry:
        """Let an instance in: queries find it from now on.

        Raises:
            UnknownInstanceError: there is no such entry, or another instance with its UID was accepted.
            IndexUnavailableError: the index cannot be written now.
        """
        released = self._index.quarantine.release(entry, reason=reason, by=by)
        log.info("instance.released", sop_instance_uid=released.sop_instance_uid, entry=entry, reason=reason, by=by)
        return released

    def discard(self, entry: int, *, reason: str, by: str) -> QuarantineEntry:
        """Decide against an instance: its file goes, its row stays as the record.

        The row changes first: never a row without its file.

        Raises:
            UnknownInstanceError: there is no such entry.
            IndexUnavailableError: the index cannot be written now.
            StorageError: its file cannot be removed; the next start does it if the instance is discarded.
        """
        with self._files.removing(self._index.quarantine.get(entry).location):
            discarded = self._index.quarantine.discard(entry, reason=reason, by=by)
        log.info("instance.discarded", sop_instance_uid=discarded.sop_instance_uid, entry=entry, reason=reason, by=by)
        return discarded
