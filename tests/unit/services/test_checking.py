"""Files judged in several processes: the same as in one."""

from __future__ import annotations

import shutil
from datetime import date
from functools import partial
from pathlib import Path

import pydicom
import pytest

from dicomnode.qa import QaSettings, Validation
from dicomnode.services.candidates import candidates
from dicomnode.services.checking import Checked, Device, check_files

WHEEL = Path(pydicom.__file__).parent / "data" / "test_files"


def judged(folder: Path, jobs: int) -> list[Checked]:
    return list(
        check_files(
            candidates([folder]),
            partial(Validation, QaSettings()),
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
