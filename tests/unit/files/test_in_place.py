"""A file that stays where it is, on its way into the index."""

from __future__ import annotations

from pathlib import Path

import pytest
from blake3 import blake3

from dicomnode.files import FileInPlace, is_in_place, told

HEAD, DATASET = b"head", b"the data set"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file that is not the node's."""
    path = tmp_path / "x.dcm"
    path.write_bytes(HEAD + DATASET)
    return path


@pytest.mark.parametrize("durable", [True, False])
def test_is_where_it_was_whatever_becomes_of_it(path: Path, durable: bool) -> None:
    source = FileInPlace(path, len(HEAD), durable=durable)
    assert bytes(source.dataset) == DATASET
    assert source.digest == blake3(DATASET).digest()
    kept = source.keep("1.2", "1.2.3", "1.2.840.10008.5.1.4.1.1.2")
    assert (kept.location, kept.dataset_offset, kept.dataset_size_bytes) == (str(path), len(HEAD), len(DATASET))
    kept.settle()
    kept.withdraw()
    source.discard()
    assert path.read_bytes() == HEAD + DATASET


def test_what_is_to_be_done_afterwards_is_done_once_in_its_order(path: Path) -> None:
    source = FileInPlace(path, len(HEAD), durable=False)
    done: list[int] = []
    for step in (1, 2):
        source.afterwards(lambda step=step: done.append(step))
    source.discard()
    source.discard()
    assert done == [1, 2]


def test_file_that_is_gone_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FileInPlace(tmp_path / "nothing", 0, durable=True)


def test_its_path_is_told_to_nobody() -> None:
    assert is_in_place("/archive/Doe^Jane/1.dcm")
    assert "Doe" not in told("/archive/Doe^Jane/1.dcm")
    assert not is_in_place("abc/1.2.3/1.2.3.4_x.dcm")
    assert told("abc/1.2.3/1.2.3.4_x.dcm") == "abc/1.2.3/1.2.3.4_x.dcm"
