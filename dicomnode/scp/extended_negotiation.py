"""SOP Class Extended Negotiation of queries and retrieval: what of it the node supports.

PS3.4 Sections C.5.1.1, C.5.2.1, C.5.3.1 and K.5.1.

Each byte that a peer offers is answered with one: 1 when both sides support what it stands for. To support more: change its 0 here.
"""

from __future__ import annotations

from typing import Final

from dicomnode.dicom.query.identifier import Operation, QueryOptions, model_of
from dicomnode.dicom.sop_class import MODALITY_WORKLIST_FIND

_QUERY: Final = bytes(
    (
        1,  # relational queries
        1,  # date and time matched as one
        1,  # fuzzy semantic matching of person names
        0,  # time zone adjustment
        0,  # enhanced multi-frame image conversion
        1,  # empty value matching
        1,  # multiple value matching
    )
)
_WORKLIST: Final = bytes(
    (
        1,  # always 1
        1,  # always 1
        1,  # fuzzy semantic matching of person names
        0,  # time zone adjustment
    )
)
"""PS3.4 Section K.5.1."""
_FUZZY: Final = 2
_RETRIEVE: Final = bytes(
    (
        1,  # relational retrieval
        0,  # enhanced multi-frame image conversion
    )
)


def answer(sop_class_uid: str, offered: bytes) -> bytes:
    """The service class application information to answer ``offered`` with; empty for no answer."""
    _, operation = model_of(sop_class_uid) or (None, None)
    if sop_class_uid == MODALITY_WORKLIST_FIND:
        return _both(offered, _WORKLIST)
    supported = b"" if operation is None else _QUERY if operation is Operation.FIND else _RETRIEVE
    return _both(offered, supported)


def query_options(agreed: bytes, *, strict: bool) -> QueryOptions:
    """What was agreed to for a FIND SOP Class; what was not proposed is off."""
    relational, combined_datetime, fuzzy, _, _, empty_value, multiple_value = (
        byte == 1 for byte in agreed[: len(_QUERY)].ljust(len(_QUERY), b"\0")
    )
    return QueryOptions(
        relational=relational,
        combined_datetime=combined_datetime,
        fuzzy=fuzzy,
        empty_value=empty_value,
        multiple_value=multiple_value,
        strict=strict,
    )


def is_fuzzy_worklist(agreed: bytes) -> bool:
    """Whether names in worklist queries match by their words."""
    return agreed[_FUZZY : _FUZZY + 1] == b"\x01"


def retrieve_options(agreed: bytes, *, strict: bool) -> QueryOptions:
    """What was agreed to for a MOVE or GET SOP Class."""
    return QueryOptions(relational=agreed[:1] == b"\x01", strict=strict)


def _both(offered: bytes, supported: bytes) -> bytes:
    return bytes(int(theirs == 1 and ours == 1) for theirs, ours in zip(offered, supported, strict=False))
