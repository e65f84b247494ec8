"""What can be set about associations: sizes and deadlines."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dicomnode.settings import Settings

Seconds = Annotated[float, Field(gt=0, le=2_000_000)]
"""poll(2) and the sockets count milliseconds, in 31 bits: 24 days."""


class UpperLayerSettings(Settings):
    """Bounds for what one association may take; past them it is aborted, and nobody else notices."""

    maximum_pdu_bytes: Annotated[int, Field(ge=4096, le=1048576)] = 131072
    """Maximum length in bytes of a P-DATA-TF PDU that the node offers to receive (PS3.8 Annex D.1)."""
    association_request_timeout_s: Seconds = 30.0
    """Time in s for an A-ASSOCIATE-RQ to arrive whole (the ARTIM timer of PS3.8 Section 9.1.5)."""
    pdu_timeout_s: Seconds = 60.0
    """Time in s for a PDU to arrive whole once it has begun."""
    send_timeout_s: Seconds = 60.0
    """Time in s for a peer to take what the node sends."""
    idle_timeout_s: Seconds = 600.0
    """Time in s that an association may stand idle between messages."""
    report_timeout_s: Seconds = 30.0
    """Time in s for the answer to an N-EVENT-REPORT that goes over the peer's own association."""
    tls_handshake_timeout_s: Seconds = 15.0
    """Time in s for a TLS handshake."""
    maximum_dataset_mb: Annotated[int, Field(ge=1)] = 16384
    """Size in MiB of one data set; a bigger one aborts its association."""
    maximum_message_mb: Annotated[int, Field(ge=1)] = 64
    """Size in MiB of any other message, which is held in memory."""
