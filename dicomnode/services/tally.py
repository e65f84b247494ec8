"""The accounts of a C-MOVE or C-GET: what became of each sub-operation, and what the whole is answered with.

PS3.4 Sections C.4.2.1.6-C.4.2.3.1 and C.4.3.1.4-C.4.3.3.1; no word of it depends on how instances are sent.
"""

from __future__ import annotations

import struct
from typing import Final

from dicomnode.dicom import status as statuses
from dicomnode.dicom.sub_operations import SubOperations
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_BIG_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

_MAX_SHORT_VALUE_BYTES: Final = 65534
"""What the 16-bit length of a UI can say in explicit VR (PS3.5 Section 7.1.2); values have an even length."""


class Tally:
    """Counts that add up to the number of instances to send, at any time."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._completed = 0
        self._warning = 0
        self.failed_uids: list[str] = []
        """SOP Instance UIDs of what could not be sent, in the order in which that was found out."""

    def add(self, sop_instance_uid: str, status: int | None) -> None:
        """A sub-operation has ended with this status of a C-STORE response; None when there was none."""
        if status == statuses.SUCCESS:
            self._completed += 1
        elif status is not None and statuses.is_warning(status):
            self._warning += 1
        else:
            self.failed_uids.append(sop_instance_uid)

    @property
    def counts(self) -> SubOperations:
        """Where it stands."""
        failed = len(self.failed_uids)
        remaining = self._total - self._completed - failed - self._warning
        return SubOperations(remaining, self._completed, failed, self._warning)

    def final_status(self, *, is_cancelled: bool = False) -> int:
        """What the operation is answered with, now that nothing more is sent (PS3.4 Tables C.4-2, C.4-3).

        Args:
            is_cancelled: a C-CANCEL came. It changes nothing when everything had been tried already.
        """
        counts = self.counts
        if is_cancelled and counts.remaining:
            return statuses.CANCEL
        if counts.completed == self._total:
            return statuses.SUCCESS
        if counts.completed or counts.warning:
            return statuses.SUB_OPERATIONS_WITH_FAILURES
        return statuses.UNABLE_TO_PERFORM_SUB_OPERATIONS


def failed_list(sop_instance_uids: list[str], transfer_syntax_uid: str) -> tuple[bytes, int]:
    """The Identifier of a response with the Failed SOP Instance UID List (0008,0058), and how many UIDs it names.

    In explicit VR a value of UIDs has at most 65534 bytes, which is about a thousand of them: those that do not fit are left out.
    It has no Specific Character Set (PS3.4 Section C.4.2.1.4.2). Empty when there are no UIDs.
    """
    if not sop_instance_uids:
        return b"", 0
    named = len(sop_instance_uids)
    value = "\\".join(sop_instance_uids).encode("ascii", "replace")
    is_implicit = transfer_syntax_uid == IMPLICIT_VR_LITTLE_ENDIAN
    if not is_implicit and len(value) > _MAX_SHORT_VALUE_BYTES:
        value = value[: value.rindex(b"\\", 0, _MAX_SHORT_VALUE_BYTES + 1)]
        named = value.count(b"\\") + 1
    value += b"\0" * (len(value) % 2)
    if is_implicit:
        return struct.pack("<HHI", 0x0008, 0x0058, len(value)) + value, named
    order = ">" if transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN else "<"
    return struct.pack(f"{order}HH2sH", 0x0008, 0x0058, b"UI", len(value)) + value, named
