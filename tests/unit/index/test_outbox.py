"""The outbox: written with its cause, delivered by one worker at a time, in order where that matters, and never lost."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicomnode.errors import UnknownEntryError
from dicomnode.index import DebtState, Durability, Index, IndexSettings, OutboxEntry, Owed
from dicomnode.index.outbox import AT_ONCE

LEASE_S = 60.0
WORKER = "delivery-1"


def claimed(index: Index, destination: str = "a", worker: str = WORKER, lease_s: float = LEASE_S) -> OutboxEntry:
    entry = index.deliveries.claim(destination, worker, lease_s)
    assert entry is not None
    return entry


def waiting(index: Index) -> list[str]:
    return [entry.key for entry in index.outbox.list(DebtState.WAITING)]


def test_claimed_row_is_nobody_elses_until_it_is_done(index: Index) -> None:
    index.outbox.owe(Owed("report", "a", payload={"request": 7}))
    entry = claimed(index)
    assert (entry.kind, entry.payload, entry.attempts) == ("report", {"request": 7}, 0)
    assert index.deliveries.claim("a", "delivery-2", LEASE_S) is None
    assert index.deliveries.done(entry)
    assert index.outbox.counts() == (0, 0)


def test_lease_of_a_worker_that_is_gone_ends(index: Index) -> None:
    index.outbox.owe(Owed("report", "a"))
    lost = claimed(index, lease_s=-1)
    again = claimed(index, worker="delivery-2")
    assert again.id == lost.id
    assert not index.deliveries.done(lost), "it is another worker's now"
    assert index.deliveries.done(again)


def test_renewed_lease_does_not_end(index: Index) -> None:
    index.outbox.owe(Owed("report", "a"))
    lease = str(claimed(index, lease_s=-1).lease)
    index.deliveries.renew([lease], LEASE_S)
    assert index.deliveries.claim("a", "delivery-2", LEASE_S) is None


def test_only_the_leases_that_are_named_are_renewed(index: Index) -> None:
    index.outbox.owe(Owed("report", "a"), Owed("report", "a"))
    claimed(index)
    index.deliveries.renew([str(claimed(index).lease)], -1)
    assert claimed(index, worker="delivery-2").id == 2
    assert index.deliveries.claim("a", "delivery-2", LEASE_S) is None


def test_what_a_worker_gives_back_is_due(index: Index) -> None:
    index.outbox.owe(Owed("report", "a"), Owed("report", "a"))
    claimed(index, worker="delivery-1")
    other = claimed(index, worker="delivery-11")
    index.deliveries.give_back("delivery-1")
    assert claimed(index).id != other.id
    assert index.deliveries.claim("a", WORKER, LEASE_S) is None, "the other one's lease goes on"
    index.deliveries.give_back()
    assert claimed(index).id == 1


def test_rows_are_written_with_their_cause_or_not_at_all(index: Index) -> None:
    with pytest.raises(TypeError):
        index.outbox.owe(Owed("report", "a"), Owed("report", "a", payload={"no json": object()}))
    assert index.outbox.counts() == (0, 0)


def test_failed_row_is_due_later_and_says_why(index: Index) -> None:
    index.outbox.owe(Owed("report", "a"))
    later = datetime.now(UTC) + timedelta(hours=1)
    index.deliveries.failed(claimed(index), "nobody answers", later)
    assert index.deliveries.claim("a", WORKER, LEASE_S) is None
    [entry] = index.outbox.list()
    assert (entry.attempts, entry.reason, entry.state) == (1, "nobody answers", DebtState.WAITING)
    assert abs(entry.due_at - later) < timedelta(milliseconds=1)
    index.deliveries.hurry("a")
    assert claimed(index).id == entry.id


def test_given_up_row_waits_for_a_person(index: Index) -> None:
    index.outbox.owe(Owed("report", "a"))
    index.deliveries.failed(claimed(index), "no such peer", None)
    assert index.outbox.counts() == (0, 1)
    assert index.deliveries.destinations() == []
    index.outbox.retry(1, by="jane")
    assert index.deliveries.destinations() == [("a", AT_ONCE)]
    assert claimed(index).attempts == 0


def test_not_before_is_heeded(index: Index) -> None:
    due = datetime.now(UTC) + timedelta(hours=1)
    index.outbox.owe(Owed("report", "a", not_before=due))
    [(destination, when)] = index.deliveries.destinations()
    assert destination == "a"
    assert abs(when - due) < timedelta(milliseconds=1)
    assert index.deliveries.claim("a", WORKER, LEASE_S) is None


def test_same_key_is_delivered_in_order(index: Index) -> None:
    index.outbox.owe(Owed("create", "a", "step"), Owed("set", "a", "step"), Owed("set", "b", "step"))
    first = claimed(index)
    assert first.kind == "create"
    assert index.deliveries.claim("a", WORKER, LEASE_S) is None
    assert claimed(index, "b").kind == "set", "another destination does not wait"
    index.deliveries.done(first)
    assert claimed(index).kind == "set", "at once, though it was looked at before"


def test_row_behind_one_that_was_given_up_waits_for_the_decision(index: Index) -> None:
    index.outbox.owe(Owed("create", "a", "step"), Owed("set", "a", "step"))
    index.deliveries.failed(claimed(index), "refused", None)
    assert index.deliveries.claim("a", WORKER, LEASE_S) is None
    index.outbox.drop(1, reason="gone", by="jane")
    assert claimed(index).kind == "set"
    [dropped] = index.outbox.list(DebtState.DROPPED)
    assert (dropped.by, dropped.reason) == ("jane", "gone")
    assert index.outbox.remove_dropped(datetime.now(UTC) + timedelta(days=1)) == 1


def test_coalescing_row_is_written_once_until_it_is_claimed(index: Index) -> None:
    owed = Owed("availability", "a", "1.2.3", coalesces=True)
    index.outbox.owe(owed, owed)
    index.outbox.owe(owed)
    assert waiting(index) == ["1.2.3"]
    entry = claimed(index)
    index.outbox.owe(owed, owed)
    assert len(waiting(index)) == 2, "what came after the claim is told, too"
    index.deliveries.failed(entry, "nobody answers", datetime.now(UTC))
    assert claimed(index).id == entry.id


def test_person_cannot_decide_on_what_is_under_way(index: Index) -> None:
    index.outbox.owe(Owed("report", "a"))
    claimed(index)
    with pytest.raises(UnknownEntryError, match="being delivered just now"):
        index.outbox.drop(1, reason="gone", by="jane")
    with pytest.raises(UnknownEntryError, match="never there"):
        index.outbox.retry(99, by="jane")


def test_number_of_what_is_gone_is_not_given_again(index: Index) -> None:
    index.outbox.owe(Owed("report", "a"))
    gone = claimed(index)
    index.deliveries.done(gone)
    index.outbox.owe(Owed("report", "b"))
    with pytest.raises(UnknownEntryError, match="never there"):
        index.outbox.drop(gone.id, reason="gone", by="jane")
    assert index.outbox.counts() == (1, 0), "what she did not mean is still owed"


def test_two_workers_never_have_the_same_row(tmp_path: Path) -> None:
    first = Index(tmp_path, IndexSettings(), durability=Durability.FAST)
    first.prepare()
    second = Index(tmp_path, IndexSettings(), durability=Durability.FAST)  # as another process has it
    first.outbox.owe(*(Owed("report", "a", f"{number % 7}") for number in range(100)))
    taken: list[tuple[str, int]] = []

    def work(index: Index, worker: str) -> None:
        while index.outbox.counts()[0]:
            entry = index.deliveries.claim("a", worker, LEASE_S)
            if entry is not None:
                taken.append((entry.key, entry.id))
                assert index.deliveries.done(entry)

    threads = [
        threading.Thread(target=work, args=(index, f"delivery-{number}"))
        for number, index in enumerate((first, first, second, second))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(number for _, number in taken) == list(range(1, 101))
    for key in range(7):
        of_key = [number for one, number in taken if one == f"{key}"]
        assert of_key == sorted(of_key)
    first.close()
    second.close()


STEPS = st.lists(
    st.tuples(st.sampled_from(["owe", "claim", "done", "fail", "crash"]), st.integers(0, 2)), min_size=1, max_size=40
)


@given(steps=STEPS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_is_lost_and_order_holds(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int]]
) -> None:
    index = Index(tmp_path_factory.mktemp("index"), IndexSettings(), durability=Durability.FAST)
    index.prepare()
    owed, delivered, held = 0, [], list[OutboxEntry]()
    for step, key in steps:
        if step == "owe":
            index.outbox.owe(Owed("report", "a", f"{key}"))
            owed += 1
        elif step == "claim":
            entry = index.deliveries.claim("a", WORKER, LEASE_S)
            if entry is not None:
                assert entry.id not in {one.id for one in held}, "one row, two owners"
                assert entry.key not in {one.key for one in held}, "one key, two at once"
                held.append(entry)
        elif step == "crash":
            index.deliveries.give_back()
            held.clear()
        elif held:
            entry = held.pop(0)
            if step == "done":
                delivered.append((entry.key, entry.id))
                assert index.deliveries.done(entry)
            else:
                index.deliveries.failed(entry, "no", datetime.now(UTC))
    assert len(delivered) + index.outbox.counts()[0] == owed
    for key in range(3):
        of_key = [number for one, number in delivered if one == f"{key}"]
        assert of_key == sorted(of_key)
    index.close()
