"""The delivery worker: whom it calls, when it tries again, when it gives up, and that nobody waits for the dead."""

from __future__ import annotations

import select
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from dicomnode.errors import DeliveryError, IndexUnavailableError, NoContextError, PeerError, UndeliverableError
from dicomnode.index import DebtState, Durability, Index, IndexSettings, OutboxEntry, Owed
from dicomnode.services import delivery as delivering
from dicomnode.services.delivery import Delivery, DeliverySettings, Handler, Periodic

SETTINGS = DeliverySettings(first_retry_s=0.02, longest_retry_s=0.05, parallel_destinations=4)
NEVER_AGAIN = DeliverySettings(first_retry_s=1000, longest_retry_s=1000, parallel_destinations=4)


def run(delivery: Delivery, until: Callable[[], object], timeout_s: float = 20.0) -> None:
    """Step as the worker does until something is so, and everything under way has ended."""
    deadline = time.monotonic() + timeout_s
    while not until():
        delivery.step()
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.001)
    delivery.drain()
    while not delivery.is_idle:
        delivery.step()
        assert time.monotonic() < deadline, "does not come to an end"
        time.sleep(0.001)
    delivery.close()


def delivery(index: Index, handler: Handler, settings: DeliverySettings = SETTINGS) -> Delivery:
    return Delivery(index.deliveries, {"report": handler}, settings, worker="delivery-1")


def test_each_row_reaches_its_handler_once(index: Index) -> None:
    index.outbox.owe(*(Owed("report", f"{number % 3}", payload={"n": number}) for number in range(9)))
    seen: list[object] = []
    run(delivery(index, lambda entry: seen.append(entry.payload["n"])), lambda: len(seen) == 9)
    assert sorted(seen, key=str) == list(range(9))
    assert index.outbox.counts() == (0, 0)


@pytest.mark.parametrize(
    "error", [PeerError("away"), DeliveryError("refused"), NoContextError("no"), ValueError("bug")]
)
def test_failure_is_tried_again_until_it_succeeds(index: Index, error: Exception) -> None:
    index.outbox.owe(Owed("report", "a"))
    attempts: list[int] = []

    def handler(entry: OutboxEntry) -> None:
        attempts.append(entry.attempts)
        if len(attempts) < 4:
            raise error

    with capture_logs() as logs:
        run(delivery(index, handler), lambda: len(attempts) == 4)
    assert attempts == [0, 1, 2, 3]
    assert [line["event"] for line in logs if line["event"] == "delivery.sent"] == ["delivery.sent"]
    assert sum(line["event"] == "delivery.failed" and "delay_s" in line for line in logs) == 3


