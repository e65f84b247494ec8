"""``dicomnode outbox`` on what a node owes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from dicomnode.index import Owed

if TYPE_CHECKING:
    from conftest import NodeFolder


def listed(folder: NodeFolder, *options: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in folder.run("outbox", "list", "--json", *options).stdout.splitlines()]


@pytest.fixture
def owing(node_folder: NodeFolder) -> NodeFolder:
    """One entry waits, one was given up."""
    index = node_folder.index
    index.outbox.owe(Owed("report", "ct1", payload={"PatientName": "Doe^Jane"}), Owed("report", "ris"))
    entry = index.deliveries.claim("ct1", "delivery-1", 60)
    assert entry is not None
    index.deliveries.failed(entry, "no host is configured", None)
    return node_folder


def test_lists_what_waits_and_what_was_given_up(owing: NodeFolder) -> None:
    assert [(entry["destination"], entry["state"]) for entry in listed(owing)] == [("ct1", "dead"), ("ris", "waiting")]
    [dead] = listed(owing, "--dead")
    assert (dead["id"], dead["reason"], dead["attempts"]) == (1, "no host is configured", 1)
    table = owing.run("outbox", "list").stdout
    assert "no host is configured" in table
    assert "Doe" not in table + json.dumps(dead), "what it carries may tell of a patient"


def test_shows_one_whole(owing: NodeFolder) -> None:
    shown = json.loads(owing.run("outbox", "show", "1", "--json").stdout)
    assert shown["payload"] == {"PatientName": "Doe^Jane"}
    assert "no host is configured" in owing.run("outbox", "show", "1").stdout
    assert owing.run("outbox", "show", "99").exit_code == 1


def test_retry_revives_what_was_given_up(owing: NodeFolder) -> None:
    done = owing.run("outbox", "retry", "1", "99")
    assert done.exit_code == 1, "one of them is not there"
    assert "to be tried again: 1" in done.stdout
    assert not listed(owing, "--dead")
    assert listed(owing)[0]["attempts"] == 0


def test_drop_needs_a_reason_and_keeps_it(owing: NodeFolder) -> None:
    assert owing.run("outbox", "drop", "1").exit_code == 2
    assert owing.run("outbox", "drop", "1", "--reason", " ").exit_code == 2
    assert owing.run("outbox", "drop", "1", "--reason", "a test device").exit_code == 0
    assert [entry["id"] for entry in listed(owing)] == [2]
    [dropped] = listed(owing, "--dropped")
    assert dropped["reason"] == "a test device"
    assert dropped["by"]
    assert owing.run("outbox", "retry", "1").exit_code == 1, "that was decided"


def test_status_counts_it(owing: NodeFolder) -> None:
    held = json.loads(owing.run("status", "--json").stdout)
    assert (held["outbox_waiting"], held["outbox_dead"]) == (1, 1)


def test_nothing_is_said_as_such(node_folder: NodeFolder) -> None:
    assert "nothing is owed" in node_folder.run("outbox", "list").stdout
