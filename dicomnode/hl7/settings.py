"""What can be set about the HL7 feed: where it listens, who may send, and its bounds."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from dicomnode.hl7.character_sets import check_character_set
from dicomnode.settings import Settings
from dicomnode.upper_layer import TlsSettings
from dicomnode.upper_layer.settings import Seconds


class Hl7ListenerSettings(Settings):
    """One address that HL7 messages are taken on."""

    host: str = ""
    """IP address or host name of one interface; empty for all of them, IPv4 and IPv6."""
    port: Annotated[int, Field(ge=1, le=65535)] = 2575
    """TCP port; 2575 is registered for HL7."""
    tls: TlsSettings | None = None
    """Certificate and key for a listener that speaks TLS; null for a plain one."""


class Hl7Settings(Settings):
    """The HL7 feed; a node whose configuration has no such section has none."""

    listeners: Annotated[tuple[Hl7ListenerSettings, ...], Field(min_length=1)] = (Hl7ListenerSettings(),)
    """Where HL7 messages are taken."""
    addresses: tuple[IPv4Network | IPv6Network, ...] | None = None
    """Addresses (``10.0.0.5``) and networks (``10.1.0.0/16``) that may connect; null for all."""
    sending_applications: frozenset[str] | None = None
    """Values of MSH-3 (its first component) that are served; others are answered AR. null for all."""
    sending_facilities: frozenset[str] | None = None
    """The same for MSH-4."""
    receiving_applications: frozenset[str] | None = None
    """Values of MSH-5 by which the node is meant; null for all."""
    receiving_facilities: frozenset[str] | None = None
    """The same for MSH-6."""
    mapping: Path | None = None
    """A YAML file with what differs from the mapping that comes with dicomnode (docs/hl7.md)."""
    character_set: Annotated[str, AfterValidator(check_character_set)] = "UNICODE UTF-8"
    """Of messages that say none in MSH-18, as HL7 Table 0211 calls it."""
    local_issuers: frozenset[str] | None = None
    """Issuers (PID-3.4) of the patients that images name without an issuer, and which of several numbers in PID-3 is taken; null:
    images without an issuer are of whatever issuer a message names, and the first number is taken."""
    maximum_connections: Annotated[int, Field(ge=1, le=4096)] = 64
    """Connections that may be open at once; further ones are closed."""
    maximum_message_kb: Annotated[int, Field(ge=4, le=65536)] = 1024
    """Size in KiB of one message; a bigger one costs its sender the connection."""
    message_timeout_s: Seconds = 30.0
    """Time in s for a message to arrive whole once it has begun."""
    idle_timeout_s: Seconds = 3600.0
    """Time in s that a connection may stand idle between messages."""
    send_timeout_s: Seconds = 30.0
    """Time in s for a sender to take its answer."""
    tls_handshake_timeout_s: Seconds = 15.0
    """Time in s for a TLS handshake."""
    messages_kept: Annotated[int, Field(ge=100)] = 10000
    """Messages that are remembered, to answer repeated ones as the first time and for ``dicomnode hl7 list``."""
    messages_kept_days: Annotated[int, Field(ge=1)] = 30
    """Days that a message is remembered at most."""
    contents_kept: bool = True
    """Whether their text is kept too, for diagnosis; it tells of patients."""
