"""Requests for storage commitment (PS3.4 Annex J): kept from the moment they are answered until well after they were reported."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from peewee import SQL

from dicomnode.dicom.commitment import CommitmentReport, CommitmentRequest, Reference, pairs
from dicomnode.dicom.peer import Sender
from dicomnode.errors import UnknownEntryError
from dicomnode.index.database import Connections
from dicomnode.index.growth import CompleteStudy, announce_committed
from dicomnode.index.keys import instant, microseconds
from dicomnode.index.outbox import Owed, owe, owe_again
from dicomnode.index.schema.commitment import Commitment
from dicomnode.index.schema.hierarchy import ACCEPTED, QUARANTINED, Instance
from dicomnode.index.schema.statements import bound, compiled, insert_into
from dicomnode.index.writer import Writer

REPORT_KIND: Final = "commitment-report"
"""In the outbox: ``payload["request"]`` is the row's id."""
_AT_ONCE: Final = 500
"""Instances that are looked up in one go; between them others may read and write."""


@dataclass(frozen=True, slots=True)
class TakenRequest:
    """What became of a request that came.

    Attributes:
        report: the entry in the outbox of the report that is owed for it; None when the same request waits already.
        complete: the studies that it says are whole.
    """

    report: int | None
    complete: Sequence[CompleteStudy] = ()


@dataclass(frozen=True, slots=True)
class AskedCommitment:
    """A request that came.

    Attributes:
        is_repeated: its Transaction UID was in use by another request that had not been reported on.
    """

    id: int
    request: CommitmentRequest
    sender: Sender
    is_repeated: bool
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class OwnCommitment:
    """A request that the node made.

    Attributes:
        failures: SOP Instance UID and Failure Reason of those that are not committed; None while nothing was reported.
    """

    request: CommitmentRequest
    requested_at: datetime
    reported_at: datetime | None
    failures: Mapping[str, int] | None


@dataclass(frozen=True, slots=True)
class Holding:
    """What the node has of a SOP Instance UID.

    Attributes:
        location: of the accepted one; empty when it is only in quarantine.
    """

    sop_class_uid: str
    location: str = ""
    digest: bytes = b""


_NEW: Final = insert_into(Commitment)
_PENDING: Final = """
SELECT id, "references", ae_title FROM commitment WHERE transaction_uid = ? AND is_ours = 0 AND reported_at IS NULL
"""
_ASKED: Final = compiled(
    Commitment.select(
        Commitment.transaction_uid,
        Commitment.references,
        Commitment.ae_title,
        Commitment.our_ae_title,
        Commitment.address,
        Commitment.peer,
        Commitment.is_repeated,
        Commitment.requested_at,
    ).where(Commitment.id == bound("id"))
)
_OWN: Final = compiled(
    Commitment.select(
        Commitment.references, Commitment.requested_at, Commitment.reported_at, Commitment.failures
    ).where(Commitment.transaction_uid == bound("transaction_uid"), Commitment.is_ours == SQL("1"))
)
_ACCEPTED: Final = compiled(
    Instance.select(Instance.sop_class_uid, Instance.location, Instance.digest).where(
        Instance.sop_instance_uid == bound("uid"), Instance.state == ACCEPTED
    )
)
_HELD: Final = compiled(
    Instance.select(Instance.sop_class_uid)
    .where(Instance.sop_instance_uid == bound("uid"), Instance.state == QUARANTINED)
    .limit(SQL("1"))
)
_REPORTED: Final = "UPDATE commitment SET reported_at = :now, failures = :failures WHERE id = :id"
_TAKEN: Final = """
UPDATE commitment SET reported_at = :now, failures = :failures
WHERE transaction_uid = :transaction_uid AND is_ours = 1 AND ae_title = :ae_title AND reported_at IS NULL
"""
_REPORTED_BEFORE: Final = """
SELECT failures FROM commitment WHERE transaction_uid = :transaction_uid AND is_ours = 1 AND ae_title = :ae_title
"""
_REMOVE_OLD: Final = "DELETE FROM commitment WHERE reported_at IS NOT NULL AND requested_at < ?"


