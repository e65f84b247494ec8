"""One function in several processes: order, bounded work ahead, and what becomes of an input that ends its process."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator

import pytest

from dicomnode.services.parallel import in_order


def doubling() -> Callable[[int], tuple[int, int]]:
    return lambda number: (2 * number, os.getpid())


def deadly() -> Callable[[int], int]:
    return die_at_multiples_of_100


def die_at_multiples_of_100(number: int) -> int:
    if number % 100 == 0:
        os.kill(os.getpid(), signal.SIGBUS)
    return number


@pytest.mark.parametrize("jobs", [1, 2])
def test_outputs_come_in_the_order_of_inputs(jobs: int) -> None:
    told = list(in_order(range(500), doubling, jobs=jobs, alone_s=0))
    assert [(number, output and output[0]) for number, output in told] == [
        (number, 2 * number) for number in range(500)
    ]


def test_little_is_done_here() -> None:
    assert {output and output[1] for _, output in in_order(range(300), doubling, jobs=2)} == {os.getpid()}


def test_much_is_done_by_as_many_processes_as_are_asked_for() -> None:
    pids = {output[1] for _, output in in_order(range(3000), doubling, jobs=2, alone_s=0) if output}
    assert len(pids - {os.getpid()}) == 2


def test_input_that_ends_its_process_costs_no_other() -> None:
    told = list(in_order(range(1, 251), deadly, jobs=2, alone_s=0))
    assert told == [(number, None if number % 100 == 0 else number) for number in range(1, 251)]


def test_no_more_is_taken_than_is_worked_on() -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    outputs = in_order(endless(), doubling, jobs=2, alone_s=0)
    assert next(outputs)[0] == 1
    outputs.close()
    assert taken < 2000


@pytest.mark.parametrize("jobs", [1, 2])
def test_stops_when_it_is_told_to(jobs: int) -> None:
    asked = 0

    def stop() -> bool:
        nonlocal asked
        asked += 1
        return asked > 5

    told = [number for number, _ in in_order(range(10_000), doubling, jobs=jobs, stop=stop, alone_s=0)]
    assert told == list(range(len(told)))
    assert 5 <= len(told) <= 5 * 128
