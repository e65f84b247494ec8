"""``dicomnode rules`` as a sysadmin and a script see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dicomnode.cli import commands

EXAMPLE = Path(__file__).parents[3] / "config" / "rules" / "example.yaml"


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(commands, ["rules", *map(str, arguments)])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "node.yaml"
    path.write_text(f"qa: {{rules: '{EXAMPLE}', severities: {{patient.sex: 'off'}}}}\n")
    return path


def test_tells_how_each_test_went() -> None:
    done = run("test", EXAMPLE)
    assert done.exit_code == 0
    assert "passed  a slice of 25 mm\n" in done.stdout
    assert "FAILED" not in done.stdout


def test_exits_with_1_when_a_test_fails(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(EXAMPLE.read_text().replace("range: [0.1, 20]", "range: [0.1, 30]"))
    done = run("test", path)
    assert done.exit_code == 1
    assert "FAILED  a slice of 25 mm\n        ct.slice-thickness finds none, expected warn\n" in done.stdout
    told = [json.loads(line) for line in run("test", path, "--json").stdout.splitlines()]
    assert [one for one in told if not one["passed"]] == [
        {"test": "a slice of 25 mm", "passed": False, "faults": ["ct.slice-thickness finds none, expected warn"]}
    ]


def test_exits_with_2_when_the_file_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("version: 1\nprofile: {}\n")
    done = run("test", path)
    assert done.exit_code == 2
    assert f"{path}:2: profile: unknown key; did you mean profiles?" in done.stderr


def test_explains_a_core_rule_with_its_overrides(config: Path) -> None:
    done = run("explain", "patient.id", "--config", config)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[:3] == [
        "patient.id: Nobody knows whose it is",
        "severity here: quarantine",
        "where it rejects: 0xa900",
    ]
    assert "in profile er-scanner: warn through 2027-06-30: the emergency room's scanner" in done.stdout
    assert "reference: PS3.3 C.7.1.1" in done.stdout


def test_explains_a_rule_of_the_site(config: Path) -> None:
    done = run("explain", "ct.kvp", "--config", config)
    assert "ct.kvp: fields KVP, range 40.0 160.0, when 'ORIGINAL' in ImageType" in done.stdout
    assert "severity here: warn" in done.stdout


def test_does_not_know_a_rule_that_is_none(config: Path) -> None:
    done = run("explain", "patient.ids", "--config", config)
    assert done.exit_code == 1
    assert "did you mean patient.id?" in done.stderr


def test_lists_rules_of_the_house_and_of_the_site(config: Path) -> None:
    done = run("list", "--config", config, "--json")
    severities = {one["rule"]: (one["severity"], one["profile"]) for one in map(json.loads, done.stdout.splitlines())}
    assert severities["core.parse"] == ("reject", None)
    assert severities["patient.sex"] == ("off", None)
    assert severities["ct.phantom"] == ("reject", "ct")
    assert severities["index.study-patient"] == ("quarantine", None)
    assert "ct.phantom" in run("list", "--config", config).stdout


def test_schema_names_every_key_of_a_rule_file() -> None:
    schema = json.loads(run("schema").stdout)
    assert schema["properties"].keys() == {"version", "mode", "profiles", "tests"}
    rule = schema["$defs"]["RuleText"]
    assert {"assert", "required", "pattern", "severity"} <= rule["properties"].keys()
    assert rule["additionalProperties"] is False
    assert rule["required"] == ["id", "severity"]


def test_explains_what_the_node_itself_finds(config: Path) -> None:
    done = run("explain", "core.breaker", "--config", config)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[1] == "severity here: quarantine"


def test_explains_a_fix_as_it_is_written(tmp_path: Path) -> None:
    hospital = EXAMPLE.with_name("hospital.yaml")
    config = tmp_path / "node.yaml"
    config.write_text(f"qa: {{rules: '{hospital}'}}\n")
    [first, second, *_] = run("explain", "hospital.accession", "--config", config).stdout.splitlines()
    assert first == "hospital.accession: required AccessionNumber, fix {copy: StudyID}"
    assert second == "severity here: fix"
    told = run("explain", "hospital.no-phantoms", "--config", config).stdout.splitlines()
    assert told[1] == "severity here: info, would reject (mode observe) (by default: reject)"
    assert "in profile physics: mode enforce: their scanner was told first" in told
