"""docs/qa.md lists the rules that there are."""

from __future__ import annotations

import re
from pathlib import Path

from dicomnode.qa.core import FOUND_BY_THE_INDEX
from dicomnode.qa.rules import RULES
from dicomnode.qa.studies import STUDY_RULES

DOCUMENT = Path(__file__).parents[3] / "docs" / "qa.md"


def test_every_rule_is_listed_with_its_severity() -> None:
    listed = set(re.findall(r"^\| `([a-z-]+\.[a-z0-9-]+)` \| (\w+) \|", DOCUMENT.read_text(), re.MULTILINE))
    there = {(rule.id, rule.severity.name.lower()) for rule in RULES}
    there |= {(rule.id, rule.severity.name.lower()) for rule in STUDY_RULES}
    assert listed == there | {(rule, "quarantine") for rule in FOUND_BY_THE_INDEX}
