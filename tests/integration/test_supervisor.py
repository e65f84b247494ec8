"""The parent and its workers as real processes: what a peer and a sysadmin see of crashes, signals and reloads."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from waiting import wait_for

HERE = Path(__file__).parent


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that nobody has collected yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except FileNotFoundError:
        return False


class Node:
    """A running `supervised_node`."""

    def __init__(self, folder: Path, workers: str = "serve", **environment: str) -> None:
        self.folder = folder
        (folder / "workers").write_text(workers)
        self.log_path = folder / "log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, HERE / "supervised_node.py", folder],
                stderr=log,
                env=os.environ | {"PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1])])} | environment,
            )

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [line for line in self.log_path.read_text().splitlines() if line.startswith("{") and line.endswith("}")]
        return [event for event in map(json.loads, lines) if event["event"] == name]

    def wait_for_event(self, name: str, count: int = 1) -> dict[str, Any]:
        return wait_for(lambda: self.events(name)[count - 1 :], what=f"{name}: {self.log_path.read_text()}")[0]

    def wait_until_started(self) -> Node:
        self.wait_for_event("node.ready")
        return self

    def worker_pids(self) -> set[int]:
        """All workers that live."""
        return {pid for event in self.events("worker.started") if is_alive(pid := event["worker_pid"])}

    def connect(self) -> Connection:
        return Connection(int((self.folder / "port").read_text()))

    def wait_for_exit(self) -> int:
        return self.process.wait(timeout=60)


class Connection:
    """A peer's connection to the node."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.pid, self.generation = self.ask()

    def ask(self) -> tuple[int, int]:
        """Which process answers, and of which configuration it is."""
        self.socket.sendall(b"who\n")
        answer = self.socket.recv(100)
        if not answer:
            raise ConnectionResetError("the node closed the connection")
        pid, generation = answer.split()
        return int(pid), int(generation)

    def is_closed(self) -> bool:
        try:
            self.ask()
        except OSError:
            return True
        return False


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Node]]:
    """Starts nodes, and ends whatever of them is left."""
    nodes: list[Node] = []

    def start_node(workers: str = "serve", **environment: str) -> Node:
        nodes.append(Node(tmp_path, workers, **environment))
        return nodes[-1]

    yield start_node
    for node in nodes:
        node.process.kill()
        node.process.wait()
        for pid in node.worker_pids():
            os.kill(pid, signal.SIGKILL)


def test_replaces_killed_worker_while_the_port_keeps_answering(start: Callable[..., Node]) -> None:
    node = start().wait_until_started()
    first = node.worker_pids()
    victim = node.connect().pid
    os.kill(victim, signal.SIGKILL)
    assert node.connect().pid != victim
    node.wait_for_event("worker.started", count=3)
    assert len(node.worker_pids() & first) == 1
    assert len(node.worker_pids()) == 2
    assert node.events("worker.died")[0]["reason"].endswith("was killed by signal 9")


def test_gives_back_the_slots_of_a_killed_worker(start: Callable[..., Node]) -> None:
    node = start().wait_until_started()
    connections = [node.connect() for _ in range(4)]
    victim = connections[0].pid
    os.kill(victim, signal.SIGKILL)
    node.wait_for_event("worker.died")
    left = sum(connection.pid != victim for connection in connections)
    assert (node.folder / "in-use").read_text() == str(left)


def test_workers_of_a_killed_parent_serve_what_is_open_and_leave(start: Callable[..., Node]) -> None:
    node = start().wait_until_started()
    workers = node.worker_pids()
    connection = node.connect()
    node.process.kill()
    node.process.wait()
    wait_for(lambda: len(node.worker_pids()) == 1, what="the idle worker to leave")
    assert connection.ask()[0] == connection.pid
    connection.socket.close()
    wait_for(lambda: not node.worker_pids(), what="the busy worker to leave")
    assert len(workers) == 2


def test_a_worker_of_a_killed_parent_aborts_after_the_grace_period(start: Callable[..., Node]) -> None:
    node = start().wait_until_started()
    connection = node.connect()
    node.process.kill()
    wait_for(lambda: not node.worker_pids(), what="the busy worker to leave")
    assert connection.is_closed()


def test_sigterm_lets_an_open_connection_end(start: Callable[..., Node]) -> None:
    node = start().wait_until_started()
    connection = node.connect()
    node.process.terminate()
    node.wait_for_event("worker.left")  # the idle one
    assert connection.ask()[0] == connection.pid
    with pytest.raises(ConnectionRefusedError):
        node.connect()
    connection.socket.close()
    assert node.wait_for_exit() == 0
    assert not node.events("worker.killed")


def test_sigterm_aborts_what_outlasts_the_grace_period(start: Callable[..., Node]) -> None:
    node = start().wait_until_started()
    connection = node.connect()
    node.process.terminate()
    assert node.wait_for_exit() == 0
    assert connection.is_closed()
    assert not node.events("worker.killed")


def test_second_sigint_does_not_wait_for_the_grace_period(start: Callable[..., Node]) -> None:
    node = start().wait_until_started()
    node.connect()
    connection = node.connect()
    node.process.send_signal(signal.SIGINT)
    stopping = time.monotonic()
    node.wait_for_event("node.stopping")
    node.process.send_signal(signal.SIGINT)
    assert node.wait_for_exit() == 0
    assert time.monotonic() - stopping < 2.0
    assert connection.is_closed()


