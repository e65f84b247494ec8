"""Where a command finds its configuration, and the right to use the data folder that it names."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import click

from dicomnode.config import Config, load
from dicomnode.errors import DataFolderError

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


def use_data_folder(config: Config) -> Path:
    """The data folder, which is there and may be used; root becomes its owner first, so that no file in it ever belongs to another.

    Raises:
        DataFolderError: there is no such folder yet, or it belongs to somebody else.
    """
    try:
        owner, group = config.data.stat().st_uid, config.data.stat().st_gid
    except OSError as error:
        hint = "the node makes it when it first starts" if isinstance(error, FileNotFoundError) else error.strerror
        raise DataFolderError(f"no data folder {config.data}: {hint}") from error
    if os.geteuid() == 0 and owner != 0:
        os.setgroups([])
        os.setgid(group)
        os.setuid(owner)
    if os.geteuid() != owner:
        raise DataFolderError(
            f"data folder {config.data} belongs to user {_name(owner)}: run this as that user, or as root"
        )
    return config.data


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
