"""YAML as people write it, and as they get it wrong."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import pytest

from dicomnode.errors import ConfigurationError, Problem
from dicomnode.settings import Settings
from dicomnode.settings.yaml_text import MAX_DEPTH, MAX_NODES, parse_yaml, read_yaml, to_yaml


def problems(text: str) -> list[Problem]:
    with pytest.raises(ConfigurationError) as caught:
        parse_yaml(text, "test.yaml")
    return caught.value.problems


def test_knows_the_line_of_each_key_and_entry() -> None:
    document = parse_yaml("a: 1\nb:\n  c: 2\n  d:\n    - x\n\n    - y\n", "test.yaml")
    assert document.values == {"a": 1, "b": {"c": 2, "d": ["x", "y"]}}
    assert document.lines[("a",)] == 1
    assert document.lines[("b",)] == 2
    assert document.lines[("b", "c")] == 3
    assert document.lines[("b", "d", 0)] == 5
    assert document.lines[("b", "d", 1)] == 7


@pytest.mark.parametrize("text", ["", "# nothing but a comment\n", "---\n"])
def test_empty_file_says_nothing(text: str) -> None:
    assert not parse_yaml(text, "test.yaml").values


@pytest.mark.parametrize("word", ["NO", "on", "yes", "12:30", "010", "2024-01-02", ".inf", "1.2.840.10008"])
def test_plain_words_stay_text(word: str) -> None:
    assert parse_yaml(f"a: {word}", "test.yaml").values == {"a": word}


@pytest.mark.parametrize(
    ("word", "value"),
    [("true", True), ("null", None), ("~", None), ("0xC502", 0xC502), ("-3", -3), ("1.5", 1.5), ("2e3", 2000.0)],
)
def test_numbers_and_truth_are_values(word: str, value: object) -> None:
    assert parse_yaml(f"a: {word}", "test.yaml").values == {"a": value}


def test_refuses_a_key_that_stands_twice_and_tells_both_lines() -> None:
    [problem] = problems("a: 1\nb:\n  c: 1\n  c: 2\n")
    assert (problem.key, problem.line) == ("b.c", 4)
    assert "line 3" in problem.text


def test_names_every_fault_of_structure_at_once() -> None:
    found = problems("a: 1\na: 2\nb: !secret x\n? [c]\n: 1\n")
    assert [problem.line for problem in found] == [2, 3, 4]


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\n\tb: 2\n", 2, "tab"),
        ("a: [1, 2\nb: 3\n", 2, "expected"),
        ("a: 1\n---\nb: 2\n", 2, "document"),
        ("a: *nobody\n", 1, "alias"),
    ],
)
def test_broken_yaml_is_told_with_its_line(text: str, line: int, words: str) -> None:
    [problem] = problems(text)
    assert problem.line == line
    assert words in problem.text


@pytest.mark.parametrize("tag", ["!!python/object/apply:os.system", "!!binary", "!!timestamp", "!!set"])
def test_refuses_tags_that_make_more_than_values(tag: str) -> None:
    [problem] = problems(f"a: {tag} x\n")
    assert problem.key == "a"


def test_anchors_may_be_used() -> None:
    document = parse_yaml("a: &all [x, y]\nb: *all\n", "test.yaml")
    assert document.values == {"a": ["x", "y"], "b": ["x", "y"]}


def test_anchors_cannot_stand_for_billions() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    [problem] = problems("\n".join(lines))
    assert str(MAX_NODES) in problem.text


def test_anchor_cannot_hold_itself() -> None:
    [problem] = problems("a: &a [*a]\n")
    assert str(MAX_DEPTH) in problem.text


def test_nesting_is_bounded() -> None:
    [problem] = problems("[" * 5000)
    assert str(MAX_DEPTH) in problem.text


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        read_yaml(tmp_path / "none.yaml")


def test_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes("a: Müller".encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"UTF-8.*byte 4"):
        read_yaml(path)


def test_file_with_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "windows.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n")
    assert read_yaml(path).values == {"a": 1, "b": 2}


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(Settings):
    path: Path = Path("/tmp/x")
    colours: frozenset[Colour] = frozenset(Colour)


class Outer(Settings):
    name: str = "NO"
    inner: Inner = Inner()
    several: tuple[Inner, ...] = ()
    peers: dict[str, Inner] = {"a": Inner()}  # noqa: RUF012 - pydantic copies it
    rate: float | None = None


def test_settings_come_back_from_their_own_text() -> None:
    settings = Outer(name="010", several=(Inner(), Inner(colours=frozenset({Colour.RED}))))
    assert parse_yaml(to_yaml(settings), "test.yaml").check(Outer) == settings


def test_text_of_a_set_is_in_order() -> None:
    assert to_yaml(Inner()) == "path: /tmp/x\ncolours:\n- blue\n- red\n"
