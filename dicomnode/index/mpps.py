"""Performed Procedure Steps: created, changed, read; each change together with all that follows from it, in one transaction.

What follows: the scheduled steps get their status, the studies are told which instances they have, other systems are owed the
message.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from dicomnode.dicom.json_form import Json
from dicomnode.dicom.performed_step import (
    START_DATE,
    START_TIME,
    STATION_AE_TITLE,
    PerformedStatus,
    PerformedStep,
    ScheduledStep,
)
from dicomnode.dicom.procedure import StepStatus
from dicomnode.dicom.tags import MODALITY, PATIENT_ID
from dicomnode.errors import DuplicateObjectError, UnknownObjectError
from dicomnode.index.database import Connections
from dicomnode.index.growth import CompleteStudy, announce_performed
from dicomnode.index.keys import instant, microseconds
from dicomnode.index.outbox import Owed, owe
from dicomnode.index.schema.mpps import PerformedStepEvent, PerformedStepRow
from dicomnode.index.schema.statements import insert_into
from dicomnode.index.worklist.changing import StepKey, change_status, entry_of, steps_with
from dicomnode.index.writer import Writer

FORWARD: Final = "mpps"
"""The kind of what is owed to a system that gets the messages too; see ``services/mpps_forwarding.py``."""
_NOT_DONE: Final = "another entry of the worklist was meant"
_PAGE: Final = 500

_INSERT: Final = insert_into(PerformedStepRow)
_INSERT_STUDY: Final = "INSERT INTO performed_step_study (study_instance_uid, step) VALUES (?, ?)"
_INSERT_EVENT: Final = insert_into(PerformedStepEvent)
_OF_UID: Final = "SELECT id, attributes, character_set FROM performed_step WHERE sop_instance_uid = ?"
_UPDATE: Final = "UPDATE performed_step SET status = ?, changed_at = ?, attributes = ? WHERE id = ?"
_RECORDED: Final = """
SELECT sop_instance_uid, attributes, character_set, calling_ae_title, peer, created_at, changed_at FROM performed_step
"""
_ONE_RECORDED: Final = f"{_RECORDED} WHERE sop_instance_uid = ?"
_PAGE_RECORDED: Final = f"{_RECORDED} WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id DESC"  # noqa: S608 - spelled out above


@dataclass(frozen=True, slots=True)
class Message:
    """An N-CREATE or N-SET as it came.

    Attributes:
        attributes: DICOM JSON.
        character_set: Specific Character Set, as it stood there.
        peer: the name of the configured peer that sent it; None for another.
        forward_to: names of the peers that get it too.
    """

    sop_instance_uid: str
    attributes: Json
    character_set: str
    calling_ae_title: str
    peer: str | None
    forward_to: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a message did.

    Attributes:
        refused: attributes that it may not change.
        done: scheduled steps whose status it moved.
        unknown: how many scheduled steps it names that are not in the worklist.
        complete: studies that are complete by it.
    """

    step: PerformedStep
    refused: tuple[int, ...] = ()
    done: tuple[StepKey, ...] = ()
    unknown: int = 0
    complete: tuple[CompleteStudy, ...] = ()


@dataclass(frozen=True, slots=True)
class RecordedStep:
    """A Performed Procedure Step as the index has it."""

    sop_instance_uid: str
    step: PerformedStep
    character_set: str
    calling_ae_title: str
    peer: str | None
    created_at: datetime
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class StepChange:
    """What one message made of a step."""

    at: datetime
    status: PerformedStatus
    calling_ae_title: str


@dataclass(frozen=True, slots=True)
class StepFilter:
    """Which steps to list; what is empty is no condition.

    Attributes:
        date_from: start date YYYYMMDD, this day or later.
    """

    statuses: tuple[PerformedStatus, ...] = ()
    station_ae_title: str = ""
    modality: str = ""
    patient_id: str = ""
    study_instance_uid: str = ""
    date_from: str = ""


