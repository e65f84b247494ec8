"""The configuration files that come with the project hold what the code knows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from dicomnode.config import Config, load
from dicomnode.dicom.peer import PeerSettings
from dicomnode.settings.document import Plain
from dicomnode.settings.yaml_text import parse_yaml, read_yaml

CONFIG = Path(__file__).parents[2] / "config"
SHIPPED = CONFIG / "dicomnode.yaml"


def options(values: Plain, path: str = "") -> Iterator[str]:
    """Every key of nested sections and lists, dotted."""
    if isinstance(values, dict):
        for key, value in values.items():
            yield f"{path}{key}"
            yield from options(value, f"{path}{key}.")
    if isinstance(values, list):
        for index, value in enumerate(values):
            yield from options(value, f"{path}{index}.")


def test_default_file_holds_every_option() -> None:
    shipped = set(options(read_yaml(SHIPPED).values))
    known = set(options(parse_yaml(Config().effective(), "defaults").values))
    assert shipped == known


def test_default_file_says_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CONFIG.parent)
    assert load(SHIPPED, {}) == load(None, {})


def commented(text: str, first_line: str) -> str:
    """The commented lines from ``first_line`` on, without their signs."""
    lines = text[text.index(first_line) :].splitlines()
    taken = []
    for line in lines:
        if not line.strip().startswith("#"):
            break
        taken.append(re.sub(r"^(\s*)#", r"\1", line))
    return "\n".join(taken)


def commented_example(first_line: str, model: type[BaseModel]) -> BaseModel:
    [[_, values]] = _sections(parse_yaml(commented(SHIPPED.read_text(), first_line), "example").values)
    assert isinstance(values, dict)
    assert set(values) == set(model.model_fields), "an option is missing, or one that is gone is still there"
    return model.model_validate(values)


def _sections(values: Plain) -> list[tuple[str, Plain]]:
    assert isinstance(values, dict)
    return list(values.items())


def test_commented_peer_holds_every_option_and_its_defaults() -> None:
    example = commented_example("#   ct1:", PeerSettings)
    told_apart = {"ae_title", "host", "description"}
    assert example.model_dump(exclude=told_apart) == PeerSettings(ae_title="X").model_dump(exclude=told_apart)


@pytest.mark.parametrize("path", sorted((CONFIG / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_example_is_right(path: Path) -> None:
    config = load(path, {})
    assert config.peers
    assert config.data.is_absolute()


def test_hospital_is_strict() -> None:
    config = load(CONFIG / "examples/hospital.yaml", {})
    assert config.unknown_peers == "reject"
    assert len(config.ae_titles) == 2
    assert all(peer.host for peer in config.peers.values())
