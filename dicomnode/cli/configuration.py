"""Where a command finds its configuration, and the right to use the data folder that it names."""

from __future__ import annotations

import fcntl
import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from dicomnode import parts
from dicomnode.config import Config, load
from dicomnode.errors import DataFolderError
from dicomnode.index import Durability, Index
from dicomnode.index.database import DATABASE_NAME
from dicomnode.prepare import LOCK_NAME, become_owner_of

VARIABLE = "DICOMNODE_CONFIG"
PLACES = (Path("config/dicomnode.yaml"), Path("/etc/dicomnode/dicomnode.yaml"))
"""Where the file is looked for, in this order, when neither an option nor the variable names it."""


def find() -> Path | None:
    """The configuration file that is used when nobody names one; None when there is none."""
    return next((place for place in PLACES if _is_there(place)), None)


def _is_there(place: Path) -> bool:
    try:
        return place.is_file()
    except (
        PermissionError
    ):  # in a folder that this user may not enter: to go on with the defaults would be another node's
        return True


option = click.option(
    "--config",
    "config_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    envvar=VARIABLE,
    default=find,
    help=f"The node's configuration.  [${VARIABLE}; else ./{PLACES[0]}, {PLACES[1]}, built-in defaults]",
)


def read(path: Path | None) -> Config:
    """The configuration, with the environment's overrides.

    Raises:
        ConfigurationError: it is wrong.
    """
    return load(path, os.environ)


def enter_data_folder(config: Config, *, without_index: bool = False) -> None:
    """Go on as the owner of the node's data folder, which root becomes.

    Args:
        without_index: whether a folder without an index is one; it is made if it is not there.

    Raises:
        DataFolderError: there is none yet, or it belongs to somebody else.
    """
    if without_index and not config.data.exists():
        _make(config.data)
    try:
        become_owner_of(config.data)
        if not without_index:
            (config.data / DATABASE_NAME).stat()
    except OSError as error:
        hint = "the node makes it when it first starts" if isinstance(error, FileNotFoundError) else error.strerror
        raise DataFolderError(f"no index in data folder {config.data}: {hint}") from error


def _make(folder: Path) -> None:
    if os.geteuid() == 0:  # whose it is to be, root cannot know
        raise DataFolderError(
            f"no data folder {folder}: make it for the node's user first: install -d -m 0700 -o dicomnode -g dicomnode {folder}"
        )
    try:
        folder.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise DataFolderError(f"data folder {folder} cannot be made: {error.strerror}") from error


def is_running(config: Config) -> bool:
    """Whether a node holds the data folder."""
    try:
        with (config.data / LOCK_NAME).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False


@contextmanager
def open_index(config: Config, durability: Durability | None = None) -> Iterator[Index]:
    """The node's index, beside a running node or without one; root becomes the folder's owner first.

    Args:
        durability: other than the node's.

    Raises:
        DataFolderError: there is none yet, or it belongs to somebody else.
    """
    enter_data_folder(config)
    index = parts.open_index(config, durability=durability)
    try:
        yield index
    finally:
        index.close()


def who() -> str:
    """The user name of the person who gave the command, also behind sudo; asked before root becomes the folder's owner."""
    return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
