"""Worklist queries against a plain reading of the standard, key by key in Python (PS3.4 Sections C.2.2.2 and K.2.2.1)."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.dicom.worklist_entries import entry
from unit.index.queries import keys

from dicomnode.dicom.character_sets import DEFAULT_REPERTOIRE
from dicomnode.dicom.procedure import StepStatus, WorklistEntry
from dicomnode.dicom.query.model import QueryOptions
from dicomnode.dicom.query.worklist import WorklistIdentifier
from dicomnode.dicom.step_status import WAITING
from dicomnode.index import Durability, Index, IndexSettings, StepKey, WorklistView
from dicomnode.index.worklist.finding import explain

STATIONS = ["CT1", "CT2", "MR1"]
DAYS = ["20261123", "20261124", "20261125"]
TIMES = ["00", "0930", "093015", "1200", "235959.5"]
NAMES = ["Doe^Jane", "DOE^JOHN", "Müller^Anna", "Yamada^Tarou=山田^太郎"]
WIDE: dict[str, list[str | None]] = {
    "PatientName": [*NAMES],
    "PatientID": ["P1", "P2", "p1"],
    "AccessionNumber": ["A1", "A2", None],
    "Modality": ["CT", "MR"],
    "ReferringPhysicianName": ["House^Gregory", "Grey^Meredith", None],
    "ScheduledPerformingPhysicianName": ["House^Gregory", None],
    "PatientSex": ["F", "M", None],
    "ScheduledProcedureStepLocation": ["Room [1]", "Room 2", None],
}
STEP_KEYS = {
    "Modality",
    "ScheduledPerformingPhysicianName",
    "ScheduledProcedureStepLocation",
    "ScheduledStationAETitle",
    "ScheduledProcedureStepStartDate",
    "ScheduledProcedureStepStartTime",
}


def folded(text: str) -> str:
    return text.lower().replace("ü", "u")


def moment(day: str, time: str, *, last: bool) -> datetime.datetime:
    """The first or last instant that a day and a time with less than all digits may mean."""
    digits, _, fraction = time.partition(".")
    parts = [int(digits[at : at + 2]) for at in range(0, len(digits), 2)]
    hour, minute, second = (parts + [59, 59] * last + [0, 0])[:3]
    micro = int(fraction.ljust(6, "9" if last else "0") or 0) if fraction or last else 0
    return datetime.datetime(int(day[:4]), int(day[4:6]), int(day[6:]), hour, minute, second, micro, datetime.UTC)


class Oracle:
    """Whether one entry matches one query."""

    def __init__(self, values: dict[str, str | None], query: dict[str, str]) -> None:
        self.values, self.query = values, query

    def matches(self) -> bool:
        return all(self._matches(keyword, wanted) for keyword, wanted in self.query.items()) and self._period()

    def _matches(self, keyword: str, wanted: str) -> bool:
        stored = self.values[keyword]
        if keyword in ("ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime") or not wanted.strip("*"):
            return True
        if not stored:
            return False
        if keyword.endswith("Name"):
            groups = [folded(group) for group in stored.split("=")]
            if "=" in wanted:
                return groups == folded(wanted).split("=")
            return any(fnmatchcase(group, pattern) for group in groups for pattern in self._name_patterns(wanted))
        return any(fnmatchcase(one, wanted.replace("[", "[[]")) for one in stored.split("\\"))

    @staticmethod
    def _name_patterns(wanted: str) -> list[str]:
        wanted = folded(wanted)
        return [wanted, wanted.removesuffix("^*")]

    def _period(self) -> bool:
        day, time = (self.values[f"ScheduledProcedureStepStart{part}"] or "" for part in ("Date", "Time"))
        days, times = (self.query.get(f"ScheduledProcedureStepStart{part}", "") for part in ("Date", "Time"))
        first_day, last_day = ends(days) if days else (min(DAYS), max(DAYS))
        first_day, last_day = first_day or "00010101", last_day or "99991231"
        at = moment(day, time, last=False)
        if not times:
            return first_day <= day <= last_day
        first, last = ends(times)
        if not days:
            first_day = last_day = day
        return moment(first_day, first or "00", last=False) <= at <= moment(last_day, last or "23", last=True)


def ends(text: str) -> tuple[str, str]:
    first, dash, last = text.partition("-")
    return first, last if dash else first


@st.composite
def entries(draw: st.DrawFn) -> dict[str, str | None]:
    values = {keyword: draw(st.sampled_from(choices)) for keyword, choices in WIDE.items()}
    stations = draw(st.lists(st.sampled_from(STATIONS), min_size=1, max_size=2, unique=True))
    return values | {
        "ScheduledStationAETitle": "\\".join(stations),
        "ScheduledProcedureStepStartDate": draw(st.sampled_from(DAYS)),
        "ScheduledProcedureStepStartTime": draw(st.sampled_from(TIMES)),
    }


def ranges(values: list[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(st.sampled_from(values), st.sampled_from(values)).map(sorted)
    return st.one_of(
        st.sampled_from(values),
        pair.map("-".join),
        st.sampled_from(values).map(lambda one: f"{one}-"),
        st.sampled_from(values).map(lambda one: f"-{one}"),
    )


@st.composite
def queries(draw: st.DrawFn) -> dict[str, str]:
    patterns = {
        keyword: st.one_of(
            st.sampled_from([one for one in choices if one]),
            st.sampled_from([one for one in choices if one]).map(lambda one: f"{one[:2]}*"),
            st.just("*"),
            st.just("???*"),
        )
        if keyword != "PatientSex"
        else st.sampled_from(["F", "M", "*"])
        for keyword, choices in WIDE.items()
    }
    patterns["ScheduledStationAETitle"] = st.sampled_from([*STATIONS, "CT*", "?R1", "*"])
    patterns["ScheduledProcedureStepStartDate"] = ranges(DAYS)
    patterns["ScheduledProcedureStepStartTime"] = ranges([time for time in TIMES if "." not in time])
    chosen = draw(st.lists(st.sampled_from(sorted(patterns)), max_size=4, unique=True))
    return {keyword: draw(patterns[keyword]) for keyword in chosen}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    folder: Path = tmp_path_factory.mktemp("index")
    opened = Index(folder, IndexSettings(), durability=Durability.FAST)
    opened.prepare()
    yield opened
    opened.close()


def identifier(query: dict[str, str]) -> WorklistIdentifier:
    step = {keyword: value for keyword, value in query.items() if keyword in STEP_KEYS}
    others = {keyword: value for keyword, value in query.items() if keyword not in STEP_KEYS}
    return WorklistIdentifier(
        MappingProxyType(keys({**others})),
        MappingProxyType(keys({**step})),
        DEFAULT_REPERTOIRE,
        QueryOptions(combined_datetime=True),
    )


@settings(max_examples=150, deadline=None)
@given(values=st.lists(entries(), min_size=1, max_size=12), asked=st.lists(queries(), min_size=1, max_size=6))
def test_query_finds_what_the_standard_says(
    index: Index, values: list[dict[str, str | None]], asked: list[dict[str, str]]
) -> None:
    made = [entry(**one) for one in values]
    index.worklist.put(made, by="test")
    try:
        for query in asked:
            expected = [one for one, own in zip(made, values, strict=True) if Oracle(own, query).matches()]
            found = [
                one.entry() for page in index.worklist.find(identifier(query), WorklistView(WAITING)) for one in page
            ]
            assert sorted(one.step_id for one in found) == sorted(one.step_id for one in expected), query
            assert [one.start for one in found] == [one.start for one in sorted(found, key=_start)]
            told = explain(index._connections, identifier(query), WorklistView(WAITING))
            assert (told.entries, told.matches) == (len(made), len(expected))
            assert sum(near.count for near in told.near_misses) <= len(made) - len(expected)
    finally:
        index.worklist.remove([StepKey.of(one) for one in made], by="test")


def _start(one: WorklistEntry) -> str:
    return one.start


@settings(max_examples=30, deadline=None)
@given(
    statuses=st.lists(st.sampled_from(StepStatus), min_size=1, max_size=8), shown=st.sets(st.sampled_from(StepStatus))
)
def test_only_shown_statuses_are_found(index: Index, statuses: list[StepStatus], shown: set[StepStatus]) -> None:
    made = [entry(ScheduledProcedureStepStatus=status) for status in statuses]
    index.worklist.put(made, by="test")
    try:
        found = [
            one.entry() for page in index.worklist.find(identifier({}), WorklistView(tuple(shown))) for one in page
        ]
        assert sorted(one.status for one in found) == sorted(one for one in statuses if one in shown)
    finally:
        index.worklist.remove([StepKey.of(one) for one in made], by="test")
