"""Requests for storage commitment and the reports on them (PS3.4 Sections J.3.2, J.3.3), read and made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from dicomnode.dicom.character_sets import character_set
from dicomnode.dicom.encode import Encoding
from dicomnode.dicom.scan import ScannedDataset, scan
from dicomnode.errors import CommitmentError, TooLargeError

PUSH_MODEL_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
"""The well-known SOP Instance of the Storage Commitment Push Model (PS3.4 Section J.3.5)."""
REQUEST: Final = 1
"""Action Type ID (PS3.4 Table J.3-1)."""
SUCCESSFUL, FAILURES_EXIST = 1, 2
"""Event Type IDs (PS3.4 Section J.3.3)."""

_TRANSACTION_UID: Final = 0x00081195
_REFERENCED: Final = 0x00081199
_FAILED: Final = 0x00081198
_CLASS: Final = 0x00081150
_INSTANCE: Final = 0x00081155
_REASON: Final = 0x00081197
_UID: Final = re.compile(r"[0-9.]{1,64}")
_ELEMENTS_EACH: Final = 8
"""Room for what an item of the sequence may hold, delimiters included."""
_UIDS: Final = character_set("")


class FailureReason(IntEnum):
    """Why an instance is not committed (PS3.3 Section C.14.1.1)."""

    PROCESSING_FAILURE = 0x0110
    NO_SUCH_INSTANCE = 0x0112
    CLASS_CONFLICT = 0x0119
    CLASS_NOT_SUPPORTED = 0x0122
    TRANSACTION_UID_IN_USE = 0x0131
    RESOURCE_LIMITATION = 0x0213


FAILURE_WORDS: Final = {
    FailureReason.PROCESSING_FAILURE: "processing failure",
    FailureReason.NO_SUCH_INSTANCE: "no such instance",
    FailureReason.CLASS_CONFLICT: "stored with another SOP Class",
    FailureReason.CLASS_NOT_SUPPORTED: "SOP Class not supported",
    FailureReason.TRANSACTION_UID_IN_USE: "Transaction UID already in use",
    FailureReason.RESOURCE_LIMITATION: "not enough resources",
}


@dataclass(frozen=True, slots=True)
class Reference:
    """One instance that a request is about."""

    sop_class_uid: str
    sop_instance_uid: str


@dataclass(frozen=True, slots=True)
class CommitmentRequest:
    """A request for storage commitment (PS3.4 Table J.3-2)."""

    transaction_uid: str
    references: tuple[Reference, ...]

    @classmethod
    def read(cls, dataset: bytes, transfer_syntax_uid: str, *, maximum: int) -> CommitmentRequest:
        """The request in the Action Information of an N-ACTION.

        Raises:
            TooLargeError: it names more than ``maximum`` instances.
            CommitmentError: it lacks what it needs, holds no UID where one belongs, or names an instance twice.
        """
        scanned = scan(dataset, transfer_syntax_uid, max_elements=_ELEMENTS_EACH * (maximum + 2))
        transaction_uid = _uid_of(scanned.uid(_TRANSACTION_UID), "Transaction UID")
        items = scanned.items.get(_REFERENCED, ())
        if len(items) > maximum:
            raise TooLargeError(f"more than {maximum} instances in one request")
        if not items:
            raise CommitmentError("Referenced SOP Sequence is missing or empty")
        if not scanned.complete:
            raise CommitmentError("Action Information cannot be read to its end")
        references = tuple(_references(scanned, _REFERENCED))
        if len({one.sop_instance_uid for one in references}) < len(references):
            raise CommitmentError("an instance is referenced twice")
        return cls(transaction_uid, references)

    def encoded(self, transfer_syntax_uid: str) -> bytes:
        """The Action Information."""
        return _encoded(
            {
                "00081195": {"vr": "UI", "Value": [self.transaction_uid]},
                "00081199": {"vr": "SQ", "Value": [_item(one) for one in self.references]},
            },
            transfer_syntax_uid,
        )


@dataclass(frozen=True, slots=True)
class CommitmentReport:
    """What became of a request (PS3.4 Table J.3-3).

    Attributes:
        committed: the instances that are in safe keeping.
        failed: the others, and why: a `FailureReason`, or whatever a peer says.
    """

    transaction_uid: str
    committed: tuple[Reference, ...]
    failed: Mapping[Reference, int]

    @property
    def event_type_id(self) -> int:
        """1 when all are committed, else 2."""
        return FAILURES_EXIST if self.failed else SUCCESSFUL

    @classmethod
    def read(cls, dataset: bytes, transfer_syntax_uid: str, *, maximum: int) -> CommitmentReport:
        """The report in the Event Information of an N-EVENT-REPORT.

        Raises:
            CommitmentError: it lacks what it needs, or holds no UID where one belongs.
        """
        scanned = scan(dataset, transfer_syntax_uid, max_elements=_ELEMENTS_EACH * (maximum + 2))
        if not scanned.complete:
            raise CommitmentError("Event Information cannot be read to its end")
        transaction_uid = _uid_of(scanned.uid(_TRANSACTION_UID), "Transaction UID")
        reasons = [
            scanned.integer(_REASON, item) or FailureReason.PROCESSING_FAILURE
            for item in scanned.items.get(_FAILED, ())
        ]
        failed = dict(zip(_references(scanned, _FAILED), reasons, strict=True))
        return cls(transaction_uid, tuple(_references(scanned, _REFERENCED)), failed)

    def encoded(self, transfer_syntax_uid: str, *, retrieve_ae_title: str) -> bytes:
        """The Event Information; a sequence without items is left out."""
        attributes: dict[str, Any] = {"00081195": {"vr": "UI", "Value": [self.transaction_uid]}}
        if self.committed:
            attributes["00080054"] = {"vr": "AE", "Value": [retrieve_ae_title]}
            attributes["00081199"] = {"vr": "SQ", "Value": [_item(one) for one in self.committed]}
        if self.failed:
            items = [_item(one) | {"00081197": {"vr": "US", "Value": [why]}} for one, why in self.failed.items()]
            attributes["00081198"] = {"vr": "SQ", "Value": items}
        return _encoded(attributes, transfer_syntax_uid)


def _references(scanned: ScannedDataset, sequence: int) -> Iterator[Reference]:
    for item in scanned.items.get(sequence, ()):
        sop_class_uid = _uid_of(scanned.uid(_CLASS, item), "Referenced SOP Class UID")
        yield Reference(sop_class_uid, _uid_of(scanned.uid(_INSTANCE, item), "Referenced SOP Instance UID"))


def _uid_of(text: str | None, what: str) -> str:
    if not text:
        raise CommitmentError(f"{what} is missing or empty")
    if not _UID.fullmatch(text):
        raise CommitmentError(f"{what} is no UID")
    return text


def _item(reference: Reference) -> dict[str, Any]:
    return {
        "00081150": {"vr": "UI", "Value": [reference.sop_class_uid]},
        "00081155": {"vr": "UI", "Value": [reference.sop_instance_uid]},
    }


def _encoded(attributes: Mapping[str, Any], transfer_syntax_uid: str) -> bytes:
    return Encoding.of(transfer_syntax_uid, _UIDS).json_dataset(attributes)


def pairs(references: Sequence[Reference]) -> list[list[str]]:
    """References as JSON keeps them."""
    return [[one.sop_class_uid, one.sop_instance_uid] for one in references]
