"""Delivers what the node owes others, and does what is due from time to time; all of it in one worker.

To add something that is owed: write it with `dicomnode.index.outbox.owe` in the transaction that causes it, and give its kind a
handler in ``node.delivery_handlers``. A handler returns when it was delivered. It raises

- `PeerError` when the destination cannot be reached: everything for it waits;
- another `DicomNodeError` (`NoContextError`, too) when just this failed: it is tried again;
- `UndeliverableError` when another try fails the same way: it is given up at once, and a person sees it.

A handler may be called again for what was delivered already: when the node crashes after a delivery and before that is written.

Each destination has one thread at most, and those that fail have half of all threads at most, so nobody waits for a dead one.
"""

from __future__ import annotations

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import structlog
from pydantic import Field

from dicomnode.errors import DicomNodeError, IndexUnavailableError, NoContextError, PeerError, UndeliverableError
from dicomnode.index.outbox import AT_ONCE, Deliveries, OutboxEntry
from dicomnode.settings import Settings

log = structlog.get_logger()

Handler = Callable[[OutboxEntry], None]

LOOK_S: Final = 1.0
"""How often the outbox is looked at: another process may have written into it."""
LEASE_S: Final = 60.0
_RENEW_S: Final = 15.0
_ATTEMPTS_AT_LEAST: Final = 3
"""Before anything is given up for its age: it may have become old while the node stood still."""
_REST_S: Final = 5.0
"""After the outbox could not be written: nothing is delivered that could not be written down."""
_ENTRIES_IN_A_TURN: Final = 50
"""That one destination gets before the others may have its thread."""


class DeliverySettings(Settings):
    """How what the node owes others (reports, notifications) is delivered."""

    first_retry_s: Annotated[float, Field(gt=0, le=86400)] = 10.0
    """Time in s to the second attempt; it doubles with each one that fails, and varies by a fifth."""
    longest_retry_s: Annotated[float, Field(gt=0, le=604800)] = 600.0
    """Time in s between two attempts at most."""
    give_up_after_h: Annotated[float, Field(gt=0, le=8760)] = 72.0
    """Time in h after which something is given up that still fails: `dicomnode outbox` shows it until a person decides."""
    parallel_destinations: Annotated[int, Field(ge=2, le=64)] = 8
    """Destinations that are delivered to at once."""
    dropped_kept_days: Annotated[int, Field(ge=1, le=36500)] = 90
    """Days for which the record stays of what a person dropped."""


@dataclass(frozen=True, slots=True)
class Periodic:
    """A task for every so often: for the first time at the start, never twice at once, and again when it failed."""

    name: str
    every_s: float
    task: Callable[[], object]


class _Pause:
    """A destination that cannot be reached: how often that was found in a row, and until when it is left alone."""

    def __init__(self, failures: int, delay_s: float) -> None:
        self.failures = failures
        self.until = time.monotonic() + delay_s


