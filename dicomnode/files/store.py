"""The files that the node keeps: received, placed, read, removed."""

from __future__ import annotations

import contextlib
import mmap
import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from blake3 import blake3

from dicomnode.dicom.instance import StoreRequest
from dicomnode.dicom.part10 import FileMeta, read_file_meta
from dicomnode.errors import DatasetError, StorageError, UnknownInstanceError
from dicomnode.files.buffers import Buffers
from dicomnode.files.folders import StudyFolders
from dicomnode.files.in_place import is_in_place, sync_in_place, told
from dicomnode.files.incoming import Incoming
from dicomnode.files.reception import MemoryShare, Reception, Surroundings
from dicomnode.files.settings import FilesSettings
from dicomnode.files.space import FreeSpace
from dicomnode.files.sync import storage_error, sync_folder

DIGEST_ALGORITHM: Final = "blake3"
INCOMING_NAME: Final = "incoming"
"""The folder of unfinished work, beside the folder of files: on the same file system."""
READ_BYTES = 1024 * 1024
WRITTEN_AS_IT_COMES_BYTES = 64 * 1024
"""A data set that grows past this is written while the rest is on its way if it is to be durable: then the disk is at work before
it is waited for. Without a sync to wait for, one write of all is cheaper."""


def remove_files(root: Path, locations: Iterable[str]) -> None:
    """Remove files below ``root`` that no row needs any more; gone for good when this returns. Those that are gone are no error.

    Raises:
        StorageError: one cannot be removed, or the folder itself is not there: its disk may be back later.
    """
    if not root.is_dir():
        raise StorageError("files cannot be removed: the folder of files is not there")
    try:
        StudyFolders(root, durable=True).remove_all(locations)
    except OSError as error:
        raise StorageError(f"files cannot be removed: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class StoredDataset:
    """A kept data set, mapped until nobody holds it any more; it stays readable when its file is removed.

    Attributes:
        meta: what the file's head says.
        dataset: its bytes.
    """

    meta: FileMeta
    dataset: memoryview


class Files:
    """The folder of files as one process uses it; its threads may call at the same time."""

    def __init__(self, root: Path, process: str, settings: FilesSettings, *, durable: bool) -> None:
        """Make the folders that are missing, and take one for this process's unfinished work.

        Args:
            root: the folder of files.
            process: names this process in ``incoming``; need not be unique.
            durable: whether what is kept survives a power loss, not just the end of this process.

        Raises:
            StorageError: a folder cannot be made.
        """
        self._durable = durable
        try:
            self._folders = StudyFolders(root, durable=durable)
            self._incoming = Incoming(root.parent / INCOMING_NAME, process, durable=durable)
        except OSError as error:
            raise storage_error(error) from error
        threshold_bytes = settings.spool_threshold_bytes
        self._helpers = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="digest")
        self._surroundings = Surroundings(
            self._incoming,
            self._folders,
            FreeSpace(root, settings.free_space_floor_bytes),
            Buffers(),
            self._helpers,
            threshold_bytes,
            WRITTEN_AS_IT_COMES_BYTES if durable else threshold_bytes,
            durable,
        )

    def receive(self, request: StoreRequest, memory: MemoryShare | None = None) -> Reception:
        """Where the bytes of the data set of ``request`` go; never raises, what fails is told when the data set is asked for.

        Args:
            memory: what the association may take of the memory for all associations; None for as much as it needs.
        """
        return Reception(request, self._surroundings, memory)

    def read(self, location: str) -> StoredDataset:
        """The data set at ``location``.

        Raises:
            UnknownInstanceError: there is no such file.
            StorageError: it cannot be read, or is damaged.
        """
        try:
            with self.path(location).open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            meta = read_file_meta(mapped)
        except FileNotFoundError:
            raise UnknownInstanceError(f"no file at {told(location)}") from None
        except (OSError, ValueError, DatasetError) as error:  # an empty file cannot be mapped
            raise StorageError(f"file cannot be read: {told(location)}: {_why(error)}") from error
        return StoredDataset(meta, memoryview(mapped)[meta.dataset_offset :])

    def dataset(self, location: str, offset: int, size_bytes: int) -> memoryview:
        """The data set that begins at ``offset`` of the file at ``location``, mapped; the head of the file is not looked at.

        Raises:
            UnknownInstanceError: there is no such file.
            StorageError: it cannot be read, or does not end where the data set does.
        """
        try:
            descriptor = os.open(self.path(location), os.O_RDONLY | os.O_CLOEXEC)
            try:
                mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            raise UnknownInstanceError(f"no file at {told(location)}") from None
        except (OSError, ValueError) as error:  # an empty file cannot be mapped
            raise StorageError(f"file cannot be read: {told(location)}: {_why(error)}") from error
        if len(mapped) != offset + size_bytes:
            raise StorageError(f"file has not the size that it was stored with: {told(location)}")
        return memoryview(mapped)[offset:]

    def has(self, location: str, size_bytes: int) -> bool:
        """Whether there is a file of this size at ``location``.

        Raises:
            StorageError: the file system does not say.
        """
        try:
            return self.path(location).stat().st_size == size_bytes
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise storage_error(error) from error

    def sync(self, location: str) -> None:
        """Have the file at ``location`` on the disk, and its name, however it was kept.

        Raises:
            UnknownInstanceError: there is no such file.
            StorageError: it cannot be made durable.
        """
        try:
            sync_in_place(Path(location)) if is_in_place(location) else self._folders.sync(location)
        except FileNotFoundError:
            raise UnknownInstanceError(f"no file at {told(location)}") from None
        except OSError as error:
            raise storage_error(error) from error

    def digest(self, location: str) -> bytes:
        """BLAKE3 of the data set at ``location``, read piece by piece.

        Raises:
            UnknownInstanceError: there is no such file.
            StorageError: it cannot be read.
        """
        path = self.path(location)
        digest = blake3()
        try:
            with path.open("rb", buffering=0) as file:
                file.seek(read_file_meta(path).dataset_offset)
                while piece := file.read(READ_BYTES):
                    digest.update(piece)
        except FileNotFoundError:
            raise UnknownInstanceError(f"no file at {told(location)}") from None
        except (OSError, DatasetError) as error:
            raise StorageError(f"file cannot be read: {told(location)}: {_why(error)}") from error
        return digest.digest()

    @contextmanager
    def removing(self, location: str) -> Iterator[None]:
        """Remove the file at ``location`` after the block, which takes it out of the index; a missing one is no error, and one
        that lies in place stays there: it is not the node's.

        The file is unfinished work meanwhile: after a crash, or when the block fails, recovery decides by the row.

        Raises:
            StorageError: it cannot be removed; before the block, or after it.
        """
        if is_in_place(location):
            yield
            return
        try:
            name = self._begin_removal(location)
        except OSError as error:
            raise storage_error(error) from error
        yield
        try:
            self._folders.remove(location)
            name.unlink(missing_ok=True)
        except OSError as error:
            raise storage_error(error) from error

    def path(self, location: str) -> Path:
        """Where the file of ``location`` is."""
        return Path(location) if is_in_place(location) else self._folders.path(location)

    def close(self) -> None:
        """Let go of this process's folder of unfinished work; what is left in it is for recovery."""
        self._incoming.close()
        self._helpers.shutdown(wait=False)

    def _begin_removal(self, location: str) -> Path:
        name = Path(self._incoming.path_for(location))
        # Missing: there is nothing to remove. There already: an earlier removal failed.
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            os.link(self._folders.path(location), name)
            if self._durable:
                sync_folder(name.parent)
        return name


def _why(error: Exception) -> str:
    """What went wrong, without the path."""
    return error.strerror or "" if isinstance(error, OSError) else str(error)
