"""``dicomnode quarantine`` on what a node has held back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from factories import ABSENT, ct

if TYPE_CHECKING:
    from conftest import NodeFolder


def entries(folder: NodeFolder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in folder.run("quarantine", "list", "--json").stdout.splitlines()]


@pytest.fixture
def held(node_folder: NodeFolder) -> NodeFolder:
    """Two instances in quarantine."""
    for _ in range(2):
        node_folder.receive(ct(PatientID=ABSENT))
    return node_folder


def test_lists_what_was_held_back_and_why(held: NodeFolder) -> None:
    first, second = entries(held)
    assert first["id"] < second["id"]
    assert first["rule"] == "patient.id"
    assert first["calling_ae_title"] == "CT1"
    assert any("(0010,0020)" in finding["tags"] for finding in first["findings"])
    assert "patient.id" in held.run("quarantine", "list").stdout


def test_released_instance_is_among_the_studies(held: NodeFolder) -> None:
    first, second = entries(held)
    done = held.run("quarantine", "release", str(first["id"]), "--reason", "trauma")
    assert done.exit_code == 0, done.stderr
    assert [entry["id"] for entry in entries(held)] == [second["id"]]
    assert len(held.run("studies", "--json").stdout.splitlines()) == 1
    assert len(held.kept()) == 2


def test_discarded_instance_and_its_file_are_gone(held: NodeFolder) -> None:
    ids = [str(entry["id"]) for entry in entries(held)]
    done = held.run("quarantine", "discard", *ids, "--reason", "test images", "--yes")
    assert done.exit_code == 0, done.stderr
    assert entries(held) == []
    assert held.kept() == []
    assert held.run("studies", "--json").stdout == ""


def test_one_that_is_not_there_does_not_stop_the_rest(held: NodeFolder) -> None:
    first, second = (entry["id"] for entry in entries(held))
    done = held.run("quarantine", "release", str(first), "9999", str(second), "--reason", "trauma")
    assert done.exit_code == 1
    assert "9999" in done.stderr
    assert entries(held) == []


def test_decision_needs_a_reason(held: NodeFolder) -> None:
    assert held.run("quarantine", "release", "1").exit_code == 2
    assert held.run("quarantine", "discard", "1", "--yes").exit_code == 2
    assert len(entries(held)) == 2


def test_script_must_say_yes_to_remove_files(held: NodeFolder) -> None:
    first, _ = entries(held)
    done = held.run("quarantine", "discard", str(first["id"]), "--reason", "test images")
    assert done.exit_code == 2
    assert "--yes" in done.stderr
    assert len(held.kept()) == 2


def test_empty_quarantine_is_no_failure(node_folder: NodeFolder) -> None:
    done = node_folder.run("quarantine", "list", "--json")
    assert (done.exit_code, done.stdout) == (0, "")
    assert node_folder.run("quarantine", "list").stdout == "nothing is held back\n"
