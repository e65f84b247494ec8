"""Instances that were not kept: a record of each, for a while.

A device that is refused tries again, maybe every minute and for ever. So each new record takes up to two of the oldest with it when
those are past their time: what piles up wears off again, a little at a time, and no clock or thread is needed for it. A node that
starts removes all that are past their time, so a shorter one takes effect at once.
"""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Final

from peewee import SQL

from dicomnode.dicom.instance import State, StoreRequest, Verdict
from dicomnode.index.database import Connections
from dicomnode.index.keys import microseconds
from dicomnode.index.schema.hierarchy import REFUSED, WITHOUT_SERIES, Instance
from dicomnode.index.schema.statements import bound, compiled, insert_into
from dicomnode.index.settings import IndexSettings
from dicomnode.index.texts import findings_text
from dicomnode.index.writer import Writer

_UID_LENGTH: Final = 64
_REMOVED_WITH_EACH: Final = 2
_BATCH: Final = 500
"""Rows that are removed in one transaction: some milliseconds."""

_NEW_RECORD: Final = insert_into(Instance)
_PAST_ITS_TIME: Final = (Instance.state == REFUSED) & WITHOUT_SERIES & (Instance.received_at < bound("before"))
_ANY_OLD: Final = compiled(Instance.select(Instance.id).where(_PAST_ITS_TIME).limit(SQL("1")))
_IS_NOT_THE_LAST: Final = SQL("id < (SELECT max(id) FROM instance)")
"""SQLite would give its number to the next instance, and whoever looks for what came since that number would pass it over."""
_REMOVE_OLD: Final = compiled(
    Instance.delete().where(
        Instance.id.in_(
            Instance.select(Instance.id)
            .where(_PAST_ITS_TIME & _IS_NOT_THE_LAST)
            .order_by(Instance.received_at)
            .limit(bound("count"))
        )
    )
)


class Refusals:
    """Records what was refused."""

    def __init__(self, connections: Connections, writer: Writer, settings: IndexSettings) -> None:
        self._connections = connections
        self._writer = writer
        self._kept = timedelta(days=settings.refused_kept_days)

    def record(
        self, request: StoreRequest, uids: tuple[str, str, str], verdict: Verdict, received_at: datetime
    ) -> None:
        """Record an instance that was not kept. Nobody is promised this record, so nobody waits until it is on the disk.

        Args:
            uids: Study, Series and SOP Instance UID, as far as the data set has them; what is too long for a UID is cut.

        Raises:
            IndexUnavailableError: it could not be written; no reason to answer the sender anything else.
        """
        study, series, instance = (uid[:_UID_LENGTH] for uid in uids)
        row = {
            "series": None,
            "state": State.REFUSED,
            "sop_instance_uid": instance or request.sop_instance_uid[:_UID_LENGTH],
            "sop_class_uid": request.sop_class_uid[:_UID_LENGTH],
            "study_instance_uid": study,
            "series_instance_uid": series,
            "transfer_syntax_uid": request.transfer_syntax_uid,
            "instance_number": "",
            "location": None,
            "location_key": None,
            "dataset_offset": 0,
            "dataset_size_bytes": 0,
            "digest": b"",
            "digest_algorithm": "",
            "received_at": microseconds(received_at),
            "calling_ae_title": request.sender.calling_ae_title,
            "called_ae_title": request.sender.called_ae_title,
            "address": request.sender.address,
            "peer": request.sender.peer,
            "rule_set": verdict.rule_set,
            "findings": findings_text(verdict.findings),
            "higher_attributes": None,
            "attributes": "{}",
            "received_digest": None,
        }
        before = self._oldest_kept(received_at)

        def work(connection: sqlite3.Connection) -> None:
            connection.execute(_NEW_RECORD, row)
            if before is not None:
                connection.execute(_REMOVE_OLD, {"before": before, "count": _REMOVED_WITH_EACH})

        self._writer.note(work)

    def remove_old(self) -> int:
        """Remove all records that are past their time, a batch after the other; how many there were.

        Raises:
            IndexUnavailableError: the index cannot be read or written now; the next call removes the rest.
        """
        before = self._oldest_kept(datetime.now(UTC))
        if before is None or not self._has_old(before):
            return 0
        removed, count = 0, _BATCH
        while count == _BATCH:
            count = self._writer.note(
                lambda connection: connection.execute(_REMOVE_OLD, {"before": before, "count": _BATCH}).rowcount
            )
            removed += count
        return removed

    def _oldest_kept(self, now: datetime) -> int | None:
        """Records from before this instant are past their time; None when they are kept for ever."""
        return microseconds(now - self._kept) if self._kept else None

    def _has_old(self, before: int) -> bool:
        with self._connections.reading() as connection:
            return connection.execute(_ANY_OLD, {"before": before}).fetchone() is not None
