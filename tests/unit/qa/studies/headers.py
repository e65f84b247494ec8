"""Headers of slices, as a scanner would make them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pydicom.uid import CTImageStorage

from dicomnode.qa.studies.header import TELLING_APART, Header, Plane

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SERIES = "1.2.840.99.1.1"


def slice_at(mm: float, number: int | None = None, *, apart: dict[int, str] | None = None, **changes: Any) -> Header:
    """An axial slice at this height; ``apart`` by tag."""
    header = Header(
        sop_class_uid=CTImageStorage,
        sop_instance_uid=f"{SERIES}.{number}",
        series_instance_uid=SERIES,
        patient=("Doe^Jane", "P1", "", "19700101", "F"),
        study=("20240131", "A1", "1", "House^Gregory"),
        series=("CT", "1", ""),
        number=number,
        frame_of_reference_uid="1.2.840.99.7",
        plane=Plane((0.0, 0.0, mm), AXIAL, (512, 512)),
        told_apart_by=tuple((apart or {}).get(tag, "") for tag in TELLING_APART),
    )
    return replace(header, **changes)


def stack(count: int, spacing: float = 5.0, *, without: tuple[int, ...] = (), **changes: Any) -> list[Header]:
    """Slices with numbers from 1, but for those without which it is."""
    return [slice_at(spacing * n, n, **changes) for n in range(1, count + 1) if n not in without]
