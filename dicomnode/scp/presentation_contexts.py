"""Which presentation contexts the node accepts: what it stores and serves, in which of the proposed transfer syntaxes."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache

from dicomnode.dicom.query.model import Operation, model_of
from dicomnode.dicom.sop_class import (
    MODALITY_PERFORMED_PROCEDURE_STEP,
    MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE,
    MODALITY_WORKLIST_FIND,
    STORAGE_COMMITMENT_PUSH_MODEL,
    VERIFICATION,
    is_standard_storage,
    may_be_storage,
)
from dicomnode.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    standard_transfer_syntaxes,
)
from dicomnode.scp import extended_negotiation
from dicomnode.settings import Settings

ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"

_PREFERRED = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)
_NATIVE = frozenset(
    {
        *_PREFERRED,
        ENCAPSULATED_UNCOMPRESSED,
        DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_BIG_ENDIAN,
    }
)

_OF_IDENTIFIERS = frozenset({*_PREFERRED, EXPLICIT_VR_BIG_ENDIAN})
"""Also for the data sets of normalized messages."""

_NORMALIZED = frozenset(
    {
        MODALITY_PERFORMED_PROCEDURE_STEP,
        MODALITY_PERFORMED_PROCEDURE_STEP_RETRIEVE,
        STORAGE_COMMITMENT_PUSH_MODEL,
    }
)
_REPORTED_TO_US = frozenset({STORAGE_COMMITMENT_PUSH_MODEL})
"""Classes whose SCP may call to bring a report: it says by role selection that it is the SCP (PS3.4 Section J.3.3)."""

_NOT_WHOLE_INSTANCES = (
    "1.2.840.10008.1.2.4.94",  # JPIP Referenced: the pixels stay with the sender, so nobody could vouch for them
    "1.2.840.10008.1.2.4.95",
    "1.2.840.10008.1.2.4.204",
    "1.2.840.10008.1.2.4.205",
    "1.2.840.10008.1.2.6.1",  # MIME and XML: no data sets (PS3.10, PS3.19)
    "1.2.840.10008.1.2.6.2",
    "1.2.840.10008.1.2.7.1",  # SMPTE ST 2110: streams, not associations (PS3.22)
    "1.2.840.10008.1.2.7.2",
    "1.2.840.10008.1.2.7.3",
    "1.2.840.10008.1.20",  # Papyrus 3: a file format
)


class Unlisted(StrEnum):
    """What to do with a UID that the standard's tables do not list."""

    ACCEPT = "accept"
    REJECT = "reject"


class PresentationContextSettings(Settings):
    """What is accepted beyond the standard's tables."""

    unlisted_sop_classes: Unlisted = Unlisted.ACCEPT
    """SOP Classes that are private, or newer than the tables: accept stores their instances; their IOD is not checked."""
    unlisted_transfer_syntaxes: Unlisted = Unlisted.REJECT
    """Private transfer syntaxes: accept takes them to be explicit VR little endian with encapsulated pixel data."""
    lenient_get_roles: bool = True
    """Whether C-GET also sends to a requester that proposed Storage contexts without saying that it receives in them (SCP role)."""


class ContextPolicy:
    """Decides on each proposed presentation context (PS3.8 Section 9.3.2.2)."""

    def __init__(self, settings: PresentationContextSettings) -> None:
        self._any_sop_class = settings.unlisted_sop_classes is Unlisted.ACCEPT
        self._lenient_get_roles = settings.lenient_get_roles
        self._any_transfer_syntax = settings.unlisted_transfer_syntaxes is Unlisted.ACCEPT

    def supports(self, abstract_syntax: str) -> bool:
        """Whether the node serves this SOP Class."""
        return (
            abstract_syntax in (VERIFICATION, MODALITY_WORKLIST_FIND)
            or abstract_syntax in _NORMALIZED
            or model_of(abstract_syntax) is not None
            or self._stores(abstract_syntax)
        )

    def choose(self, abstract_syntax: str, proposed: Sequence[str], *, receives: bool = False) -> str | None:
        """The transfer syntax to accept, None when none will do.

        A compressed one is taken only when the peer put it first or offers nothing else: a peer that lists several would
        otherwise be made to compress. Among the rest Explicit VR Little Endian comes first, because it says what it holds.

        Args:
            receives: the peer takes instances by C-GET here, and sends none. It gets an uncompressed one if it lists any: all that
                is stored can be brought to that, and little to a compression.
        """
        able = [uid for uid in proposed if self._reads(uid)]
        if abstract_syntax == VERIFICATION:
            able = [uid for uid in able if uid in _NATIVE]
        elif not self._stores(abstract_syntax):
            able = [uid for uid in able if uid in _OF_IDENTIFIERS]
        if not able:
            return None
        native = [uid for uid in (*_PREFERRED, *able) if uid in able and uid in _NATIVE]
        if able[0] in _NATIVE or (receives and native):
            return native[0]
        return able[0]

    def roles(self, abstract_syntax: str, proposed: frozenset[str]) -> tuple[bool, bool]:
        """Whether a peer may be (SCU, SCP) of this SOP Class; it receives instances only by C-GET (PS3.4 Section C.5.3)."""
        is_scp = abstract_syntax in _REPORTED_TO_US or self._receives(abstract_syntax, proposed)
        return self.supports(abstract_syntax), is_scp

    def assumed_roles(self, abstract_syntax: str, proposed: frozenset[str]) -> tuple[bool, bool]:
        """What a peer is, (SCU, SCP), that says nothing of roles: it receives by C-GET nevertheless, if ``lenient_get_roles``."""
        return True, self._lenient_get_roles and self._receives(abstract_syntax, proposed)

    def extended(self, abstract_syntax: str, offered: bytes) -> bytes:
        """The answer to SOP Class Extended Negotiation (PS3.7 Section D.3.3.5)."""
        return extended_negotiation.answer(abstract_syntax, offered)

    def _receives(self, abstract_syntax: str, proposed: frozenset[str]) -> bool:
        return self._stores(abstract_syntax) and _have_get(proposed)

    def _stores(self, abstract_syntax: str) -> bool:
        if is_standard_storage(abstract_syntax):
            return True
        return self._any_sop_class and may_be_storage(abstract_syntax)

    def _reads(self, transfer_syntax: str) -> bool:
        return transfer_syntax in _storable() or (
            self._any_transfer_syntax and not transfer_syntax.startswith("1.2.840.10008.")
        )


def _is_get(abstract_syntax: str) -> bool:
    _, operation = model_of(abstract_syntax) or (None, None)
    return operation is Operation.GET


@lru_cache(maxsize=16)
def _have_get(abstract_syntaxes: frozenset[str]) -> bool:
    """Whether C-GET is among them; asked for each of 128 contexts of one proposal."""
    return any(_is_get(uid) for uid in abstract_syntaxes)


@lru_cache(maxsize=1)
def _storable() -> frozenset[str]:
    return frozenset(syntax.uid for syntax in standard_transfer_syntaxes()).difference(_NOT_WHOLE_INSTANCES)