class PerformedSteps:
    """The steps; every method raises IndexUnavailableError when the index cannot be read or written."""

    def __init__(self, connections: Connections, writer: Writer) -> None:
        self._connections = connections
        self._writer = writer

    def create(self, message: Message, step: PerformedStep) -> Recorded:
        """Keep a new step.

        Raises:
            DuplicateObjectError: there is one with its UID.
        """
        return self._writer.run(lambda connection: _create(connection, message, step))

    def change(
        self, message: Message, changed: Callable[[PerformedStep], tuple[PerformedStep, tuple[int, ...]]]
    ) -> Recorded:
        """Keep what ``changed`` makes of the step as it is then; also gives the attributes that it refused.

        What that raises leaves the step as it is.

        Raises:
            UnknownObjectError: there is no such step.
        """
        return self._writer.run(lambda connection: _change(connection, message, changed))

    def get(self, sop_instance_uid: str) -> RecordedStep:
        """One step.

        Raises:
            UnknownObjectError: there is none with this UID.
        """
        with self._connections.reading() as connection:
            row = connection.execute(_ONE_RECORDED, (sop_instance_uid,)).fetchone()
        if row is None:
            raise UnknownObjectError("no such performed procedure step")
        return _recorded(*row)

    def history(self, sop_instance_uid: str) -> list[StepChange]:
        """What the messages made of a step, the first one first."""
        text = (
            "SELECT at, performed_step_event.status, performed_step_event.calling_ae_title FROM performed_step_event "
            "JOIN performed_step ON performed_step.id = performed_step_event.step "
            "WHERE sop_instance_uid = ? ORDER BY performed_step_event.id"
        )
        with self._connections.reading() as connection:
            rows = connection.execute(text, (sop_instance_uid,)).fetchall()
        return [StepChange(instant(at), PerformedStatus(status), title) for at, status, title in rows]

    def list(self, filters: StepFilter, *, limit: int = 1 << 62) -> Iterator[RecordedStep]:
        """The steps that fit, the newest first."""
        text, values = _listing(filters)
        with self._connections.reading() as connection:
            ids = [number for (number,) in connection.execute(text, [*values, limit])]
        for start in range(0, len(ids), _PAGE):
            page = ids[start : start + _PAGE]
            with self._connections.reading() as connection:
                rows = connection.execute(_PAGE_RECORDED, (json.dumps(page),)).fetchall()
            yield from (_recorded(*row) for row in rows)


def _create(connection: sqlite3.Connection, message: Message, step: PerformedStep) -> Recorded:
    if connection.execute(_OF_UID, (message.sop_instance_uid,)).fetchone() is not None:
        raise DuplicateObjectError("there is a performed procedure step with this UID")
    now = microseconds(datetime.now(UTC))
    cursor = connection.execute(
        _INSERT,
        {
            "sop_instance_uid": message.sop_instance_uid,
            "status": step.status,
            "station_ae_title": step.text(STATION_AE_TITLE),
            "modality": step.text(MODALITY),
            "patient_id": step.text(PATIENT_ID),
            "start_date": step.text(START_DATE),
            "start_time": step.text(START_TIME),
            "calling_ae_title": message.calling_ae_title,
            "peer": message.peer,
            "character_set": message.character_set,
            "created_at": now,
            "changed_at": now,
            "attributes": _text(step.attributes),
        },
    )
    assert cursor.lastrowid is not None, "a row was inserted"
    connection.executemany(_INSERT_STUDY, [(uid, cursor.lastrowid) for uid in step.study_instance_uids])
    return _follow(connection, cursor.lastrowid, message, Recorded(step), operation="create")


def _change(
    connection: sqlite3.Connection,
    message: Message,
    changed: Callable[[PerformedStep], tuple[PerformedStep, tuple[int, ...]]],
) -> Recorded:
    row = connection.execute(_OF_UID, (message.sop_instance_uid,)).fetchone()
    if row is None:
        raise UnknownObjectError("no such performed procedure step")
    before = PerformedStep(json.loads(row[1]))
    step, refused = changed(before)
    now = microseconds(datetime.now(UTC))
    connection.execute(_UPDATE, (step.status, now, _text(step.attributes), row[0]))
    is_moved = step.status is not before.status
    return _follow(connection, row[0], message, Recorded(step, refused), operation="set", is_moved=is_moved)


