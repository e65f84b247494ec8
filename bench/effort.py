"""How much a round does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Effort:
    """How long to measure."""

    duration_s: float
    idle_s: float
    bytes_at_most: int
    """That one round sends, so that neither disk nor memory fills up."""
