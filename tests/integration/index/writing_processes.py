"""What the processes of a test do to an index; a module of its own, because spawned processes import it."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from unit.index.received import OTHER_PATIENT, PATIENT_ID, PATIENT_NAME, received

from dicomnode.index import Durability, Index, IndexSettings, OnConflict, StudyFilter

SETTINGS = IndexSettings(checkpoint_mb=1)
"""A small log, so that processes fold it in turn."""


def bring_the_same(folder: Path, threads: int, instances: int) -> list[str]:
    """Each thread adds the same instances of one new patient; what became of each."""
    index = Index(folder, SETTINGS, durability=Durability.FULL)

    def send(_: int) -> list[str]:
        return [index.instances.add(received(f"1.2.{one}"), OnConflict()).outcome.name for one in range(instances)]

    with ThreadPoolExecutor(threads) as pool:
        outcomes = [outcome for each in pool.map(send, range(threads)) for outcome in each]
    index.close()
    return outcomes


def bring_as(folder: Path, patient: str, studies: int) -> list[str]:
    """One instance for each study, of a patient who is another one in each process; what became of each."""
    index = Index(folder, SETTINGS, durability=Durability.FAST)
    on_conflict = OnConflict(other_patient=OTHER_PATIENT)
    outcomes = [
        index.instances.add(
            received(f"1.2.{study}.{patient}", study=f"1.2.{study}", patient={PATIENT_ID: patient}), on_conflict
        ).outcome.name
        for study in range(studies)
    ]
    index.close()
    return outcomes


def bring_much_and_read(folder: Path, process: int, instances: int) -> None:
    """Adds instances that fill the log, and lists the studies now and then."""
    index = Index(folder, SETTINGS, durability=Durability.FAST)
    for one in range(instances):
        patient = {PATIENT_ID: f"{process}-{one}", PATIENT_NAME: "x" * 10_000}
        index.instances.add(
            received(f"1.2.{process}.{one}", study=f"1.3.{process}.{one}", patient=patient), OnConflict()
        )
        if one % 10 == 0:
            assert sum(row.instances for row in index.studies(StudyFilter())) > one
    index.close()


def bring_until_killed(folder: Path) -> None:
    """Adds instances from several threads, and says which are durable."""
    index = Index(folder, SETTINGS, durability=Durability.FULL)
    numbers = count()

    def send(_: int) -> None:
        while True:
            uid = f"1.2.{os.getpid()}.{next(numbers)}"
            index.instances.add(received(uid, series=f"{uid}.0"), OnConflict())
            sys.stdout.write(f"{uid}\n")
            sys.stdout.flush()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(4)))


if __name__ == "__main__":
    bring_until_killed(Path(sys.argv[1]))
