"""Why an association ends before its time; raised and caught within the upper layer only."""

from __future__ import annotations

UNSPECIFIED, UNRECOGNIZED_PDU, UNEXPECTED_PDU, UNRECOGNIZED_PARAMETER, UNEXPECTED_PARAMETER, INVALID_PARAMETER = (
    0,
    1,
    2,
    4,
    5,
    6,
)
"""Reasons of the service provider in an A-ABORT (PS3.8 Table 9-26)."""


class Gone(Exception):  # noqa: N818 - an ending, not an error
    """The peer closed the connection, or the network did."""


class Violation(Exception):  # noqa: N818 - the peer's error, not ours
    """The peer broke the protocol or a limit: the association is aborted with ``reason``."""

    def __init__(self, why: str, reason: int = UNSPECIFIED) -> None:
        self.reason = reason
        super().__init__(why)


class TimedOut(Violation):
    """The peer took longer than it may."""