@pytest.mark.parametrize("verb", ["done", "failed"])
def test_delivery_whose_end_could_not_be_written_is_made_again(
    index: Index, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """Its lease ends although the worker goes on: it only renews the leases of what is under way."""
    monkeypatch.setattr(delivering, "LEASE_S", 0.3)
    monkeypatch.setattr(delivering, "_RENEW_S", 0.02)
    monkeypatch.setattr(delivering, "_REST_S", 0.0)
    index.outbox.owe(Owed("report", "a"), Owed("report", "b"))
    attempts: list[str] = []
    again = threading.Event()

    def handler(entry: OutboxEntry) -> None:
        if entry.destination == "b":  # under way all the time
            again.wait(10)
            return
        attempts.append(entry.key)
        if len(attempts) == 2:
            again.set()
        elif verb == "failed":
            raise DeliveryError("refused")

    genuine = getattr(index.deliveries, verb)
    calls: list[object] = []

    def write(*arguments: object) -> bool:
        calls.append(arguments)
        if len(calls) == 1:
            raise IndexUnavailableError("no room")
        return bool(genuine(*arguments))

    monkeypatch.setattr(index.deliveries, verb, write)
    run(delivery(index, handler), again.is_set, timeout_s=5)
    assert len(attempts) == 2


def test_two_workers_deliver_each_row_once_and_in_order(index: Index, tmp_path: Path) -> None:
    """As in a reload: the old worker still drains when the new one begins."""
    second = Index(tmp_path, IndexSettings(), durability=Durability.FAST)
    index.outbox.owe(*(Owed("report", f"{number % 2}", f"key-{number % 3}") for number in range(60)))
    seen: list[tuple[str, str, int]] = []

    def handler(entry: OutboxEntry) -> None:
        seen.append((entry.destination, entry.key, entry.id))

    workers = [
        Delivery(each.deliveries, {"report": handler}, SETTINGS, worker=f"delivery-{number}")
        for number, each in enumerate((index, second))
    ]
    threads = [
        threading.Thread(target=run, args=(worker, lambda: index.outbox.counts() == (0, 0))) for worker in workers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(number for _, _, number in seen) == list(range(1, 61))
    for place in {one[:2] for one in seen}:
        in_place = [number for *one, number in seen if tuple(one) == place]
        assert in_place == sorted(in_place)
    second.close()


def test_what_cannot_be_delivered_is_given_up_at_once(index: Index) -> None:
    index.outbox.owe(Owed("report", "a"), Owed("unheard-of", "a"))

    def handler(entry: OutboxEntry) -> None:
        raise UndeliverableError("no such peer")

    run(delivery(index, handler), lambda: index.outbox.counts() == (0, 2))
    assert {entry.reason for entry in index.outbox.list(DebtState.DEAD)} == {
        "no such peer",
        "nothing here delivers unheard-of",
    }


def test_old_failures_are_given_up(index: Index) -> None:
    index.outbox.owe(Owed("report", "a"))
    calls: list[int] = []

    def handler(entry: OutboxEntry) -> None:
        calls.append(entry.attempts)
        raise DeliveryError("refused")

    settings = SETTINGS.model_copy(update={"give_up_after_h": 1e-9})
    run(delivery(index, handler, settings), lambda: index.outbox.counts() == (0, 1))
    assert calls == [0, 1, 2], "however old it is, it gets three attempts"


def test_nobody_waits_for_a_dead_destination(index: Index) -> None:
    """Destinations that hang hold half of the threads at most, whatever waits for them."""
    index.outbox.owe(*(Owed("report", f"dead-{number}") for number in range(8)))
    let_go, dead, sent = threading.Event(), set[str](), list[str]()

    def handler(entry: OutboxEntry) -> None:
        if entry.destination.startswith("dead"):
            if entry.destination in dead:
                let_go.wait(20)
            dead.add(entry.destination)
            raise PeerError("away")
        sent.append(entry.destination)

    worker = delivery(index, handler)
    deadline = time.monotonic() + 20
    while len(dead) < 8:  # each has failed once
        worker.step()
        assert time.monotonic() < deadline
        time.sleep(0.001)
    index.outbox.owe(*(Owed("report", f"alive-{number}") for number in range(8)))
    while len(sent) < 8:
        worker.step()
        assert time.monotonic() < deadline, f"only {sent} while others hang"
        time.sleep(0.001)
    let_go.set()
    run(worker, lambda: True)


def test_one_failure_pauses_all_that_waits_for_the_destination(index: Index) -> None:
    index.outbox.owe(*(Owed("report", "dead") for _ in range(5)), Owed("report", "alive"))
    called: list[str] = []

    def handler(entry: OutboxEntry) -> None:
        called.append(entry.destination)
        if entry.destination == "dead":
            raise PeerError("away")

    run(delivery(index, handler, NEVER_AGAIN), lambda: index.outbox.counts() == (5, 0) and len(called) == 2)
    assert sorted(called) == ["alive", "dead"]


def test_destination_that_is_back_gets_everything_at_once(index: Index) -> None:
    index.outbox.owe(*(Owed("report", "a") for _ in range(3)))
    is_away, calls = [True], []

    def handler(entry: OutboxEntry) -> None:
        calls.append(entry.id)
        if is_away[0]:
            raise PeerError("away")

    worker = delivery(index, handler, NEVER_AGAIN)
    deadline = time.monotonic() + 20
    while index.outbox.get(1).attempts == 0:
        worker.step()
        assert time.monotonic() < deadline
        time.sleep(0.001)
    is_away[0] = False
    index.outbox.retry(2, by="jane")  # a person says that it is back
    run(worker, lambda: index.outbox.counts() == (0, 0))
    assert sorted(calls) == [1, 1, 2, 3]


def test_drain_begins_nothing_new(index: Index) -> None:
    index.outbox.owe(*(Owed("report", "a") for _ in range(5)))
    begun, go_on = threading.Event(), threading.Event()

    def handler(entry: OutboxEntry) -> None:
        begun.set()
        go_on.wait(20)

    worker = delivery(index, handler)
    worker.step()
    assert begun.wait(20)
    worker.drain()
    go_on.set()
    run(worker, lambda: worker.is_idle)
    assert index.outbox.counts() == (4, 0)


def test_periodic_task_that_fails_goes_on(index: Index) -> None:
    calls: list[int] = []

    def task() -> None:
        calls.append(1)
        raise ValueError("bug")

    structlog.reset_defaults()
    with capture_logs() as logs:
        worker = Delivery(index.deliveries, {}, SETTINGS, [Periodic("folder", 0.001, task)], worker="delivery-1")
        run(worker, lambda: len(calls) > 2)
    assert {line["event"] for line in logs} == {"periodic.failed"}


def test_step_wakes_its_loop_when_a_delivery_has_ended(index: Index) -> None:
    index.outbox.owe(Owed("report", "a"))
    worker = delivery(index, lambda entry: None)
    worker.step()
    poll = select.poll()
    poll.register(worker, select.POLLIN)
    assert poll.poll(20_000)
    run(worker, lambda: True)


def test_index_that_cannot_be_written_does_not_keep_the_worker_busy(index: Index, tmp_path: Path) -> None:
    index.outbox.owe(Owed("report", "a"))
    worker = delivery(index, lambda entry: None)
    with sqlite3.connect(tmp_path / "index.sqlite") as connection:
        connection.execute("CREATE TRIGGER full BEFORE UPDATE ON outbox BEGIN SELECT RAISE(ABORT, 'full'); END")
    with capture_logs() as logs:
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            worker.step()
            time.sleep(0.001)
    assert [line["event"] for line in logs] == ["delivery.index_unavailable"]
    run(worker, lambda: True)
