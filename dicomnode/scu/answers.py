"""What a peer's status means, in words (PS3.7 Annex C, PS3.4 Sections C.4.1.1.4, C.4.2.1.5, C.4.3.1.4)."""

from __future__ import annotations

from typing import Final

from pynetdicom.dimse_primitives import C_FIND, C_GET, C_MOVE
from pynetdicom.status import (
    QR_FIND_SERVICE_CLASS_STATUS,
    QR_GET_SERVICE_CLASS_STATUS,
    QR_MOVE_SERVICE_CLASS_STATUS,
    code_to_category,
)

from dicomnode.dicom import status
from dicomnode.scu.dialogue import Request, Response

_TABLES: Final = {
    C_FIND: QR_FIND_SERVICE_CLASS_STATUS,
    C_GET: QR_GET_SERVICE_CLASS_STATUS,
    C_MOVE: QR_MOVE_SERVICE_CLASS_STATUS,
}


def meaning(request: type[Request], code: int) -> str:
    """What the tables say of the status ``code``; its category where they say nothing."""
    if code == status.SUCCESS:
        return "Success"
    if code == status.CANCEL:
        return "Cancelled"
    _, text = _TABLES[request].get(code, ("", ""))
    return text or code_to_category(code)


def told(request: type[Request], response: Response) -> str:
    """A response's status for a person: code, meaning, Error Comment, Offending Elements."""
    text = f"{response.status:#06x} ({meaning(request, response.status)})"
    if response.comment:
        text += f": {status.error_comment(response.comment)}"
    if response.offending_elements:
        elements = ", ".join(f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in response.offending_elements)
        text += f"; offending element {elements}"
    return text
