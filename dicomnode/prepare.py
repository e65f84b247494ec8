"""Before the workers: take the data folder, and bring it into a state that they can build on.

The parent takes the folder, because the lock must live as long as the node: the parent and every process that it starts hold the
same locked descriptor, so the kernel lets go of it with the last of them, however they end. What may take long or fail is done in a
process of its own, which has ended before a worker opens the index.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path

import structlog

from dicomnode import logs
from dicomnode.errors import DataFolderError
from dicomnode.files import recover, spare_room
from dicomnode.files.reserve import RESERVE_NAME
from dicomnode.files.store import INCOMING_NAME
from dicomnode.index import Durability, Index, IndexSettings
from dicomnode.index.database import DATABASE_NAME
from dicomnode.index.trust import MARK_NAME
from dicomnode.index.writers_lock import LOCK_NAME as WRITERS_LOCK_NAME
from dicomnode.logs import LogSettings
from dicomnode.services.deletion import Deletion
from dicomnode.supervisor import run_to_end

FILES_NAME = "files"
"""The folder of the kept files, in the data folder."""
LOCK_NAME = "lock"
_CONTENT = (
    DATABASE_NAME,
    f"{DATABASE_NAME}-wal",
    f"{DATABASE_NAME}-shm",
    WRITERS_LOCK_NAME,
    MARK_NAME,
    LOCK_NAME,
    FILES_NAME,
    INCOMING_NAME,
    RESERVE_NAME,
)
NETWORK_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "fuse.sshfs", "fuse.glusterfs"})
"""Where locks or syncs do not hold as SQLite and a durable store need them."""
FORBIDDEN_MODE = 0o027
"""What nobody but the owner may do with the folder, and the group not either: it holds patient data."""
LOCK_POLL_S = 0.1

Waiting = Callable[[], AbstractContextManager[None]]

log = structlog.get_logger()


def prepare(
    folder: Path, index: IndexSettings, log_settings: LogSettings, *, wait_s: float, waiting: Waiting = nullcontext
) -> int:
    """Take the data folder for this node, make or migrate its index, and finish what a crash left.

    Args:
        folder: absolute; made if it is not there.
        index: how the index is opened.
        log_settings: how the process that does it logs.
        wait_s: how long workers of a node that was killed may take to leave the folder.
        waiting: entered for each wait; what it raises ends the wait, and all that was begun.

    Returns:
        The locked descriptor, to be kept open and to be inherited by every process that works in the folder.

    Raises:
        DataFolderError: another node has it, it belongs to another user, cannot be written, is on a network file system, was
            written by a newer version, or cannot be read.
    """
    lock = take_data_folder(folder, wait_s=wait_s, waiting=waiting)
    try:
        run_to_end("prepare", _prepare, folder, index, log_settings, descriptors=(lock,), waiting=waiting)
    except BaseException:
        os.close(lock)
        raise
    return lock


def take_data_folder(folder: Path, *, wait_s: float, waiting: Waiting = nullcontext) -> int:
    """Make the folder if it is not there, make sure that it can be used, and lock it for this node.

    Also sets this process's umask, which its children inherit, so that what they write is for the owner (and his group) alone.

    Args:
        folder: absolute.
        wait_s: how long workers of a node that was killed may take to leave the folder.
        waiting: entered for each wait; what it raises ends it.

    Returns:
        The locked descriptor.

    Raises:
        DataFolderError: another node has it, it belongs to another user, cannot be written, or is on a network file system.
    """
    os.umask(os.umask(FORBIDDEN_MODE) | FORBIDDEN_MODE)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        become_owner_of(folder)
        file_system = file_system_of(folder, Path("/proc/self/mountinfo").read_text())
        if file_system in NETWORK_FILE_SYSTEMS:
            raise DataFolderError(
                f"data folder {folder} is on a network file system ({file_system}): it must be on a local disk"
            )
        _close_to_others(folder)
        return _lock(folder / LOCK_NAME, wait_s, waiting)
    except OSError as error:
        raise DataFolderError(
            f"data folder {folder} cannot be used: {error.filename or folder}: {error.strerror}"
        ) from error


def become_owner_of(folder: Path) -> None:
    """Root becomes the user whom the folder belongs to, so that no file in it ever belongs to another.

    Raises:
        DataFolderError: the folder belongs to another user, and this one is not root; or he may not read this program; or what
            the node keeps in the folder is not its owner's.
        OSError: there is no such folder.
    """
    owner, group = folder.stat().st_uid, folder.stat().st_gid
    _check_content(folder, owner)
    if owner == os.geteuid():
        return
    if os.geteuid() != 0:
        raise DataFolderError(
            f"data folder {folder} belongs to user {_name_of(owner)}: run this as that user, or as root"
        )
    os.setgroups([])
    os.setgid(group)
    os.setuid(owner)
    if not os.access(__file__, os.R_OK):  # what is loaded later would be missing then
        raise DataFolderError(
            f"data folder {folder} belongs to user {_name_of(owner)}, who may not read {Path(__file__).parent}: "
            "install dicomnode where he may, or give the data folder to another"
        )


def _check_content(folder: Path, owner: int) -> None:
    """A folder that root has restored from a copy belongs to the node's user, its content to root maybe."""
    for name in _CONTENT:
        try:
            other = (folder / name).stat().st_uid
        except (FileNotFoundError, PermissionError):  # the latter: it is not this user's folder, which is told
            continue
        if other != owner:
            whose = _name_of(owner)
            raise DataFolderError(
                f"{folder / name} belongs to user {_name_of(other)}, its folder to {whose}: chown -R {whose}: {folder}"
            )


