"""The rows of instances that are held back, as people are shown them."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from peewee import Tuple

from dicomnode.dicom.instance import Finding
from dicomnode.errors import UnknownInstanceError
from dicomnode.index.keys import instant, microseconds
from dicomnode.index.schema.hierarchy import QUARANTINED, WITHOUT_SERIES, Instance
from dicomnode.index.schema.statements import bound, compiled
from dicomnode.index.texts import findings_of

_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class QuarantineEntry:
    """One instance that is held back."""

    id: int
    sop_instance_uid: str
    sop_class_uid: str
    study_instance_uid: str
    series_instance_uid: str
    received_at: datetime
    calling_ae_title: str
    peer: str | None
    location: str
    dataset_size_bytes: int
    findings: tuple[Finding, ...]
    transfer_syntax_uid: str
    dataset_offset: int
    digest: bytes
    called_ae_title: str
    address: str


_ENTRIES: Final = Instance.select(
    Instance.id,
    Instance.sop_instance_uid,
    Instance.sop_class_uid,
    Instance.study_instance_uid,
    Instance.series_instance_uid,
    Instance.received_at,
    Instance.calling_ae_title,
    Instance.peer,
    Instance.location,
    Instance.dataset_size_bytes,
    Instance.findings,
    Instance.transfer_syntax_uid,
    Instance.dataset_offset,
    Instance.digest,
    Instance.called_ae_title,
    Instance.address,
).where(Instance.state == QUARANTINED, WITHOUT_SERIES)
_PAGE_OF_ENTRIES: Final = compiled(
    _ENTRIES.where(Tuple(Instance.received_at, Instance.id) > Tuple(bound("received_at"), bound("id")))
    .order_by(Instance.received_at, Instance.id)
    .limit(bound("limit"))
)
_ENTRY: Final = compiled(_ENTRIES.where(Instance.id == bound("id")))


def read(connection: sqlite3.Connection, entry: int) -> QuarantineEntry:
    """One entry, as this connection sees it.

    Raises:
        UnknownInstanceError: there is none.
    """
    row = connection.execute(_ENTRY, {"id": entry}).fetchone()
    if row is None:
        raise UnknownInstanceError(f"no entry {entry} in quarantine")
    return _entry(row)


def read_page(connection: sqlite3.Connection, after: QuarantineEntry | None) -> list[QuarantineEntry]:
    """The entries that came next, the first ones for None; none when there are no more."""
    received_at, key = (-1 << 62, 0) if after is None else (microseconds(after.received_at), after.id)
    rows = connection.execute(_PAGE_OF_ENTRIES, {"received_at": received_at, "id": key, "limit": _PAGE})
    return [_entry(row) for row in rows]


def _entry(
    row: tuple[int, str, str, str, str, int, str, str | None, str, int, str, str, int, bytes, str, str],
) -> QuarantineEntry:
    (
        key,
        instance,
        sop_class,
        study,
        series,
        received_at,
        calling,
        peer,
        location,
        size_bytes,
        findings,
        syntax,
        offset,
        digest,
        called,
        address,
    ) = row
    return QuarantineEntry(
        key,
        instance,
        sop_class,
        study,
        series,
        instant(received_at),
        calling,
        peer,
        location,
        size_bytes,
        findings_of(findings),
        syntax,
        offset,
        digest,
        called,
        address,
    )
