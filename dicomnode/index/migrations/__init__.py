"""How a database of any earlier version becomes one of this version.

A migration is a file here with a function ``upgrade(connection)``, which runs within a transaction, and an entry in `MIGRATIONS`.
It spells its SQL out: it must still do what it did when `dicomnode.index.schema` has moved on. One that was released is never
changed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

from dicomnode.index.migrations import (
    m0001_hierarchy,
    m0002_queries,
    m0003_removal,
    m0004_amendments,
    m0005_worklist,
    m0006_patients,
    m0007_knowledge,
    m0008_outbox,
    m0009_performed_steps,
    m0010_study_verdicts,
    m0011_commitment,
    m0012_availability,
    m0013_outbox_numbers,
)

Migration = Callable[[sqlite3.Connection], None]

MIGRATIONS: Final[tuple[Migration, ...]] = (
    m0001_hierarchy.upgrade,
    m0002_queries.upgrade,
    m0003_removal.upgrade,
    m0004_amendments.upgrade,
    m0005_worklist.upgrade,
    m0006_patients.upgrade,
    m0007_knowledge.upgrade,
    m0008_outbox.upgrade,
    m0009_performed_steps.upgrade,
    m0010_study_verdicts.upgrade,
    m0011_commitment.upgrade,
    m0012_availability.upgrade,
    m0013_outbox_numbers.upgrade,
)
"""In their order; ``PRAGMA user_version`` counts how many a database has seen."""
