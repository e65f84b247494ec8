"""The systemd unit: systemd finds no fault in it, and it agrees with the program."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from configparser import RawConfigParser
from pathlib import Path

import pytest

from dicomnode.supervisor import ProcessSettings
from dicomnode.supervisor.parent import ABORT_LIMIT_S
from dicomnode.supervisor.process import EXIT_UNUSABLE

SYSTEMD = Path(__file__).parents[2] / "systemd"
PROGRAM = "/opt/dicomnode/bin/dicomnode"
MOST_EXPOSURE = 20
"""In tenths, as ``systemd-analyze security`` counts: from 0 (locked in) to 100."""

needs_systemd = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="apt-get install systemd")


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit, with a program that is there."""
    path = tmp_path / "dicomnode.service"
    path.write_text((SYSTEMD / "dicomnode.service").read_text().replace(PROGRAM, "/bin/true"))
    return path


@pytest.fixture
def service() -> dict[str, str]:
    """The section [Service]; of a key that stands twice, the last."""
    parser = RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way to keep the case of keys
    parser.read(SYSTEMD / "dicomnode.service")
    return dict(parser["Service"])


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, check=False, env=os.environ | {"LC_ALL": "C"}
    )


@needs_systemd
def test_systemd_finds_no_fault(unit: Path) -> None:
    done = analyze("verify", "--man=no", unit)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_systemd
def test_service_is_locked_in(unit: Path) -> None:
    done = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSURE}", "--no-pager", unit)
    assert done.returncode == 0, done.stdout


def test_stopping_has_time_for_the_grace_period(service: dict[str, str]) -> None:
    assert int(service["TimeoutStopSec"]) > ProcessSettings().grace_s + ABORT_LIMIT_S


def test_replacing_a_stuck_worker_does_not_set_off_the_watchdog(service: dict[str, str]) -> None:
    told_every_s = int(service["WatchdogSec"]) / 2
    assert told_every_s > ABORT_LIMIT_S  # the longest that a stuck worker holds the word back


def test_does_not_start_again_when_another_try_cannot_help(service: dict[str, str]) -> None:
    assert service["RestartPreventExitStatus"] == str(EXIT_UNUSABLE)


def test_the_user_of_the_service_is_the_one_that_is_made(service: dict[str, str]) -> None:
    [user] = re.findall(r"^u (\S+)", (SYSTEMD / "dicomnode.sysusers").read_text(), flags=re.MULTILINE)
    assert service["User"] == user
