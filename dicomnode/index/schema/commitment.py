"""The table of requests for storage commitment: those that came, and those that the node made."""

from __future__ import annotations

from typing import Final

from peewee import SQL, AutoField, BigIntegerField, IntegerField, Model, TextField


class Commitment(Model):
    """One request, and what was reported on it. Instants are microseconds since 1970, UTC."""

    id = AutoField()
    is_ours = IntegerField()
    """1 when the node asked, 0 when it was asked."""
    transaction_uid = TextField()
    peer = TextField()
    """The name of the configured peer on the other side; empty when it has none."""
    ae_title = TextField()
    """The other side's."""
    our_ae_title = TextField()
    """Which the other side called, or was called by."""
    address = TextField()
    references = TextField()
    """JSON: [[SOP Class UID, SOP Instance UID], ...]."""
    is_repeated = IntegerField()
    """1 when the Transaction UID was in use by another request."""
    requested_at = BigIntegerField()
    reported_at = BigIntegerField(null=True)
    failures = TextField(null=True)
    """JSON: {SOP Instance UID: Failure Reason}, once it was reported."""


Commitment.add_index(Commitment.index(Commitment.transaction_uid, name="commitment_transaction"))
Commitment.add_index(
    Commitment.index(Commitment.requested_at, name="commitment_reported").where(SQL("reported_at IS NOT NULL"))
)

TABLES: Final = (Commitment,)
