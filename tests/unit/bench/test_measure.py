"""The statistics, and what is read of processes."""

import math
import os
import subprocess
import sys

import pytest

from bench import measure


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (99, 99), (100, 100), (0, 1)])
def test_percentile_is_the_nearest_rank(percent: float, expected: float) -> None:
    assert measure.percentile(list(range(100, 0, -1)), percent) == expected


def test_percentile_of_few_values_is_one_of_them() -> None:
    assert measure.percentile([3.0, 1.0, 2.0], 99) == 3.0
    assert measure.percentile([3.0, 1.0], 50) == 1.0


def test_percentile_of_nothing_is_no_number() -> None:
    assert math.isnan(measure.percentile([], 99))


def test_cpu_time_counts_a_child_that_works_and_one_that_has_ended() -> None:
    before = measure.cpu_s(os.getpid())

    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass"], check=True)

    assert measure.cpu_s(os.getpid()) - before >= 0.28


def test_memory_counts_children() -> None:
    program = "import sys; held = bytearray(b'x') * (64 << 20); sys.stdout.write('ready\\n'); sys.stdout.flush(); sys.stdin.read()"
    before = measure.memory(os.getpid())
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        during = measure.memory(os.getpid())
        child.communicate()

    assert during.resident - before.resident >= 64 << 20
    assert during.anonymous - before.anonymous >= 64 << 20
