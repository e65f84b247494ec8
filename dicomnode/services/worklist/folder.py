"""A folder of worklist files that the worklist follows, as wlmscpfs and Orthanc have it: a site moves over without change.

Files are ``*.wl``, in the folder itself or in subfolders (wlmscpfs has one for each called AE title, with a file ``lockfile`` that
writers lock). A file is read when its time of change or its size is another than before; what cannot be read is told once and left.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import structlog

from dicomnode.dicom.json_form import has_value, hex_name
from dicomnode.dicom.procedure import WorklistEntry
from dicomnode.dicom.tags import STUDY_INSTANCE_UID
from dicomnode.errors import WorklistError
from dicomnode.index import Index
from dicomnode.index.worklist.files import FollowedFile
from dicomnode.services.worklist.files import dataset_attributes
from dicomnode.services.worklist.scheduling import Scheduling

log = structlog.get_logger()

SUFFIX: Final = ".wl"
_LOCK_FILE: Final = "lockfile"
_LARGEST: Final = 1 << 20
"""Bytes of a file that is read; real ones have some thousand."""
_BATCH: Final = 200
"""Files that are taken over in one transaction."""
_SETTLING_S: Final = 5.0
"""A file that cannot be read may still be being written so long after its last change: it is looked at again."""


@dataclass(frozen=True, slots=True)
class Followed:
    """What one look at the folder came to, in files."""

    read: int = 0
    removed: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    name: str
    modified_ns: int
    size_bytes: int

    @property
    def state(self) -> tuple[str, int, int]:
        """What a change shows in."""
        return self.name, self.modified_ns, self.size_bytes


class WatchedFolder:
    """The folder that the worklist follows, for a task that looks at it every few seconds."""

    def __init__(self, index: Index, folder: Path) -> None:
        self._index = index
        self._folder = folder
        self._is_readable = True

    def look(self) -> None:
        """Follow it. A folder that cannot be listed changes nothing (what is not mounted is not empty), and is told of once.

        Raises:
            IndexUnavailableError: the index cannot be read or written now; the next look goes on.
        """
        try:
            synchronise(self._index, self._folder)
        except OSError as error:
            if self._is_readable:
                log.error("worklist_folder.unreadable", folder=str(self._folder), reason=error.strerror)
            self._is_readable = False
        else:
            self._is_readable = True


def synchronise(index: Index, folder: Path) -> Followed:
    """Let the worklist follow the folder: files that are new, changed or gone since the last time.

    Raises:
        OSError: the folder cannot be listed; nothing has changed.
        IndexUnavailableError: the index cannot be read or written now; the next call goes on.
    """
    present, busy = _list(folder)
    known = index.worklist_files.known()
    changed = [one for one in present if known.get(one.name) != (one.modified_ns, one.size_bytes)]
    read = refused = 0
    for files in _in_batches(index, changed):
        index.worklist_files.follow(files)
        for file in files:
            read += file.entries is not None
            if file.entries is None:
                refused += 1
                log.warning("worklist_file.refused", file=file.name, reason=file.problem)
    names = {one.name for one in present}
    gone = sorted(name for name in known if name not in names and name.rpartition("/")[0] not in busy)
    if gone:
        index.worklist_files.forget(gone)
    followed = Followed(read, len(gone), refused)
    if followed != Followed():
        log.info("worklist_folder.followed", read=read, removed=len(gone), refused=refused)
    return followed


def _list(folder: Path) -> tuple[list[_File], set[str]]:
    """The worklist files, and the subfolders that a writer has locked.

    Raises:
        OSError: the folder, or one below, cannot be listed.
    """
    found: list[_File] = []
    busy: set[str] = set()
    with os.scandir(folder) as entries:
        within = sorted(entries, key=lambda entry: entry.name)
    for name, place in [("", folder), *((one.name, Path(one.path)) for one in within if one.is_dir())]:
        if _is_locked(place / _LOCK_FILE):
            busy.add(name)
        else:
            found += _files(place, f"{name}/" if name else "")
    return found, busy


def _files(place: Path, prefix: str) -> Iterator[_File]:
    with os.scandir(place) as entries:
        for entry in sorted(entries, key=lambda one: one.name):
            if entry.name.lower().endswith(SUFFIX) and entry.is_file():
                try:
                    state = entry.stat()
                except FileNotFoundError:
                    continue  # it went while we looked
                yield _File(entry.path, prefix + entry.name, state.st_mtime_ns, state.st_size)


def _is_locked(lock_file: Path) -> bool:
    """Whether somebody writes to the folder just now."""
    try:
        with lock_file.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _in_batches(index: Index, files: list[_File]) -> Iterator[list[FollowedFile]]:
    """What the files hold, so many at once as are taken over in one transaction."""
    batch: list[FollowedFile] = []
    for file in files:
        try:
            attributes = _read(file)
            if batch and not has_value(attributes.get(hex_name(STUDY_INSTANCE_UID))):
                yield batch  # its study may be one of those
                batch = []
            entries = _entries(index, file, attributes)
        except FileNotFoundError:
            continue
        except OSError as error:
            batch.append(FollowedFile(*file.state, None, f"cannot be read: {error.strerror}"))
        except WorklistError as error:
            if time.time() - file.modified_ns / 1e9 < _SETTLING_S:
                continue
            batch.append(FollowedFile(*file.state, None, str(error)))
        else:
            batch.append(FollowedFile(*file.state, entries))
        if len(batch) >= _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _read(file: _File) -> dict[str, Any]:
    if file.size_bytes > _LARGEST:
        raise WorklistError([f"longer than {_LARGEST >> 20} MiB"])
    return dataset_attributes(Path(file.path).read_bytes())


def _entries(index: Index, file: _File, attributes: dict[str, Any]) -> tuple[WorklistEntry, ...]:
    """The entries of a file; what was made of it before keeps its study, when it names none."""
    studies = {key.study_instance_uid for key in index.worklist_files.followers(file.name)}
    study = studies.pop() if len(studies) == 1 else ""
    return tuple(Scheduling(index).entries_of(attributes, study_instance_uid=study))
