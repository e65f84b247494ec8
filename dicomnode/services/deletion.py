"""Taking accepted instances out of the archive, for good: rows first, then files, a batch after the other.

A batch's rows are on the disk as deleted before the first of its files goes, and say where these are until the last has gone. So a
crash leaves neither a row without its file nor a file that nobody knows of: `finish` does the rest, at the next start at the
latest.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import structlog

from dicomnode.files import remove_files
from dicomnode.index import Holding, Index, RemovedInstance, Scope

log = structlog.get_logger()

_FIRST_BATCH: Final = 16
"""Few, so that it fits into what little room a full disk may have; once its files are gone there is more."""
_BATCH: Final = 512


@dataclass(frozen=True, slots=True)
class Deleted:
    """What was deleted; ``size_bytes`` of data sets."""

    instances: int
    size_bytes: int


class Deletion:
    """Deletes what a person names."""

    def __init__(self, index: Index, root: Path) -> None:
        """Work on the files below ``root``. The index must be opened with full durability: files go for good."""
        self._index = index
        self._root = root

    def holding(self, scope: Scope) -> Holding:
        """What `delete` would delete.

        Raises:
            UnknownInstanceError: nothing is held of it.
            IndexUnavailableError: the index cannot be read.
        """
        return self._index.removal.holding(scope)

    def delete(
        self, holding: Holding, *, reason: str, by: str, progress: Callable[[int], None] | None = None
    ) -> Deleted:
        """Delete the accepted instances of ``holding``; those that came after it was asked for stay.

        Args:
            by: the person's user name.
            progress: called with the number of instances deleted so far, after each batch.

        Raises:
            IndexUnavailableError: the index cannot be written now; what was deleted until then is.
            StorageError: files cannot be removed; `finish` tries again.
        """
        started = time.monotonic()
        instances = size_bytes = 0
        limit = _FIRST_BATCH
        try:
            while removed := self._index.removal.remove(holding, limit=limit, reason=reason, by=by):
                instances += len(removed)
                size_bytes += sum(instance.dataset_size_bytes for instance in removed)
                self._remove_files(removed)
                limit = min(2 * limit, _BATCH)
                if progress is not None:
                    progress(instances)
        finally:
            log.info(
                "instance.deleted",
                query_level=holding.scope.level,
                **{field: uid for field, uid in asdict(holding.scope).items() if uid},
                instances=instances,
                of=holding.instances,
                size_bytes=size_bytes,
                reason=reason,
                by=by,
                duration_ms=round((time.monotonic() - started) * 1000, 2),
            )
        return Deleted(instances, size_bytes)

    def finish(self) -> int:
        """Remove what deletions that were cut short have left; how many files.

        Raises:
            IndexUnavailableError: the index cannot be read or written now.
            StorageError: files cannot be removed.
        """
        count = 0
        while left := self._index.removal.unfinished(_BATCH):
            self._remove_files(left)
            count += len(left)
        return count

    def _remove_files(self, removed: Sequence[RemovedInstance]) -> None:
        locations = [instance.location for instance in removed if instance.location is not None]
        if locations:
            remove_files(self._root, locations)
            self._index.removal.finished(removed)
