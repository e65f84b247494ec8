"""``dicomnode studies`` on what a node has received."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from factories import ABSENT, ct
from pydicom.uid import generate_uid

from dicomnode.cli import commands

if TYPE_CHECKING:
    from conftest import NodeFolder


@pytest.fixture
def filled(node_folder: NodeFolder) -> NodeFolder:
    """Two studies, three instances, and one instance in quarantine."""
    study, series = generate_uid(), generate_uid()
    for _ in range(2):
        node_folder.receive(ct(StudyInstanceUID=study, SeriesInstanceUID=series, PatientID="P1", StudyDate="20240102"))
    node_folder.receive(
        ct(
            PatientID="P2",
            PatientName="Roe^Ann",
            StudyDate="20240203",
            AccessionNumber="A2",
            Modality="MR",
            StudyDescription="Thorax [1]b",
            StudyID="S2",
        ),
        "MR1",
    )
    node_folder.receive(ct(PatientID=ABSENT))
    return node_folder


def rows(folder: NodeFolder, *arguments: str) -> list[dict[str, Any]]:
    done = folder.run("studies", "--json", *arguments)
    assert done.exit_code == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_lists_accepted_studies_the_last_first(filled: NodeFolder) -> None:
    found = rows(filled)
    assert [(row["patient_id"], row["instances"], row["modalities"]) for row in found] == [
        ("P2", 1, ["MR"]),
        ("P1", 2, ["CT"]),
    ]
    assert found[0]["calling_ae_title"] == "MR1"


@pytest.mark.parametrize(
    ("option", "value", "patients"),
    [
        ("--patient-id", "P1", ["P1"]),
        ("--patient-id", "P", []),
        ("--patient-name", "Roe*", ["P2"]),
        ("--accession", "A2", ["P2"]),
        ("--modality", "CT", ["P1"]),
        ("--from", "2024-01-03", ["P2"]),
        ("--to", "20240102", ["P1"]),
        ("--limit", "1", ["P2"]),
        ("--description", "*HEAD*", ["P1"]),
        ("--description", "head", ["P1"]),
        ("--description", "thorax [1]?", ["P2"]),
        ("--description", "hea", []),
        ("--study-id", "S2", ["P2"]),
        ("--received-since", "1h", ["P2", "P1"]),
        ("--received-since", "2w", ["P2", "P1"]),
        ("--received-since", "2999-12-31", []),
    ],
)
def test_filters(filled: NodeFolder, option: str, value: str, patients: list[str]) -> None:
    assert [row["patient_id"] for row in rows(filled, option, value)] == patients


def test_study_by_its_uid(filled: NodeFolder) -> None:
    uid = rows(filled)[1]["study_instance_uid"]
    assert [row["patient_id"] for row in rows(filled, "--study", uid)] == ["P1"]


def test_received_since_looks_at_the_last_instance(filled: NodeFolder) -> None:
    last = max(datetime.fromisoformat(row["last_received_at"]) for row in rows(filled)).astimezone()
    after = (last + timedelta(seconds=1)).strftime("%Y-%m-%d %H:%M:%S")
    assert rows(filled, "--received-since", after) == []
    before = (last - timedelta(seconds=60)).strftime("%Y-%m-%dT%H:%M:%S")
    assert [row["patient_id"] for row in rows(filled, "--received-since", before)] == ["P2", "P1"]


def test_series_of_a_study(filled: NodeFolder) -> None:
    uid = rows(filled)[1]["study_instance_uid"]
    (series,) = rows(filled, "--series", uid)
    assert (series["series_number"], series["modality"], series["description"], series["instances"]) == (
        "1",
        "CT",
        "Axial",
        2,
    )
    shown = filled.run("studies", "--series", uid).stdout
    assert series["series_instance_uid"] in shown
    for form in ((), ("--json",)):
        unknown = filled.run("studies", "--series", "1.9", *form)
        assert (unknown.exit_code, unknown.stdout) == (1, "")
        assert "no study 1.9" in unknown.stderr


def test_narrow_terminal_gets_a_line_a_value(filled: NodeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Columns that break words cannot be read; what is piped has no width."""
    uid = rows(filled)[1]["study_instance_uid"]
    monkeypatch.setenv("COLUMNS", "40")
    assert "Instances   Series" in filled.run("studies", "--series", uid).stdout
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    lines = filled.run("studies", "--series", uid).stdout.splitlines()
    assert "Modality             CT" in lines
    assert "Instances            2" in lines


def test_series_stand_alone(filled: NodeFolder) -> None:
    assert filled.run("studies", "--series", "1.9", "--modality", "CT").exit_code == 2


@pytest.mark.parametrize("value", ["yesterday", "24", "-1h", "999999w", "2024-13-01"])
def test_wrong_time_is_wrong_usage(node_folder: NodeFolder, value: str) -> None:
    assert node_folder.run("studies", f"--received-since={value}").exit_code == 2


def test_person_sees_a_table(filled: NodeFolder) -> None:
    done = filled.run("studies")
    assert done.exit_code == 0
    assert "Patient ID" in done.stdout
    assert "Roe^Ann" in done.stdout


def test_person_is_told_when_there_is_more(filled: NodeFolder) -> None:
    done = filled.run("studies", "--limit", "1")
    assert "P1" not in done.stdout
    assert "--limit" in done.stderr


def test_text_of_a_peer_cannot_steer_the_terminal(node_folder: NodeFolder) -> None:
    node_folder.receive(ct(StudyDescription="[red]x\x1b[2Jy"))
    shown = node_folder.run("studies").stdout
    assert "\x1b" not in shown
    assert "[red]x" in shown


def test_no_node_yet(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    path.write_text("data: data\n")
    done = CliRunner().invoke(commands, ["studies", "--config", str(path)])
    assert done.exit_code == 2
    assert "no index in data folder" in done.stderr
    assert not (tmp_path / "data").exists()


def test_wrong_date_is_wrong_usage(node_folder: NodeFolder) -> None:
    assert node_folder.run("studies", "--from", "yesterday").exit_code == 2


def test_damaged_index_is_told_in_one_line(filled: NodeFolder) -> None:
    filled.close()
    for path in filled.config.data.glob("index.sqlite*"):
        path.write_bytes(b"no database" * 1000)
    done = filled.run("studies")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: ")
    assert len(done.stderr.splitlines()) == 1
