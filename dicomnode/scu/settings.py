"""What can be set about associations that the node asks for."""

from __future__ import annotations

from dicomnode.settings import Settings
from dicomnode.upper_layer.settings import Seconds


class ScuSettings(Settings):
    """How long a peer that the node calls may take, in s, for each step."""

    connect_timeout_s: Seconds = 10.0
    """Time in s for the connection to a peer; and again for a TLS handshake."""
    association_timeout_s: Seconds = 30.0
    """Time in s for a peer to answer an association request."""
    send_timeout_s: Seconds = 60.0
    """Time in s for a peer to take each 512 KiB of what the node sends."""
    answer_timeout_s: Seconds = 120.0
    """Time in s for a peer to answer a request, or to go on answering it."""

    @classmethod
    def of(cls, timeout_s: float) -> ScuSettings:
        """The same time for each step."""
        return cls(
            connect_timeout_s=timeout_s,
            association_timeout_s=timeout_s,
            send_timeout_s=timeout_s,
            answer_timeout_s=timeout_s,
        )
