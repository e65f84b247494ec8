"""Worklist entries of a patient who was corrected: what is scheduled for him follows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Final

from dicomnode.dicom.json_form import hex_name, normalised
from dicomnode.dicom.procedure import StepStatus, WorklistEntry
from dicomnode.dicom.worklist_attributes import PROCEDURE
from dicomnode.index.identities import Identity
from dicomnode.index.worklist.entries import put

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
    # a scanner cannot do without what is of type 1: nobody deletes that
    gone = {hex_name(tag) for tag, value in attributes.items() if value or PROCEDURE.get(tag) != "1"}
    said = {hex_name(tag): {"Value": [value]} for tag, value in attributes.items() if value}
    written = dict(normalised(said, []))
    rows = connection.execute(_OF_PATIENT, patient).fetchall() if patient[0] else []
    for text, status, source in rows:
        kept = {name: attribute for name, attribute in json.loads(text).items() if name not in gone}
        corrected = WorklistEntry(dict(sorted({**kept, **written}.items())), StepStatus(status))
        put(connection, corrected, by=by, reason=reason, source=source)
    return len(rows)
