"""What another rule file would change: ``rules diff``, ``rules replay``, and how often a rule found something."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pydicom import Dataset
from unit.cli.conftest import NodeFolder

from dicomnode.cli import commands

OLD = """
version: 1
mode: observe
profiles:
  ct:
    match: {sop_class: CTImageStorage}
    rules:
      - {id: ct.kvp, fields: [KVP], range: [40, 160], severity: warn}
      - {id: ct.serial, required: [DeviceSerialNumber], severity: warn}
    override:
      patient.id: {severity: warn, reason: trauma}
tests:
  - {name: much, dataset: {from: ct, KVP: "400"}, expect: {ct.kvp: warn}}
"""
NEW = """
version: 1
profiles:
  ct:
    match: {sop_class: CTImageStorage}
    rules:
      - {id: ct.kvp, fields: [KVP], range: [40, 140], severity: quarantine}
      - {id: ct.body, required: [BodyPartExamined], severity: warn}
tests:
  - {name: much, dataset: {from: ct, KVP: "400"}, expect: {ct.kvp: quarantine}}
"""


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(commands, ["rules", *map(str, arguments)])


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(OLD)
    new.write_text(NEW)
    return old, new


def slice_(number: int, **values: str) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    dataset.SOPInstanceUID = f"1.2.840.99.{number}"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = "1.2.840.99.1000", "1.2.840.99.1001"
    dataset.PatientID, dataset.PatientName, dataset.Modality = "P1", "Doe^Jane", "CT"
    dataset.KVP, dataset.DeviceSerialNumber, dataset.BodyPartExamined = "120", "1", "HEAD"
    for keyword, value in values.items():
        setattr(dataset, keyword, value)
    return dataset


def test_diff_tells_what_another_file_says_otherwise(files: tuple[Path, Path]) -> None:
    done = run("diff", *files)
    assert done.exit_code == 1
    assert done.stdout.splitlines() == [
        "~ file: mode observe -> (not there)",
        "~ rule ct.kvp: range [40, 160] -> [40, 140]; severity warn -> quarantine",
        "- rule ct.serial: profile ct; required [DeviceSerialNumber]; severity warn",
        "- override of patient.id in profile ct: severity warn; reason trauma",
        "~ test 'much': expect {ct.kvp: warn} -> {ct.kvp: quarantine}",
        "+ rule ct.body: profile ct; required [BodyPartExamined]; severity warn",
    ]
    told = [json.loads(line) for line in run("diff", *files, "--json").stdout.splitlines()]
    assert told[1]["what"] == "rule ct.kvp"
    assert told[1]["keys"][1] == {"key": "severity", "before": "warn", "after": "quarantine"}


def test_diff_finds_nothing_in_what_says_the_same(files: tuple[Path, Path], tmp_path: Path) -> None:
    again = tmp_path / "again.yaml"
    again.write_text("# the same\n" + OLD.replace("severity: warn, reason: trauma", "reason: trauma, severity: warn"))
    done = run("diff", files[0], again)
    assert (done.exit_code, done.stdout) == (0, "")


def test_diff_refuses_a_wrong_file(files: tuple[Path, Path], tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("version: 1\nprofile: {}\n")
    done = run("diff", files[0], wrong)
    assert done.exit_code == 2
    assert f"{wrong}:2: profile: unknown key" in done.stderr


def test_replay_tells_what_a_draft_would_have_changed(files: tuple[Path, Path], node_folder: NodeFolder) -> None:
    node_folder.receive(slice_(1))
    node_folder.receive(slice_(2, KVP="150"))
    node_folder.receive(slice_(3, BodyPartExamined=""))
    node_folder.receive(slice_(4, KVP="150", PatientID=""))
    node_folder.receive(slice_(5, KVP="150"), "CT2")
    kept = node_folder.kept()
    done = node_folder.run("rules", "replay", str(files[1]), "--jobs", "1", "--ae", "CT1", "--json")
    assert done.exit_code == 1
    told = {one["sop_instance_uid"]: one for one in map(json.loads, done.stdout.splitlines())}
    assert told.keys() == {"1.2.840.99.2", "1.2.840.99.3", "1.2.840.99.4"}
    assert told["1.2.840.99.2"]["draft"]["verdict"] == "quarantine"
    assert told["1.2.840.99.2"]["draft"]["status"] == "0xB007"
    assert told["1.2.840.99.3"]["draft"]["verdict"] == "warn"
    assert told["1.2.840.99.4"]["now"]["verdict"] == "quarantine"
    assert {one["rule"] for one in told["1.2.840.99.4"]["draft"]["findings"]} >= {"patient.id", "ct.kvp"}
    assert node_folder.kept() == kept


def test_replay_counts_for_people(files: tuple[Path, Path], node_folder: NodeFolder) -> None:
    node_folder.receive(slice_(1))
    node_folder.receive(slice_(2, KVP="150"))
    done = node_folder.run("rules", "replay", str(files[1]), "--jobs", "1")
    assert done.exit_code == 1
    assert "2 instances, 1 judged otherwise" in done.stdout
    assert [line.split() for line in done.stdout.splitlines() if line.startswith(" ct.kvp")] == [["ct.kvp", "0", "1"]]


def test_replay_that_holds_nothing_more_back_exits_with_0(files: tuple[Path, Path], node_folder: NodeFolder) -> None:
    node_folder.receive(slice_(1))
    done = node_folder.run("rules", "replay", str(files[1]), "--jobs", "1")
    assert done.exit_code == 0
    assert "1 instances, 0 judged otherwise" in done.stdout


def test_replay_tells_of_a_file_that_is_gone(files: tuple[Path, Path], node_folder: NodeFolder) -> None:
    node_folder.receive(slice_(1))
    node_folder.receive(slice_(2, KVP="150"))
    for path in node_folder.kept()[:1]:
        path.unlink()
    done = node_folder.run("rules", "replay", str(files[1]), "--jobs", "1")
    assert ", 1 that cannot be read" in done.stdout


def test_explain_tells_how_often_a_rule_found_something(node_folder: NodeFolder) -> None:
    node_folder.receive(slice_(1))
    node_folder.receive(slice_(2, PatientID=""))
    done = node_folder.run("rules", "explain", "patient.id")
    assert "found in 1 of 2 instances since " in done.stdout
    fired = json.loads(node_folder.run("rules", "explain", "patient.id", "--json").stdout)["fired"]
    assert (fired["instances"], fired["found"]) == (2, 1)


def test_explain_needs_no_node(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    path.write_text("data: nowhere\n")
    done = run("explain", "patient.id", "--json", "--config", path)
    assert json.loads(done.stdout)["fired"] is None
