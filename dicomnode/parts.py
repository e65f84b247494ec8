"""What the node's processes and the commands beside them both work with: files, index and reception of a configuration."""

from __future__ import annotations

from dicomnode.config import Config
from dicomnode.dicom.instance import Severity
from dicomnode.files import Files, MemoryShare
from dicomnode.index import Durability, Index
from dicomnode.prepare import FILES_NAME
from dicomnode.qa.breaker import Breaker
from dicomnode.services.storage import Storage


def open_files(config: Config, name: str, *, durability: Durability | None = None) -> Files:
    """The node's files, for the process of that name; it is the caller's to close.

    Args:
        durability: other than the node's.
    """
    durable = (durability or config.durability) is Durability.FULL
    return Files(config.data / FILES_NAME, name, config.files, durable=durable)


def open_index(config: Config, *, durability: Durability | None = None) -> Index:
    """The node's index; it is the caller's to close.

    Args:
        durability: other than the node's.
    """
    return Index(config.data, config.index, durability=durability or config.durability, notify=config.notify)


def storage(
    config: Config, files: Files, index: Index, *, memory: MemoryShare | None = None, breaker: Breaker | None = None
) -> Storage:
    """What takes instances in, by all rules that hold here; what they find for information only is not kept."""
    return Storage(
        files=files,
        index=index,
        validation=config.validation(Severity.WARN),
        settings=config.reception,
        time_zone=config.zone,
        memory=memory,
        breaker=breaker,
    )