def _follow(
    connection: sqlite3.Connection,
    number: int,
    message: Message,
    recorded: Recorded,
    *,
    operation: str,
    is_moved: bool = True,
) -> Recorded:
    """All that a change brings about; ``is_moved``: the step has another status than before."""
    step = recorded.step
    connection.execute(
        _INSERT_EVENT,
        {
            "step": number,
            "at": microseconds(datetime.now(UTC)),
            "status": step.status,
            "calling_ae_title": message.calling_ae_title,
        },
    )
    done, unknown = _move_scheduled(connection, step, message.calling_ae_title) if is_moved else ([], 0)
    complete: list[CompleteStudy] = []
    if step.status.is_final:
        complete = announce_performed(connection, step.study_instance_uids, step.sop_instance_uids)
    payload = {
        "operation": operation,
        "sop_instance_uid": message.sop_instance_uid,
        "character_set": message.character_set,
        "attributes": message.attributes,
    }
    for peer in message.forward_to:
        owe(connection, Owed(kind=FORWARD, destination=peer, key=message.sop_instance_uid, payload=payload))
    return Recorded(step, recorded.refused, tuple(done), unknown, tuple(complete))


def _move_scheduled(connection: sqlite3.Connection, step: PerformedStep, by: str) -> tuple[list[StepKey], int]:
    """The scheduled steps that were given the status they have by it, and how many there are none of."""
    status, reason = _of_the_scheduled(step)
    done, unknown = [], 0
    for scheduled in step.scheduled_steps:
        key = _key_of(connection, scheduled)
        if key is not None and status is StepStatus.SCHEDULED and not _is_started(connection, key):
            continue  # canceled, or done by another performed step, in the meantime
        if key is not None and change_status(connection, *key, status, by=by, reason=reason):
            done.append(key)
        elif scheduled.step_id or scheduled.accession_number:
            unknown += 1
    return done, unknown


def _is_started(connection: sqlite3.Connection, key: StepKey) -> bool:
    entry = entry_of(connection, *key)
    return entry is not None and entry.status is StepStatus.STARTED


def _of_the_scheduled(step: PerformedStep) -> tuple[StepStatus, str]:
    """The status that the scheduled steps have by it, and why if that is not plain."""
    if step.is_of_the_wrong_entry:
        return StepStatus.SCHEDULED, _NOT_DONE
    if step.status is PerformedStatus.IN_PROGRESS:
        return StepStatus.STARTED, ""
    return StepStatus(step.status), ""


def _key_of(connection: sqlite3.Connection, scheduled: ScheduledStep) -> StepKey | None:
    """The entry of the worklist: by study and step, else by accession number, where that leaves no choice; never by the patient."""
    key = StepKey(scheduled.study_instance_uid, scheduled.step_id)
    text = "SELECT 1 FROM worklist_step WHERE study_instance_uid = ? AND step_id = ?"
    if scheduled.step_id and connection.execute(text, key).fetchone() is not None:
        return key
    if not scheduled.accession_number:
        return None
    entries = steps_with(connection, accession_number=scheduled.accession_number)
    if scheduled.step_id:
        entries = [entry for entry in entries if entry.step_id == scheduled.step_id]
    return StepKey.of(entries[0]) if len(entries) == 1 else None


def _recorded(
    uid: str, attributes: str, character_set: str, title: str, peer: str | None, created_at: int, changed_at: int
) -> RecordedStep:
    step = PerformedStep(json.loads(attributes))
    return RecordedStep(uid, step, character_set, title, peer, instant(created_at), instant(changed_at))


def _text(attributes: Mapping[str, Any]) -> str:
    return json.dumps(attributes, ensure_ascii=False, separators=(",", ":"))


def _listing(filters: StepFilter) -> tuple[str, list[object]]:
    terms: dict[str, object] = {
        f"{name} = ?": getattr(filters, name) for name in ("station_ae_title", "modality", "patient_id")
    }
    terms["start_date >= ?"] = filters.date_from
    terms["id IN (SELECT step FROM performed_step_study WHERE study_instance_uid = ?)"] = filters.study_instance_uid
    terms["status IN (SELECT value FROM json_each(?))"] = json.dumps(filters.statuses) if filters.statuses else ""
    used = {term: value for term, value in terms.items() if value}
    where = f" WHERE {' AND '.join(used)}" if used else ""
    return f"SELECT id FROM performed_step{where} ORDER BY id DESC LIMIT ?", list(used.values())  # noqa: S608 - bound
