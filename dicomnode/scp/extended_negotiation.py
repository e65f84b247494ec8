"""SOP Class Extended Negotiation of Query/Retrieve: what of it the node supports (PS3.4 Sections C.5.1.1, C.5.2.1, C.5.3.1).

Each byte that a peer offers is answered with one: 1 when both sides support what it stands for. To support more: change its 0 here.
"""

from __future__ import annotations

from typing import Final

from dicomnode.dicom.sop_class import is_query, is_retrieve

_QUERY: Final = bytes(
    (
        1,  # relational queries
        1,  # date and time matched as one
        0,  # fuzzy semantic matching of person names
        0,  # time zone adjustment
        0,  # enhanced multi-frame image conversion
        1,  # empty value matching
        1,  # multiple value matching
    )
)
_RETRIEVE: Final = bytes(
    (
        1,  # relational retrieval
        0,  # enhanced multi-frame image conversion
    )
)


def answer(sop_class_uid: str, offered: bytes) -> bytes:
    """The service class application information to answer ``offered`` with; empty for no answer."""
    supported = _QUERY if is_query(sop_class_uid) else _RETRIEVE if is_retrieve(sop_class_uid) else b""
    return bytes(int(theirs == 1 and ours == 1) for theirs, ours in zip(offered, supported, strict=False))
