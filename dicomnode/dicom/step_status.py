"""How far a Scheduled Procedure Step has come."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class StepStatus(StrEnum):
    """Scheduled Procedure Step Status (0040,0020) (PS3.3 Section C.4.10); the last three are the node's own."""

    SCHEDULED = "SCHEDULED"
    ARRIVED = "ARRIVED"
    READY = "READY"
    STARTED = "STARTED"
    DEPARTED = "DEPARTED"
    CANCELED = "CANCELED"
    DISCONTINUED = "DISCONTINUED"
    COMPLETED = "COMPLETED"

    @property
    def is_final(self) -> bool:
        """Whether nothing more is done for the step."""
        return self in (StepStatus.CANCELED, StepStatus.DISCONTINUED, StepStatus.COMPLETED)


WAITING: Final = (StepStatus.SCHEDULED, StepStatus.ARRIVED, StepStatus.READY)
"""Statuses of steps that are still to be begun."""
