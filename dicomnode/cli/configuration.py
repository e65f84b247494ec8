"""Where a command finds its configuration, and the right to use the data folder that it names."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from dicomnode.config import Config, load
from dicomnode.errors import DataFolderError
from dicomnode.index import Durability, Index
from dicomnode.index.database import DATABASE_NAME
from dicomnode.prepare import become_owner_of

VARIABLE = "DICOMNODE_CONFIG"
PLACES = (Path("config/dicomnode.yaml"), Path("/etc/dicomnode/dicomnode.yaml"))
"""Where the file is looked for, in this order, when neither an option nor the variable names it."""


def find() -> Path | None:
    """The configuration file that is used when nobody names one; None when there is none."""
    return next((place for place in PLACES if place.is_file()), None)


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


def enter_data_folder(config: Config) -> None:
    """Go on as the owner of the node's data folder, which root becomes.

    Raises:
        DataFolderError: there is no index in it yet, or it belongs to somebody else.
    """
    try:
        become_owner_of(config.data)
        (config.data / DATABASE_NAME).stat()
    except OSError as error:
        hint = "the node makes it when it first starts" if isinstance(error, FileNotFoundError) else error.strerror
        raise DataFolderError(f"no index in data folder {config.data}: {hint}") from error


@contextmanager
def open_index(config: Config, durability: Durability | None = None) -> Iterator[Index]:
    """The node's index, beside a running node or without one; root becomes the folder's owner first.

    Args:
        durability: other than the node's.

    Raises:
        DataFolderError: there is none yet, or it belongs to somebody else.
    """
    enter_data_folder(config)
    index = Index(config.data, config.index, durability=durability or config.durability)
    try:
        yield index
    finally:
        index.close()


def who() -> str:
    """The user name of the person who gave the command, also behind sudo; asked before root becomes the folder's owner."""
    return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
