"""Where instances stand: ``<fan-out>/<Study Instance UID>/[<number>/]<SOP Instance UID>_<unique>.dcm``.

The fan-out is one of 4096 folders, by a hash of the study. A study's instances lie in its own folder until that has
`ENTRIES_PER_FOLDER`, then in numbered folders in it that fill up in turn; so no folder grows past a few thousand entries.
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

from blake3 import blake3

from dicomnode.errors import UnknownInstanceError
from dicomnode.files.sync import FOLDER_MODE, make_folder, sync_folder

ENTRIES_PER_FOLDER = 2000
ENTRIES_BETWEEN_COUNTS = 250
"""After so many of its own, a process looks how many entries others have made; a folder may exceed its number by so many a
process."""
REMEMBERED_FOLDERS = 128

_UID = re.compile(r"[0-9][0-9.]{0,63}")
_LOCATION = re.compile(r"[0-9a-f]{3}/[0-9a-z.]{1,64}(?:/[0-9]{3,9})?/[0-9a-z._-]{1,200}\.dcm")


class Folder:
    """A folder that instances of one study go to; open, so that its inode number stays its own."""

    __slots__ = ("_own", "_text", "fd", "is_durable", "location", "path", "room")

    def __init__(self, root: Path, location: str, room: int) -> None:
        """Open it.

        Raises:
            OSError: it is gone, or there are no descriptors left.
        """
        self.location = location
        self.path = root / location
        self.room = room
        """Instances to put into it before entries are counted again."""
        self.is_durable = False
        """Whether its own entry in its parent, and so on up to the root, is known to be on disk."""
        self._text = str(self.path)
        self.fd = os.open(self._text, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._own = _identity(os.fstat(self.fd))

    def __del__(self) -> None:
        """Close it when nobody uses it any more: a thread may still sync it when it is no longer remembered."""
        with contextlib.suppress(AttributeError):  # it could not be opened
            os.close(self.fd)

    def is_here(self) -> bool:
        """Whether this folder, not one that was made in its place later, still is at its path."""
        try:
            # once an instance: a Path costs more than the system call
            return _identity(os.stat(self._text)) == self._own  # noqa: PTH116
        except FileNotFoundError:
            return False


class StudyFolders:
    """The tree of files under ``root``; used by many threads and processes at once."""

    def __init__(self, root: Path, *, durable: bool) -> None:
        self.root = root
        self._text = str(root)
        self._durable = durable
        self._folders: OrderedDict[str, Folder] = OrderedDict()
        self._lock = threading.Lock()
        make_folder(root)
        if durable:
            sync_folder(root.parent)

    def folder_for(self, study_instance_uid: str) -> Folder:
        """A folder with room for one more instance of the study; made if need be.

        Raises:
            OSError: it cannot be made or read.
        """
        study = study_location(study_instance_uid)
        with self._lock:
            folder = self._folders.get(study)
            if folder is not None and folder.room > 0:
                folder.room -= 1
                self._folders.move_to_end(study)
                return folder
        folder = self._open(study)
        with self._lock:
            self._folders[study] = folder
            if len(self._folders) > REMEMBERED_FOLDERS:
                self._folders.popitem(last=False)
        return folder

    def link(self, source: str, folder: Folder, location: str) -> None:
        """Give the file ``source`` its name in ``folder``; durable when this returns.

        Raises:
            FileNotFoundError: somebody removed the folder; nothing was linked.
            OSError: it failed; nothing is linked.
        """
        target = f"{self._text}/{location}"
        try:
            os.link(source, target)
            try:
                if not folder.is_here():
                    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder.path))
                if self._durable:
                    self._sync(folder)
            except OSError:
                Path(target).unlink(missing_ok=True)
                raise
        except OSError:
            self._forget(folder)
            raise

    def remove(self, location: str) -> None:
        """Remove a file, and the folders that held nothing else; nothing happens when it is gone already.

        Raises:
            OSError: it cannot be removed.
            UnknownInstanceError: ``location`` is none.
        """
        self.remove_all([location])

    def remove_all(self, locations: Iterable[str]) -> None:
        """The same for many, with one sync for all of a folder.

        Raises:
            OSError: one cannot be removed; some are.
            UnknownInstanceError: a location is none.
        """
        changed: dict[Path, None] = {}
        for location in locations:
            target = self.path(location)
            target.unlink(missing_ok=True)  # maybe by somebody who died before he could sync the folder
            changed[target.parent] = None
        for folder in changed:
            self._close_up(folder)

    def _close_up(self, changed: Path) -> None:
        """Make durable what was removed from a folder; it goes, and so do its parents, if nothing is left in them."""
        with contextlib.suppress(FileNotFoundError):  # gone, and synced before that
            if self._durable:
                sync_folder(changed)
        for folder in self._up(changed):
            try:
                folder.rmdir()
            except OSError:  # not empty
                return

    def restore(self, source: Path, location: str) -> None:
        """Give the file ``source`` a name again that it had.

        Raises:
            OSError: it failed.
        """
        target = self.path(location)
        self._make(location.rpartition("/")[0])
        os.link(source, target)
        self._sync_name(target)

    def sync(self, location: str) -> None:
        """Have a file on the disk, and its name, however it came there.

        Raises:
            OSError: it is not.
        """
        target = self.path(location)
        with target.open("rb") as file:
            os.fsync(file.fileno())
        self._sync_name(target)

    def path(self, location: str) -> Path:
        """Where ``location`` is.

        Raises:
            UnknownInstanceError: there can be none.
        """
        if not is_location(location):
            raise UnknownInstanceError(f"no location in the store: {location!r}")
        return self.root / location

    def _open(self, study: str) -> Folder:
        while True:
            try:
                location, entries = self._filling(study)
                self._make(location)
                return Folder(self.root, location, min(ENTRIES_BETWEEN_COUNTS, ENTRIES_PER_FOLDER - entries) - 1)
            except FileNotFoundError:
                if not self.root.is_dir():
                    raise
                # another process removed the empty folder in between

    def _make(self, location: str) -> None:
        """Make a folder and its parents up to the root: a root that is gone is a disk that is gone, and stays so."""
        folder = self.root
        for name in location.split("/"):
            folder /= name
            folder.mkdir(mode=FOLDER_MODE, exist_ok=True)

    def _filling(self, study: str) -> tuple[str, int]:
        """The study's folder that is being filled, which may not be there yet, and how many entries it has."""
        entries, numbers = _count(self.root / study)
        if not numbers and entries < ENTRIES_PER_FOLDER:
            return study, entries
        for number in itertools.count(max(numbers, default=1)):
            location = f"{study}/{number:03}"
            entries, _ = _count(self.root / location)
            if entries < ENTRIES_PER_FOLDER:
                return location, entries
        raise AssertionError("there is always a next number")

    def _sync(self, folder: Folder) -> None:
        os.fsync(folder.fd)
        if not folder.is_durable:  # whoever made the parents may not have synced them yet
            for parent in self._up(folder.path.parent):
                sync_folder(parent)
            sync_folder(self.root)
            folder.is_durable = True

    def _sync_name(self, target: Path) -> None:
        for folder in (*self._up(target.parent), self.root):
            sync_folder(folder)

    def _up(self, folder: Path) -> Iterator[Path]:
        """``folder`` and its parents, without the root."""
        while folder != self.root:
            yield folder
            folder = folder.parent

    def _forget(self, folder: Folder) -> None:
        with self._lock:
            for study in [study for study, known in self._folders.items() if known is folder]:
                del self._folders[study]


@lru_cache(maxsize=REMEMBERED_FOLDERS)
def study_location(study_instance_uid: str) -> str:
    """The study's folder, relative to the root."""
    fan_out = blake3(study_instance_uid.encode("utf-8", "surrogatepass")).hexdigest(2)[:3]
    return f"{fan_out}/{as_name(study_instance_uid)}"


def is_location(text: str) -> bool:
    """Whether a file may stand at ``text``, relative to the root."""
    return _LOCATION.fullmatch(text) is not None and "/../" not in text


def as_name(uid: str) -> str:
    """The UID as part of a path: itself, or a hash when it is no UID (PS3.5 Section 9.1); equal ones give equal names."""
    if _UID.fullmatch(uid):
        return uid
    return "x" + blake3(uid.encode("utf-8", "surrogatepass")).hexdigest(16)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_ino, status.st_dev


def _count(folder: Path) -> tuple[int, list[int]]:
    """How many files a folder holds, and the numbers of the folders in it."""
    files, numbers = 0, []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(".dcm"):
                    files += 1
                elif entry.name.isdecimal():
                    numbers.append(int(entry.name))
    except FileNotFoundError:
        pass
    return files, numbers
