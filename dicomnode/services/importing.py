"""Files that lie about taken in as if they had been sent: the same judgement, the same duplicates, the same promise.

Several threads work at once, so that they share the syncs of the index (group commit) and keep the disk busy.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from enum import StrEnum
from io import FileIO
from pathlib import Path
from stat import S_ISREG
from typing import Final

import structlog
from blake3 import blake3

from dicomnode.dicom.instance import Finding, StoreRequest
from dicomnode.dicom.part10 import FileMeta
from dicomnode.dicom.scan import scan
from dicomnode.dicom.sop_class import MEDIA_STORAGE_DIRECTORY
from dicomnode.errors import DatasetError, StorageError, UnknownInstanceError
from dicomnode.files import FileInPlace, Files, is_in_place
from dicomnode.index import Index
from dicomnode.services.candidates import Candidate
from dicomnode.services.instance_files import mapped, opened, recognised, request_for
from dicomnode.services.intake import Fate, Intake
from dicomnode.services.storage import Storage

log = structlog.get_logger()

THREADS: Final = 8
"""So many share each sync; with more of them Python itself is what they wait for."""
UNKNOWN_SOURCE: Final = "IMPORT"
"""Who is said to have sent a file that does not say it itself."""

_READ_BYTES: Final = 1024 * 1024
_WAITING_PER_THREAD: Final = 8


class Mode(StrEnum):
    """What becomes of the file itself."""

    COPY = "copy"
    MOVE = "move"
    """It is removed once its content is durable in the node."""
    IN_PLACE = "in-place"
    """It is indexed where it is."""


class Outcome(StrEnum):
    """What became of a file."""

    STORED = "stored"
    ALREADY_HERE = "already here"
    QUARANTINED = "quarantined"
    REFUSED = "refused"
    FAILED = "failed"
    SKIPPED = "skipped"
    """It is no instance: another kind of file, or a DICOMDIR."""


_OUTCOMES: Final = {
    Fate.STORED: Outcome.STORED,
    Fate.RESTORED: Outcome.STORED,
    Fate.KNOWN: Outcome.ALREADY_HERE,
    Fate.HELD: Outcome.QUARANTINED,
    Fate.QUARANTINED: Outcome.QUARANTINED,
    Fate.REFUSED: Outcome.REFUSED,
}


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one file.

    Attributes:
        status: what a C-STORE of it would have been answered; None when it did not come so far.
        reason: why it failed, or what could not be done besides.
    """

    file: Path
    outcome: Outcome
    sop_instance_uid: str = ""
    status: int | None = None
    findings: tuple[Finding, ...] = ()
    reason: str = ""

    @property
    def is_well(self) -> bool:
        """Whether nobody needs to look after it."""
        return self.outcome in (Outcome.STORED, Outcome.ALREADY_HERE, Outcome.SKIPPED) and not self.reason


