"""What a node does and says while it starts: no signal is lost, and none ends it without a word."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from running_node import RunningNode, wait_for

LetGoOn = Callable[[], None]


@pytest.fixture
def preparing(tmp_path: Path) -> Iterator[tuple[RunningNode, LetGoOn]]:
    """A node whose index another program holds, so that it waits for it, and what lets it go on."""
    node = RunningNode(tmp_path / "node", index={"lock_timeout_s": 100}, processes={"workers": 1})
    node.data.mkdir(mode=0o700, parents=True)
    with (node.data / "index.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        node.launch()
        wait_for(lambda: node.events("node.started") and children(node), what="the data folder to be prepared")
        yield node, lambda: fcntl.flock(lock, fcntl.LOCK_UN)
    node.stop()


def children(node: RunningNode) -> list[int]:
    """Processes that the parent has started."""
    pid = node.process.pid
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_node_that_is_told_to_stop_stops_at_once_and_leaves_nobody(
    preparing: tuple[RunningNode, LetGoOn], number: signal.Signals
) -> None:
    node, _ = preparing
    [preparer] = children(node)
    node.process.send_signal(number)
    assert node.process.wait(10) == 0
    assert [event["exit_code"] for event in node.events("node.stopped")] == [0]
    with pytest.raises(ProcessLookupError):
        os.kill(preparer, 0)


def test_reload_is_done_once_the_node_serves(preparing: tuple[RunningNode, LetGoOn]) -> None:
    node, let_go_on = preparing
    node.process.send_signal(signal.SIGHUP)
    let_go_on()
    node.wait_until_ready()
    wait_for(lambda: node.events("configuration.reloaded"), what="the reload that was asked for")


def test_node_that_waits_for_the_data_folder_can_be_stopped(tmp_path: Path) -> None:
    node = RunningNode(tmp_path / "node")
    node.data.mkdir(mode=0o700, parents=True)
    with (node.data / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        node.launch()
        wait_for(lambda: node.events("data_folder.awaited"), what="the node to wait for the folder")
        node.process.send_signal(signal.SIGTERM)
        assert node.process.wait(10) == 0


def test_node_without_room_serves_and_says_that_it_will_refuse(tmp_path: Path) -> None:
    with RunningNode(tmp_path / "node", files={"free_space_floor_bytes": 10**18}, processes={"workers": 1}) as node:
        [line] = node.events("data_folder.full")
        assert "out of space" in line["reason"]
        assert node.echoscu().returncode == 0


def test_parent_has_one_thread_and_its_children_only_what_they_need(tmp_path: Path) -> None:
    with RunningNode(tmp_path / "node", processes={"workers": 2}) as node:
        node.process.send_signal(signal.SIGHUP)
        wait_for(lambda: node.events("configuration.reloaded"), what="workers that were forked later")
        wait_for(lambda: len(node.events("worker.left")) == 3, what="those before them to leave")
        # with another thread, a fork could copy a lock that is held
        assert "Threads:\t1\n" in Path(f"/proc/{node.process.pid}/status").read_text()
        assert [command_of(pid) for pid in node.workers()] == ["association-1", "association-2"]
        [delivery] = node.delivery_workers()
        first, second = (sockets(pid) for pid in node.workers())
        assert len(first & second) == 1  # the listener, and nobody's channel
        assert not sockets(delivery) & (first | second)


def command_of(pid: int) -> str:
    """What `ps -o comm` says."""
    return Path(f"/proc/{pid}/comm").read_text().strip()


def sockets(pid: int) -> set[str]:
    """Those that a process has open."""
    links = (str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir())
    return {link for link in links if link.startswith("socket:")}
