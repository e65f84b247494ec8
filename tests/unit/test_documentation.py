"""The documents tell of what there is: every event that is logged, and no page that is not there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_that_are_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_event_of_the_log_is_explained_to_operators() -> None:
    logged = {event for module in (ROOT / "dicomnode").rglob("*.py") for event in _logged(module)}
    assert len(logged) > 50
    assert sorted(logged - _explained()) == []


def _logged(module: Path) -> set[str]:
    calls = (node for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Call))
    return {
        str(call.args[0].value)
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr in LEVELS and call.args
        if isinstance(call.args[0], ast.Constant)
    }


def _explained() -> set[str]:
    """The first column of the table of events; `.rejected` after `association.accepted` is of the same subject."""
    explained = set()
    for cell in re.findall(r"^\| (`[a-z_0-9]+\.[^|]*) \|", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE):
        names = re.findall(r"`([^`]+)`", cell)
        subject = names[0].partition(".")[0]
        explained |= {subject + name if name.startswith(".") else name for name in names}
    return explained
