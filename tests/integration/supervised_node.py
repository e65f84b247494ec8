"""A small node for the supervisor's tests: workers that answer each line with their process number, and the parent that runs them.

The parent is a process of its own (``python supervised_node.py FOLDER``), because it owns its process's signals.

In FOLDER: ``port`` is what it listens on, ``in-use`` the associations after a worker ended; ``workers`` says what the workers do:
``serve``, ``slow`` (to make), ``crash``, ``unusable``, ``silent`` (the first hangs once it is ready)
or ``stubborn`` (do not leave).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path

import structlog

from dicomnode.errors import ConfigurationError, Problem
from dicomnode.limits import LimitSettings, NodeTable, Place, Slot
from dicomnode.supervisor import ServiceManager, Stop, Supervisor, WorkerChannel, WorkerSpec, bind, watched_signals

GRACE_S = 2.0
SILENCE_LIMIT_S = 2.0


def log_as_json() -> None:
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.WriteLoggerFactory(sys.stderr)
    )


def serve(channel: WorkerChannel, folder: Path, kind: str, generation: int, table_fd: int) -> None:
    """Accept connections; answer each line with ``PID GENERATION``; hold a slot for each connection."""
    log_as_json()
    if kind == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "unusable":
        raise ConfigurationError(folder / "node.yaml", [Problem("tls", "no such file")])
    place = NodeTable.attach(table_fd).place(channel.place)
    channel.ready()
    if kind == "silent" and channel.name == "association-1":
        signal.pause()
    slots: dict[socket.socket, Slot] = {}
    while channel.stop() is Stop.NO:
        channel.heartbeat()
        turn(channel, channel.sockets, slots, place, generation)
    for listener in channel.sockets:
        listener.close()
    while kind == "stubborn" or (slots and channel.stop() is not Stop.ABORT):
        channel.heartbeat()
        turn(channel, [], slots, place, generation)


def turn(
    channel: WorkerChannel,
    listeners: list[socket.socket],
    slots: dict[socket.socket, Slot],
    place: Place,
    generation: int,
) -> None:
    """Wait for something, and deal with it."""
    for source in select.select([*listeners, *slots, channel], [], [], 0.5)[0]:
        if source in listeners:
            with contextlib.suppress(BlockingIOError):
                connection, address = source.accept()
                slots[connection] = place.claim("peer", address[0], LimitSettings())
        elif source in slots:
            if source.recv(100):
                source.sendall(f"{os.getpid()} {generation}\n".encode())
            else:
                slots.pop(source).release()
                source.close()


def main(folder: Path) -> int:
    log_as_json()
    table = NodeTable.create(8)
    listeners = tuple(bind("127.0.0.1", 0))
    (folder / "port").write_text(str(listeners[0].getsockname()[1]))
    generation = 0

    def specs() -> list[WorkerSpec]:
        nonlocal generation
        kind = (folder / "workers").read_text()
        if kind == "wrong":
            raise ConfigurationError(folder / "node.yaml", [Problem("limits", "no such key")])
        if kind == "bug":
            raise ZeroDivisionError
        if kind == "slow":  # a file on a disk that hangs for a while
            time.sleep(SILENCE_LIMIT_S + 1)
        generation += 1
        return [
            WorkerSpec(f"association-{n}", serve, (folder, kind, generation, table.fd), listeners, (table.fd,))
            for n in (1, 2)
        ]

    def clear(place: int) -> None:
        table.clear(place)
        (folder / "in-use").write_text(str(sum(use.associations for use in table.use())))

    supervisor = Supervisor(
        specs(),
        places=table.places,
        grace_s=GRACE_S,
        reload=specs,
        clear_place=clear,
        service_manager=ServiceManager(),
        on_ready=lambda: structlog.get_logger().info("person.greeted"),
        silence_limit_s=SILENCE_LIMIT_S,
    )
    with watched_signals() as signals:
        return supervisor.run(signals)


if __name__ == "__main__":
    from supervised_node import main as importable_main  # workers cannot import what is called __main__

    sys.exit(importable_main(Path(sys.argv[1])))