def test_kills_a_worker_that_does_not_leave(start: Callable[..., Node]) -> None:
    node = start("stubborn").wait_until_started()
    node.process.terminate()
    node.wait_for_event("node.stopping")
    node.process.terminate()
    assert node.wait_for_exit() == 0
    assert len(node.events("worker.killed")) == 2


def test_replaces_a_worker_that_hangs_and_says_where_it_stood(start: Callable[..., Node]) -> None:
    node = start("silent").wait_until_started()
    healthy = node.connect().pid
    victim = node.wait_for_event("worker.stuck")["worker_pid"]
    node.wait_for_event("worker.started", count=3)
    assert victim not in node.worker_pids()
    assert healthy in node.worker_pids()
    assert "in serve" in node.log_path.read_text()


def test_sighup_replaces_all_workers_and_refuses_no_connection(start: Callable[..., Node]) -> None:
    node = start().wait_until_started()
    first = node.worker_pids()
    long_one = node.connect()
    node.process.send_signal(signal.SIGHUP)
    while not node.events("worker.left"):
        node.connect().socket.close()
    # both were told at once; the one that is busy may hear it an instant after the other has left
    wait_for(lambda: {node.connect().generation for _ in range(10)} == {2}, what="the busy one to accept nothing new")
    assert long_one.ask() == (long_one.pid, 1)
    long_one.socket.close()
    wait_for(lambda: not node.worker_pids() & first, what="the old workers to leave")
    assert len(node.worker_pids()) == 2


@pytest.mark.parametrize("workers", ["wrong", "bug", "crash", "unusable"])
def test_sighup_keeps_the_old_workers_when_the_new_configuration_fails(
    start: Callable[..., Node], workers: str
) -> None:
    node = start().wait_until_started()
    first = node.worker_pids()
    (node.folder / "workers").write_text(workers)
    node.process.send_signal(signal.SIGHUP)
    node.wait_for_event("configuration.refused")
    wait_for(lambda: node.worker_pids() == first, what="the new workers to leave")
    assert node.connect().generation == 1


def test_reload_that_takes_long_costs_no_worker(start: Callable[..., Node]) -> None:
    node = start().wait_until_started()
    (node.folder / "workers").write_text("slow")
    node.process.send_signal(signal.SIGHUP)
    node.wait_for_event("configuration.reloaded")
    assert not node.events("worker.stuck")
    assert node.connect().generation == 2


def test_reload_is_refused_while_too_many_old_workers_drain(start: Callable[..., Node]) -> None:
    node = start().wait_until_started()
    connections = []
    for reloads in range(1, 5):
        # Both workers of each configuration are kept by a connection.
        while len({connection.pid for connection in connections}) < 2 * reloads:
            connections.append(node.connect())
        node.process.send_signal(signal.SIGHUP)
        wait_for(
            lambda n=reloads: len(node.events("configuration.reloaded") + node.events("configuration.refused")) == n,
            what="the reload",
        )
    assert len(node.events("configuration.reloaded")) == 3
    assert all(connection.ask()[0] == connection.pid for connection in connections)


def test_crash_loop_at_start_ends_the_node(start: Callable[..., Node]) -> None:
    node = start("crash")
    assert node.wait_for_exit() == 1
    assert "killed by signal 9" in node.events("node.start_failed")[0]["reason"]
    assert not node.worker_pids()


def test_worker_that_finds_the_configuration_unusable_ends_the_node_at_once(start: Callable[..., Node]) -> None:
    node = start("unusable")
    assert node.wait_for_exit() == 2
    assert node.events("worker.failed")[0]["reason"].endswith("node.yaml: tls: no such file")
    assert node.events("node.start_failed")[0]["attempts"] == 1


@pytest.fixture
def service_manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Where systemd would listen; abstract, as it does for a system service in a container."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0dicomnode-test-{os.getpid()}-{tmp_path.name}")
        listener.settimeout(20)
        yield listener


def wait_for_notice(service_manager: socket.socket, beginning: str) -> str:
    """The next message that starts so; others are passed over."""
    while True:
        notice = service_manager.recv(1000).decode()
        if notice.startswith(beginning):
            return notice


def test_tells_the_service_manager_what_it_does(start: Callable[..., Node], service_manager: socket.socket) -> None:
    address = "@" + service_manager.getsockname()[1:].decode()
    node = start(NOTIFY_SOCKET=address, WATCHDOG_USEC="200000")
    assert wait_for_notice(service_manager, "READY=1") == "READY=1\nSTATUS=2 workers accept"
    wait_for_notice(service_manager, "WATCHDOG=1")
    node.process.send_signal(signal.SIGHUP)
    assert "MONOTONIC_USEC=" in wait_for_notice(service_manager, "RELOADING=1")
    wait_for_notice(service_manager, "READY=1")
    node.process.terminate()
    wait_for_notice(service_manager, "STOPPING=1")
    assert node.wait_for_exit() == 0


def test_greets_once(start: Callable[..., Node]) -> None:
    node = start().wait_until_started()
    node.process.send_signal(signal.SIGHUP)
    node.wait_for_event("configuration.reloaded")
    assert len(node.events("person.greeted")) == 1


def test_greets_nobody_when_it_cannot_serve(start: Callable[..., Node]) -> None:
    node = start("unusable")
    assert node.wait_for_exit() == 2
    assert node.events("person.greeted") == []
