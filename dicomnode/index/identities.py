"""Who a patient is now: numbers that were merged away still come, on instances that are late."""

from __future__ import annotations

import sqlite3
from typing import Final

from dicomnode.index.schema.patients import FormerIdentity
from dicomnode.index.schema.statements import bound, compiled
from dicomnode.index.texts import level_of

Identity = tuple[str, str]
"""Patient ID and Issuer of Patient ID."""

_CURRENT: Final = compiled(
    FormerIdentity.select(
        FormerIdentity.current_patient_id, FormerIdentity.current_issuer, FormerIdentity.corrected
    ).where(FormerIdentity.patient_id == bound("patient_id"), FormerIdentity.issuer == bound("issuer"))
)


def successor(connection: sqlite3.Connection, identity: Identity) -> tuple[Identity, dict[int, str]] | None:
    """Who has taken the place of a patient, and what was said of him; None for one that nobody has."""
    patient_id, issuer = identity
    if not patient_id:
        return None
    row = connection.execute(_CURRENT, {"patient_id": patient_id, "issuer": issuer}).fetchone()
    return ((row[0], row[1]), level_of(row[2])) if row else None


def is_patient(connection: sqlite3.Connection, here: Identity, named: Identity) -> bool:
    """Whether the one that is ``named`` is the one ``here``: by the same name, or by a former one."""
    if here == named:
        return True
    current = successor(connection, named)
    return current is not None and current[0] == here