def prepare_here(folder: Path, index: IndexSettings) -> None:
    """Take the data folder, do in this process what `prepare` does in one of its own, and let go of the folder again.

    Raises:
        DataFolderError: as `prepare`.
        StorageError: the index, or what a crash left, cannot be dealt with now.
    """
    lock = take_data_folder(folder, wait_s=0)
    try:
        _bring_up(folder, index)
    finally:
        os.close(lock)


def _prepare(folder: Path, index_settings: IndexSettings, log_settings: LogSettings) -> None:
    """What the process of its own does."""
    logs.configure(log_settings, worker="prepare")
    _bring_up(folder, index_settings)


def _bring_up(folder: Path, index_settings: IndexSettings) -> None:
    """Make or migrate the index, and finish what a crash left."""
    started = time.monotonic()
    _refuse_files_without_index(folder)
    index = Index(folder, index_settings, durability=Durability.FULL)
    # Its connection is the only one: closing it folds the write-ahead log into the database and syncs both (sqlite.org/wal.html),
    # so no row that a leftover is judged by can be lost after the leftover is gone.
    with spare_room(folder):
        index.prepare()
        index.deliveries.give_back()  # of workers that are no more
        try:
            report = recover(folder / FILES_NAME, index.instances.has_location)
            refusals_removed = index.refusals.remove_old()
            deleted = Deletion(index, folder / FILES_NAME).finish()
        except OSError as error:
            raise DataFolderError(
                f"leftovers in data folder {folder} cannot be dealt with: {error.strerror}"
            ) from error
        finally:
            index.close()
    log.info(
        "data_folder.prepared",
        **asdict(report),
        refusals_removed=refusals_removed,
        deleted=deleted,
        duration_ms=round(1000 * (time.monotonic() - started)),
    )


def _refuse_files_without_index(folder: Path) -> None:
    """An index made anew would deny what was answered Success, and have removed what a crash left of it."""
    database = folder / DATABASE_NAME
    has_index = database.exists() and database.stat().st_size > 0
    if not has_index and next((folder / FILES_NAME).rglob("*.dcm"), None) is not None:
        raise DataFolderError(
            f"data folder {folder} holds files, but no index: put a back-up of {DATABASE_NAME} in its place. Without one, "
            f"move {FILES_NAME}/ elsewhere, start, and take the files in with `dicomnode import`"
        )


def file_system_of(folder: Path, mount_table: str) -> str:
    """The type of the file system that holds ``folder``.

    Args:
        folder: absolute, there.
        mount_table: the text of ``/proc/self/mountinfo`` (proc_pid_mountinfo(5)).
    """
    real = folder.resolve()
    found, depth = "", -1
    for line in mount_table.splitlines():
        mount, _, origin = line.partition(" - ")
        point = Path(
            re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), mount.split()[4])
        )  # a space stands as \040
        if real.is_relative_to(point) and len(point.parts) >= depth:  # of two mounts on one point the later one shows
            found, depth = origin.split()[0], len(point.parts)
    return found


def _close_to_others(folder: Path) -> None:
    mode = folder.stat().st_mode & 0o777
    if mode & FORBIDDEN_MODE:
        folder.chmod(mode & ~FORBIDDEN_MODE)
        log.warning("data_folder.closed", folder=str(folder), was=f"{mode:04o}", now=f"{mode & ~FORBIDDEN_MODE:04o}")


def _lock(path: Path, wait_s: float, waiting: Waiting) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _wait_for_lock(lock, path.parent, wait_s, waiting)
    except BaseException:
        os.close(lock)
        raise
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _wait_for_lock(lock: int, folder: Path, wait_s: float, waiting: Waiting) -> None:
    deadline = time.monotonic() + wait_s
    has_told = False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode(errors="replace").strip()
        else:
            return
        if _is_another_process(holder):
            raise DataFolderError(f"data folder {folder} is in use by another node, process {holder}")
        if time.monotonic() > deadline:
            raise DataFolderError(
                f"data folder {folder} is in use by workers of a node that was killed, process {holder or 'unknown'}: "
                "they leave when their associations have ended"
            )
        if not has_told:
            has_told = True
            log.warning("data_folder.awaited", folder=str(folder), holder=holder, wait_s=wait_s)
        with waiting():
            time.sleep(LOCK_POLL_S)


def _is_another_process(number: str) -> bool:
    """Whether a process of this number lives, and it is not ours (a container's first process is always number 1)."""
    if not number.isdecimal() or int(number) == os.getpid():
        return False
    try:
        return Path("/proc", number, "stat").read_text().rpartition(") ")[2][0] != "Z"  # dead, but not yet collected
    except (FileNotFoundError, ProcessLookupError):
        return False


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
