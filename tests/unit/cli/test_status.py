"""``dicomnode status``."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from factories import ABSENT, ct

from dicomnode.prepare import take_data_folder

if TYPE_CHECKING:
    from conftest import NodeFolder


def test_counts_what_the_node_holds(node_folder: NodeFolder) -> None:
    node_folder.receive(ct(PatientID="P1"))
    node_folder.receive(ct(PatientID=ABSENT))
    done = node_folder.run("status", "--json")
    held = json.loads(done.stdout)
    assert (held["studies"], held["instances"], held["quarantined"]) == (1, 1, 1)
    assert held["size_bytes"] > 0
    assert held["data"] == str(node_folder.config.data)


def test_tells_whether_the_node_runs(node_folder: NodeFolder) -> None:
    stopped = node_folder.run("status", "--json")
    assert (stopped.exit_code, json.loads(stopped.stdout)["running"]) == (1, False)
    lock = take_data_folder(node_folder.config.data, wait_s=1)
    try:
        running = node_folder.run("status", "--json")
        assert (running.exit_code, json.loads(running.stdout)["running"]) == (0, True)
        assert node_folder.run("status").stdout.startswith("the node runs")
    finally:
        os.close(lock)
