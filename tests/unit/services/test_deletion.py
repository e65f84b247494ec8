"""Deletion in batches: what is gone at each moment, and what is done when it was cut short."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from unit.index.received import STUDY, received

from dicomnode.errors import StorageError, UnknownInstanceError
from dicomnode.index import Durability, Index, IndexSettings, OnConflict, Scope
from dicomnode.services.deletion import Deletion

OF_STUDY = Scope(study_instance_uid=STUDY)


class Archive:
    """An index, and a file for each of its instances."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "files"
        self.index = Index(folder, IndexSettings(), durability=Durability.FAST)
        self.index.prepare()
        self.deletion = Deletion(self.index, self.root)

    def add(self, count: int) -> None:
        for number in range(count):
            came = received(f"1.2.{number}", size_bytes=10)
            self.index.instances.add(came, OnConflict())
            path = self.root / came.location
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x")

    def files(self) -> int:
        return len(list(self.root.rglob("*.dcm")))


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    made = Archive(tmp_path)
    with closing(made.index):
        yield made


def test_rows_and_files_go_batch_by_batch(archive: Archive) -> None:
    archive.add(60)
    told: list[tuple[int, int, int]] = []

    def look(done: int) -> None:
        told.append((done, archive.index.summary().instances, archive.files()))

    deleted = archive.deletion.delete(archive.deletion.holding(OF_STUDY), reason="", by="anna", progress=look)
    assert (deleted.instances, deleted.size_bytes) == (60, 600)
    assert len(told) > 1, "all in one transaction, on a full disk that is too much"
    assert told == [(done, 60 - done, 60 - done) for done, _, _ in told]
    assert list(archive.root.iterdir()) == [], "empty folders are left"


def test_what_was_cut_short_is_finished(archive: Archive) -> None:
    archive.add(3)
    removal = archive.index.removal
    removal.remove(removal.holding(OF_STUDY), limit=2, reason="", by="anna")  # and dies
    assert archive.files() == 3
    assert archive.deletion.finish() == 2
    assert archive.files() == archive.index.summary().instances == 1
    assert archive.deletion.finish() == 0


def test_what_was_cut_short_between_two_files_is_finished(archive: Archive) -> None:
    archive.add(3)
    removal = archive.index.removal
    first, *_ = removal.remove(removal.holding(OF_STUDY), limit=9, reason="", by="anna")
    (archive.root / str(first.location)).unlink()  # and dies
    assert archive.deletion.finish() == 3
    assert archive.files() == 0


def test_files_on_a_disk_that_is_away_are_not_forgotten(archive: Archive) -> None:
    archive.add(2)
    archive.root.rename(archive.root.with_name("away"))
    with pytest.raises(StorageError, match="cannot be removed"):
        archive.deletion.delete(archive.deletion.holding(OF_STUDY), reason="", by="anna")
    assert archive.index.summary().instances == 0
    archive.root.with_name("away").rename(archive.root)
    archive.deletion.finish()
    assert archive.files() == 0


def test_nothing_to_delete_is_told(archive: Archive) -> None:
    with pytest.raises(UnknownInstanceError):
        archive.deletion.holding(OF_STUDY)
