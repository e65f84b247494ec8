"""What queries cost as an archive grows: ``python -m bench.growth`` prints a table for docs/performance.md.

Each query is asked many times, with other values each time, of indices of synthetic rows; what is measured is the time until its
first page is there, what it reads being in memory, without network and encoding. The plan is SQLite's own account of how it goes
about it: SEARCH looks rows up in an index, whose cost grows with the logarithm of its size; SCAN would read a table.
"""

from __future__ import annotations

import shutil
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import click
from pydicom.datadict import dictionary_VR, tag_for_keyword

from bench import synthetic
from dicomnode.dicom.attributes import LEVEL_ATTRIBUTES
from dicomnode.dicom.character_sets import DEFAULT_REPERTOIRE
from dicomnode.dicom.query.identifier import Identifier, Key, Level, Model, QueryOptions
from dicomnode.index import Durability, Index, IndexSettings, functions
from dicomnode.index.finding import few_matches
from dicomnode.index.matching import conditions_of
from dicomnode.index.places import Places

INSTANCES = 50
"""Of each study."""
SIZES = (5_000, 25_000, 100_000)
REPEATS = 200
_RETURNED = (0x00080020, 0x00080030, 0x00080050, 0x00100010, 0x00100020, 0x0020000D)
_RETURNED_OF_IMAGES = (0x00080016, 0x00080018, 0x00200013)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of query, asked for study ``number``."""

    title: str
    level: Level
    keys: Callable[[int], dict[str, str]]
    relational: bool = False

    def identifier(self, number: int) -> Identifier:
        """The query."""
        keys = {}
        for keyword, value in self.keys(number).items():
            tag = tag_for_keyword(keyword)
            assert tag is not None
            keys[tag] = Key(tag, dictionary_VR(tag), (value,))
        options = QueryOptions(relational=self.relational)
        return Identifier(Model.STUDY_ROOT, self.level, keys, DEFAULT_REPERTOIRE, options)

    @property
    def returned(self) -> tuple[int, ...]:
        """What it asks back."""
        return _RETURNED_OF_IMAGES if self.level is Level.IMAGE else _RETURNED


def _day(number: int) -> str:
    return f"20{number % 25:02}{number % 12 + 1:02}{number % 28 + 1:02}"


KINDS = (
    Kind("Patient ID", Level.STUDY, lambda n: {"PatientID": synthetic.patient_id(n)}),
    Kind("Patient's Name", Level.STUDY, lambda n: {"PatientName": f"Doe{n % 997}^Jane{n}"}),
    Kind("Patient's Name, beginning", Level.STUDY, lambda n: {"PatientName": f"Doe{n % 997}^Jane{n}*"}),
    Kind("Accession Number", Level.STUDY, lambda n: {"AccessionNumber": f"A{n:09}"}),
    Kind("Study ID", Level.STUDY, lambda n: {"StudyID": str(n)}),
    Kind("Study Instance UID", Level.STUDY, lambda n: {"StudyInstanceUID": synthetic.study_uid(n)}),
    Kind("Study Date", Level.STUDY, lambda n: {"StudyDate": _day(n)}),
    Kind("Study Date and modality", Level.STUDY, lambda n: {"StudyDate": _day(n), "ModalitiesInStudy": "CT"}),
    Kind("series of a study", Level.SERIES, lambda n: {"StudyInstanceUID": synthetic.study_uid(n)}),
    Kind(
        "images of a series",
        Level.IMAGE,
        lambda n: {"StudyInstanceUID": synthetic.study_uid(n), "SeriesInstanceUID": f"{synthetic.study_uid(n)}.1"},
    ),
    Kind(
        "SOP Instance UID alone",
        Level.IMAGE,
        lambda n: {"SOPInstanceUID": f"{synthetic.study_uid(n)}.1.7"},
        relational=True,
    ),
)


@click.command()
@click.option("--folder", type=click.Path(path_type=Path), default=Path("bench/.work/growth"), show_default=True)
def main(folder: Path) -> None:
    """Measure, and print the table; the largest index takes about 5 GB of disk for as long as it runs."""
    figures: dict[str, list[float]] = {kind.title: [] for kind in KINDS}
    plans: dict[str, str] = {}
    for studies in SIZES:
        shutil.rmtree(folder, ignore_errors=True)
        click.echo(f"{studies} studies, {studies * INSTANCES} instances ...", err=True)
        synthetic.fill(folder, studies, instances=INSTANCES)
        with closing(Index(folder, IndexSettings(), durability=Durability.FAST)) as index:
            for kind in KINDS:
                figures[kind.title].append(statistics.median(_durations_s(index, kind, studies)) * 1e6)
        plans |= {kind.title: _plan(folder, kind) for kind in KINDS}
    shutil.rmtree(folder)
    click.echo(_table(figures, plans))


def _durations_s(index: Index, kind: Kind, studies: int) -> Iterator[float]:
    numbers = [1 + turn * 7919 % studies for turn in range(REPEATS)]
    for turn, number in enumerate(numbers * 2):
        identifier = kind.identifier(number)
        began = time.perf_counter()
        [first] = islice(index.find(identifier, kind.returned).pages, 1)
        took = time.perf_counter() - began
        assert first
        if turn >= REPEATS:  # what it needs of the file is in memory by then: not the disk is measured
            yield took


def _plan(folder: Path, kind: Kind) -> str:
    identifier, places = kind.identifier(1), Places(LEVEL_ATTRIBUTES)
    conditions = conditions_of(identifier, places)
    text = few_matches(places, identifier.level, kind.returned, conditions)
    with closing(sqlite3.connect(folder / synthetic.DATABASE)) as connection:
        functions.install(connection)
        return "; ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", conditions.values))


def _table(figures: dict[str, list[float]], plans: dict[str, str]) -> str:
    sizes = " | ".join(f"{studies:,} studies, {studies * INSTANCES:,} instances" for studies in SIZES)
    lines = [f"| query by | {sizes} | plan |", f"| --- | {'---: | ' * len(SIZES)}--- |"]
    for title, values in figures.items():
        cells = " | ".join(f"{value:.0f} us" for value in values)
        lines.append(f"| {title} | {cells} | {plans[title]} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
