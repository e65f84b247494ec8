"""An index in a folder of the test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dicomnode.index import Durability, Index, IndexSettings

OpenIndex = Callable[..., Index]


@pytest.fixture
def open_index(tmp_path: Path) -> Iterator[OpenIndex]:
    """Opens the index of one data folder, as each process of a node does; the first one makes it."""
    opened: list[Index] = []

    def open_one(durability: Durability = Durability.FAST, **settings: float) -> Index:
        index = Index(tmp_path, IndexSettings(**({"lock_timeout_s": 2.0} | settings)), durability=durability)
        if not opened:
            index.prepare()
        opened.append(index)
        return index

    yield open_one
    for index in opened:
        index.close()


@pytest.fixture
def index(open_index: OpenIndex) -> Index:
    """An empty index."""
    return open_index()
