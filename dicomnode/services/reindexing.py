"""What the index keeps of stored instances, read anew from their files: for attributes that the configuration has added.

What a row has stays as it is; only what is missing or empty is filled in. So a node may take instances in meanwhile, and a run
that was interrupted can begin anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Final

import structlog

from dicomnode.dicom.attributes import describe
from dicomnode.dicom.instance import Attributes
from dicomnode.dicom.scan import scan
from dicomnode.errors import DicomNodeError
from dicomnode.files import Files, told
from dicomnode.index import Index

log = structlog.get_logger()

_BATCH: Final = 500


@dataclass(frozen=True, slots=True)
class Reindexed:
    """What a run did: instances read, those of them that got something, and those whose file could not be read."""

    instances: int
    changed: int
    unreadable: int


class Reindexing:
    """Reads all instances anew."""

    def __init__(self, index: Index, files: Files) -> None:
        self._index = index
        self._files = files

    def run(
        self, *, stop: Callable[[], bool] = lambda: False, progress: Callable[[int], None] | None = None
    ) -> Reindexed:
        """Fill in what is missing, a batch a transaction, in the order in which the instances came.

        Args:
            stop: asked before each batch.
            progress: called with the number of instances so far, after each batch.

        Raises:
            IndexUnavailableError: the index cannot be read or written now; what was done until then is.
        """
        started = time.monotonic()
        done = Reindexed(0, 0, 0)
        last = 0
        while not stop() and (batch := self._index.refilling.batch(last, _BATCH)):
            described = [(held, self._described(held.location)) for held in batch]
            readable = [(held, attributes) for held, attributes in described if attributes is not None]
            changed = self._index.refilling.fill(readable)
            last = batch[-1].row
            done = Reindexed(
                done.instances + len(batch), done.changed + changed, done.unreadable + len(batch) - len(readable)
            )
            if progress:
                progress(done.instances)
        log.info("index.filled", duration_ms=round((time.monotonic() - started) * 1000), **asdict(done))
        return done

    def _described(self, location: str) -> Attributes | None:
        try:
            stored = self._files.read(location)
        except DicomNodeError as error:
            log.warning("file.unreadable", location=told(location), reason=str(error))
            return None
        return describe(scan(stored.dataset, stored.meta.transfer_syntax_uid), self._index.kept)
