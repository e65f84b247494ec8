"""Signals that are waited for, and signals that end a wait."""

from __future__ import annotations

import select
import signal

import pytest

from dicomnode.supervisor import watched_signals


def test_signals_can_be_polled_for_and_are_told_once() -> None:
    with watched_signals() as signals:
        assert signals.received() == set()
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGTERM)
        assert select.select([signals], [], [], 10)[0] == [signals]
        assert signals.received() == {signal.SIGHUP, signal.SIGTERM}
        assert signals.received() == set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_wait_ends_when_a_stop_comes(number: signal.Signals) -> None:
    with watched_signals() as signals:
        with pytest.raises(KeyboardInterrupt), signals.interrupting():
            signal.raise_signal(number)
        assert signals.received() == {number}


def test_wait_does_not_begin_when_a_stop_came_before() -> None:
    with watched_signals() as signals:
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt), signals.interrupting():
            signal.pause()


def test_reload_ends_no_wait_and_is_not_lost() -> None:
    with watched_signals() as signals:
        with signals.interrupting():
            signal.raise_signal(signal.SIGHUP)
        assert signals.received() == {signal.SIGHUP}


def test_handlers_are_what_they_were_afterwards() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with watched_signals():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
