"""What can be set about files."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dicomnode.settings import Settings


class FilesSettings(Settings):
    """How instances are kept as files."""

    spool_threshold_bytes: Annotated[int, Field(ge=0)] = 1024 * 1024
    """A data set that grows past this many bytes while it is received goes on in a file instead of memory."""
    free_space_floor_bytes: Annotated[int, Field(ge=0)] = 1024 * 1024 * 1024
    """With less free space than this many bytes, instances are refused as out of resources until there is room again."""
