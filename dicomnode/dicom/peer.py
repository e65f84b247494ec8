"""The other side of an association: what the configuration says of it, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from dicomnode.dicom.character_sets import character_set
from dicomnode.dicom.step_status import WAITING, StepStatus
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


def check_character_set(text: str) -> str:
    """``text`` as the standard spells it, when it is a value of Specific Character Set (PS3.3 Section C.12.1.1.2).

    Raises:
        ValueError: it is none.
    """
    chosen = character_set(text)
    if not chosen.known:
        raise ValueError(f"{text!r} is no Specific Character Set, such as ISO_IR 100 or \\ISO 2022 IR 87")
    return "\\".join(chosen.terms)


class Permission(StrEnum):
    """What a peer may ask of the node; Verification is always allowed."""

    STORE = "store"
    QUERY = "query"
    RETRIEVE = "retrieve"
    WORKLIST = "worklist"
    MPPS = "mpps"
    COMMITMENT = "commitment"


class OwnEntries(StrEnum):
    """When a device is shown nothing but the worklist entries that are scheduled for its own AE title."""

    NEVER = "never"
    UNLESS_ASKED = "unless-asked"
    """Unless its query names a Scheduled Station AE Title."""
    ALWAYS = "always"


class Compression(StrEnum):
    """A compression without loss."""

    JPEG_LS = "jpeg-ls"
    JPEG_2000 = "jpeg-2000"
    HTJ2K = "htj2k"
    RLE = "rle"

    @property
    def transfer_syntax_uid(self) -> str:
        """Its transfer syntax (PS3.6 Table A-1)."""
        return _COMPRESSIONS[self]


_COMPRESSIONS: Final = {
    Compression.JPEG_LS: "1.2.840.10008.1.2.4.80",
    Compression.JPEG_2000: "1.2.840.10008.1.2.4.90",
    Compression.HTJ2K: "1.2.840.10008.1.2.4.201",
    Compression.RLE: "1.2.840.10008.1.2.5",
}


class OutgoingTlsSettings(Settings):
    """How the node speaks TLS when it calls a peer."""

    trusted: Path | None = None
    """Certificates in PEM form of the authorities that may have signed the peer's; null for those that the machine trusts."""
    certificate: Path | None = None
    """The certificate that the node shows, in PEM form, followed by the intermediate ones; null shows none."""
    private_key: Path | None = None
    """Its private key in PEM form; null when it stands in the certificate's file."""
    check_host: bool = True
    """Whether the peer's certificate has to name its host; false for certificates that name nothing but the device."""


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
    outgoing_tls: OutgoingTlsSettings | None = None
    """How the node speaks TLS when it calls the peer; given, it does so even when ``tls`` is false."""
    may: frozenset[Permission] = frozenset(Permission)
    """What it may ask for."""
    character_set: Annotated[str, AfterValidator(check_character_set)] = ""
    """The Specific Character Set of every response that it gets, for a device that knows just this one; characters that are
    not in it are replaced by their base letters or by "?". Empty: the request's set, else UTF-8 (ISO_IR 192)."""
    strict_queries: bool = False
    """Whether a query of it that is beyond the baseline of PS3.4 Section C.4.1.2 is refused: keys of the levels above the
    one asked for, no unique key of that level."""
    move_destinations: frozenset[str] | None = None
    """Names of the peers that it may have instances sent to by C-MOVE; null for any of them."""
    parallel_associations: Annotated[int, Field(ge=1, le=16)] = 1
    """Associations that a C-MOVE opens to it at once."""
    transcode: bool = True
    """Whether an instance is transcoded when the peer does not take the transfer syntax that it is stored in; if not, it fails."""
    compress: Compression | None = None
    """What uncompressed images are compressed to, without loss, when the peer takes that; null: they are not."""
    worklist_own_entries: OwnEntries = OwnEntries.NEVER
    """Whether it is shown only what is scheduled for the AE title it calls itself by: never, unless-asked (when its query names no
    Scheduled Station AE Title), always."""
    worklist_statuses: tuple[StepStatus, ...] = WAITING
    """Scheduled Procedure Step Statuses of the worklist entries that it is shown."""
    worklist_limit: Annotated[int, Field(ge=0)] = 0
    """Worklist entries that it is shown at most, the earliest first, for a device that has no room for more; 0 for all."""
    commitment_same_association: bool = False
    """Whether the report on a storage commitment goes over the association that asked for it, if that is still open; for devices
    that release it only then. Otherwise, and when that fails, the node calls the peer."""
    notify_availability: bool = False
    """Whether it is told which instances can be retrieved here, once they are accepted (PS3.4 Annex R)."""
    description: str = ""
    """For people: room, maker, telephone number."""

    @property
    def is_called_by_tls(self) -> bool:
        """Whether the node speaks TLS when it calls the peer."""
        return self.tls or self.outgoing_tls is not None


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
