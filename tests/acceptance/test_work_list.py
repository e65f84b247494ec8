"""The quarantine as a work list: held back, looked at, corrected, let in; and killed in the middle."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest
from factories import ABSENT, ct, write
from running_node import RunningNode, dcmtk

STRACE = Path("/usr/bin/strace")
KEPT_WITH_FAULTS = 0xB007
KILLED = 137, -9
STEPS = "link,linkat,unlink,unlinkat,rename,renameat,renameat2,fdatasync,fsync"


def entry_of(node: RunningNode) -> dict[str, object]:
    [entry] = node.rows("quarantine", "list")
    return entry


def held_patient_id(node: RunningNode) -> str | None:
    """What the one entry's file says, read whole."""
    with sqlite3.connect(node.data / "index.sqlite") as connection:
        [(location, end)] = connection.execute(
            "SELECT location, dataset_offset + dataset_size_bytes FROM instance WHERE state = 'quarantined'"
        ).fetchall()
    file = node.data / "files" / location
    assert file.stat().st_size == end
    dataset = pydicom.dcmread(file)
    assert len(dataset.PixelData) == 512
    return dataset.get("PatientID")


def test_corrected_instance_is_found_and_fetched_with_what_it_said_before(node: RunningNode, tmp_path: Path) -> None:
    came = ct(PatientID=ABSENT)
    assert node.storescu(write(came, tmp_path / "a.dcm")) == [KEPT_WITH_FAULTS]
    entry = str(entry_of(node)["id"])
    [shown] = node.rows("quarantine", "show", entry)
    assert "patient.id" in [finding["rule"] for finding in shown["findings"]]
    assert "00100020" not in shown["dataset"]

    edited = node.cli("quarantine", "edit", entry, "PatientID=X", "--reason", "by the order")
    assert edited.returncode == 0, edited.stderr
    assert node.storescu(tmp_path / "a.dcm") == [0], "what is clean now, and here, is Success"
    released = node.cli("quarantine", "release", entry, "--reason", "corrected")
    assert released.returncode == 0, released.stderr

    where = ("-aec", "DICOMNODE", "127.0.0.1", str(node.port))
    found = dcmtk(
        "findscu", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientID=X", "-k", "StudyInstanceUID", *where
    )
    assert came.StudyInstanceUID in found.stdout + found.stderr
    study = f"StudyInstanceUID={came.StudyInstanceUID}"
    (tmp_path / "got").mkdir()
    got = dcmtk("getscu", "-S", "-od", tmp_path / "got", "-k", "QueryRetrieveLevel=STUDY", "-k", study, *where)
    [file] = (tmp_path / "got").iterdir()
    fetched = pydicom.dcmread(file)
    assert fetched.PatientID == "X", got.stderr
    assert fetched.PixelData == came.PixelData
    [kept] = fetched.OriginalAttributesSequence
    assert kept.ReasonForTheAttributeModification == "CORRECT"
    assert kept.ModifyingSystem == "DICOMNODE"
    assert kept.ModifiedAttributesSequence[0]["PatientID"].is_empty


@pytest.mark.skipif(not STRACE.exists(), reason="strace is not there")
def test_edit_that_is_killed_at_any_step_leaves_one_whole_version(node: RunningNode, tmp_path: Path) -> None:
    node.storescu(write(ct(PatientID=ABSENT), tmp_path / "a.dcm"))
    entry = str(entry_of(node)["id"])
    node.stop()
    seen, killed = [held_patient_id(node)], 0
    for step in range(1, 60):
        wanted = f"ID{step}"
        command = [
            sys.executable,
            "-m",
            "dicomnode",
            "quarantine",
            "edit",
            entry,
            f"PatientID={wanted}",
            "--reason",
            "x",
        ]
        inject = f"inject={STEPS}:signal=KILL:when={step}"
        done = subprocess.run(
            [STRACE, "-f", "-qq", "-o", os.devnull, "-e", f"trace={STEPS}", "-e", inject, *command],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=os.environ | {"DICOMNODE_CONFIG": str(node.config)},
        )
        seen.append(held_patient_id(node))
        if done.returncode == 0:
            assert seen[-1] == wanted
            break
        assert done.returncode in KILLED, done.stderr
        killed += 1
        assert seen[-1] in (wanted, seen[-2])
    else:
        pytest.fail("the edit never came to its end")
    assert killed >= 5
    assert len(set(seen)) > 2, "it was killed before and behind the point where the new version counts"
    node.start()
    assert len(node.files()) == 1
    assert node.unfinished() == []
    assert pydicom.dcmread(node.files()[0]).PatientID == f"ID{killed + 1}"
