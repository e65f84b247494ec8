"""What is said of wrong settings: every fault, its line, its key, and what was expected."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, field_validator

from dicomnode.errors import ConfigurationError, Problem
from dicomnode.settings import Settings
from dicomnode.settings.yaml_text import parse_yaml


class Policy(StrEnum):
    KEEP = "keep"
    REPLACE = "replace"


class Tls(Settings):
    certificate: Path
    key: Path


class Listener(Settings):
    port: Annotated[int, Field(ge=1, le=65535)] = 104
    tls: Tls | None = None


class Model(Settings):
    name: str = "x"
    policy: Policy = Policy.KEEP
    share: Annotated[float, Field(gt=0, lt=1)] = 0.5
    strict: bool = False
    listeners: Annotated[tuple[Listener, ...], Field(min_length=1, max_length=2)] = (Listener(),)
    peers: Mapping[str, Listener] = {}
    level: int | Literal["auto"] = 1
    code: Annotated[str, Field(pattern="^[A-Z]+$")] = "A"

    @field_validator("name")
    @classmethod
    def _no_slash(cls, value: str) -> str:
        if "/" in value:
            raise ValueError("a name has no slash")
        return value


def problems(text: str) -> list[Problem]:
    with pytest.raises(ConfigurationError) as caught:
        parse_yaml(text, "test.yaml").check(Model)
    return caught.value.problems


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        ("polisy: keep", "polisy", "unknown key; did you mean policy?"),
        ("zzz: 1", "zzz", "unknown key; known here: name, policy,"),
        ("listeners: [{prot: 1}]", "listeners.0.prot", "did you mean port?"),
        ("peers: {ct1: {prot: 1}}", "peers.ct1.prot", "did you mean port?"),
        ("listeners: [{tls: {keys: a, certificate: b, key: c}}]", "listeners.0.tls.keys", "did you mean key?"),
        ("policy: keap", "policy", 'expected keep or replace, got "keap"; did you mean keep?'),
        ("policy: 7", "policy", "expected keep or replace, got 7"),
        ("name: 1234", "name", "expected text, got 1234: put it in quotes"),
        ("name: [a]", "name", "expected text, got a list"),
        ("name:", "name", "expected text, got nothing"),
        ("name: a/b", "name", "a name has no slash"),
        ("strict: maybe", "strict", 'expected true or false, got "maybe"'),
        ("share: big", "share", 'expected a number, got "big"'),
        ("share: 0", "share", "expected more than 0.0, got 0"),
        ("share: 1", "share", "expected less than 1.0, got 1"),
        ("listeners: [{port: 0}]", "listeners.0.port", "expected at least 1, got 0"),
        ("listeners: [{port: 65536}]", "listeners.0.port", "expected at most 65535, got 65536"),
        ("listeners: [{port: 1.5}]", "listeners.0.port", "expected a whole number, got 1.5"),
        ("listeners: []", "listeners", "must have at least 1"),
        ("listeners: [{}, {}, {}]", "listeners", "must have at most 2"),
        ("listeners: 5", "listeners", "expected a list, got 5"),
        ("listeners: [5]", "listeners.0", "expected a section of keys and values, got 5"),
        ("listeners: [{tls: {key: a}}]", "listeners.0.tls.certificate", "is missing"),
        ("peers: [a]", "peers", "expected a section of keys and values, got a list"),
        ("code: abc", "code", 'expected text of the form ^[A-Z]+$, got "abc"'),
        ("[a]", "", "expected a section of keys and values, got a list"),
    ],
)
def test_says_in_plain_words_what_is_wrong(text: str, key: str, words: str) -> None:
    [problem] = problems(text)
    assert problem.key == key
    assert problem.text.startswith(words) or words in problem.text


def test_a_long_value_is_cut() -> None:
    [problem] = problems(f"policy: {'x' * 1000}")
    assert len(problem.text) < 150


def test_names_every_fault_in_the_order_of_the_file() -> None:
    found = problems("share: big\nlisteners:\n- prot: 1\n- port: 0\n  tls: {key: a}\npolicy: keap\n")
    assert [(problem.line, problem.key) for problem in found] == [
        (1, "share"),
        (3, "listeners.0.prot"),
        (4, "listeners.1.port"),
        (5, "listeners.1.tls.certificate"),
        (6, "policy"),
    ]


def test_branches_of_a_choice_are_one_fault() -> None:
    [problem] = problems("level: high")
    assert problem.key == "level"
    assert "a whole number" in problem.text
    assert "auto" in problem.text


def test_error_reads_like_a_compilers() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_yaml("name: x\nshare: big\n", Path("etc/node.yaml")).check(Model)
    assert str(caught.value) == 'etc/node.yaml:2: share: expected a number, got "big"'


def test_gives_the_settings_when_all_is_well() -> None:
    settings = parse_yaml("listeners: [{port: 11112}]\npolicy: replace\nstrict: yes\n", "test.yaml").check(Model)
    assert settings == Model(listeners=(Listener(port=11112),), policy=Policy.REPLACE, strict=True)
