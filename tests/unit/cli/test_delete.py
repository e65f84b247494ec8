"""``dicomnode delete`` on what a node holds."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from factories import ABSENT, ct
from pydicom.uid import generate_uid

if TYPE_CHECKING:
    from conftest import NodeFolder

STUDY, OTHER_STUDY, SERIES = "1.2.840.99.1", "1.2.840.99.2", "1.2.840.99.1.1"


@pytest.fixture
def holding(node_folder: NodeFolder) -> NodeFolder:
    """Two series with three instances of one study, one of another."""
    for series in (SERIES, SERIES, generate_uid()):
        node_folder.receive(ct(StudyInstanceUID=STUDY, SeriesInstanceUID=series))
    node_folder.receive(ct(StudyInstanceUID=OTHER_STUDY))
    return node_folder


def studies(folder: NodeFolder) -> dict[str, int]:
    rows = [json.loads(line) for line in folder.run("studies", "--json").stdout.splitlines()]
    return {row["study_instance_uid"]: row["instances"] for row in rows}


def at_a_terminal(folder: NodeFolder, answer: str, *arguments: str) -> tuple[int, str]:
    """Run a command as a person does who types ``answer``; its exit code, and what he sees."""
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode())
    try:
        done = subprocess.run(
            [sys.executable, "-m", "dicomnode", *arguments, "--config", str(folder.path)],
            stdin=theirs,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    return done.returncode, done.stdout + done.stderr


def test_study_and_its_files_are_gone_and_nothing_else(holding: NodeFolder) -> None:
    done = holding.run("delete", "--study", STUDY, "--reason", "sent by mistake", "--yes")
    assert done.exit_code == 0, done.stderr
    assert "3 instances" in done.stdout
    assert studies(holding) == {OTHER_STUDY: 1}
    assert len(holding.kept()) == 1
    assert not [path for path in (holding.config.data / "files").rglob("*") if STUDY in path.name]


def test_series(holding: NodeFolder) -> None:
    assert holding.run("delete", "--series", SERIES, "--yes").exit_code == 0
    assert studies(holding) == {STUDY: 1, OTHER_STUDY: 1}
    assert len(holding.kept()) == 2


def test_instance(holding: NodeFolder) -> None:
    dataset = ct(StudyInstanceUID=STUDY)
    holding.receive(dataset)
    assert holding.run("delete", "--instance", dataset.SOPInstanceUID, "--yes").exit_code == 0
    assert studies(holding) == {STUDY: 3, OTHER_STUDY: 1}


def test_script_reads_what_was_deleted(holding: NodeFolder) -> None:
    done = holding.run("delete", "--study", STUDY, "--yes", "--json")
    told = json.loads(done.stdout.splitlines()[-1])
    assert (told["level"], told["uid"]) == ("study", STUDY)
    assert (told["series"], told["instances"], told["quarantined"]) == (2, 3, 0)
    assert told["size_bytes"] > 0
    assert "Doe" not in done.output


def test_script_must_say_yes(holding: NodeFolder) -> None:
    done = holding.run("delete", "--study", STUDY)
    assert done.exit_code == 2
    assert "--yes" in done.stderr
    assert len(holding.kept()) == 4


def test_person_is_told_how_much_and_may_decline(holding: NodeFolder) -> None:
    code, seen = at_a_terminal(holding, "n\n", "delete", "--study", STUDY)
    assert code == 1
    assert "2 series, 3 instances" in seen
    assert "Doe" not in seen
    assert len(holding.kept()) == 4


def test_person_agrees(holding: NodeFolder) -> None:
    code, seen = at_a_terminal(holding, "y\n", "delete", "--study", STUDY)
    assert code == 0, seen
    assert studies(holding) == {OTHER_STUDY: 1}


def test_what_is_in_quarantine_stays_and_is_told(holding: NodeFolder) -> None:
    holding.receive(ct(StudyInstanceUID=STUDY, PatientID=ABSENT))
    done = holding.run("delete", "--study", STUDY, "--yes")
    assert done.exit_code == 0
    assert "1 instance of this study in quarantine" in done.stderr
    assert len(holding.kept()) == 2
    again = holding.run("delete", "--study", STUDY, "--yes")
    assert again.exit_code == 1
    assert "quarantine discard" in again.stderr


def test_what_is_not_there_fails(holding: NodeFolder) -> None:
    done = holding.run("delete", "--study", "1.2.3", "--yes")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "no study 1.2.3" in done.stderr


@pytest.mark.parametrize("arguments", [(), ("--study", STUDY, "--series", SERIES), ("--study", "")])
def test_names_exactly_one(holding: NodeFolder, arguments: tuple[str, ...]) -> None:
    assert holding.run("delete", *arguments, "--yes").exit_code == 2
    assert len(holding.kept()) == 4


def test_deleted_instance_comes_again(holding: NodeFolder) -> None:
    dataset = ct(StudyInstanceUID=STUDY)
    holding.receive(dataset)
    holding.run("delete", "--study", STUDY, "--yes")
    assert holding.receive(dataset) == 0
    assert studies(holding) == {STUDY: 1, OTHER_STUDY: 1}


def test_finishes_what_an_earlier_one_left(holding: NodeFolder) -> None:
    from dicomnode.index import Scope  # noqa: PLC0415

    removal = holding.index.removal
    removal.remove(removal.holding(Scope(study_instance_uid=STUDY)), limit=2, reason="", by="anna")  # and dies
    assert len(holding.kept()) == 4
    assert holding.run("delete", "--study", OTHER_STUDY, "--yes").exit_code == 0
    assert len(holding.kept()) == 1
    assert removal.unfinished(10) == []


def test_files_that_cannot_be_removed_fail_it_and_are_removed_later(holding: NodeFolder) -> None:
    files = holding.config.data / "files"
    files.rename(files.with_name("elsewhere"))
    done = holding.run("delete", "--study", STUDY, "--yes")
    assert done.exit_code == 1
    assert "cannot be removed" in done.stderr
    files.with_name("elsewhere").rename(files)
    assert STUDY not in studies(holding)
    assert holding.run("delete", "--study", OTHER_STUDY, "--yes").exit_code == 0
    assert holding.kept() == []
