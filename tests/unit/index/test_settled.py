"""Instances that say nothing new, which one statement counts in: what comes of them is what comes of all others."""

from __future__ import annotations

import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from unit.conftest import OpenIndex
from unit.index.received import (
    ACCESSION_NUMBER,
    CT,
    ISSUER,
    MODALITY,
    MR,
    OTHER_PATIENT,
    PATIENT_ID,
    PATIENT_NAME,
    SERIES_DESCRIPTION,
    STUDY,
    STUDY_DESCRIPTION,
    received,
    verdict,
)

from dicomnode.dicom.instance import ReceivedInstance
from dicomnode.errors import UnknownInstanceError
from dicomnode.index import (
    ChangeKind,
    Durability,
    Index,
    IndexSettings,
    OnConflict,
    Origin,
    Outcome,
    PatientChange,
    Scope,
    change_patient,
)
from dicomnode.index.settled import COUNT_IN, Settled

STRICT = OnConflict(other_patient=OTHER_PATIENT)
ORIGIN = Origin("RIS|HOSPITAL", "10.0.0.1", "c1", datetime(2026, 1, 5, tzinfo=UTC))
TABLES = ("patient", "study", "series", "instance")

some = st.sampled_from


def contents(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of patients and what is below them."""
    with closing(sqlite3.connect(folder / "index.sqlite")) as connection:
        return {table: connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall() for table in TABLES}


@contextmanager
def opened(folder: Path) -> Iterator[Index]:
    """The index as a process that has just started has it."""
    index = Index(folder, IndexSettings(), durability=Durability.FAST)
    try:
        yield index
    finally:
        index.close()


class Twins(RuleBasedStateMachine):
    """Two indices that get the same; one has a process that remembers, the other a new process for each change."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())
        for folder in (self.one, self.other):
            with opened(folder) as index:
                index.prepare()
        self.index = Index(self.one, IndexSettings(), durability=Durability.FAST)

    def teardown(self) -> None:
        self.index.close()
        shutil.rmtree(self.one)
        shutil.rmtree(self.other)

    @rule(
        number=st.integers(0, 30),
        content=some("ab"),
        study=some("12"),
        series=some("12"),
        patient=some(["P1", "P1", "P1", "P2", ""]),
        said=some(["", "", "", "x"]),
        sop_class=some([CT, CT, CT, MR]),
        judged=some([verdict(), verdict(), verdict(), verdict("patient.id")]),
        asks=some([OnConflict(), STRICT]),
    )
    def add(self, asks: OnConflict, **drawn: Any) -> None:
        came = received(
            f"1.2.{drawn['number']}",
            content=drawn["content"],
            study=f"1.3.{drawn['study']}",
            series=f"1.4.{drawn['series']}",
            patient={PATIENT_ID: drawn["patient"], PATIENT_NAME: drawn["said"]},
            of_study={STUDY_DESCRIPTION: drawn["said"]},
            of_series={MODALITY: "CT", SERIES_DESCRIPTION: drawn["said"]},
            sop_class=drawn["sop_class"],
            judged=drawn["judged"],
        )
        added = self.index.instances.add(came, asks)
        with opened(self.other) as other:
            assert other.instances.add(came, asks) == added

    @rule(study=some("12"), series=some("12"), of=some(["study", "series"]))
    def remove_elsewhere(self, study: str, series: str, of: str) -> None:
        scope = (
            Scope(study_instance_uid=f"1.3.{study}") if of == "study" else Scope(series_instance_uid=f"1.4.{series}")
        )
        for folder in (self.one, self.other):
            with opened(folder) as index, suppress(UnknownInstanceError):
                holding = index.removal.holding(scope)
                while index.removal.remove(holding, limit=100, reason="r", by="b"):
                    pass

    @rule(patient_id=some(["P1", "P2"]), prior=some(["P1", "P2", "P3"]), name=some(["", "Doe"]))
    def correct_elsewhere(self, patient_id: str, prior: str, name: str) -> None:
        merged = None if patient_id == prior else (prior, "")
        kind = ChangeKind.MERGED if merged else ChangeKind.UPDATED
        change = PatientChange(kind, (patient_id, ""), {PATIENT_NAME: name}, merged)
        for folder in (self.one, self.other):
            with opened(folder) as index:
                index._writer.run(lambda connection: change_patient(connection, change, ORIGIN))

    @invariant()
    def twins_hold_the_same(self) -> None:
        assert contents(self.one) == contents(self.other)


TestTwins = Twins.TestCase
TestTwins.settings = settings(
    max_examples=10, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)


def three(**of_all: Any) -> list[ReceivedInstance]:
    return [received(f"1.2.9.{number}", **of_all) for number in range(3)]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of every instance, in their order, whether the one statement was enough."""
    enough: list[bool] = []
    before = Settled.count_in

    def count_in(self: Settled, *them: Any) -> int | None:
        series = before(self, *them)
        enough.append(series is not None)
        return series

    monkeypatch.setattr(Settled, "count_in", count_in)
    return enough


def test_third_instance_of_a_series_is_counted_by_one_statement(index: Index, counted: list[bool]) -> None:
    for one in three():
        assert index.instances.add(one, STRICT).outcome is Outcome.STORED
    assert counted == [False, False, True]


def test_what_another_process_adds_to_the_series_changes_nothing_of_that(
    open_index: OpenIndex, counted: list[bool]
) -> None:
    ours, theirs = open_index(), open_index()
    first, second, third = three()
    for index, one in ((ours, first), (ours, second), (theirs, received("1.2.8")), (ours, third)):
        index.instances.add(one, STRICT)
    assert counted == [False, False, False, True]


@pytest.mark.parametrize(
    "new",
    [
        {"patient": {PATIENT_NAME: "Doe^Jane", PATIENT_ID: "P2"}},
        {"of_study": {ACCESSION_NUMBER: "A1"}},
        {"of_series": {MODALITY: "CT", SERIES_DESCRIPTION: "d"}},
        {"sop_class": MR},
        {"study": "1.3.2"},
    ],
)
def test_one_that_says_anything_new_is_looked_at(index: Index, counted: list[bool], new: dict[str, Any]) -> None:
    for one in (*three(), received("1.2.8", **new)):
        index.instances.add(one, OnConflict())
    assert counted == [False, False, True, False]


@pytest.mark.parametrize(
    "instead",
    [
        {"patient": {PATIENT_ID: "P1"}},
        {"patient": {PATIENT_NAME: "Doe^Jane", PATIENT_ID: "P2"}},
        {"patient": {PATIENT_NAME: "Doe^Jane", PATIENT_ID: "P1", ISSUER: "other"}},
        {"of_study": {}},
        {"of_series": {}},
        {"sop_class": MR},
        {"series": "1.4.2"},
        {"study": "1.3.2"},
    ],
)
def test_one_whose_series_was_made_anew_by_another_process_is_looked_at(
    open_index: OpenIndex, counted: list[bool], instead: dict[str, Any]
) -> None:
    ours, theirs = open_index(), open_index()
    for one in three():
        ours.instances.add(one, STRICT)
    holding = theirs.removal.holding(Scope(study_instance_uid=STUDY))
    theirs.removal.remove(holding, limit=100, reason="r", by="b")
    theirs.instances.add(received("1.2.8", **instead), STRICT)  # its rows have the numbers of those before
    ours.instances.add(received("1.2.9.3"), STRICT)
    assert counted == [False, False, True, False, False]


def test_one_whose_patient_was_corrected_by_another_process_is_looked_at(
    open_index: OpenIndex, counted: list[bool]
) -> None:
    ours, theirs = open_index(), open_index()
    for one in three():
        ours.instances.add(one, STRICT)
    for name in ("Roe^Jane", "Doe^Jane"):  # what he is called is what he was called, but now for all that comes
        change = PatientChange(ChangeKind.UPDATED, ("P1", ""), {PATIENT_NAME: name}, None)
        theirs._writer.run(lambda connection, change=change: change_patient(connection, change, ORIGIN))
    ours.instances.add(received("1.2.9.3"), STRICT)
    ours.instances.add(received("1.2.9.4"), STRICT)
    assert counted == [False, False, True, False, True]


@pytest.mark.parametrize("uid", ["1.2.9.1", "1.2.9.2"])
def test_one_that_is_here_is_not_counted_again(index: Index, counted: list[bool], uid: str) -> None:
    for one in three():
        index.instances.add(one, STRICT)
    assert index.instances.add(received(uid), STRICT).outcome is Outcome.SAME_CONTENT
    assert index.instances.add(received(uid, content="other"), STRICT).outcome is Outcome.OTHER_CONTENT
    assert counted == [False, False, True, False, False]
    assert index.summary().instances == 3


def test_one_that_is_in_quarantine_stays_there_whatever_a_newer_verdict_says(index: Index) -> None:
    for one in three():
        index.instances.add(one, STRICT)
    assert index.instances.add(received("1.2.8", judged=verdict("r")), STRICT).outcome is Outcome.QUARANTINED
    assert index.instances.add(received("1.2.8"), STRICT).outcome is Outcome.SAME_CONTENT


def test_the_statement_looks_up_an_index_for_every_table(index: Index, tmp_path: Path) -> None:
    index.summary()
    with closing(sqlite3.connect(tmp_path / "index.sqlite")) as connection:
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {COUNT_IN}", [""] * 17)]
    looks = [step for step in steps if "SUBQUERY" not in step]
    assert len(looks) == 6
    assert [step for step in looks if not re.match(r"SEARCH \w+ USING (INTEGER PRIMARY KEY|INDEX \w+) \(", step)] == []
