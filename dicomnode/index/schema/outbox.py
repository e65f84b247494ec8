"""The table of what the node owes others; a row that was delivered is gone."""

from __future__ import annotations

from typing import Final

from peewee import SQL, AutoField, BigIntegerField, IntegerField, Model, TextField


class Debt(Model):
    """One thing that the node owes. Instants are microseconds since 1970, UTC."""

    id = AutoField(constraints=[SQL("AUTOINCREMENT")])
    """Never given twice: a person who read of entry 7 must not hit another when it has been delivered since."""
    kind = TextField()
    destination = TextField()
    """A peer's name; empty for what the node owes itself."""
    key = TextField()
    """What shares destination and key is delivered in the order of the ids; empty where order does not matter."""
    coalesces = IntegerField()
    """1 while a later one of the same kind, destination and key adds nothing to it."""
    payload = TextField()
    state = TextField()
    """waiting, dead (given up), dropped (by a person)."""
    owed_at = BigIntegerField()
    not_before = BigIntegerField()
    due_at = BigIntegerField()
    """When a worker may take it; while one has it, when its lease ends."""
    lease = TextField(null=True)
    """Who has it: the worker's name, and the number of the claim."""
    attempts = IntegerField()
    failed_at = BigIntegerField(null=True)
    reason = TextField()
    """Why the last attempt failed, or why a person dropped it."""
    by = TextField()
    """The person who dropped it or had it tried again."""

    class Meta:
        table_name = "outbox"


# An index of rows in one state is only used by queries that spell that state out: never bind it.
Debt.add_index(Debt.index(Debt.destination, Debt.due_at, name="outbox_waiting").where(SQL("state = 'waiting'")))
Debt.add_index(Debt.index(Debt.destination, Debt.key, name="outbox_in_order").where(SQL("key <> ''")))
Debt.add_index(
    Debt.index(Debt.kind, Debt.destination, Debt.key, unique=True, name="outbox_coalescing").where(SQL("coalesces = 1"))
)
Debt.add_index(Debt.index(Debt.lease, name="outbox_leased").where(SQL("lease IS NOT NULL")))
Debt.add_index(Debt.index(Debt.state, Debt.failed_at, name="outbox_at_rest").where(SQL("state <> 'waiting'")))

TABLES: Final = (Debt,)
