"""docs/rules.md names every key of the language."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dicomnode.qa.language.schema import (
    DateBounds,
    LengthBounds,
    Match,
    Override,
    ProfileText,
    RuleFile,
    RuleText,
    TestText,
)
from dicomnode.settings import Settings

PAGE = (Path(__file__).parents[4] / "docs" / "rules.md").read_text()


@pytest.mark.parametrize(
    "model",
    [RuleFile, ProfileText, Match, Override, RuleText, LengthBounds, DateBounds, TestText],
    ids=lambda one: one.__name__,
)
def test_every_key_is_documented(model: type[Settings]) -> None:
    words = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`([^`]+)`", PAGE))))
    assert {field.alias or name for name, field in model.model_fields.items()} <= words
