"""Single keys overridden by environment variables."""

from __future__ import annotations

import pytest

from dicomnode.errors import ConfigurationError
from dicomnode.settings import Settings
from dicomnode.settings.document import Document, Plain
from dicomnode.settings.environment import override
from dicomnode.settings.yaml_text import parse_yaml

FILE = "listeners:\n- port: 1\n- port: 2\npeers:\n  CT-1:\n    host: a\nname: x\n"


def overridden(**variables: str) -> Plain:
    document = parse_yaml(FILE, "test.yaml")
    override(document, {f"DICOMNODE__{name}": value for name, value in variables.items()} | {"DICOMNODE_CONFIG": "x"})
    return document.values


def test_sets_a_key() -> None:
    assert overridden(NAME="y")["name"] == "y"  # type: ignore[call-overload, index]


@pytest.mark.parametrize(
    ("variable", "text", "expected"),
    [
        ("NAME", "y", {"name": "y"}),
        ("NAME", "", {"name": ""}),
        ("NAME", "null", {"name": None}),
        ("NAME", '"104"', {"name": "104"}),
        ("LISTENERS__1__PORT", "3", {"listeners": [{"port": 1}, {"port": 3}]}),
        ("LISTENERS__2__PORT", "3", {"listeners": [{"port": 1}, {"port": 2}, {"port": 3}]}),
        ("PEERS__CT_1__HOST", "b", {"peers": {"CT-1": {"host": "b"}}}),
        ("PEERS__MR1__HOST", "b", {"peers": {"CT-1": {"host": "a"}, "mr1": {"host": "b"}}}),
        ("AE_TITLES", "[A, B]", {"ae_titles": ["A", "B"]}),
        ("AE_TITLES__0", "A", {"ae_titles": ["A"]}),
        ("LOG__LEVEL", "debug", {"log": {"level": "debug"}}),
    ],
)
def test_value_takes_the_place_of_the_files(variable: str, text: str, expected: dict[str, Plain]) -> None:
    before = parse_yaml(FILE, "test.yaml").values
    assert isinstance(before, dict)
    assert overridden(**{variable: text}) == before | expected


def test_entries_are_added_in_the_order_of_their_numbers() -> None:
    titles = {f"AE_TITLES__{number}": f"T{number}" for number in reversed(range(12))}
    values = overridden(**titles)
    assert isinstance(values, dict)
    assert values["ae_titles"] == [f"T{number}" for number in range(12)]


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("LISTENERS__5__PORT", "3", "2 entries in the file"),
        ("LISTENERS__FIRST__PORT", "3", "counted from 0"),
        ("NAME__INNER", "3", "nothing lies below"),
        ("NAME", "[1, 2", "no YAML"),
    ],
)
def test_variable_that_leads_nowhere_is_named(variable: str, text: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=f"DICOMNODE__{variable}:.*{words}"):
        overridden(**{variable: text})


class Model(Settings):
    port: int = 1
    name: str = ""


def test_fault_in_a_variables_value_names_the_variable_and_no_line() -> None:
    document = parse_yaml("port: 5\nname: x\n", "test.yaml")
    override(document, {"DICOMNODE__PORT": "abc", "DICOMNODE__NANE": "y"})
    with pytest.raises(ConfigurationError) as caught:
        document.check(Model)
    assert [(problem.key, problem.line) for problem in caught.value.problems] == [("nane", None), ("port", None)]
    assert "DICOMNODE__NANE" in caught.value.problems[0].text
    assert "DICOMNODE__PORT" in caught.value.problems[1].text


def test_works_without_a_file() -> None:
    document = Document("defaults", {})
    override(document, {"DICOMNODE__PORT": "7"})
    assert document.check(Model) == Model(port=7)
