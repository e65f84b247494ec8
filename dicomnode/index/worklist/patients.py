"""Worklist entries of a patient who was corrected: what is scheduled for him follows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Final

from dicomnode.dicom.json_form import hex_name, normalised
from dicomnode.dicom.procedure import StepStatus, WorklistEntry
from dicomnode.dicom.tags import ISSUER_OF_PATIENT_ID, PATIENT_ID
from dicomnode.dicom.worklist_attributes import PROCEDURE
from dicomnode.index.identities import Identity, successor
from dicomnode.index.worklist.changing import put

_OF_PATIENT: Final = (
    "SELECT attributes, status, source FROM worklist_step WHERE patient_id = ? AND issuer = ? ORDER BY id"
)


def correct_entries(
    connection: sqlite3.Connection, patient: Identity, attributes: Mapping[int, str], *, by: str, reason: str
) -> int:
    """Have the entries of ``patient`` say these attributes, within the caller's transaction; how many there are.

    Args:
        attributes: by tag; an empty one is taken away.
        by: who says so.
        reason: for the record of each entry.
    """
    rows = connection.execute(_OF_PATIENT, patient).fetchall() if patient[0] else []
    for text, status, source in rows:
        entry = WorklistEntry(json.loads(text), StepStatus(status))
        put(connection, _corrected(entry, attributes), by=by, reason=reason, source=source)
    return len(rows)


def of_today(connection: sqlite3.Connection, entry: WorklistEntry) -> WorklistEntry:
    """The entry with the ID that its patient has now, when it names one that was merged or changed since."""
    current = successor(connection, (entry.patient_id, entry.issuer))
    if current is None:
        return entry
    (patient_id, issuer), corrections = current
    named = {PATIENT_ID: patient_id, ISSUER_OF_PATIENT_ID: issuer}
    return _corrected(entry, {**corrections, **named})


def _corrected(entry: WorklistEntry, attributes: Mapping[int, str]) -> WorklistEntry:
    # a scanner cannot do without what is of type 1: nobody deletes that
    gone = {hex_name(tag) for tag, value in attributes.items() if value or PROCEDURE.get(tag) != "1"}
    said = {hex_name(tag): {"Value": [value]} for tag, value in attributes.items() if value}
    kept = {name: attribute for name, attribute in entry.attributes.items() if name not in gone}
    return WorklistEntry(dict(sorted({**kept, **dict(normalised(said, []))}.items())), entry.status)
