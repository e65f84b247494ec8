"""An instance on its way in: what the request said, what its data set says, and how it was judged.

What is made for every instance is a NamedTuple: a frozen dataclass takes three times as long to make.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import NamedTuple

from dicomnode.dicom.amend import Change
from dicomnode.dicom.peer import Sender


class Severity(IntEnum):
    """How much a finding matters, in rising order; the verdict on an instance is its worst finding's."""

    INFO = 0
    WARN = 1
    FIX = 2
    QUARANTINE = 3
    REJECT = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault that one rule found in one instance.

    Attributes:
        rule: the rule's id, e.g. ``core.uids``.
        severity: how the rule judges it.
        status: the DIMSE status that this finding asks for.
        tags: the offending elements, e.g. ``(0x00100020,)``.
        comment: what is wrong, for a person; no values that tell of a patient.
        path: the sequence items that lead to the element, e.g. ``"(0040,0275)[0]"``; empty at the top level.
        reference: where the standard says so, e.g. ``PS3.3 C.7.1.1``.
        would: how the rule would judge it, were it not for its mode or the circuit breaker (docs/rules.md); None where it does.
    """

    rule: str
    severity: Severity
    status: int
    tags: tuple[int, ...]
    comment: str
    path: str = ""
    reference: str = ""
    would: Severity | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement on one instance: all findings, and the hash of the rules that made them.

    Attributes:
        changes: what rules would have its data set say instead; of findings of severity FIX.
    """

    findings: tuple[Finding, ...]
    rule_set: str
    changes: tuple[Change, ...] = ()

    @property
    def severity(self) -> Severity:
        """The worst finding's severity; INFO when there is none."""
        if not self.findings:  # as of most instances, and it is asked several times of each
            return Severity.INFO
        return max(finding.severity for finding in self.findings)

    @property
    def worst(self) -> Finding | None:
        """The finding that decides the answer: the first of the worst severity; None when nothing was found."""
        return max(self.findings, key=lambda finding: finding.severity, default=None)


class StoreRequest(NamedTuple):
    """A C-STORE request without its data set (PS3.7 Section 9.3.1.1).

    Attributes:
        sop_class_uid: Affected SOP Class UID (0000,0002).
        sop_instance_uid: Affected SOP Instance UID (0000,1000), as it came: unchecked, maybe longer than 64 characters.
        transfer_syntax_uid: of the presentation context that carries it.
        sender: who sent it.
        message_id: Message ID (0000,0110).
        move_originator_ae_title: (0000,1030), empty unless a C-MOVE caused it.
        move_originator_message_id: (0000,1031).
    """

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    sender: Sender
    message_id: int = 0
    move_originator_ae_title: str = ""
    move_originator_message_id: int | None = None


class StoreAnswer(NamedTuple):
    """The C-STORE response (PS3.7 Section 9.3.1.2): Status, Offending Element (0000,0901), Error Comment (0000,0902)."""

    status: int
    offending_elements: tuple[int, ...] = ()
    comment: str = ""


class Attributes(NamedTuple):
    """What the index keeps of an instance: for each level {tag: value}.

    A value is Unicode text as in the data set, several values joined by backslashes, without outer padding; an element that is
    present but empty is ``""``; an absent one is missing. Sequences are DICOM JSON (PS3.18 Annex F) as text.
    """

    patient: Mapping[int, str]
    study: Mapping[int, str]
    series: Mapping[int, str]
    instance: Mapping[int, str]


class DuplicatePolicy(StrEnum):
    """What to do with a SOP Instance UID that is here already with other content."""

    KEEP_FIRST = "keep-first"
    """The newcomer goes to quarantine."""
    REPLACE = "replace"
    """The newcomer takes the place; the old one goes to quarantine."""
    REJECT = "reject"
    """The newcomer is refused."""


class State(StrEnum):
    """Where an instance that the node holds stands."""

    ACCEPTED = "accepted"
    """Found by queries, sent, committed to."""
    QUARANTINED = "quarantined"
    """Kept, byte for byte, but neither found nor sent until a person releases it."""
    DISCARDED = "discarded"
    """A person decided against it; the row stays as a record, the file is gone."""
    DELETED = "deleted"
    """A person took it out of the archive; the row stays as a record that tells nothing of the patient, the file is gone."""
    REFUSED = "refused"
    """Never kept: the sender was told so; the row is the record of it."""


class ReceivedInstance(NamedTuple):
    """An instance whose file is durable, as the index takes it in.

    Attributes:
        sop_instance_uid: from the data set (or the request, where the data set has none).
        attributes: what queries may ask back.
        location: its file, relative to the folder of files; unique.
        dataset_offset: bytes before the data set in that file (preamble and file meta information).
        dataset_size_bytes: the data set's length.
        digest: of the data set's bytes.
        digest_algorithm: ``blake3``.
        received_at: UTC.
        received_digest: of the data set as it came, when it was changed before it was kept.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    attributes: Attributes
    location: str
    dataset_offset: int
    dataset_size_bytes: int
    digest: bytes
    digest_algorithm: str
    received_at: datetime
    sender: Sender
    verdict: Verdict
    received_digest: bytes | None = None
