"""What a worklist query finds, and what nearly fits it: the same conditions serve both.

A key is held against every entry by one condition. A query wants them all; whoever asks why nothing was found wants to know which
of them each entry fails.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from dicomnode.dicom.procedure import StepStatus, WorklistEntry
from dicomnode.dicom.query.keys import Key
from dicomnode.dicom.query.matching import Matcher, matcher_of
from dicomnode.dicom.query.model import QueryOptions
from dicomnode.dicom.query.worklist import WorklistIdentifier
from dicomnode.dicom.tags import (
    ACCESSION_NUMBER,
    ISSUER_OF_PATIENT_ID,
    MODALITY,
    PATIENT_ID,
    PATIENT_NAME,
    STUDY_INSTANCE_UID,
)
from dicomnode.dicom.worklist_attributes import (
    PERFORMING_PHYSICIAN,
    REQUESTED_PROCEDURE_ID,
    SCHEDULED_PROCEDURE_STEP_SEQUENCE,
    SCHEDULED_STATION_AE_TITLE,
    START_DATE,
    START_TIME,
    STEP_ID,
    STEP_STATUS,
)
from dicomnode.index.conditions import MOST_TERMS, ConditionWriter
from dicomnode.index.database import Connections
from dicomnode.index.functions import in_use

Path = tuple[int, ...]

_FEW: Final = 20
"""Entries of the first page: it is on its way before the rest is read."""
_PAGE: Final = 200
_SHOWN_VALUES: Final = 5
_STEP: Final = SCHEDULED_PROCEDURE_STEP_SEQUENCE

_NAMES: Final = ("worklist_step.name_key", "worklist_step.ideographic_key", "worklist_step.phonetic_key")
_COLUMNS: Final[Mapping[Path, str]] = MappingProxyType(
    {
        (ACCESSION_NUMBER,): "accession_number",
        (PATIENT_ID,): "patient_id",
        (ISSUER_OF_PATIENT_ID,): "issuer",
        (PATIENT_NAME,): "name_key",
        (REQUESTED_PROCEDURE_ID,): "requested_procedure_id",
        (STUDY_INSTANCE_UID,): "study_instance_uid",
        (_STEP, MODALITY): "modality",
        (_STEP, START_DATE): "start_date",
        (_STEP, START_TIME): "start_time",
        (_STEP, PERFORMING_PHYSICIAN): "performing_physician",
        (_STEP, STEP_ID): "step_id",
        (_STEP, STEP_STATUS): "status",
    }
)
_STATION: Final = (_STEP, SCHEDULED_STATION_AE_TITLE)
_DATE: Final = (_STEP, START_DATE)
_TIME: Final = (_STEP, START_TIME)
_ORDER: Final = "ORDER BY start_date, start_time, worklist_step.id"
_ROWS: Final = "SELECT id, attributes, status FROM worklist_step WHERE id IN (SELECT value FROM json_each(?))"


@dataclass(frozen=True, slots=True)
class _Column:
    """Where a value stands."""

    vr: str
    expression: str
    is_column: bool = True


class StoredStep(NamedTuple):
    """An entry as it is kept: its attributes as DICOM JSON text, and the status of its step."""

    attributes: str
    status: str

    def entry(self) -> WorklistEntry:
        """The entry."""
        return WorklistEntry(json.loads(self.attributes), StepStatus(self.status))


@dataclass(frozen=True, slots=True)
class WorklistView:
    """What a device is shown, whatever it asks for.

    Attributes:
        statuses: of the steps.
        ae_title: the only Scheduled Station AE Title; empty for any.
    """

    statuses: tuple[StepStatus, ...]
    ae_title: str = ""


@dataclass(frozen=True, slots=True)
class NearMiss:
    """Entries that fit but for one condition.

    Attributes:
        path: of the key that they fail, by tags; empty for what the device is shown: its statuses.
        values: what the entries have there, with how many have it; the most frequent first.
    """

    path: Path
    count: int
    values: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """How all entries compare with a query.

    Attributes:
        entries: how many there are.
        matches: of them that the query finds now.
        near_misses: by the condition that they fail, most entries first.
        fits: how many entries each single condition lets through, by path.
    """

    entries: int
    matches: int
    near_misses: tuple[NearMiss, ...]
    fits: Mapping[Path, int]


def find_entries(
    connections: Connections, identifier: WorklistIdentifier, view: WorklistView
) -> Iterator[list[StoredStep]]:
    """The entries that match, by their start; read page by page, with no transaction open between them.

    Raises:
        IndexUnavailableError: the index cannot be read.
    """
    conditions = _conditions(identifier, view)
    where = " AND ".join(conditions.terms.values())
    text = f"SELECT id FROM worklist_step WHERE {where} {_ORDER}"  # noqa: S608 - values are bound
    with in_use(conditions.matchers), connections.reading() as connection:
        ids = [row for (row,) in connection.execute(text, conditions.values)]
    start, end = 0, _FEW
    while start < len(ids):
        page = ids[start:end]
        with connections.reading() as connection:
            rows = {row[0]: row for row in connection.execute(_ROWS, (json.dumps(page),))}
        yield [StoredStep(*rows[number][1:]) for number in page if number in rows]
        start, end = end, end + _PAGE


def explain(connections: Connections, identifier: WorklistIdentifier, view: WorklistView) -> Explanation:
    """How all entries compare with a query; every entry is looked at.

    Raises:
        IndexUnavailableError: the index cannot be read.
    """
    conditions = _conditions(identifier, view)
    paths = list(conditions.terms)
    columns = ", ".join(f"coalesce({term}, 0)" for term in conditions.terms.values())
    text = f"SELECT id, {columns} FROM worklist_step"  # noqa: S608 - values are bound
    entries, matches = 0, 0
    fits: Counter[Path] = Counter()
    missed: dict[Path, list[int]] = {}
    with in_use(conditions.matchers), connections.reading() as connection:
        for row, *verdicts in connection.execute(text, conditions.values):
            entries += 1
            fits.update(path for path, fit in zip(paths, verdicts, strict=True) if fit)
            failed = [path for path, fit in zip(paths, verdicts, strict=True) if not fit]
            matches += not failed
            if len(failed) == 1:
                missed.setdefault(failed[0], []).append(row)
    near = [NearMiss(path, len(rows), _values_of(connections, path, rows)) for path, rows in missed.items()]
    near.sort(key=lambda one: -one.count)
    return Explanation(entries, matches, tuple(near), MappingProxyType({path: fits[path] for path in paths}))


@dataclass(frozen=True, slots=True)
class _Conditions:
    """Terms by the path of the key; the empty path stands for the statuses that are shown."""

    terms: Mapping[Path, str]
    values: Mapping[str, object]
    matchers: Mapping[int, Matcher]


def _conditions(identifier: WorklistIdentifier, view: WorklistView) -> _Conditions:
    writer = ConditionWriter(_NAMES)
    keys = identifier.matched()
    statuses = writer.bind(json.dumps(view.statuses))
    terms: dict[Path, str] = {(): f"status IN (SELECT value FROM json_each({statuses}))"}  # noqa: S608 - values are bound
    period = _period(keys)
    for path, key in keys.items():
        if period and path == _TIME:
            continue
        if period and path == _DATE:
            (date,), (time,) = key.values, keys[_TIME].values
            writer.write_period(_column(_DATE, key), date, _column(_TIME, keys[_TIME]), time)
        else:
            _write(writer, path, key, identifier)
        terms[path] = f"({' AND '.join(writer.terms)})"
        writer.terms.clear()
    if view.ae_title:
        own = _at_station(writer, Key(SCHEDULED_STATION_AE_TITLE, "AE", (view.ae_title,)), QueryOptions())
        terms[_STATION] = f"({terms[_STATION]} AND {own})" if _STATION in terms else own
    return _Conditions(terms, writer.values, writer.matchers)


def _period(keys: Mapping[Path, Key]) -> bool:
    """Whether days and times are one period (PS3.4 Section K.6.1.2.2)."""
    return all(path in keys and len(keys[path].values) == 1 for path in (_DATE, _TIME))


def _column(path: Path, key: Key) -> _Column:
    return _Column(key.vr, f"worklist_step.{_COLUMNS[path]}")


def _write(writer: ConditionWriter, path: Path, key: Key, identifier: WorklistIdentifier) -> None:
    options = identifier.options
    is_whole_name = path == (PATIENT_NAME,) and (options.fuzzy or len(key.values) > MOST_TERMS)
    if path == _STATION:
        writer.terms.append(_at_station(writer, key, options))
    elif path in _COLUMNS and key.items is None and not is_whole_name:
        writer.write(path[-1], _column(path, key), key, options)
    else:
        for tag in reversed(path):
            key = Key(0, "SQ", items=(MappingProxyType({tag: key}),))
        writer.call("'[' || worklist_step.attributes || ']'", matcher_of(key, options))


def _at_station(writer: ConditionWriter, key: Key, options: QueryOptions) -> str:
    """One of the step's stations has one of these titles."""
    writer.write(key.tag, _Column(key.vr, "ae_title"), key, options)
    return f"(worklist_step.id IN (SELECT step FROM worklist_station WHERE {writer.terms.pop()}))"  # noqa: S608 - values are bound


def _values_of(connections: Connections, path: Path, rows: Sequence[int]) -> tuple[tuple[str, int], ...]:
    """What entries have where they fail: of what names no patient and no order."""
    if path == _STATION:
        text = "SELECT ae_title FROM worklist_station WHERE step IN (SELECT value FROM json_each(?))"
    elif column := {
        (): "status",
        (_STEP, MODALITY): "modality",
        _DATE: "start_date",
        (_STEP, STEP_STATUS): "status",
    }.get(path):
        text = f"SELECT {column} FROM worklist_step WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608 - a column
    else:
        return ()
    with connections.reading() as connection:
        counted = Counter(str(value) for (value,) in connection.execute(text, (json.dumps(rows),)))
    return tuple(counted.most_common(_SHOWN_VALUES))
