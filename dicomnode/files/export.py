"""Part 10 files for people, outside the data folder: ``<study>/<series>/<SOP instance>.dcm``, each there whole or not at all.

A file is on the disk before it gets its name. The names are there when `ExportFolder.sync` has returned; until then a power loss
may take them, and whoever sent the instances still has them.
"""

from __future__ import annotations

import itertools
import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dicomnode.dicom.instance import StoreRequest
from dicomnode.dicom.part10 import file_meta
from dicomnode.errors import StorageError
from dicomnode.files.incoming_file import IncomingFile
from dicomnode.files.sync import make_folder, storage_error, sync_folder

UNFINISHED_SUFFIX: Final = ".part"
_UID: Final = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_MAX_UID_LENGTH: Final = 64


@dataclass(frozen=True, slots=True)
class Place:
    """The UIDs that say where an instance goes."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str

    @property
    def is_safe(self) -> bool:
        """Whether all are UIDs (PS3.5 Section 9.1), and so may become names of files."""
        uids = (self.study_instance_uid, self.series_instance_uid, self.sop_instance_uid)
        return all(len(uid) <= _MAX_UID_LENGTH and _UID.fullmatch(uid) for uid in uids)


class ExportFolder:
    """A folder that instances are written into; what was there under the same name is replaced."""

    def __init__(self, root: Path) -> None:
        """Make it, when it is missing.

        Raises:
            StorageError: it cannot be made.
        """
        self.root = root
        self._run = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._unsynced: set[Path] = set()
        try:
            make_folder(root)
        except OSError as error:
            raise StorageError(f"folder {root} cannot be made: {error.strerror}") from error

    def receive(self, request: StoreRequest) -> ExportedFile:
        """Where the bytes of the data set of ``request`` go; never raises, what fails is told when the file is kept."""
        name = self.root / f".{self._run}-{next(self._numbers)}{UNFINISHED_SUFFIX}"
        return ExportedFile(self, name, request)

    def name(self, file: IncomingFile, place: Place) -> Path:
        """Give a file that is on the disk its name.

        Raises:
            OSError: it gets none.
        """
        folder = self.root / place.study_instance_uid / place.series_instance_uid
        path = folder / f"{place.sop_instance_uid}.dcm"
        if folder not in self._unsynced:
            make_folder(folder)
            self._unsynced |= {folder, folder.parent, self.root}
        file.move(str(path))
        return path

    def sync(self) -> None:
        """Have all names on the disk.

        Raises:
            StorageError: they are not.
        """
        try:
            for folder in self._unsynced:
                sync_folder(folder)
        except OSError as error:
            raise storage_error(error) from error
        self._unsynced.clear()


class ExportedFile:
    """A file under a temporary name, until it is kept or discarded."""

    def __init__(self, folder: ExportFolder, name: Path, request: StoreRequest) -> None:
        self._folder = folder
        self._error: OSError | None = None
        self._file: IncomingFile | None = None
        head = file_meta(
            request.sop_class_uid,
            request.sop_instance_uid,
            request.transfer_syntax_uid,
            request.sender.calling_ae_title,
            request.sender.called_ae_title,
        )
        try:
            self._file = IncomingFile(str(name), head)
        except OSError as error:
            self._error = error

    def write(self, fragment: memoryview) -> None:
        """Add the next bytes of the data set; after a failure nothing is written any more."""
        if self._file is None or self._error is not None:
            return
        try:
            self._file.write(fragment)
        except OSError as error:
            self._error = error

    def dataset(self) -> memoryview:
        """What has come, as it lies in the page cache.

        Raises:
            StorageError: it could not be written.
        """
        return self._written().map()

    def keep(self, place: Place) -> Path:
        """Bring the file to the disk, and give it its name.

        Raises:
            StorageError: it could not be written, or gets no name; nothing of it is kept.
        """
        assert place.is_safe
        file = self._written()
        try:
            file.sync()
            path = self._folder.name(file, place)
        except OSError as error:
            raise storage_error(error) from error
        file.close()
        self._file = None
        return path

    def discard(self) -> None:
        """Remove it, unless it was kept."""
        if self._file is not None:
            self._file.remove()
            self._file = None

    def _written(self) -> IncomingFile:
        if self._error is not None:
            raise storage_error(self._error) from self._error
        assert self._file is not None
        return self._file
