"""What a worker learns from its channel."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator

import pytest

from dicomnode.supervisor.channel import ABORT, DRAIN, HEARTBEAT, READY, Stop, WorkerChannel


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, WorkerChannel]]:
    """The parent's end, and the worker's channel."""
    parent, worker = socket.socketpair()
    parent.settimeout(5)
    with parent, worker:
        yield parent, WorkerChannel(worker, name="association-1", place=0, sockets=[], grace_s=0.05)


Pair = tuple[socket.socket, WorkerChannel]


def test_goes_on_while_the_parent_is_silent(pair: Pair) -> None:
    assert pair[1].stop() is Stop.NO


def test_says_that_it_accepts_and_lives(pair: Pair) -> None:
    parent, channel = pair
    channel.ready()
    channel.heartbeat()
    assert parent.recv(10) == READY + HEARTBEAT


@pytest.mark.parametrize(("said", "stop"), [(DRAIN, Stop.DRAIN), (ABORT, Stop.ABORT), (DRAIN + ABORT, Stop.ABORT)])
def test_hears_what_the_parent_wants_and_keeps_to_it(pair: Pair, said: bytes, stop: Stop) -> None:
    parent, channel = pair
    parent.send(said)
    assert channel.stop() is stop
    assert channel.stop() is stop


def test_a_word_of_the_parent_ends_the_wait_of_its_loop(pair: Pair) -> None:
    parent, channel = pair
    assert select.select([channel], [], [], 0)[0] == []
    parent.send(DRAIN)
    assert select.select([channel], [], [], 5)[0] == [channel]


def test_drains_when_the_parent_dies_and_aborts_after_the_grace_period(pair: Pair) -> None:
    parent, channel = pair
    parent.close()
    assert channel.stop() is Stop.DRAIN
    deadline = time.monotonic() + 5
    while channel.stop() is not Stop.ABORT:
        assert time.monotonic() < deadline


def test_a_dead_parent_does_not_take_an_abort_back(pair: Pair) -> None:
    parent, channel = pair
    parent.send(ABORT)
    parent.close()
    assert channel.stop() is Stop.ABORT
    assert channel.stop() is Stop.ABORT


def test_heartbeats_never_wait_for_a_parent_that_does_not_read(pair: Pair) -> None:
    for _ in range(100_000):
        pair[1].heartbeat()


def test_heartbeats_to_a_dead_parent_do_no_harm(pair: Pair) -> None:
    parent, channel = pair
    parent.close()
    channel.heartbeat()
    channel.heartbeat()
    assert channel.stop() is Stop.DRAIN
