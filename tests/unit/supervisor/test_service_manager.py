"""systemd's notification protocol, as systemd would read it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from dicomnode.supervisor import ServiceManager


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    """The socket that systemd listens on."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        yield listener


def test_says_that_the_node_is_ready(systemd: socket.socket) -> None:
    ServiceManager({"NOTIFY_SOCKET": systemd.getsockname()}).ready("2 workers accept")
    assert systemd.recv(100) == b"READY=1\nSTATUS=2 workers accept"


def test_a_reload_carries_its_instant(systemd: socket.socket) -> None:
    ServiceManager({"NOTIFY_SOCKET": systemd.getsockname()}).reloading()
    state, instant, _ = systemd.recv(100).decode().splitlines()
    assert state == "RELOADING=1"
    assert instant.startswith("MONOTONIC_USEC=")


def test_says_nothing_without_a_service_manager() -> None:
    ServiceManager({}).ready("nobody hears it")


def test_goes_on_when_the_service_manager_has_gone(tmp_path: Path) -> None:
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).alive()


def test_speaks_twice_in_each_period_of_the_watchdog() -> None:
    assert ServiceManager({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}).watchdog_interval_s == 30


@pytest.mark.parametrize("environment", [{}, {"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}])
def test_a_watchdog_for_nobody_or_for_another_process_is_none_of_ours(environment: dict[str, str]) -> None:
    assert ServiceManager(environment).watchdog_interval_s is None
