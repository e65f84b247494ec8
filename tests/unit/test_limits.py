"""Limits hold over all workers of the node, and what a worker held comes back."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from dicomnode.limits import SLOTS, Limit, LimitReached, LimitSettings, NodeTable, Place, Slot, Use

MIB = 1024 * 1024


@pytest.fixture
def table() -> Iterator[NodeTable]:
    table = NodeTable.create(3)
    yield table
    table.close()


def claim(place: Place, settings: LimitSettings, peer: str = "CT1", host: str = "192.0.2.1") -> Slot:
    """A slot, where one is to be had."""
    slot = place.claim(peer, host, settings)
    assert isinstance(slot, Slot), slot
    return slot


def test_limits_associations_of_all_workers_together(table: NodeTable) -> None:
    settings = LimitSettings(associations=3)
    first, second = table.place(0), table.place(1)
    slots = [claim(first, settings), claim(second, settings), claim(first, settings)]
    assert second.claim("CT1", "192.0.2.1", settings) == LimitReached(Limit.ASSOCIATIONS)
    slots[0].release()
    claim(second, settings)
    assert table.use() == [Use(1, 0), Use(2, 0), Use(0, 0)]


def test_limits_associations_of_one_peer(table: NodeTable) -> None:
    settings = LimitSettings(associations_per_peer=2)
    first, second = table.place(0), table.place(1)
    slot = claim(first, settings, peer="CT1", host="192.0.2.1")
    claim(second, settings, peer="CT1", host="192.0.2.2")
    claim(second, settings, peer="CT2", host="192.0.2.1")
    assert second.claim("CT1", "192.0.2.3", settings) == LimitReached(Limit.ASSOCIATIONS_PER_PEER)
    slot.release()
    claim(second, settings, peer="CT1", host="192.0.2.3")


def test_limits_associations_of_one_host(table: NodeTable) -> None:
    settings = LimitSettings(associations_per_host=2)
    first, second = table.place(0), table.place(1)
    claim(first, settings, peer="CT1", host="192.0.2.1")
    claim(second, settings, peer="CT2", host="192.0.2.1")
    claim(first, settings, peer="CT1", host="192.0.2.2")
    assert first.claim("CT3", "192.0.2.1", settings) == LimitReached(Limit.ASSOCIATIONS_PER_HOST)


def test_peer_and_host_have_no_limit_of_their_own_by_default(table: NodeTable) -> None:
    place = table.place(0)
    for _ in range(LimitSettings().associations):
        claim(place, LimitSettings())


def test_memory_is_shared_by_all_workers(table: NodeTable) -> None:
    settings = LimitSettings(memory_mb=16)
    first, second = table.place(0).memory(settings), table.place(1).memory(settings)
    assert first.reserve(10 * MIB)
    assert not second.reserve(6 * MIB + 1)
    assert second.reserve(6 * MIB)
    first.give_back(4 * MIB)
    assert second.reserve(4 * MIB)
    assert [use.memory_bytes for use in table.use()] == [6 * MIB, 10 * MIB, 0]


def test_releasing_a_slot_twice_counts_once(table: NodeTable) -> None:
    place, settings = table.place(0), LimitSettings()
    slot, _other = claim(place, settings), claim(place, settings)
    slot.release()
    slot.release()
    assert table.use()[0] == Use(1, 0)


def test_clearing_a_place_returns_all_that_a_dead_worker_held(table: NodeTable) -> None:
    settings = LimitSettings(associations=4, associations_per_peer=2)
    dead, alive = table.place(0), table.place(1)
    for _ in range(2):
        claim(dead, settings)
    assert dead.memory(settings).reserve(MIB)
    claim(alive, settings, peer="CT2")
    assert isinstance(alive.claim("CT1", "192.0.2.1", settings), LimitReached)
    table.clear(0)
    assert table.use() == [Use(0, 0), Use(1, 0), Use(0, 0)]
    successor = table.place(0)
    for _ in range(2):
        claim(successor, settings)


def test_processes_that_attach_see_the_same_table(table: NodeTable) -> None:
    other = NodeTable.attach(os.dup(table.fd))
    claim(other.place(2), LimitSettings())
    assert table.use()[2] == Use(1, 0)
    assert other.places == 3
    other.close()


def test_threads_of_one_worker_never_pass_a_limit(table: NodeTable) -> None:
    place, settings = table.place(0), LimitSettings(associations=5, memory_mb=16)
    memory = place.memory(settings)
    most = 0
    watch = threading.Lock()

    def come_and_go() -> None:
        nonlocal most
        for _ in range(300):
            slot = place.claim("CT1", "192.0.2.1", settings)
            if isinstance(slot, LimitReached):
                continue
            is_reserved = memory.reserve(MIB)
            use = table.use()[0]
            with watch:
                most = max(most, use.associations)
            if is_reserved:
                memory.give_back(MIB)
            slot.release()

    held = [claim(place, settings) for _ in range(4)]
    threads = [threading.Thread(target=come_and_go) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 5
    for slot in held:
        slot.release()
    assert table.use()[0] == Use(0, 0)


@pytest.mark.parametrize(
    "wrong", [{"associations": 0}, {"associations": SLOTS + 1}, {"memory_mb": 1}, {"associations_per_peer": -1}]
)
def test_refuses_senseless_limits(wrong: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        LimitSettings(**wrong)
