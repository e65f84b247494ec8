"""The other side of an association: what the configuration says of it, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Permission(StrEnum):
    """What a peer may ask of the node; Verification is always allowed."""

    STORE = "store"
    QUERY = "query"
    RETRIEVE = "retrieve"
    WORKLIST = "worklist"
    MPPS = "mpps"
    COMMITMENT = "commitment"


@dataclass(frozen=True, slots=True)
class Sender:
    """Who is at the other end of an association.

    Attributes:
        calling_ae_title: the title it calls itself by, without outer spaces (PS3.8 Section 9.3.2).
        called_ae_title: the title it knows us by.
        address: its IP address; an IPv4-mapped IPv6 address stands as IPv4.
        peer: the name of the configured peer that matched, None for an unknown caller.
    """

    calling_ae_title: str
    called_ae_title: str
    address: str
    peer: str | None = None
