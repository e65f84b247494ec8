"""``dicomnode import`` into the folder of a node that does not run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import Result
from factories import ABSENT, ct, series, write

from dicomnode.prepare import take_data_folder

if TYPE_CHECKING:
    from conftest import NodeFolder


def studies(folder: NodeFolder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in folder.run("studies", "--json").stdout.splitlines()]


def objects(done: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Two good files, one to be held back, one to be refused, a damaged one and a text."""
    folder = tmp_path / "mixed"
    good, damaged, _ = series(folder, 3)
    damaged.write_bytes(good.read_bytes()[:200])
    write(ct(PatientID=ABSENT), folder / "held.dcm")
    write(ct(StudyInstanceUID=ABSENT), folder / "refused.dcm")
    (folder / "notes.txt").write_text("nothing")
    return folder


def test_folder_is_taken_in_and_again_nothing_happens(node_folder: NodeFolder, tmp_path: Path) -> None:
    series(tmp_path / "a" / "b", 3)
    done = node_folder.run("import", str(tmp_path / "a"))
    assert done.exit_code == 0, done.output
    assert "3 stored" in done.stdout
    assert [row["instances"] for row in studies(node_folder)] == [3]
    again = node_folder.run("import", str(tmp_path / "a"))
    assert again.exit_code == 0
    assert "3 already here" in again.stdout
    assert len(node_folder.kept()) == 3


def test_what_is_wrong_is_told_and_the_rest_is_taken_in(node_folder: NodeFolder, mixed: Path) -> None:
    done = node_folder.run("import", str(mixed))
    assert done.exit_code == 1
    assert "2 stored, 1 quarantined, 1 refused, 1 failed, 1 skipped" in done.stdout
    for told in ("held.dcm", "patient.id", "refused.dcm", "0002.dcm"):
        assert told in done.stdout
    assert "0001.dcm" not in done.stdout


def test_script_gets_an_object_for_each_instance(node_folder: NodeFolder, mixed: Path) -> None:
    done = node_folder.run("import", str(mixed), "--json")
    assert done.exit_code == 1
    told = {Path(one["file"]).name: one for one in objects(done)}
    assert {name: one["outcome"] for name, one in told.items()} == {
        "0001.dcm": "stored",
        "0002.dcm": "failed",
        "0003.dcm": "stored",
        "held.dcm": "quarantined",
        "refused.dcm": "refused",
    }
    assert told["0001.dcm"]["status"] == "0000"
    assert told["held.dcm"]["status"] == "B007"
    assert "patient.id" in [finding["rule"] for finding in told["held.dcm"]["findings"]]
    assert told["0002.dcm"]["status"] is None
    assert told["0002.dcm"]["reason"]
    assert "Doe" not in done.stdout


def test_report_holds_the_same_objects(node_folder: NodeFolder, mixed: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.jsonl"
    done = node_folder.run("import", str(mixed), "--json", "--report", str(report))
    assert [json.loads(line) for line in report.read_text().splitlines()] == objects(done)


def test_sender_is_named(node_folder: NodeFolder, tmp_path: Path) -> None:
    series(tmp_path / "a", 1)
    node_folder.run("import", str(tmp_path / "a"), "--as-ae", "OLDPACS")
    assert studies(node_folder)[0]["calling_ae_title"] == "OLDPACS"


def test_moves(node_folder: NodeFolder, tmp_path: Path) -> None:
    series(tmp_path / "a", 2)
    assert node_folder.run("import", "--move", str(tmp_path / "a")).exit_code == 0
    assert list((tmp_path / "a").iterdir()) == []
    assert len(node_folder.kept()) == 2


def test_in_place_survives_its_deletion(node_folder: NodeFolder, tmp_path: Path) -> None:
    [source] = series(tmp_path / "a", 1)
    assert node_folder.run("import", "--in-place", str(tmp_path / "a")).exit_code == 0
    [study] = studies(node_folder)
    assert node_folder.run("delete", "--study", study["study_instance_uid"], "--yes").exit_code == 0
    assert studies(node_folder) == []
    assert source.exists()
    assert node_folder.run("import", "--in-place", str(tmp_path / "a")).exit_code == 0


def test_makes_the_index_of_a_new_data_folder(node_folder: NodeFolder, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir(mode=0o700)
    node_folder.path.write_text("data: new\nfiles: {free_space_floor_bytes: 0}\n")
    series(tmp_path / "a", 1)
    done = node_folder.run("import", str(tmp_path / "a"))
    assert done.exit_code == 0, done.output
    assert len(studies(node_folder)) == 1


def test_finishes_what_a_crash_left(node_folder: NodeFolder, tmp_path: Path) -> None:
    leftover = node_folder.config.data / "incoming" / "import.0123"
    leftover.mkdir()
    (leftover / "0123-1.part").write_bytes(b"half a file")
    [source] = series(tmp_path / "a", 1)
    assert node_folder.run("import", str(source)).exit_code == 0
    assert not leftover.exists()


def test_does_not_prepare_a_folder_that_a_node_has(node_folder: NodeFolder, tmp_path: Path) -> None:
    leftover = node_folder.config.data / "incoming" / "import.0123"
    leftover.mkdir()
    [source] = series(tmp_path / "a", 1)
    lock = take_data_folder(node_folder.config.data, wait_s=0)
    try:
        assert node_folder.run("import", str(source)).exit_code == 0
    finally:
        os.close(lock)
    assert leftover.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nowhere",),
        (".", "--as-ae", "A TITLE THAT IS TOO LONG"),
        (".", "--report", "nowhere/report"),
        (".", "--copy", "--move"),
        (".", "--move", "--in-place"),
    ],
)
def test_wrong_usage(node_folder: NodeFolder, arguments: tuple[str, ...]) -> None:
    assert node_folder.run("import", *arguments).exit_code == 2


def test_own_data_folder_is_not_imported(node_folder: NodeFolder) -> None:
    node_folder.receive(ct())
    done = node_folder.run("import", "--move", str(node_folder.config.data / "files"))
    assert done.exit_code == 2
    assert len(node_folder.kept()) == 1


def test_nothing_to_import_is_no_failure(node_folder: NodeFolder, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = node_folder.run("import", str(tmp_path / "empty"))
    assert (done.exit_code, done.stdout.splitlines()[-1][:8]) == (0, "no files")
