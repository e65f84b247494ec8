"""Functions in processes of their own, and what comes back from them."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from dicomnode.errors import DataFolderError
from dicomnode.supervisor import raise_descriptor_limit, run_to_end
from dicomnode.supervisor.launch import launch


def add(first: int, second: int) -> int:
    return first + second


def find_the_folder_newer() -> None:
    raise DataFolderError("the index is newer than this program")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fail() -> None:
    raise ZeroDivisionError


def tell_number_and_wait(numbers: Path) -> None:
    numbers.write_text(str(os.getpid()))
    signal.pause()


def open_descriptors() -> list[int]:
    return [fd for fd in range(100) if is_open(fd)]


def standard_input() -> str:
    return str(Path("/proc/self/fd/0").readlink())


def handlers_and_mask() -> tuple[list[object], list[int], int]:
    handled = [number for number in signal.valid_signals() if callable(signal.getsignal(number))]
    return handled, sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())), signal.set_wakeup_fd(-1)


def title_and_group() -> tuple[str, bool]:
    return Path("/proc/self/comm").read_text().strip(), os.getpgrp() == os.getpid()


def leave(code: object) -> None:
    raise SystemExit(code)


def is_open(fd: int) -> bool:
    try:
        os.fstat(fd)
    except OSError:
        return False
    return True


def read(fd: int) -> bytes:
    return os.read(fd, 100)


def test_returns_what_the_function_returns() -> None:
    assert run_to_end("add", add, 2, 3) == 5


def test_raises_what_the_process_found_wrong() -> None:
    with pytest.raises(DataFolderError, match="the index is newer than this program"):
        run_to_end("prepare", find_the_folder_newer)


def test_tells_how_a_process_died() -> None:
    with pytest.raises(DataFolderError, match="prepare was killed by signal 9"):
        run_to_end("prepare", die)


def test_tells_that_a_process_failed(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(DataFolderError, match="prepare ended with exit code 1"):
        run_to_end("prepare", fail)
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_process_ends_with_the_wait_for_it(tmp_path: Path) -> None:
    numbers = tmp_path / "numbers"
    os.mkfifo(numbers)

    @contextmanager
    def interrupted() -> Iterator[None]:
        started.append(int(numbers.read_text()))
        raise KeyboardInterrupt
        yield

    started: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        run_to_end("wait", tell_number_and_wait, numbers, waiting=interrupted)
    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)


def test_a_process_inherits_the_descriptors_that_it_is_given_and_no_others() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"for the child")
    os.set_inheritable(writing, True)
    assert run_to_end("read", read, reading, descriptors=(reading,)) == b"for the child"
    assert writing not in run_to_end("look", open_descriptors)
    os.close(reading)
    os.close(writing)


def test_a_process_has_nothing_of_its_parents_signals_and_input() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    wakeup = signal.set_wakeup_fd(writing)
    try:
        assert run_to_end("look", handlers_and_mask) == ([], [], -1)
        assert run_to_end("look", standard_input) == os.devnull
        assert run_to_end("association-1", title_and_group) == ("association-1", True)
        assert signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL
    finally:
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGTERM, before)
        os.close(reading)
        os.close(writing)


@pytest.mark.parametrize(("given", "code"), [(None, 0), (2, 2), ("a reason", 1)])
def test_a_process_ends_with_the_code_that_it_gives(given: object, code: int) -> None:
    assert launch("leave", partial(leave, given), ()).wait() == code


def test_a_process_that_ended_gets_no_signal() -> None:
    process = launch("leave", partial(leave, 3), ())
    assert process.wait() == 3
    process.kill()
    assert process.poll() == 3


@pytest.fixture
def descriptor_limit() -> Iterator[tuple[int, int]]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_raises_the_limit_of_descriptors_to_the_hard_limit(descriptor_limit: tuple[int, int]) -> None:
    _, hard = descriptor_limit
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    assert raise_descriptor_limit() == hard
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard
