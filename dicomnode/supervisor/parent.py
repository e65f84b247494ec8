"""The parent's loop: one thread that waits for signals, for its workers' words and deaths, and for deadlines.

start ── all ready ──> serve ── SIGHUP ──> new workers start; all ready: the old ones drain; one fails: the old ones stay
                         │
                         └── SIGTERM ──> drain ── grace period over, or SIGTERM again ──> abort ── still there ──> kill
"""

from __future__ import annotations

import select
import signal
import time
from collections.abc import Callable, Sequence
from typing import Annotated

import structlog
from pydantic import Field

from dicomnode.errors import DicomNodeError
from dicomnode.settings import Settings
from dicomnode.supervisor.launch import describe_exit
from dicomnode.supervisor.process import EXIT_FAILED, EXIT_UNUSABLE, WorkerProcess, WorkerSpec
from dicomnode.supervisor.service_manager import ServiceManager
from dicomnode.supervisor.signals import STOP, Signals

SILENCE_LIMIT_S = 30.0
"""A worker that gave no sign of life for so long is stuck: thirty heartbeats."""
START_LIMIT_S = 60.0
"""A worker that does not accept after so long is stuck."""
START_ATTEMPTS = 3
"""Deaths in a row of one worker that end a node which never served."""
ABORT_LIMIT_S = 5.0
"""Time for aborting associations, or for a stuck worker's last words, before a kill."""
FIRST_DELAY_S, LONGEST_DELAY_S = 0.1, 30.0
"""Back-off before a dead worker is replaced; doubled with each death."""
HEALTHY_AFTER_S = 60.0
"""A worker that lived so long starts a new count of deaths."""
PLACES_PER_WORKER = 8
"""Places for each worker: its own, its successor's in a reload, and those of older ones that still drain."""

log = structlog.get_logger()


class ProcessSettings(Settings):
    """The node's processes."""

    workers: Annotated[int, Field(ge=1, le=64)] = 2
    """Processes that share the listeners; about as many as the machine has cores to give."""
    grace_s: Annotated[float, Field(ge=0, le=3600)] = 30.0
    """Time in s that open associations have to end when the node stops; then they are aborted."""


class _Post:
    """One worker that the configuration asks for: whoever fills it now, and what happened to those before."""

    def __init__(self, spec: WorkerSpec) -> None:
        self.spec = spec
        self.process: WorkerProcess | None = None
        self.deaths = 0
        self.due_at = 0.0

    @property
    def is_ready(self) -> bool:
        return self.process is not None and self.process.is_ready


class Supervisor:
    """Runs workers until it is told to stop.

    Args:
        specs: the workers to run.
        places: how many processes can have a place at once (`PLACES_PER_WORKER`); a reload needs a free one for each.
        grace_s: time for associations to end once the node stops.
        reload: gives the workers of the configuration as it is now; raises a `DicomNodeError` to keep what runs.
        clear_place: called with the place of each worker that ended, before another gets that place.
        service_manager: who hears that the node is ready, reloads, stops, lives.
        on_ready: called once, when all workers accept for the first time.
        silence_limit_s: a ready worker without a sign of life for so long is stuck: it is killed and replaced.
    """

    def __init__(
        self,
        specs: Sequence[WorkerSpec],
        *,
        places: int,
        grace_s: float,
        reload: Callable[[], Sequence[WorkerSpec]],
        clear_place: Callable[[int], None],
        service_manager: ServiceManager,
        on_ready: Callable[[], None],
        silence_limit_s: float = SILENCE_LIMIT_S,
    ) -> None:
        self._posts = [_Post(spec) for spec in specs]
        self._next_posts: list[_Post] = []
        self._leaving: list[WorkerProcess] = []
        self._free_places = set(range(places))
        self._grace_s = grace_s
        self._reload = reload
        self._clear_place = clear_place
        self._service_manager = service_manager
        self._on_ready = on_ready
        self._silence_limit_s = silence_limit_s
        self._has_served = False
        self._reload_is_wanted = False
        self._abort_at: float | None = None  # set once the node stops
        self._exit_code = 0
        self._alive_told_at = 0.0

    def run(self, signals: Signals) -> int:
        """Start the workers and stay until the last has left; ``signals`` that came before are heeded as well.

        Returns:
            The exit code for the node: 0 when it was told to stop, 1 when a worker died at start again and again,
            2 when a worker found at start that the configuration or the data folder cannot be used.
        """
        while self._abort_at is None or self._processes():
            self._wait(signals)
            self._heed(signals.received())
            for process in self._processes():
                process.listen()
                if (code := process.exit_code()) is not None:
                    self._bury(process, code)
            self._kill_stuck()  # before what may take long here: the signs of life that come meanwhile are not read yet
            self._start_due()
            self._go_on_with_start()
            self._go_on_with_reload()
            self._go_on_with_stop()
            self._tell_alive()
        log.info("node.stopped", exit_code=self._exit_code)
        return self._exit_code

    def _all_posts(self) -> list[_Post]:
        return self._posts + self._next_posts

    def _processes(self) -> list[WorkerProcess]:
        return [post.process for post in self._all_posts() if post.process] + self._leaving

    def _wait(self, signals: Signals) -> None:
        """Until there is something to do, at most a second: heartbeats come about as often anyway."""
        poll = select.poll()
        poll.register(signals, select.POLLIN)
        for process in self._processes():
            poll.register(process, select.POLLIN)
        now = time.monotonic()
        due = [post.due_at - now for post in self._all_posts() if post.process is None and self._free_places]
        timeout_s = max(0.0, min([1.0, *due]))
        poll.poll(1000 * timeout_s)
        late_s = time.monotonic() - now - timeout_s
        if late_s > 1:  # the whole machine stood still, or this process did: no worker is stuck for that
            for process in self._processes():
                process.last_sign_at += late_s

    # Workers come and go

    def _start_due(self) -> None:
        for post in self._all_posts():
            if post.process is None and post.due_at <= time.monotonic() and self._free_places:
                place = min(self._free_places)
                try:
                    post.process = WorkerProcess(post.spec, place, self._grace_s)
                except OSError as error:  # no memory, no process number, no descriptor
                    self._lost(post, EXIT_FAILED, f"cannot be started: {error.strerror}")
                    return
                self._free_places.remove(place)
                log.info("worker.started", worker=post.spec.name, worker_pid=post.process.pid)

    def _bury(self, process: WorkerProcess, code: int) -> None:
        process.close()
        self._clear_place(process.place)
        self._free_places.add(process.place)
        if process in self._leaving:
            self._leaving.remove(process)
            log.info("worker.left", worker=process.spec.name, worker_pid=process.pid, exit_code=code)
            return
        post = next(post for post in self._all_posts() if post.process is process)
        post.process = None
        if time.monotonic() - process.started_at > HEALTHY_AFTER_S:
            post.deaths = 0
        self._lost(post, code, f"process {process.pid} {describe_exit(code)}")

    def _lost(self, post: _Post, code: int, reason: str) -> None:
        """A worker died, or could not even be started: try again later, if that can help."""
        post.deaths += 1
        delay_s = min(LONGEST_DELAY_S, FIRST_DELAY_S * 2 ** min(post.deaths - 1, 16))
        post.due_at = time.monotonic() + delay_s
        log.error("worker.died", worker=post.spec.name, reason=reason, deaths=post.deaths, delay_s=delay_s)
        if post in self._next_posts:
            self._refuse_reload(f"{post.spec.name} of the new configuration did not start: {reason}")
        elif not self._has_served and (code == EXIT_UNUSABLE or post.deaths >= START_ATTEMPTS):
            log.error("node.start_failed", worker=post.spec.name, attempts=post.deaths, reason=reason)
            self._exit_code = EXIT_UNUSABLE if code == EXIT_UNUSABLE else EXIT_FAILED
            self._stop()

    def _go_on_with_start(self) -> None:
        if not self._has_served and self._abort_at is None and all(post.is_ready for post in self._posts):
            self._has_served = True
            self._on_ready()
            log.info("node.ready", workers=len(self._posts))
            self._service_manager.ready(f"{len(self._posts)} workers accept")

    # What a person asks for

    def _heed(self, signals: set[signal.Signals]) -> None:
        if signals & {*STOP}:
            if self._abort_at is None:
                log.info("node.stopping", grace_s=self._grace_s)
                self._stop()
            else:
                self._abort_at = min(self._abort_at, time.monotonic())
        if signal.SIGHUP in signals:
            self._reload_is_wanted = True

    def _go_on_with_reload(self) -> None:
        if self._abort_at is not None:
            return
        if self._next_posts:
            if all(post.is_ready for post in self._next_posts):
                self._dismiss(self._posts)
                self._posts, self._next_posts = self._next_posts, []
                log.info("configuration.reloaded", workers=len(self._posts), draining=len(self._leaving))
                self._service_manager.ready(f"{len(self._posts)} workers accept")
        elif self._reload_is_wanted and self._has_served:
            self._reload_is_wanted = False
            self._service_manager.reloading()
            try:
                specs = self._reload()
            except DicomNodeError as error:
                self._refuse_reload(str(error))
                return
            except Exception:  # a bug of ours costs the reload, not a node that serves
                log.exception("configuration.failed")
                self._refuse_reload("internal error")
                return
            self._next_posts = [_Post(spec) for spec in specs]
            if len(specs) > len(self._free_places):
                self._refuse_reload(
                    "workers of older configurations still drain; try again when their associations have ended"
                )

    def _refuse_reload(self, reason: str) -> None:
        log.error("configuration.refused", reason=reason)
        self._dismiss(self._next_posts)
        self._next_posts = []
        self._service_manager.ready("the last reload was refused: the configuration before it stays")

    def _dismiss(self, posts: list[_Post]) -> None:
        for post in posts:
            if post.process:
                post.process.drain()
                self._leaving.append(post.process)

    def _stop(self) -> None:
        self._service_manager.stopping(f"open associations have {self._grace_s:g} s to end")
        self._abort_at = time.monotonic() + self._grace_s
        # The kernel goes on listening until the last copy of a listener is closed; the workers close theirs.
        for listener in {listener for post in self._all_posts() for listener in post.spec.sockets}:
            listener.close()
        self._dismiss(self._all_posts())
        self._posts, self._next_posts = [], []

    def _go_on_with_stop(self) -> None:
        now = time.monotonic()
        if self._abort_at is None or now < self._abort_at:
            return
        for process in self._leaving:
            if process.kill_at is None:
                process.abort(now + ABORT_LIMIT_S)

    # Watching

    def _kill_stuck(self) -> None:
        now = time.monotonic()
        for process in self._processes():
            if process.kill_at is not None:
                if now >= process.kill_at:
                    log.warning("worker.killed", worker=process.spec.name, worker_pid=process.pid)
                    process.kill()
                    process.kill_at = now + ABORT_LIMIT_S
            elif not self._is_well(process, now):
                log.error(
                    "worker.stuck",
                    worker=process.spec.name,
                    worker_pid=process.pid,
                    silent_s=round(now - process.last_sign_at),
                )
                process.dump_and_kill(now + ABORT_LIMIT_S)

    def _is_well(self, process: WorkerProcess, now: float) -> bool:
        return now - process.last_sign_at < (self._silence_limit_s if process.is_ready else START_LIMIT_S)

    def _tell_alive(self) -> None:
        interval_s, now = self._service_manager.watchdog_interval_s, time.monotonic()
        if interval_s is None or now - self._alive_told_at < interval_s:
            return
        if all(self._is_well(process, now) for process in self._processes()):
            self._alive_told_at = now
            self._service_manager.alive()
