"""Queries on usual keys look up an index, whatever an archive holds: none of them reads a whole table."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from unit.index.queries import Value, asked

from dicomnode.dicom.attributes import LEVEL_ATTRIBUTES
from dicomnode.dicom.query.identifier import Identifier, Level, Model, QueryOptions, Selection
from dicomnode.dicom.query.model import QUERY_KEYS
from dicomnode.index import Index, functions
from dicomnode.index.finding import few_matches, matching_rows, values_of_rows
from dicomnode.index.matching import conditions_of
from dicomnode.index.outbox import delivering, entries
from dicomnode.index.places import Places
from dicomnode.index.selection import selecting

PLACES = Places(LEVEL_ATTRIBUTES)
EVERYTHING = tuple(sorted({tag for level in Level for tag in QUERY_KEYS[level]}))
RELATIONAL = QueryOptions(relational=True)
ABOVE_SERIES: dict[str, Value] = {"StudyInstanceUID": "1.2.1"}
ABOVE_IMAGE: dict[str, Value] = ABOVE_SERIES | {"SeriesInstanceUID": "1.2.1.1"}


Plan = Callable[[str, object], list[str]]


@pytest.fixture
def plan(index: Index, tmp_path: Path) -> Iterator[Plan]:
    """How SQLite goes about a statement and the values that it binds, without statistics of what the tables hold."""
    with closing(sqlite3.connect(tmp_path / "index.sqlite")) as connection:
        functions.install(connection)
        yield lambda text, values: [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}", values)]


def scans(steps: list[str]) -> list[str]:
    """The steps that read a whole table."""
    assert steps
    return [step for step in steps if re.match(r"SCAN (patient|study|series|instance)", step)]


QUERIES: list[Identifier] = [
    asked("PATIENT", PatientID="P1", model=Model.PATIENT_ROOT),
    asked("PATIENT", PatientID="P*", model=Model.PATIENT_ROOT),
    asked("PATIENT", PatientName="Doe^Jane", model=Model.PATIENT_ROOT),
    asked("PATIENT", PatientName="Do*", model=Model.PATIENT_ROOT),
    asked("STUDY", PatientID="P1"),
    asked("STUDY", PatientID="P1", StudyDate="20240101-"),
    asked("STUDY", PatientID="P1\\P2"),
    asked("STUDY", PatientName="Doe^Jane"),
    asked("STUDY", PatientName="Müll*"),
    asked("STUDY", PatientName="Doe^*"),
    asked("STUDY", PatientName="Yamada*=山田*"),
    asked("STUDY", PatientName="Do?^*", StudyDate="20240101-20240131"),
    asked("STUDY", StudyDate="20240101"),
    asked("STUDY", StudyDate="20240101-20240131"),
    asked("STUDY", StudyDate="20240101-"),
    asked("STUDY", StudyDate="-20240131", StudyTime="10-12"),
    asked("STUDY", StudyDate="20240101-20240131", StudyTime="10-12", options=QueryOptions(combined_datetime=True)),
    asked("STUDY", StudyDate="20240101", ModalitiesInStudy="CT"),
    asked("STUDY", StudyDate="20240101", ModalitiesInStudy="CT", PatientName="Doe*"),
    asked("STUDY", AccessionNumber="A1"),
    asked("STUDY", AccessionNumber="A*"),
    asked("STUDY", StudyID="S1"),
    asked("STUDY", StudyInstanceUID="1.2.1"),
    asked("STUDY", StudyInstanceUID="1.2.1\\1.2.2"),
    asked("STUDY", StudyInstanceUID="1.2.1", PatientID="P1", model=Model.PATIENT_ROOT),
    asked("SERIES", **ABOVE_SERIES),
    asked("SERIES", **ABOVE_SERIES, Modality="CT", SeriesNumber="1"),
    asked("SERIES", **ABOVE_SERIES, SeriesInstanceUID="1.2.1.1"),
    asked("SERIES", **ABOVE_SERIES, PatientID="P1", model=Model.PATIENT_ROOT),
    asked("SERIES", SeriesInstanceUID="1.2.1.1", options=RELATIONAL),
    asked("SERIES", Modality="CT", StudyDate="20240101", options=RELATIONAL),
    asked("SERIES", Modality="CT", PatientID="P1", options=RELATIONAL),
    asked("IMAGE", **ABOVE_IMAGE),
    asked("IMAGE", **ABOVE_IMAGE, SOPInstanceUID="1.2.1.1.1"),
    asked("IMAGE", **ABOVE_IMAGE, SOPInstanceUID="1.2.1.1.1\\1.2.1.1.2"),
    asked("IMAGE", **ABOVE_IMAGE, InstanceNumber="1"),
    asked("IMAGE", **ABOVE_IMAGE, PatientID="P1", model=Model.PATIENT_ROOT),
    asked("IMAGE", SOPInstanceUID="1.2.1.1.1", options=RELATIONAL),
    asked("IMAGE", SeriesInstanceUID="1.2.1.1", options=RELATIONAL),
]


def _name(identifier: Identifier) -> str:
    tags = (f"{tag:08X}={'/'.join(key.values)}" for tag, key in identifier.keys.items())
    return f"{identifier.level}: {', '.join(tags)}"


@pytest.mark.parametrize("identifier", QUERIES, ids=_name)
def test_usual_keys_are_looked_up(plan: Plan, identifier: Identifier) -> None:
    conditions = conditions_of(identifier, PLACES)
    assert scans(plan(matching_rows(identifier.level, conditions), conditions.values)) == []
    assert scans(plan(few_matches(PLACES, identifier.level, EVERYTHING, conditions), conditions.values)) == []


@pytest.mark.parametrize("level", Level)
def test_values_are_read_row_by_row(plan: Plan, level: Level) -> None:
    assert scans(plan(values_of_rows(PLACES, level, EVERYTHING), ("[1,2,3]",))) == []


def test_plan_shows_what_is_not_looked_up(plan: Plan) -> None:
    conditions = conditions_of(asked("STUDY", StudyDescription="Abdomen"), PLACES)
    assert scans(plan(matching_rows(Level.STUDY, conditions), conditions.values)) == ["SCAN study"]


@pytest.mark.parametrize(
    "selection",
    [
        Selection(Level.PATIENT, "P1"),
        Selection(Level.STUDY, "P1", ("1.2.1",)),
        Selection(Level.STUDY, "", ("1.2.1", "1.2.2")),
        Selection(Level.SERIES, "P1", ("1.2.1",), ("1.2.1.1", "1.2.1.2")),
        Selection(Level.SERIES, "", (), ("1.2.1.1",)),
        Selection(Level.IMAGE, "", ("1.2.1",), ("1.2.1.1",), ("1.2.1.1.1", "1.2.1.1.2")),
        Selection(Level.IMAGE, "", (), (), ("1.2.1.1.1",)),
    ],
    ids=str,
)
def test_selected_instances_are_looked_up(plan: Plan, selection: Selection) -> None:
    assert scans(plan(*selecting(selection))) == []


@pytest.mark.parametrize(
    "look", [delivering._DESTINATIONS, delivering._CLAIM, delivering._STAY_BEHIND, entries._NEXT_IN_ORDER]
)
def test_delivery_worker_looks_up_an_index_however_much_waits(plan: Plan, look: str) -> None:
    steps = plan(look, dict.fromkeys(re.findall(r":([a-z]\w*)", look), 1))
    assert not [step for step in steps if step.startswith("SCAN outbox")]
    assert [step for step in steps if step.startswith("SEARCH") and "USING INDEX" in step]
