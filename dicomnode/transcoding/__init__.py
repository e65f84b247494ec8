"""A data set brought into another transfer syntax, for peers that do not take it as it is stored (PS3.4 Section B.4.1.3)."""

from __future__ import annotations

from collections.abc import Sequence

from dicomnode.errors import TranscodingError

__all__ = ["can_transcode", "transcode"]


def can_transcode(transfer_syntax_uid: str, wanted: Sequence[str]) -> bool:
    """Whether a data set can be brought from one transfer syntax to any of ``wanted``, by what the syntaxes alone tell."""
    return transfer_syntax_uid in wanted


def transcode(dataset: memoryview, transfer_syntax_uid: str, wanted: Sequence[str]) -> tuple[str, memoryview]:
    """The first of ``wanted`` that the data set can be brought to, and the data set in it.

    Raises:
        TranscodingError: it can be brought to none of them; the message says why.
    """
    if transfer_syntax_uid in wanted:
        return transfer_syntax_uid, dataset
    raise TranscodingError("no conversion between these transfer syntaxes")
