"""What the node owes others: written with what caused it, taken by one worker at a time, kept until it was delivered.

``owing`` writes it, ``delivering`` is for the workers, ``deciding`` for people.

Rows with the same destination and key are delivered in their order: one waits until all before it are gone, also behind one that
was given up, until a person has it tried again or drops it.
"""

from dicomnode.index.outbox.deciding import Outbox
from dicomnode.index.outbox.delivering import Deliveries
from dicomnode.index.outbox.entries import DebtState, OutboxEntry
from dicomnode.index.outbox.owing import AT_ONCE, HERE, Owed, owe, owe_again, owe_once

__all__ = [
    "AT_ONCE",
    "HERE",
    "DebtState",
    "Deliveries",
    "Outbox",
    "OutboxEntry",
    "Owed",
    "owe",
    "owe_again",
    "owe_once",
]