class Delivery:
    """What the delivery worker does; its main thread calls `step` when `fileno` is readable, and after the time that it returned.

    Args:
        handlers: who delivers which kind; called in threads of their own, one for each destination.
        worker: no other living worker has this name.
    """

    def __init__(
        self,
        deliveries: Deliveries,
        handlers: Mapping[str, Handler],
        settings: DeliverySettings,
        periodic: Iterable[Periodic] = (),
        *,
        worker: str,
    ) -> None:
        self._deliveries = deliveries
        self._handlers = handlers
        self._settings = settings
        self._worker = worker
        self._periodic = {task.name: task for task in periodic}
        self._due = dict.fromkeys(self._periodic, 0.0)
        self._lock = threading.Lock()
        self._running: set[str] = set()  # destinations
        self._leases: set[str] = set()  # of what is being delivered now; one whose end could not be written has to end
        self._tasks: set[str] = set()
        self._pauses: dict[str, _Pause] = {}
        self._is_draining = False
        self._renew_at = 0.0
        self._rests_until = 0.0
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def fileno(self) -> int:
        """Readable when a destination or a task is through."""
        return self._wake

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way."""
        with self._lock:
            return not self._running and not self._tasks

    def step(self) -> float:
        """Start what is due, and say in how many s to come again; never waits for a delivery."""
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._wake)
        if not self._is_draining:
            self._start_tasks()
        try:
            self._renew()
            return LOOK_S if self._is_draining else self._start_deliveries()
        except IndexUnavailableError as error:
            log.warning("delivery.index_unavailable", reason=str(error))
            return LOOK_S

    def drain(self) -> None:
        """Begin nothing new; what is under way ends."""
        self._is_draining = True

    def abort(self) -> None:
        """Let another worker deliver what is under way here: this process ends."""
        with contextlib.suppress(IndexUnavailableError):  # then the leases end by themselves
            self._deliveries.give_back(self._worker)

    def close(self) -> None:
        """Let go of what this holds; nothing may be under way any more."""
        os.close(self._wake)

    # -- periodic tasks -----------------------------------------------------------------------------------------------

    def _start_tasks(self) -> None:
        for name, task in self._periodic.items():
            with self._lock:
                is_due = name not in self._tasks and time.monotonic() >= self._due[name]
                if is_due:
                    self._tasks.add(name)
            if is_due:
                threading.Thread(target=self._do, args=(task,), name=name, daemon=True).start()

    def _do(self, task: Periodic) -> None:
        try:
            task.task()
        except DicomNodeError as error:
            log.error("periodic.failed", task=task.name, reason=str(error))
        except Exception:
            log.exception("periodic.failed", task=task.name)
        with self._lock:
            self._due[task.name] = time.monotonic() + task.every_s
            self._tasks.discard(task.name)
            self._notify()

    # -- deliveries ---------------------------------------------------------------------------------------------------

    def _renew(self) -> None:
        with self._lock:
            leases = list(self._leases)
        if leases and time.monotonic() >= self._renew_at:
            self._deliveries.renew(leases, LEASE_S)
            self._renew_at = time.monotonic() + _RENEW_S

    def _start_deliveries(self) -> float:
        now, wait_s = datetime.now(UTC), LOOK_S
        if time.monotonic() < self._rests_until:
            return wait_s
        for destination, due_at in self._deliveries.destinations():
            if due_at > now:
                return min(wait_s, (due_at - now).total_seconds())
            if self._takes(destination, is_urgent=due_at == AT_ONCE):
                threading.Thread(
                    target=self._deliver_to, args=(destination,), name=destination or "here", daemon=True
                ).start()
        return wait_s

    def _takes(self, destination: str, *, is_urgent: bool) -> bool:
        """Whether there is a thread for this destination now; it is taken."""
        with self._lock:
            pause = self._pauses.get(destination)
            if destination in self._running or (pause and not is_urgent and time.monotonic() < pause.until):
                return False
            failing = sum(one in self._pauses for one in self._running)
            if pause and failing >= self._settings.parallel_destinations // 2:
                return False
            if len(self._running) >= self._settings.parallel_destinations:
                return False
            self._running.add(destination)
            return True

    def _deliver_to(self, destination: str) -> None:
        try:
            for _ in range(_ENTRIES_IN_A_TURN):
                entry = None if self._is_draining else self._deliveries.claim(destination, self._worker, LEASE_S)
                if entry is None or not self._is_reached_with(entry):
                    break
        except IndexUnavailableError as error:
            log.warning("delivery.index_unavailable", destination=destination, reason=str(error))
            self._rests_until = time.monotonic() + _REST_S
        except Exception:
            log.exception("delivery.failed", destination=destination)
            self._rests_until = time.monotonic() + _REST_S
        with self._lock:
            self._running.discard(destination)
            self._notify()

    def _is_reached_with(self, entry: OutboxEntry) -> bool:
        """Deliver one, and hold its lease meanwhile; whether its destination can be reached."""
        lease = entry.lease or ""
        with self._lock:
            self._leases.add(lease)
        try:
            return self._deliver(entry)
        finally:
            with self._lock:
                self._leases.discard(lease)

    def _deliver(self, entry: OutboxEntry) -> bool:
        """Deliver one; whether its destination can be reached."""
        started = time.monotonic()
        try:
            self._handlers.get(entry.kind, _no_handler)(entry)
        except UndeliverableError as error:
            self._give_up(entry, str(error))
            return True
        except NoContextError as error:  # it is there, and takes other things
            self._try_again(entry, str(error), self._delay_s(entry.attempts))
            return True
        except PeerError as error:
            self._try_again(entry, str(error), self._pause(entry.destination))
            return False
        except DicomNodeError as error:
            self._try_again(entry, str(error), self._delay_s(entry.attempts))
            return True
        except Exception as error:
            log.exception("delivery.failed", **_fields(entry))
            self._try_again(entry, f"unexpected {type(error).__name__}", self._delay_s(entry.attempts))
            return True
        self._deliveries.done(entry)
        log.info("delivery.sent", **_fields(entry), duration_ms=round((time.monotonic() - started) * 1000, 1))
        with self._lock:
            was_away = self._pauses.pop(entry.destination, None)
        if was_away:
            self._deliveries.hurry(entry.destination)
        return True

    def _try_again(self, entry: OutboxEntry, reason: str, delay_s: float) -> None:
        now = datetime.now(UTC)
        is_old = now - entry.not_before > timedelta(hours=self._settings.give_up_after_h)
        if is_old and entry.attempts + 1 >= _ATTEMPTS_AT_LEAST:
            self._give_up(entry, reason)
            return
        self._deliveries.failed(entry, reason, now + timedelta(seconds=delay_s))
        log.warning("delivery.failed", **_fields(entry), reason=reason, delay_s=round(delay_s, 1))

    def _give_up(self, entry: OutboxEntry, reason: str) -> None:
        self._deliveries.failed(entry, reason, None)
        log.error("delivery.gave_up", **_fields(entry), reason=reason)

    def _pause(self, destination: str) -> float:
        """Leave a destination alone for a while that grows with each failure; how long, in s."""
        with self._lock:
            before = self._pauses.get(destination)
            failures = before.failures + 1 if before else 1
            delay_s = self._delay_s(failures - 1)
            self._pauses[destination] = _Pause(failures, delay_s)
        return delay_s

    def _delay_s(self, failures: int) -> float:
        """Back-off after so many earlier failures; it varies, so that what failed together does not come back together."""
        delay_s = self._settings.first_retry_s * 2.0 ** min(failures, 30)
        return min(delay_s, self._settings.longest_retry_s) * random.uniform(0.8, 1.2)  # noqa: S311 - no secret

    def _notify(self) -> None:
        with contextlib.suppress(OSError):  # closed: the worker has left
            os.eventfd_write(self._wake, 1)


def _no_handler(entry: OutboxEntry) -> None:
    raise UndeliverableError(f"nothing here delivers {entry.kind}")


def _fields(entry: OutboxEntry) -> dict[str, object]:
    return {
        "entry": entry.id,
        "kind": entry.kind,
        "destination": entry.destination,
        "key": entry.key,
        "attempts": entry.attempts + 1,
    }
