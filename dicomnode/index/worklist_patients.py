"""Worklist entries of a patient who was corrected: what is scheduled for him follows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from dicomnode.dicom.json_form import hex_name
from dicomnode.dicom.procedure import StepStatus, WorklistEntry
from dicomnode.dicom.value_representation import NAME_GROUPS, dictionary_vr
from dicomnode.index.identities import Identity
from dicomnode.index.worklist import put

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
        entry: dict[str, Any] = json.loads(text)
        for tag, value in attributes.items():
            entry.pop(hex_name(tag), None)
            if value:
                entry[hex_name(tag)] = _attribute(tag, value)
        corrected = WorklistEntry(dict(sorted(entry.items())), StepStatus(status))
        put(connection, corrected, by=by, reason=reason, source=source)
    return len(rows)


def _attribute(tag: int, value: str) -> dict[str, Any]:
    vr = dictionary_vr(tag).decode("ascii")
    if vr != "PN":
        return {"vr": vr, "Value": [value]}
    groups = zip(NAME_GROUPS, value.split("="), strict=False)
    return {"vr": vr, "Value": [{name: group for name, group in groups if group}]}
