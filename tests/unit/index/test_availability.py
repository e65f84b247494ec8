"""Who is told of which instances: each once, whatever comes while others are told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from unit.index.received import STUDY, received, verdict

from dicomnode.index import Durability, Index, IndexSettings, Notify, OnConflict

RIS = "ris"


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    opened = Index(tmp_path, IndexSettings(), durability=Durability.FAST, notify=Notify((RIS, "pacs"), quiet_s=0))
    opened.prepare()
    yield opened
    opened.close()


def untold(index: Index) -> list[str]:
    """What the peer is told of now."""
    found = index.availability.untold(RIS, STUDY)
    index.availability.told(RIS, STUDY, found)
    return [one.sop_instance_uid for one in found.instances]


def test_acceptances_of_one_study_owe_each_peer_one_notification(index: Index) -> None:
    for uid in ("1.1", "1.2", "1.3"):
        index.instances.add(received(uid), OnConflict())
    entries = list(index.outbox.list())
    assert sorted((entry.destination, entry.key) for entry in entries) == [("pacs", STUDY), (RIS, STUDY)]


def test_held_instance_owes_nothing_until_it_is_released(index: Index) -> None:
    index.instances.add(received("1.1", judged=verdict("core.uids")), OnConflict())
    assert not list(index.outbox.list())
    index.instances.add(received("1.2"), OnConflict())
    assert untold(index) == ["1.2"]
    index.quarantine.release(1, reason="trauma", by="jane")
    assert untold(index) == ["1.1"], "though it came before what was told"
    assert untold(index) == []


def test_nobody_is_told_twice(index: Index) -> None:
    index.instances.add(received("1.1"), OnConflict())
    assert untold(index) == ["1.1"]
    index.instances.add(received("1.2"), OnConflict())
    index.instances.add(received("1.3", series="1.2.840.99.1.2"), OnConflict())
    assert untold(index) == ["1.2", "1.3"]


def test_instance_that_comes_while_others_are_told_is_told_next(index: Index) -> None:
    index.instances.add(received("1.1"), OnConflict())
    entry = index.deliveries.claim(RIS, "delivery-1", 60)
    assert entry is not None
    found = index.availability.untold(RIS, STUDY)
    index.instances.add(received("1.2"), OnConflict())
    index.availability.told(RIS, STUDY, found)
    index.deliveries.done(entry)
    assert index.deliveries.claim(RIS, "delivery-1", 60) is not None, "it owes a notification of its own"
    assert untold(index) == ["1.2"]
