"""The other side of an association: what the configuration says of it, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from dicomnode.settings import Settings

AE_TITLE_LENGTH = 16
"""Characters that an AE title may have (PS3.5 Table 6.2-1)."""


def check_ae_title(text: str) -> str:
    """``text`` without outer spaces, which mean nothing (PS3.5 Section 6.2, VR AE).

    Raises:
        ValueError: it is empty, too long, or holds what an AE title may not.
    """
    title = text.strip(" ")
    if not title:
        raise ValueError("an AE title needs at least one character that is no space")
    if len(title) > AE_TITLE_LENGTH:
        raise ValueError(f"an AE title has at most {AE_TITLE_LENGTH} characters, this one has {len(title)}")
    if any(character == "\\" or not " " <= character <= "~" for character in title):
        raise ValueError("an AE title holds ASCII letters, digits and signs, but no backslash and no control character")
    return title


AeTitle = Annotated[str, AfterValidator(check_ae_title)]


class Permission(StrEnum):
    """What a peer may ask of the node; Verification is always allowed."""

    STORE = "store"
    QUERY = "query"
    RETRIEVE = "retrieve"
    WORKLIST = "worklist"
    MPPS = "mpps"
    COMMITMENT = "commitment"


class PeerSettings(Settings):
    """An Application Entity that the node knows: a scanner, a workstation, another archive."""

    ae_title: AeTitle
    """The title it calls itself by."""
    host: str = ""
    """Its host name or IP address, looked up when used; empty when it may come from any address."""
    port: Annotated[int, Field(ge=1, le=65535)] = 104
    """The TCP port it listens on, for what the node sends to it."""
    tls: bool = False
    """Whether the node speaks TLS with it: required of it when it calls, used when it is called."""
    may: frozenset[Permission] = frozenset(Permission)
    """What it may ask for."""
    description: str = ""
    """For people: room, maker, telephone number."""


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
