"""``dicomnode check-config`` as a sysadmin and a script see it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from dicomnode.cli import commands


def check_config(*arguments: str | Path) -> Result:
    return CliRunner().invoke(commands, ["check-config", *map(str, arguments)])


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    path = tmp_path / "wrong.yaml"
    path.write_text("ae_titles: [NODE]\nlisteners:\n- prot: 104\nlog:\n  level: loud\n")
    return path


def test_prints_the_settings_that_hold(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    path.write_text("ae_titles: [NODE]\n")
    done = check_config(path)
    assert done.exit_code == 0
    settings = yaml.safe_load(done.stdout)
    assert settings["ae_titles"] == ["NODE"]
    assert settings["data"] == str(tmp_path / "data")
    assert settings["log"] == {"level": "info", "format": "auto"}


def test_environment_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "node.yaml"
    path.write_text("")
    monkeypatch.setenv("DICOMNODE__LOG__LEVEL", "debug")
    assert yaml.safe_load(check_config(path).stdout)["log"]["level"] == "debug"


def test_names_file_line_key_and_what_is_wrong(wrong: Path) -> None:
    done = check_config(wrong)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        f"{wrong}:3: listeners.0.prot: unknown key; did you mean port?",
        f'{wrong}:5: log.level: expected debug, info, warning or error, got "loud"',
    ]


def test_json_is_one_object_a_fault(wrong: Path) -> None:
    done = check_config(wrong, "--json")
    assert done.exit_code == 2
    faults = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(fault["file"], fault["line"], fault["key"]) for fault in faults] == [
        (str(wrong), 3, "listeners.0.prot"),
        (str(wrong), 5, "log.level"),
    ]


def test_json_is_the_settings_when_all_is_well(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    path.write_text("ae_titles: [NODE]\n")
    [line] = check_config(path, "--json").stdout.splitlines()
    assert json.loads(line)["ae_titles"] == ["NODE"]


def test_schema_knows_the_sections() -> None:
    schema = json.loads(check_config("--schema").stdout)
    assert {"ae_titles", "listeners", "peers", "log"} <= set(schema["properties"])


def test_file_that_is_not_there(tmp_path: Path) -> None:
    done = check_config(tmp_path / "none.yaml")
    assert done.exit_code == 2
    assert done.stderr == f"{tmp_path / 'none.yaml'}: cannot be read: No such file or directory\n"


def test_finds_the_file_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/dicomnode.yaml").write_text("ae_titles: [HERE]\n")
    (tmp_path / "other.yaml").write_text("ae_titles: [THERE]\n")
    assert yaml.safe_load(check_config().stdout)["ae_titles"] == ["HERE"]
    monkeypatch.setenv("DICOMNODE_CONFIG", "other.yaml")
    assert yaml.safe_load(check_config().stdout)["ae_titles"] == ["THERE"]