class Importer:
    """Takes files in, one after the other or several at once."""

    def __init__(
        self,
        *,
        storage: Storage,
        files: Files,
        index: Index,
        mode: Mode,
        durable: bool,
        called_ae_title: str,
        calling_ae_title: str | None = None,
    ) -> None:
        """Take in as ``mode`` says.

        Args:
            durable: whether a file in place has to be on the disk before it counts as stored.
            called_ae_title: our own title.
            calling_ae_title: who is said to have sent them; None for the title that each file names.
        """
        self._storage = storage
        self._files = files
        self._index = index
        self._mode = mode
        self._durable = durable
        self._called = called_ae_title
        self._calling = calling_ae_title
        self._stopped_by: StorageError | None = None

    def run(
        self, found: Iterable[Candidate], *, stop: Callable[[], bool] = lambda: False, threads: int = THREADS
    ) -> Iterator[Imported]:
        """What became of each file, in their order.

        Args:
            stop: asked before each file; when it says so, no other one is begun.

        Raises:
            StorageError: the node cannot keep anything now; what was told of is done, and the rest can be tried again.
        """
        waiting: deque[Future[Imported | None]] = deque()
        with ThreadPoolExecutor(threads) as pool:
            try:
                for candidate in found:
                    if self._stopped_by is not None or stop():
                        break
                    waiting.append(pool.submit(self._take, candidate))
                    if len(waiting) >= threads * _WAITING_PER_THREAD and (imported := waiting.popleft().result()):
                        yield imported
                while waiting:
                    if imported := waiting.popleft().result():
                        yield imported
            finally:
                for future in waiting:
                    future.cancel()
        if self._stopped_by is not None:
            raise self._stopped_by

    def _take(self, candidate: Candidate) -> Imported | None:
        """What became of a file; None when it was not tried any more."""
        if self._stopped_by is not None:
            return None
        try:
            return self._import(candidate)
        except StorageError as error:
            self._stopped_by = error
            return Imported(candidate.path, Outcome.FAILED, reason=str(error))
        except OSError as error:
            return Imported(candidate.path, Outcome.FAILED, reason=f"file cannot be read: {error.strerror}")
        except DatasetError as error:
            return Imported(candidate.path, Outcome.FAILED, reason=str(error))
        except Exception as error:  # a bug that one file comes upon keeps no other from being taken in
            log.exception("import.failed", file=str(candidate.path))
            return Imported(candidate.path, Outcome.FAILED, reason=f"internal error: {type(error).__name__}")

    def _import(self, candidate: Candidate) -> Imported:
        path = candidate.path
        with os.fdopen(opened(path), "rb", buffering=0) as file:
            status = os.fstat(file.fileno())
            head = bytearray(min(status.st_size, _READ_BYTES))
            view = memoryview(head)[: file.readinto(head) or 0]
            meta = recognised(path, view, status.st_size) if S_ISREG(status.st_mode) else None
            if meta is None or meta.sop_class_uid == MEDIA_STORAGE_DIRECTORY:
                if candidate.is_named and meta is None:
                    return Imported(path, Outcome.FAILED, reason="not a DICOM file")
                return Imported(path, Outcome.SKIPPED)
            if location := self._holds(file, meta, status.st_size):
                imported = Imported(path, Outcome.ALREADY_HERE, meta.sop_instance_uid, 0)
            else:
                request = self._request(path, meta)
                if not (meta.dataset_offset or request.sop_instance_uid or candidate.is_named):
                    return Imported(path, Outcome.SKIPPED)  # it only begins as a data set may
                intake = (
                    self._in_place(path, meta, request)
                    if self._mode is Mode.IN_PLACE
                    else self._copied(file, view, meta, request)
                )
                location = intake.location
                imported = _imported(path, request, intake)
        if self._mode is Mode.MOVE and location:
            return self._moved(imported, location, status)
        return imported

    def _holds(self, file: FileIO, meta: FileMeta, size_bytes: int) -> str:
        """Where the very bytes of the file's data set are accepted already; empty when they are not; cheaply."""
        known = self._index.instances.known(meta.sop_instance_uid) if meta.sop_instance_uid else None
        if (
            known is None
            or known.dataset_size_bytes != size_bytes - meta.dataset_offset
            or known.transfer_syntax_uid != meta.transfer_syntax_uid
            or not self._files.has(known.location, known.dataset_offset + known.dataset_size_bytes)
        ):
            return ""
        digest = blake3()
        file.seek(meta.dataset_offset)
        while piece := file.read(_READ_BYTES):
            digest.update(piece)
        if digest.digest() != known.digest:
            return ""
        self._index.sync()
        return known.location

    def _copied(self, file: FileIO, head: memoryview, meta: FileMeta, request: StoreRequest) -> Intake:
        reception = self._storage.receive(request)
        try:
            reception.write(head[meta.dataset_offset :])
            file.seek(max(len(head), meta.dataset_offset))
            while piece := file.read(_READ_BYTES):
                reception.write(memoryview(piece))
            return self._storage.take_in(request, reception)
        finally:
            reception.discard()

    def _in_place(self, path: Path, meta: FileMeta, request: StoreRequest) -> Intake:
        """Index the file under its real path, which no link leads away from later."""
        real = path.resolve()
        try:
            str(real).encode()
        except UnicodeEncodeError:
            raise DatasetError("its path is not UTF-8, so it cannot be indexed in place", 0) from None
        source = FileInPlace(real, meta.dataset_offset, durable=self._durable)
        here = self._index.instances.at(str(real))
        if here is not None and here.digest != source.digest:
            raise DatasetError("it has changed since it was indexed in place", 0)
        try:
            return self._storage.take_in(request, source)
        finally:
            source.discard()

    def _moved(self, imported: Imported, location: str, status: os.stat_result) -> Imported:
        """Remove the source of what is durable now, unless it is the very file that was indexed in place.

        Args:
            status: of the source when it was opened: what somebody has written since was not taken in.
        """
        try:
            now = imported.file.stat()
        except FileNotFoundError:  # another import has moved it
            return imported
        except OSError as error:
            return replace(imported, reason=f"the source cannot be removed: {error.strerror}")
        try:
            if _version(now) != _version(status):
                return replace(imported, reason="the source is not removed: it has changed since it was read")
            if imported.outcome is not Outcome.STORED:
                self._files.sync(location)  # who kept it before may not have waited for the disk
            if not (is_in_place(location) and imported.file.samefile(location)):
                imported.file.unlink()
        except UnknownInstanceError as error:
            return replace(imported, reason=f"the source is not removed: {error}")
        except OSError as error:
            return replace(imported, reason=f"the source cannot be removed: {error.strerror}")
        return imported

    def _request(self, path: Path, meta: FileMeta) -> StoreRequest:
        return request_for(
            meta,
            lambda: scan(memoryview(mapped(path))[meta.dataset_offset :], meta.transfer_syntax_uid),
            calling_ae_title=self._calling,
            unknown_source=UNKNOWN_SOURCE,
            called_ae_title=self._called,
        )


def _version(status: os.stat_result) -> tuple[int, ...]:
    """What differs when a file was written to, or another one was put in its place."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _imported(path: Path, request: StoreRequest, intake: Intake) -> Imported:
    return Imported(
        path,
        _OUTCOMES[intake.fate],
        request.sop_instance_uid,
        intake.answer.status,
        intake.findings,
    )
