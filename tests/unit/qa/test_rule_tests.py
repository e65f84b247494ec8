"""Tests that stand in a rule file: run when it is loaded, in the node and by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from dicomnode.config import load
from dicomnode.errors import ConfigurationError
from dicomnode.qa import QaSettings, Validation
from dicomnode.qa.language import compile_rules
from dicomnode.qa.rule_tests import load_rules, run_tests
from dicomnode.settings.yaml_text import parse_yaml, read_yaml

EXAMPLES = sorted((Path(__file__).parents[3] / "config" / "rules").glob("*.yaml"))

TEXT = """version: 1
profiles:
  all:
    rules:
      - {id: site.body, required: [BodyPartExamined], severity: quarantine}
tests:
  - name: found
    dataset: {from: ct, BodyPartExamined: null}
    expect: {site.body: quarantine, patient.id: none}
    answer: 0xB007
  - name: not found
    dataset: {from: ct}
    expect: {site.body: none}
    answer: 0x0000
"""


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_shipped_example_holds(example: Path) -> None:
    rules = compile_rules(read_yaml(example))
    assert [one for one in run_tests(rules) if one.faults] == []
    tested = {rule for test in rules.tests for rule in test.expect}
    assert {rule.id for profile in rules.profiles for rule in profile.rules} <= tested


@pytest.mark.parametrize(
    ("was", "becomes", "line", "said"),
    [
        ("{site.body: none}", "{site.body: warn}", 11, "test 'not found' fails: site.body finds none, expected warn"),
        ("answer: 0xB007", "answer: 0xA900", 7, "test 'found' fails: the answer is 0xb007, expected 0xa900"),
        ("{from: ct}", "{from: mr}", 11, "the data set cannot be made: from: there is ct"),
        ("{from: ct}", "{from: ct, Rows: many}", 11, "the data set cannot be made"),
        ("{from: ct}", "{from: ct, Row: 3}", 11, "did you mean Rows?"),
    ],
)
def test_file_whose_tests_fail_is_refused(was: str, becomes: str, line: int, said: str) -> None:
    assert load_rules(parse_yaml(TEXT, "rules.yaml")).profiles
    with pytest.raises(ConfigurationError) as caught:
        load_rules(parse_yaml(TEXT.replace(was, becomes), "rules.yaml"))
    [problem] = caught.value.problems
    assert problem.line == line
    assert said in problem.text


def test_rules_that_only_observe_are_tested_as_if_they_counted() -> None:
    assert load_rules(parse_yaml(TEXT.replace("version: 1", "version: 1\nmode: observe"), "rules.yaml")).tests


def test_configuration_loads_the_file_beside_it_and_keeps_what_it_said(tmp_path: Path) -> None:
    (tmp_path / "node.yaml").write_text("qa: {rules: site.yaml}\n")
    (tmp_path / "site.yaml").write_text(TEXT)
    config = load(tmp_path / "node.yaml", {})
    assert config.qa.rules == tmp_path / "site.yaml"
    (tmp_path / "site.yaml").write_text("no rules any more")
    named = Validation(QaSettings(), site=config.model_copy().site_rules).rule_set
    assert named == Validation(QaSettings(), site=load_rules(parse_yaml(TEXT, ""))).rule_set
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "node.yaml", {})
    assert caught.value.source == tmp_path / "site.yaml"


def test_configuration_without_its_rule_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "node.yaml").write_text("qa: {rules: site.yaml}\n")
    with pytest.raises(ConfigurationError, match=r"site.yaml cannot be read"):
        load(tmp_path / "node.yaml", {})
