"""What is kept for a full disk."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from dicomnode.files import spare_room

MIB = 1 << 20


def free_bytes(folder: Path) -> int:
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


def fill_up(folder: Path) -> None:
    """Write until nothing more fits."""
    with (folder / "ballast").open("wb", buffering=0) as ballast, suppress(OSError):
        while ballast.write(bytes(65536)):
            pass


@pytest.fixture
def disk(small_disk: Path | None) -> Path:
    """A file system of 2 MB."""
    if small_disk is None:
        pytest.skip("only root may mount a small file system to fill")
    return small_disk


def test_is_made_and_left_alone_while_there_is_room(tmp_path: Path) -> None:
    with spare_room(tmp_path):
        pass
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= 4 * MIB
    made = (tmp_path / "reserve").stat().st_ino
    with spare_room(tmp_path):
        assert (tmp_path / "reserve").stat().st_ino == made


def test_a_full_disk_has_room_within_the_block(disk: Path) -> None:
    with spare_room(disk):
        pass
    fill_up(disk)
    assert free_bytes(disk) == 0
    with spare_room(disk):
        assert free_bytes(disk) >= MIB
        (disk / "ballast").unlink()
    assert (disk / "reserve").stat().st_size >= MIB


def test_without_room_for_it_nothing_fails(disk: Path) -> None:
    fill_up(disk)
    with spare_room(disk):
        assert free_bytes(disk) == 0
    assert not (disk / "reserve").exists() or (disk / "reserve").stat().st_size == 0
