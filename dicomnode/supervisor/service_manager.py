"""What the service manager is told: systemd's notification protocol (sd_notify(3), sd_watchdog_enabled(3))."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping

_MICROSECONDS = 1_000_000


class ServiceManager:
    """The service manager that started this process; without one, what is told goes nowhere."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        address = environment.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        is_watched = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        timeout_s = int(environment.get("WATCHDOG_USEC", "0")) / _MICROSECONDS
        self.watchdog_interval_s: float | None = timeout_s / 2 if timeout_s and is_watched else None
        """How often `alive` is to be called; None when nobody watches."""

    def ready(self, status: str) -> None:
        """The node serves, or serves again after a reload."""
        self._tell("READY=1", f"STATUS={status}")

    def reloading(self) -> None:
        """A reload has begun; `ready` ends it."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={int(time.monotonic() * _MICROSECONDS)}", "STATUS=reloading")

    def stopping(self, status: str) -> None:
        """The node is leaving."""
        self._tell("STOPPING=1", f"STATUS={status}")

    def alive(self) -> None:
        """Every worker is well."""
        self._tell("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._tell(f"STATUS={text}")

    def _tell(self, *lines: str) -> None:
        if not self._address:
            return
        # A service manager that does not listen is no reason to stop serving; the watchdog is its own remedy.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.settimeout(0)
            notify.sendto("\n".join(lines).encode(), self._address)
