"""What associations for queries and retrieval have in common: how they are proposed, and how they end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from pydicom.uid import UID
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation
from pynetdicom.presentation import PresentationContext

from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN
from dicomnode.upper_layer.requestor import RequestedAssociation

UNCOMPRESSED: Final = [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN]
"""In which Identifiers are written; the latter has to be among them (PS3.5 Section 10.1)."""
RELATIONAL: Final = b"\1"
"""Service class application information (PS3.4 Sections C.5.1.1, C.5.2.1, C.5.3.1)."""


def accepted_context(association: RequestedAssociation, sop_class_uid: str) -> PresentationContext | None:
    """The presentation context that the peer accepted for this SOP Class; None when there is none."""
    for context in association.accepted_contexts:
        if context.abstract_syntax == sop_class_uid:
            return context
    return None


def relational(sop_class_uid: str) -> SOPClassExtendedNegotiation:
    """The wish for relational queries or retrieval, to propose."""
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid = UID(sop_class_uid)
    item.service_class_application_information = RELATIONAL
    return item


@contextmanager
def released(association: RequestedAssociation) -> Iterator[None]:
    """Release the association after the block; abort it when the block is left in the middle of an answer."""
    try:
        yield
    except BaseException:
        if association.is_established:
            association.give_up()
        raise
    if association.is_established:
        association.release()
