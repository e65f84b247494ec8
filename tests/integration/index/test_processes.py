"""Several processes at one index, and what is left of it when one is killed."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from integration.index import writing_processes
from unit.index.received import received

from dicomnode.index import Durability, Index, IndexSettings, OnConflict, Outcome

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with an empty index."""
    index = Index(tmp_path, IndexSettings(), durability=Durability.FULL)
    index.prepare()
    index.close()
    return tmp_path


@pytest.fixture
def processes() -> Iterator[ProcessPoolExecutor]:
    """Three processes, spawned as the node's workers are."""
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as pool:
        yield pool


def is_whole(folder: Path) -> bool:
    with sqlite3.connect(folder / "index.sqlite") as connection:
        faults = connection.execute("PRAGMA foreign_key_check").fetchall()
        return connection.execute("PRAGMA integrity_check").fetchone() == ("ok",) and not faults


def test_all_bring_the_same_new_patient_study_series_and_instances(
    folder: Path, processes: ProcessPoolExecutor
) -> None:
    work = [processes.submit(writing_processes.bring_the_same, folder, 3, 40) for _ in range(3)]
    outcomes = Counter(outcome for each in work for outcome in each.result())
    assert outcomes == {"STORED": 40, "SAME_CONTENT": 8 * 40}
    index = Index(folder, IndexSettings(), durability=Durability.FULL)
    held = index.summary()
    index.close()
    assert (held.patients, held.studies, held.series, held.instances) == (1, 1, 1, 40)


def test_of_patients_that_race_for_a_study_one_wins(folder: Path, processes: ProcessPoolExecutor) -> None:
    work = [processes.submit(writing_processes.bring_as, folder, f"P{number}", 100) for number in range(3)]
    for study in zip(*(each.result() for each in work), strict=True):
        assert sorted(study) == ["QUARANTINED", "QUARANTINED", "STORED"]


def test_log_that_several_processes_fold_loses_nothing(folder: Path, processes: ProcessPoolExecutor) -> None:
    work = [processes.submit(writing_processes.bring_much_and_read, folder, number, 150) for number in range(3)]
    for each in work:
        each.result()
    index = Index(folder, IndexSettings(), durability=Durability.FULL)
    assert index.summary().instances == 450
    index.close()
    assert is_whole(folder)


def test_killed_process_loses_nothing_that_it_called_durable(folder: Path) -> None:
    durable: list[str] = []
    for kill_after in (1, 7, 30, 101):
        process = subprocess.Popen(
            [sys.executable, "-m", "integration.index.writing_processes", folder],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        )
        assert process.stdout
        durable += [process.stdout.readline().strip() for _ in range(kill_after)]
        process.kill()
        # what it had said when it died; the last line may be cut
        durable += [line.strip() for line in process.communicate()[0].splitlines(keepends=True) if line.endswith("\n")]
    assert is_whole(folder)
    index = Index(folder, IndexSettings(), durability=Durability.FULL)
    assert all(index.instances.known(uid) for uid in durable)
    assert len(set(durable)) >= 139
    assert index.instances.add(received("1.9"), OnConflict()).outcome is Outcome.STORED
    index.close()


def test_killed_process_does_not_stop_the_others(folder: Path) -> None:
    index = Index(folder, IndexSettings(lock_timeout_s=5), durability=Durability.FULL)
    for number in range(5):
        process = subprocess.Popen(
            [sys.executable, "-m", "integration.index.writing_processes", folder],
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        )
        assert process.stdout
        process.stdout.readline()
        process.kill()
        assert index.instances.add(received(f"1.9.{number}"), OnConflict()).outcome is Outcome.STORED
        process.communicate()
    index.close()
    assert is_whole(folder)
