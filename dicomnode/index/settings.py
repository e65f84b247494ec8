"""What can be set about the index."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from dicomnode.dicom.further_attributes import FurtherAttributes
from dicomnode.settings import Settings


class Durability(StrEnum):
    """What is on the disk before a sender is answered; docs/durability.md says what each survives."""

    FULL = "full"
    FAST = "fast"


class IndexSettings(Settings):
    """The index: an SQLite database in the data folder."""

    checkpoint_mb: Annotated[int, Field(ge=1)] = 64
    """Size in MiB of the write-ahead log at which it is folded back into the database."""
    cache_mb: Annotated[int, Field(ge=1)] = 64
    """Memory in MiB for pages of the database, in each worker."""
    further_attributes: FurtherAttributes = FurtherAttributes()
    """Attributes that it keeps besides those of docs/query.md."""
    lock_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """Time in s to wait for another writer before the index counts as unavailable."""
    refused_kept_days: Annotated[int, Field(ge=0, le=36500)] = 90
    """Days for which the record of a refused instance is kept; 0: for ever."""
