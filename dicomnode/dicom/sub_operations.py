"""How far a C-MOVE or C-GET is: counts of its C-STORE sub-operations (PS3.4 Section C.4.2.1.6)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SubOperations:
    """Sub-operations by what became of them; completed ones are those without a warning."""

    remaining: int = 0
    completed: int = 0
    failed: int = 0
    warning: int = 0
