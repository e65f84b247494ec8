"""One data set on its way in: taken up as it comes, judged by others, then kept whole or not at all."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from dicomnode.dicom.instance import StoreRequest
from dicomnode.dicom.part10 import file_meta
from dicomnode.errors import StorageError
from dicomnode.files.buffers import Buffers, HeldBytes
from dicomnode.files.chunks import MEMORY_BYTES, Chunks
from dicomnode.files.digest import WORTH_BYTES, Digest
from dicomnode.files.folders import Folder, StudyFolders, as_name
from dicomnode.files.incoming import Incoming
from dicomnode.files.incoming_file import IncomingFile
from dicomnode.files.kept import Kept
from dicomnode.files.space import FreeSpace
from dicomnode.files.sync import storage_error

RESERVED_AT_ONCE_BYTES = 256 * 1024
PLACING_ATTEMPTS = 5
"""How often a folder may vanish under a file that is being placed in it."""


class MemoryShare(Protocol):
    """What one association may take of the memory that all associations share."""

    def reserve(self, size_bytes: int, /) -> bool:
        """Take so much; False when it is not to be had."""

    def give_back(self, size_bytes: int, /) -> None:
        """Return what was reserved."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all receptions of a process share.

    Attributes:
        helpers: threads that digest or write what is large.
        threshold_bytes: a data set that grows past this goes on in a file instead of memory.
        in_memory_only_bytes: past this it is written as it comes.
        durable: whether what is kept survives a power loss.
    """

    incoming: Incoming
    folders: StudyFolders
    space: FreeSpace
    buffers: Buffers
    helpers: Executor
    threshold_bytes: int
    in_memory_only_bytes: int
    durable: bool


class Reception:
    """Takes one data set in; used by its association's thread alone.

    Bytes stay in memory while they are not too many and memory is to be had; beyond a first few, they go to a file of their own as
    well. Nothing raises until the data set is asked for.
    """

    def __init__(self, request: StoreRequest, surroundings: Surroundings, memory: MemoryShare | None) -> None:
        self._request = request
        self._surroundings = surroundings
        self._memory = memory
        self._reserved_bytes = 0
        self._held = HeldBytes(surroundings.buffers)
        self._is_held = True
        """All that came is in memory."""
        self._spool: IncomingFile | None = None
        self._writing: Future[IncomingFile] | None = None
        """What is to be the spool, while another thread writes it."""
        self._chunks: Chunks | None = None
        """On their way into the spool, where all that came is no longer in memory."""
        self._is_complete = False
        self._is_kept = False
        """The spool is in its place: its names are no longer ours to remove."""
        self._digest = Digest(surroundings.helpers)
        self._dataset: memoryview | None = None
        self._failure: StorageError | None = None
        self._afterwards: list[Callable[[], None]] = []
        self.size_bytes = 0
        """Of the data set, as far as it came."""
        try:
            surroundings.space.check()
        except StorageError as error:
            self._failure = error

    def write(self, fragment: memoryview) -> None:
        """Take the next bytes; the buffer is reused after the call. What fails is told when the data set is asked for."""
        self.size_bytes += len(fragment)
        if self._failure is None:
            try:
                self._take(fragment)
            except (OSError, MemoryError) as error:
                self._fail(storage_error(error))

    def afterwards(self, step: Callable[[], None]) -> None:
        """Have a step done when the reception is discarded: something that the sender's answer need not wait for."""
        self._afterwards.append(step)

    def discard(self) -> None:
        """Let go of what came, a file that was kept excepted, once what is to be done afterwards is done."""
        while self._afterwards:
            self._afterwards.pop(0)()
        self._drop()

    def _drop(self) -> None:
        self._dataset = None
        self._digest.wait()
        with contextlib.suppress(OSError):
            self._finish_writing()
        if self._chunks is not None:
            self._chunks.close()
            self._chunks = None
        self._let_go_of_memory()
        if self._spool is not None:
            with contextlib.suppress(OSError):  # what cannot be removed now is removed by recovery
                self._spool.close() if self._is_kept else self._spool.remove()
            self._spool = None

    @property
    def dataset(self) -> memoryview:
        """The whole data set, until it is discarded: memory, or the mapped file.

        Raises:
            StorageError: something of it could not be written.
        """
        self._complete()
        if self._dataset is None:
            self._dataset = self._held.view() if self._is_held else self._mapped()
        return self._dataset

    @property
    def digest(self) -> bytes:
        """BLAKE3 of the data set's bytes.

        Raises:
            StorageError: something of it could not be written.
        """
        self._complete()
        if self._digest.size_bytes < self.size_bytes:
            self._digest.update(self._held.view())
        return self._digest.value()

    def keep(self, study_instance_uid: str, sop_instance_uid: str, sop_class_uid: str) -> Kept:
        """Write the data set, where that is still to do, and place it in the study's folder; durable when this returns.

        The UIDs are the data set's own, as they are: what is no UID becomes no path.

        Raises:
            StorageError: it could not be made durable; nothing of it is left.
            OutOfSpaceError: because there is no room.
        """
        self.digest  # noqa: B018 - while the disk, or another thread, is at work on the file
        try:
            self._surroundings.space.check()
            place = self._choose_place(study_instance_uid, sop_instance_uid)
            self._finish_writing()
            file = self._durable_file(self._meta(sop_class_uid, sop_instance_uid), place.incoming_path)
            place = self._put(file, place, study_instance_uid, sop_instance_uid)
        except OSError as error:
            failure = storage_error(error)
            self._fail(failure)
            raise failure from error
        if file is self._spool:
            self._is_kept = True
        else:
            file.close()
        return Kept(self._surroundings.folders, file, place.location)

    def _take(self, fragment: memoryview) -> None:
        if self._is_held and not self._fits(len(fragment)):
            self._leave_memory()
        if self._is_held:
            if self._spool is None and self._held.size_bytes + len(fragment) > self._surroundings.in_memory_only_bytes:
                self._spool = self._begun()
            if self._spool is not None:
                self._spool.write(fragment)
            self._held.append(fragment)
        elif self._chunks is not None:
            self._chunks.write(fragment)
        elif self._spool is not None:
            self._spool.write(fragment)
            self._digest.update(fragment)

    def _leave_memory(self) -> None:
        """Go on in a file: the data set is too large, or no memory is left; then not even chunks have any."""
        self._digest.begin(self._held.view())
        self._spool = self._spool or self._begun()
        self._digest.wait()
        self._is_held = False
        self._let_go_of_memory()
        if self._reserve(MEMORY_BYTES):
            self._chunks = Chunks(self._spool, self._digest, self._surroundings.buffers)

    def _fits(self, size_bytes: int) -> bool:
        wanted = self._held.size_bytes + size_bytes
        if wanted > self._surroundings.threshold_bytes:
            return False
        if self._memory is None or wanted <= self._reserved_bytes:
            return True
        more = max(wanted - self._reserved_bytes, min(RESERVED_AT_ONCE_BYTES, self._surroundings.threshold_bytes))
        return self._reserve(more)

    def _reserve(self, size_bytes: int) -> bool:
        if self._memory is not None:
            if not self._memory.reserve(size_bytes):
                return False
            self._reserved_bytes += size_bytes
        return True

    def _begun(self) -> IncomingFile:
        meta = self._meta(self._request.sop_class_uid, self._request.sop_instance_uid)
        return IncomingFile(self._surroundings.incoming.partial(), meta, self._held.view())

    def _complete(self) -> None:
        """All of it has come: have it in memory or in its file, and what takes long begun."""
        if self._failure is not None:
            raise self._failure
        if self._is_complete:
            return
        self._is_complete = True
        try:
            if self._chunks is not None:
                self._chunks.flush()
        except OSError as error:
            failure = storage_error(error)
            self._fail(failure)
            raise failure from error
        if self._spool is not None and self._surroundings.durable:
            self._spool.start_sync()
        if self._spool is not None and self._is_held:
            self._digest.begin(self._held.view())
        elif self._spool is None and self.size_bytes >= WORTH_BYTES:
            self._writing = self._surroundings.helpers.submit(self._begun)

    def _finish_writing(self) -> None:
        if self._writing is not None:
            writing, self._writing = self._writing, None
            self._spool = writing.result()

    def _mapped(self) -> memoryview:
        assert self._spool is not None
        try:
            return self._spool.map()
        except OSError as error:
            raise storage_error(error) from error

    def _let_go_of_memory(self) -> None:
        self._held.drop()
        if self._memory is not None and self._reserved_bytes:
            self._memory.give_back(self._reserved_bytes)
            self._reserved_bytes = 0

    def _fail(self, failure: StorageError) -> None:
        self._failure = failure
        self._drop()

    def _meta(self, sop_class_uid: str, sop_instance_uid: str) -> bytes:
        return file_meta(
            sop_class_uid,
            sop_instance_uid,
            self._request.transfer_syntax_uid,
            self._request.sender.calling_ae_title,
            self._request.sender.called_ae_title,
        )

    def _durable_file(self, meta: bytes, path: str) -> IncomingFile:
        """The data set behind ``meta`` in a file, synced: the spool, or one that is written now, at ``path``."""
        # A spool was begun with the UIDs of the request: a data set that names another instance is written anew.
        file = self._spool if self._spool and self._spool.meta == meta else self._written(meta, path)
        if not self._surroundings.durable:
            return file
        try:
            file.sync()
        except OSError:
            # The kernel may now count pages as clean that never reached the disk: a second sync of them would prove nothing.
            return self._synced_anew(file, meta)
        return file

    def _synced_anew(self, failed: IncomingFile, meta: bytes) -> IncomingFile:
        try:
            file = self._written(meta, self._surroundings.incoming.partial())
        finally:
            failed.remove()
        try:
            file.sync()
        except OSError:
            file.remove()
            raise
        return file

    def _written(self, meta: bytes, path: str) -> IncomingFile:
        if self._spool is None or self._is_held:
            return IncomingFile(path, meta, self.dataset)
        return self._spool.copy(path, meta, self.digest)

    def _choose_place(self, study_instance_uid: str, sop_instance_uid: str) -> _Place:
        """A folder with room, and a location in it that was never given."""
        incoming, folder = self._surroundings.incoming, self._surroundings.folders.folder_for(study_instance_uid)
        location = f"{folder.location}/{as_name(sop_instance_uid)}_{incoming.unique()}.dcm"
        return _Place(folder, location, incoming.path_for(location))

    def _put(self, file: IncomingFile, place: _Place, study_instance_uid: str, sop_instance_uid: str) -> _Place:
        """Link the file into the folder, or into another when that one vanished; its incoming name says where beforehand.

        Raises:
            OSError: it cannot be placed; the file is removed.
        """
        try:
            for _ in range(PLACING_ATTEMPTS):
                file.move(place.incoming_path)
                try:
                    self._surroundings.folders.link(file.path, place.folder, place.location)
                except FileNotFoundError:
                    place = self._choose_place(study_instance_uid, sop_instance_uid)
                else:
                    return place
            raise FileNotFoundError(errno.ENOENT, "the study's folder vanishes again and again")
        except OSError:
            file.remove()
            raise


class _Place(NamedTuple):
    """Where a file goes, and its name in ``incoming`` that says so."""

    folder: Folder
    location: str
    incoming_path: str