class Commitments:
    """The requests, and what the node has of the instances that they name."""

    def __init__(self, connections: Connections, writer: Writer) -> None:
        self._connections = connections
        self._writer = writer

    # -- as SCP -------------------------------------------------------------------------------------------------------

    def ask(
        self, request: CommitmentRequest, sender: Sender, *, destination: str, not_before: datetime | None
    ) -> TakenRequest:
        """Keep a request with the report that is owed for it; on the disk when this returns.

        A sender that heard no answer asks again: the same request is kept once.

        Args:
            destination: of the report, in the outbox.
            not_before: when the delivery worker may take it; None for at once, even if the destination was away before: it asks.

        Raises:
            IndexUnavailableError: the index cannot be written now.
        """
        row = _row(request, sender.peer or "", sender.calling_ae_title, sender.called_ae_title, sender.address)

        def work(connection: sqlite3.Connection) -> TakenRequest:
            pending = connection.execute(_PENDING, (request.transaction_uid,)).fetchall()
            same = (row["references"], sender.calling_ae_title)
            key = next((number for number, *one in pending if tuple(one) == same), None)
            uid, is_urgent = request.transaction_uid, not_before is None
            if key is not None and owe_again(connection, REPORT_KIND, destination, uid, is_urgent=is_urgent):
                return TakenRequest(None)
            if key is None:
                key = connection.execute(_NEW, row | {"is_ours": 0, "is_repeated": bool(pending)}).lastrowid
            owed = Owed(REPORT_KIND, destination, uid, {"request": key}, not_before, is_urgent)
            complete = announce_committed(connection, [one.sop_instance_uid for one in request.references])
            return TakenRequest(owe(connection, owed), complete)

        return self._writer.run(work)

    def asked(self, key: int) -> AskedCommitment:
        """A request that came.

        Raises:
            UnknownEntryError: there is none.
            IndexUnavailableError: the index cannot be read.
        """
        with self._connections.reading() as connection:
            row = connection.execute(_ASKED, {"id": key}).fetchone()
        if row is None:
            raise UnknownEntryError(f"no request for storage commitment {key}")
        transaction_uid, references, theirs, ours, address, peer, is_repeated, requested_at = row
        return AskedCommitment(
            key,
            CommitmentRequest(transaction_uid, _references(references)),
            Sender(theirs, ours, address, peer or None),
            bool(is_repeated),
            instant(requested_at),
        )

    def holdings(self, references: Sequence[Reference]) -> Iterable[Holding | None]:
        """What the node has of each instance, in their order; None for nothing.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        for at in range(0, len(references), _AT_ONCE):
            with self._connections.reading() as connection:
                found = [_holding(connection, one.sop_instance_uid) for one in references[at : at + _AT_ONCE]]
            yield from found

    def reported(self, key: int, failures: Mapping[Reference, int]) -> None:
        """It was reported so.

        Raises:
            IndexUnavailableError: the index cannot be written now.
        """
        row = {"id": key, "now": microseconds(datetime.now(UTC)), "failures": _failures_text(failures)}
        self._writer.note(lambda connection: connection.execute(_REPORTED, row))

    # -- as SCU -------------------------------------------------------------------------------------------------------

    def begin(self, request: CommitmentRequest, *, peer: str, ae_title: str, our_ae_title: str) -> None:
        """Keep a request that will be sent: its report may come before the answer; on the disk when this returns.

        Raises:
            IndexUnavailableError: the index cannot be written now.
        """
        row = _row(request, peer, ae_title, our_ae_title, "") | {"is_ours": 1, "is_repeated": 0}
        self._writer.run(lambda connection: connection.execute(_NEW, row))

    def take(self, report: CommitmentReport, ae_title: str) -> bool:
        """Keep what ``ae_title`` reports; False when it was not asked, or reported otherwise before.

        What it reports again is kept already; on the disk when this returns.

        Raises:
            IndexUnavailableError: the index cannot be written now.
        """
        row = {
            "transaction_uid": report.transaction_uid,
            "ae_title": ae_title,
            "now": microseconds(datetime.now(UTC)),
            "failures": _failures_text(report.failed),
        }

        def work(connection: sqlite3.Connection) -> bool:
            if connection.execute(_TAKEN, row).rowcount:
                return True
            kept = connection.execute(_REPORTED_BEFORE, row).fetchone()
            return kept is not None and json.loads(kept[0]) == json.loads(str(row["failures"]))

        return self._writer.run(work)

    def own(self, transaction_uid: str) -> OwnCommitment | None:
        """A request that the node made, and what was reported on it.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        with self._connections.reading() as connection:
            row = connection.execute(_OWN, {"transaction_uid": transaction_uid}).fetchone()
        if row is None:
            return None
        references, requested_at, reported_at, failures = row
        return OwnCommitment(
            CommitmentRequest(transaction_uid, _references(references)),
            instant(requested_at),
            None if reported_at is None else instant(reported_at),
            None if failures is None else json.loads(failures),
        )

    def remove_old(self, before: datetime) -> int:
        """Remove the records of requests from before that were reported on; how many there were.

        Raises:
            IndexUnavailableError: the index cannot be written now.
        """
        return self._writer.note(lambda connection: connection.execute(_REMOVE_OLD, (microseconds(before),)).rowcount)


def _row(request: CommitmentRequest, peer: str, ae_title: str, our_ae_title: str, address: str) -> dict[str, object]:
    return {
        "transaction_uid": request.transaction_uid,
        "peer": peer,
        "ae_title": ae_title,
        "our_ae_title": our_ae_title,
        "address": address,
        "references": json.dumps(pairs(request.references), separators=(",", ":")),
        "requested_at": microseconds(datetime.now(UTC)),
        "reported_at": None,
        "failures": None,
    }


def _references(text: str) -> tuple[Reference, ...]:
    return tuple(Reference(sop_class, instance) for sop_class, instance in json.loads(text))


def _failures_text(failures: Mapping[Reference, int]) -> str:
    return json.dumps({one.sop_instance_uid: int(why) for one, why in failures.items()}, separators=(",", ":"))


def _holding(connection: sqlite3.Connection, sop_instance_uid: str) -> Holding | None:
    if accepted := connection.execute(_ACCEPTED, {"uid": sop_instance_uid}).fetchone():
        return Holding(*accepted)
    held = connection.execute(_HELD, {"uid": sop_instance_uid}).fetchone()
    return Holding(held[0]) if held else None
