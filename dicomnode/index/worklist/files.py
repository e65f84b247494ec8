"""The watched folder as it was last read: its files, and the entries that follow them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dicomnode.dicom.procedure import WorklistEntry
from dicomnode.index.database import Connections
from dicomnode.index.worklist.changing import StepKey, put, remove
from dicomnode.index.worklist.patients import of_today
from dicomnode.index.writer import Writer

_BY: Final = "folder"
_KNOWN: Final = "SELECT name, modified_ns, size_bytes FROM worklist_file"
_PUT: Final = "INSERT OR REPLACE INTO worklist_file (name, modified_ns, size_bytes, problem) VALUES (?, ?, ?, ?)"
_FORGET: Final = "DELETE FROM worklist_file WHERE name = ?"
_FOLLOWERS: Final = "SELECT study_instance_uid, step_id FROM worklist_step WHERE source = ?"


@dataclass(frozen=True, slots=True)
class FollowedFile:
    """A file of the watched folder.

    Attributes:
        name: relative to the folder.
        entries: what it holds; None when it cannot be read, for ``problem``: entries from before stay.
    """

    name: str
    modified_ns: int
    size_bytes: int
    entries: tuple[WorklistEntry, ...] | None
    problem: str = ""


class WorklistFiles:
    """Lets entries follow files; every method raises IndexUnavailableError when the index cannot be read or written."""

    def __init__(self, connections: Connections, writer: Writer) -> None:
        self._connections = connections
        self._writer = writer

    def known(self) -> dict[str, tuple[int, int]]:
        """Time of change in ns and size in bytes of each file as it was last read, by name."""
        with self._connections.reading() as connection:
            return {name: (modified_ns, size) for name, modified_ns, size in connection.execute(_KNOWN)}

    def followers(self, name: str) -> list[StepKey]:
        """The entries that follow a file."""
        with self._connections.reading() as connection:
            return _followers(connection, name)

    def follow(self, files: Sequence[FollowedFile]) -> None:
        """Take over what files hold now; an entry that its file holds no more goes."""

        def work(connection: sqlite3.Connection) -> None:
            for file in files:
                if file.entries is not None:
                    before = _followers(connection, file.name)
                    for entry in file.entries:
                        put(connection, of_today(connection, entry), by=_BY, reason=file.name, source=file.name)
                    for key in set(before).difference(map(StepKey.of, file.entries)):
                        remove(connection, key, by=_BY, reason=file.name)
                connection.execute(_PUT, (file.name, file.modified_ns, file.size_bytes, file.problem))

        self._writer.run(work)

    def forget(self, names: Sequence[str]) -> None:
        """Take out the entries of files that are there no more, unless another file holds them now."""

        def work(connection: sqlite3.Connection) -> None:
            for name in names:
                for key in _followers(connection, name):
                    remove(connection, key, by=_BY, reason=f"{name} was removed")
                connection.execute(_FORGET, (name,))

        self._writer.run(work)


def _followers(connection: sqlite3.Connection, name: str) -> list[StepKey]:
    return [StepKey(*row) for row in connection.execute(_FOLLOWERS, (name,))]
