"""The delivery worker among the node's processes: replaced when it dies, exchanged in a reload, gone when the node stops."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

from factories import ct, write
from running_node import RunningNode, free_port, wait_for
from scanner import Modality

TIMEOUT_S = 90.0


def test_report_comes_though_its_worker_was_killed_and_another_reloaded(tmp_path: Path) -> None:
    port = free_port()
    ct1 = {"ae_title": "CT1", "host": "127.0.0.1", "port": port}
    delivery = {"first_retry_s": 0.5, "longest_retry_s": 1}
    with RunningNode(tmp_path / "node", peers={"ct1": ct1}, delivery=delivery, processes={"workers": 1}) as node:
        instance = ct()
        assert node.storescu(write(instance, tmp_path / "a.dcm")) == [0]
        modality = Modality(node.port, port)  # does not listen yet
        modality.ask((str(instance.SOPClassUID), str(instance.SOPInstanceUID)))
        wait_for(lambda: node.events("delivery.failed", destination="ct1"), what="an attempt to fail")

        [first] = node.delivery_workers()
        os.kill(first, signal.SIGKILL)
        [second] = wait_for(lambda: [pid for pid in node.delivery_workers() if pid != first], what="another worker")
        node.process.send_signal(signal.SIGHUP)
        wait_for(lambda: node.events("configuration.reloaded"), what="the new configuration", timeout_s=TIMEOUT_S)
        wait_for(lambda: second not in node.delivery_workers(), what="the old worker to leave", timeout_s=TIMEOUT_S)
        assert len(node.delivery_workers()) == 1

        with modality:
            report = modality.reports.get(timeout=TIMEOUT_S)
        assert report.committed == [instance.SOPInstanceUID]
        assert node.stop() == 0
        assert not node.delivery_workers()


def test_stopping_does_not_wait_for_a_peer_that_hangs(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:  # takes connections, says nothing
        port = hanging.getsockname()[1]
        ct1 = {"ae_title": "CT1", "host": "127.0.0.1", "port": port}
        node = RunningNode(tmp_path / "node", peers={"ct1": ct1}, processes={"workers": 1, "grace_s": 1})
        with node:
            instance = ct()
            assert node.storescu(write(instance, tmp_path / "a.dcm")) == [0]
            Modality(node.port, port).ask((str(instance.SOPClassUID), str(instance.SOPInstanceUID)))
            wait_for(lambda: any(entry["under_way"] for entry in node.rows("outbox", "list")), what="the delivery")
            assert node.stop(timeout_s=20) == 0
    with node, Modality(node.port, port) as modality:
        report = modality.reports.get(timeout=TIMEOUT_S)
        assert report.committed == [instance.SOPInstanceUID], "its lease has ended with the worker"
