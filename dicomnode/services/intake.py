"""An instance on its way in: as it is to be kept, as the index takes it in, what became of it, and its line in the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, NamedTuple

import structlog

from dicomnode.dicom import status
from dicomnode.dicom.attributes import describe
from dicomnode.dicom.instance import Finding, ReceivedInstance, Severity, StoreAnswer, StoreRequest, Verdict
from dicomnode.dicom.knowledge import Knowledge
from dicomnode.dicom.layout import Layout, cutter
from dicomnode.dicom.peer import Sender
from dicomnode.dicom.scan import UNDEFINED, ScannedDataset
from dicomnode.dicom.tags import SERIES_INSTANCE_UID, SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID
from dicomnode.errors import IndexUnavailableError
from dicomnode.files import DIGEST_ALGORITHM, FileInPlace, Kept, KeptInPlace, Reception
from dicomnode.index import Asked, Index

log = structlog.get_logger()

Source = Reception | FileInPlace
"""Where a data set comes from: it was received, or it lies in a file that stays where it is."""
Place = Kept | KeptInPlace

_UID_LENGTH = 64


class Fate(StrEnum):
    """What became of an instance that came."""

    STORED = "stored"
    RESTORED = "restored"
    """It is here, and was, but its file was gone."""
    KNOWN = "known"
    """The same content was here already: nothing was written."""
    HELD = "held"
    """The same content was in quarantine already: nothing was written."""
    QUARANTINED = "quarantined"
    REFUSED = "refused"


class Intake(NamedTuple):
    """What became of an instance that came, and what its sender is told.

    Attributes:
        findings: all that was found of it; of one that was here already, what was found the first time.
        location: of the file that holds its content; empty when none does.
    """

    fate: Fate
    answer: StoreAnswer
    findings: tuple[Finding, ...]
    location: str


class Uids(NamedTuple):
    """What a data set says that it is; empty where it does not."""

    sop_class: str
    sop_instance: str
    study: str
    series: str


class Incoming(NamedTuple):
    """An instance on its way in, as it is to be kept.

    Attributes:
        known: what it says of itself, and what the node had of its patient, study and series.
        came_as: the digest of what came, where rules have changed it since.
    """

    request: StoreRequest
    uids: Uids
    source: Source
    verdict: Verdict
    known: Knowledge
    came_as: bytes | None = None

    @property
    def digest(self) -> bytes:
        """Of what came."""
        return self.came_as or self.source.digest


_UID_TAGS: Final = (SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID)


def uids_of(dataset: ScannedDataset) -> Uids:
    """The UIDs of the top level."""
    if dataset.layout is None:
        return Uids(*[dataset.uid(tag) or "" for tag in _UID_TAGS])
    pieces = dataset.layout.derived(Uids, _uid_cutter)(dataset.head)
    return Uids(*[piece.strip(b" \0").decode("latin_1") for piece in pieces])


def _uid_cutter(layout: Layout) -> Callable[[bytes], tuple[bytes, ...]]:
    ranges, end = [], 0
    for tag in _UID_TAGS:
        _, start, length = layout.elements.get(tag, (b"", end, 0))
        end = start + (length if length != UNDEFINED else 0)
        ranges.append((start, end))
    return cutter(ranges)


def known_of(index: Index, sender: Sender, dataset: ScannedDataset, uids: Uids) -> Knowledge:
    """What an instance says of itself, and what is known of its patient, study and series.

    Nothing is known when the index cannot be read: whoever then writes to it tells that.
    """
    said = describe(dataset, index.kept)
    try:
        return index.knowing.of(
            Asked(
                said,
                study_instance_uid=uids.study,
                series_instance_uid=uids.series,
                sop_instance_uid=uids.sop_instance,
                calling_ae_title=sender.calling_ae_title,
            )
        )
    except IndexUnavailableError:
        return Knowledge(said)


def instance_received(incoming: Incoming, kept: Place) -> ReceivedInstance:
    """What the index takes in of an instance that was kept."""
    request, uids, source, verdict, known, came_as = incoming
    return ReceivedInstance(
        sop_class_uid=uids.sop_class,
        sop_instance_uid=uids.sop_instance,
        study_instance_uid=uids.study,
        series_instance_uid=uids.series,
        transfer_syntax_uid=request.transfer_syntax_uid,
        attributes=known.said,
        location=kept.location,
        dataset_offset=kept.dataset_offset,
        dataset_size_bytes=kept.dataset_size_bytes,
        digest=source.digest,
        digest_algorithm=DIGEST_ALGORITHM,
        received_at=datetime.now(UTC),
        sender=request.sender,
        verdict=verdict,
        received_digest=came_as,
    )


_EVENTS = {Fate.HELD: "instance.known"} | {fate: f"instance.{fate}" for fate in Fate if fate is not Fate.HELD}


def log_intake(
    intake: Intake, request: StoreRequest, sop_instance_uid: str, reception: Reception, duration_s: float
) -> None:
    """One line an instance, at its end (PS3.15 wants UIDs in audit trails; nothing here tells of a patient)."""
    answer = intake.answer
    refused_or_held = intake.fate in (Fate.REFUSED, Fate.QUARANTINED)
    write = log.warning if refused_or_held else log.info
    fields: dict[str, object] = {
        "sop_instance_uid": (sop_instance_uid or request.sop_instance_uid)[:_UID_LENGTH],
        "sop_class_uid": request.sop_class_uid[:_UID_LENGTH],
        "calling_ae_title": request.sender.calling_ae_title,
        "peer": request.sender.peer,
        "size_bytes": reception.size_bytes,
        "status": f"{answer.status:04X}",
        "duration_ms": round(duration_s * 1000, 2),
    }
    if answer.status == status.COERCED or refused_or_held:
        fields["offending_elements"] = [f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in answer.offending_elements]
    if intake.findings:
        fields.update(_found(intake.findings))
    if refused_or_held:
        fields["reason"] = answer.comment
    write(_EVENTS[intake.fate], **fields)


def _found(findings: tuple[Finding, ...]) -> Iterator[tuple[str, list[str]]]:
    """The rules that found something, and what others would have done."""
    if remarks := list(dict.fromkeys(one.rule for one in findings if one.severity >= Severity.WARN)):
        yield "rules", remarks
    if observed := list(dict.fromkeys(_would(one, one.would) for one in findings if one.would is not None)):
        yield "observed", observed


def _would(finding: Finding, severity: Severity) -> str:
    """What a rule would have done, and what the sender would have heard where that is not Success."""
    words = f"{finding.rule} would {severity.name.lower()}"
    return f"{words} {finding.status:04X}" if severity > Severity.WARN else words
