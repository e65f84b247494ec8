"""What the acceptance tests share: a running node, and the certainty that DCMTK is DCMTK."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from running_node import DCMTK, RunningNode


@pytest.fixture(scope="session", autouse=True)
def dcmtk_is_dcmtk() -> None:
    """Fail at once, and say what to do, when Debian's DCMTK is not there."""
    tool = DCMTK / "storescu"
    assert tool.exists(), "DCMTK is missing: apt-get install dcmtk"
    version = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True)
    assert "dcmtk" in version.stdout


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    """A node with the defaults."""
    with RunningNode(tmp_path / "node") as running:
        yield running
