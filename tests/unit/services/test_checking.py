"""Files judged in several processes: the same as in one."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pydicom
import pytest
from factories import series

from dicomnode.config import Config, load
from dicomnode.services.candidates import candidates
from dicomnode.services.checking import Checked, Device, check_files

WHEEL = Path(pydicom.__file__).parent / "data" / "test_files"


def judged(folder: Path, jobs: int, config: Config | None = None) -> list[Checked]:
    return list(
        check_files(
            candidates([folder]),
            (config or Config()).validation,
            called_ae_title="NODE",
            calling_ae_title=None,
            today=date(2026, 1, 1),
            jobs=jobs,
            alone_s=0,
        )
    )


def test_several_processes_tell_the_same_in_the_same_order(tmp_path: Path) -> None:
    for number in range(3):
        shutil.copytree(WHEEL / "dicomdirtests", tmp_path / f"{number}")
    shutil.copy(WHEEL / "rtplan_truncated.dcm", tmp_path / "1" / "a.dcm")
    alone = judged(tmp_path, 1)
    assert judged(tmp_path, 2) == alone
    assert [checked.file for checked in alone] == [candidate.path for candidate in candidates([tmp_path])]
    assert {checked.is_other for checked in alone} == {True, False}


@pytest.mark.parametrize(
    ("name", "device"),
    [
        ("CT_small.dcm", Device("GE MEDICAL SYSTEMS", "RHAPSODE", "CT01_OC0")),
        ("reportsi.dcm", Device("Kuratorium OFFIS e.V.")),
    ],
)
def test_device_is_named(name: str, device: Device, tmp_path: Path) -> None:
    shutil.copy(WHEEL / name, tmp_path)
    assert [checked.device for checked in judged(tmp_path, 1)] == [device]


def test_site_rules_hold_in_every_process(tmp_path: Path) -> None:
    (tmp_path / "node.yaml").write_text("qa: {rules: site.yaml}\n")
    (tmp_path / "site.yaml").write_text(
        "version: 1\nprofiles: {all: {rules: [{id: site.any, required: [PatientComments], severity: quarantine}]}}\n"
    )
    folder = tmp_path / "files"
    series(folder, 70)
    config = load(tmp_path / "node.yaml", {})
    for jobs in (1, 2):
        found = [{finding.rule for finding in checked.verdict.findings} for checked in judged(folder, jobs, config)]
        assert len(found) == 70
        assert all("site.any" in rules for rules in found)
