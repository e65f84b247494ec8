"""What it costs to know of an instance, as an archive grows: ``python -m bench.knowledge`` prints a table for docs/performance.md.

An instance is looked up right after another of its series was committed, as at reception: SQLite reads its pages anew then. *again*
is one that says the same of patient, study and series as the one before, *anew* one that says something else. Times are of the
processor alone.
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import click
from blake3 import blake3

from bench import synthetic
from dicomnode.dicom.instance import Attributes, ReceivedInstance, Verdict
from dicomnode.dicom.peer import Sender
from dicomnode.index import Asked, Durability, Index, IndexSettings, OnConflict

INSTANCES = 50
"""Of each study."""
SIZES = (1_000, 25_000, 100_000)
REPEATS = 500
_A_SERIES = 100
_PATIENT_ID, _STATION, _FRAME, _NUMBER = 0x00100020, 0x00081010, 0x00200052, 0x00200013


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("bench/.work/knowledge"), show_default=True)
def main(folder: Path) -> None:
    """Measure, and print the table; the largest index takes about 1.5 GB of disk for as long as it runs."""
    click.echo("| instances | again | anew |\n| ---: | ---: | ---: |")
    for studies in SIZES:
        shutil.rmtree(folder, ignore_errors=True)
        synthetic.fill(folder, studies, instances=INSTANCES)
        with closing(Index(folder, IndexSettings(), durability=Durability.FAST)) as index:
            again = statistics.median(_durations_s(index, studies, anew=False)) * 1e6
            anew = statistics.median(_durations_s(index, studies, anew=True)) * 1e6
        click.echo(f"| {studies * INSTANCES:,} | {again:.0f} us | {anew:.0f} us |")
    shutil.rmtree(folder)


def _durations_s(index: Index, studies: int, *, anew: bool) -> Iterator[float]:
    for turn in range(REPEATS):
        instance = _instance(1 + turn // _A_SERIES * 7919 % studies, turn, "anew" if anew else "again")
        index.instances.add(instance, OnConflict())
        said = instance.attributes
        if anew:
            said = said._replace(series={**said.series, _STATION: str(turn)})
        asked = Asked(
            said, instance.study_instance_uid, instance.series_instance_uid, "1.2.3", instance.sender.calling_ae_title
        )
        began = time.thread_time()
        index.knowing.of(asked)
        yield time.thread_time() - began


def _instance(study: int, number: int, run: str) -> ReceivedInstance:
    uid = synthetic.study_uid(study)
    return ReceivedInstance(
        sop_class_uid=synthetic.CT,
        sop_instance_uid=f"{uid}.2.{run == 'anew':d}.{number}",
        study_instance_uid=uid,
        series_instance_uid=f"{uid}.1",
        transfer_syntax_uid=synthetic.EXPLICIT_LE,
        attributes=Attributes(
            {_PATIENT_ID: synthetic.patient_id(study)}, {}, {_FRAME: f"{uid}.9"}, {_NUMBER: str(1000 + number)}
        ),
        location=f"{run}/{number}",
        dataset_offset=0,
        dataset_size_bytes=1000,
        digest=blake3(f"{run}/{number}".encode()).digest(),
        digest_algorithm="blake3",
        received_at=datetime.now(UTC),
        sender=Sender("CT1", "DICOMNODE", "127.0.0.1"),
        verdict=Verdict((), "bench"),
    )


if __name__ == "__main__":
    main()
