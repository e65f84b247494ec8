"""What a rule is. Core rules stand in ``core.py``; whatever else makes rules makes them of this shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from dicomnode.dicom.instance import Severity, StoreRequest
from dicomnode.dicom.scan import ScannedDataset


class Subject(NamedTuple):
    """What a rule looks at.

    Attributes:
        dataset: the scanned data set.
        request: the C-STORE request that brought it.
        today: where the node stands.
    """

    dataset: ScannedDataset
    request: StoreRequest
    today: date


class Hit(NamedTuple):
    """One fault: where, and what is wrong, without any value that tells of a patient."""

    tags: tuple[int, ...]
    comment: str
    path: str = ""


Check = Callable[[Subject], Iterable[Hit]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, compiled once and shared by all associations.

    Attributes:
        id: its name, in the log, in answers and in the configuration.
        severity: how it judges what it finds.
        status: the DIMSE status that it asks for when it decides.
        reference: where the standard says so.
        check: finds the faults; must not raise, and when it does the instance is not lost.
    """

    id: str
    severity: Severity
    status: int
    reference: str
    check: Check
