"""Taking an instance in: scan, judge, write, index, and only then answer.

The order is the promise. Nothing is answered Success before its data, its directory entry and its row are on disk; nothing
that could be kept is lost; whatever fails on the way leaves neither a row without its file nor, after the next start, a file
without its row.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, tzinfo
from enum import StrEnum

import structlog

from dicomnode.dicom.attributes import describe
from dicomnode.dicom.equivalence import same_content
from dicomnode.dicom.instance import (
    Attributes,
    DuplicatePolicy,
    Finding,
    ReceivedInstance,
    Severity,
    State,
    StoreAnswer,
    StoreRequest,
    Verdict,
)
from dicomnode.dicom.scan import ScannedDataset, scan
from dicomnode.errors import IndexUnavailableError, StorageError, UnknownInstanceError
from dicomnode.files import DIGEST_ALGORITHM, FileInPlace, Files, Kept, KeptInPlace, MemoryShare, Reception, told
from dicomnode.index import Added, Existing, Index, OnConflict, Outcome
from dicomnode.qa import Validation
from dicomnode.settings import Settings

__all__ = ["Fate", "Intake", "Reception", "ReceptionSettings", "Storage"]

log = structlog.get_logger()

Source = Reception | FileInPlace
"""Where a data set comes from: it was received, or it lies in a file that stays where it is."""
Place = Kept | KeptInPlace

SOP_CLASS_UID, SOP_INSTANCE_UID = 0x00080016, 0x00080018
STUDY_INSTANCE_UID, SERIES_INSTANCE_UID = 0x0020000D, 0x0020000E
_UID_LENGTH = 64


class ReceptionSettings(Settings):
    """How instances are taken in."""

    duplicates: DuplicatePolicy = DuplicatePolicy.KEEP_FIRST
    """What to do when a SOP Instance UID that is here already comes with other content: keep-first (the newcomer goes to
    quarantine), replace (the old one goes to quarantine) or reject (the newcomer is refused)."""


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


@dataclass(frozen=True, slots=True)
class Intake:
    """What became of an instance that came, and what its sender is told.

    Attributes:
        findings: all that was found of it; of one that was here already, what was found the first time.
        location: of the file that holds its content; empty when none does.
    """

    fate: Fate
    answer: StoreAnswer
    findings: tuple[Finding, ...]
    location: str


class Storage:
    """The order of things from a received data set to its answer; one for all associations of a process."""

    def __init__(
        self,
        *,
        files: Files,
        index: Index,
        validation: Validation,
        settings: ReceptionSettings,
        time_zone: tzinfo,
        memory: MemoryShare | None = None,
    ) -> None:
        self._files = files
        self._index = index
        self._validation = validation
        self._settings = settings
        self._time_zone = time_zone
        self._memory = memory
        self._look_first = False
        """The last instance was here already, so the next one may be too: a study that is sent again."""

    def receive(self, request: StoreRequest) -> Reception:
        """Where the bytes of the data set of ``request`` go as they come."""
        return self._files.receive(request, self._memory)

    def accept(self, request: StoreRequest, reception: Reception) -> StoreAnswer:
        """Judge what came, keep it as the verdict says, and say what the sender is told.

        Raises:
            StorageError: it could not be made durable now; nothing of it is kept, and the sender may try again.
        """
        started = time.monotonic()
        dataset, intake = self._take_in(request, reception)
        duration_s = time.monotonic() - started
        reception.afterwards(lambda: _log(intake, request, dataset, reception, duration_s))
        return intake.answer

    def take_in(self, request: StoreRequest, source: Source) -> Intake:
        """The same for what comes some other way than by a C-STORE: all that is known of it, and no line in the log.

        Raises:
            StorageError: it could not be made durable now; nothing of it is kept.
        """
        return self._take_in(request, source)[1]

    def _take_in(self, request: StoreRequest, source: Source) -> tuple[ScannedDataset, Intake]:
        dataset = scan(source.dataset, request.transfer_syntax_uid)
        verdict = self._validation.judge(dataset, request, datetime.now(self._time_zone).date())
        if verdict.severity is Severity.REJECT:
            fate, findings, location = self._refuse(request, dataset, verdict)
        else:
            fate, findings, location = self._keep(request, dataset, source, verdict)
        return dataset, Intake(fate, self._validation.answer(findings, request.sender), findings, location)

    def _refuse(self, request: StoreRequest, dataset: ScannedDataset, verdict: Verdict) -> _Taken:
        """Record what was not kept. The record is no promise to the sender, so its failure is only logged."""
        uids = _uid(dataset, STUDY_INSTANCE_UID), _uid(dataset, SERIES_INSTANCE_UID), _uid(dataset, SOP_INSTANCE_UID)
        try:
            self._index.refusals.record(request, uids, verdict, datetime.now(UTC))
        except IndexUnavailableError as error:
            log.error("refusal.not_recorded", sop_instance_uid=uids[2], reason=str(error))
        return Fate.REFUSED, verdict.findings, ""

    def _keep(self, request: StoreRequest, dataset: ScannedDataset, source: Source, verdict: Verdict) -> _Taken:
        """Write and index the instance, accepted or in quarantine; what became of it, all findings, and where it is."""
        sop_instance_uid = _uid(dataset, SOP_INSTANCE_UID)
        if self._look_first and (taken := self._taken_before(sop_instance_uid, request, source, verdict)):
            return taken
        attributes = describe(dataset, self._index.kept)  # before the disk is waited for: it is at work already
        kept = source.keep(_uid(dataset, STUDY_INSTANCE_UID), sop_instance_uid, _uid(dataset, SOP_CLASS_UID))
        received = instance_received(request, dataset, attributes, source, verdict, kept)
        added = self._add(request, received, source, kept)
        fate, location = _FATES[added.outcome], kept.location
        if added.outcome is Outcome.SAME_CONTENT and added.existing is not None:
            if self._restored(added.existing, received, kept):
                fate = Fate.RESTORED
            else:
                fate = Fate.KNOWN if added.existing.state is State.ACCEPTED else Fate.HELD
                location = added.existing.location
        self._look_first = fate in (Fate.KNOWN, Fate.HELD)
        if fate in (Fate.KNOWN, Fate.HELD, Fate.REFUSED):
            kept.withdraw()
        else:
            source.afterwards(kept.settle)
        return fate, added.findings, location

    def _taken_before(
        self, sop_instance_uid: str, request: StoreRequest, source: Source, verdict: Verdict
    ) -> _Taken | None:
        """What became of the same content before, if it is here."""
        known = self._index.instances.known(sop_instance_uid)
        if known is not None and self._holds(known, request, source):
            self._index.sync()  # the row that this Success rests on may be younger than the last sync
            return Fate.KNOWN, verdict.findings, known.location
        held = self._index.instances.held(sop_instance_uid, source.digest)
        if held is not None and self._is_whole(held):
            self._index.sync()
            return Fate.HELD, held.findings, held.location
        return None

    def _restored(self, existing: Existing, received: ReceivedInstance, kept: Place) -> bool:
        """Whether what came takes the place of a file that is gone or cut off: a Success must not rest on a row alone."""
        if not existing.came_as(received.digest) or self._is_whole(existing):
            return False
        log.error("file.missing", location=told(existing.location))
        if existing.digest != received.digest:
            kept.withdraw()
            raise StorageError(
                "the file of this instance is missing: it was amended here, and what came is not what it was"
            )
        try:
            with self._files.removing(existing.location):
                return self._index.instances.relocate(existing, received)
        except IndexUnavailableError as error:
            if error.rolled_back:
                kept.withdraw()
            raise

    def _is_whole(self, existing: Existing) -> bool:
        return self._files.has(existing.location, existing.dataset_offset + existing.dataset_size_bytes)

    def _add(self, request: StoreRequest, received: ReceivedInstance, source: Source, kept: Place) -> Added:
        """Index the instance; what it meets there is decided here, and the index makes sure that it is still so."""
        on_conflict = OnConflict(other_patient=self._validation.other_patient())
        while True:
            try:
                added = self._index.instances.add(received, on_conflict)
            except IndexUnavailableError as error:
                if error.rolled_back:
                    kept.withdraw()
                raise
            if added.outcome is not Outcome.OTHER_CONTENT or added.existing is None:
                return added
            if self._holds(added.existing, request, source):
                self._index.sync()
                return replace(added, outcome=Outcome.SAME_CONTENT, findings=received.verdict.findings)
            if self._settings.duplicates is DuplicatePolicy.REJECT:
                return replace(added, findings=(*received.verdict.findings, self._validation.refused_duplicate()))
            here = added.existing.digest
            on_conflict = replace(
                on_conflict,
                other_content=self._validation.other_content(),
                replaces=here if self._settings.duplicates is DuplicatePolicy.REPLACE else None,
                compared_with=here,
            )

    def _holds(self, existing: Existing, request: StoreRequest, source: Source) -> bool:
        """Whether what is here has the content of what came, maybe in another encoding; and whether it really is here."""
        if not self._is_whole(existing):
            return False
        if existing.came_as(source.digest):
            return True
        try:
            stored = self._files.read(existing.location)
        except UnknownInstanceError:  # removed since
            return False
        return same_content(stored.dataset, existing.transfer_syntax_uid, source.dataset, request.transfer_syntax_uid)


_Taken = tuple[Fate, tuple[Finding, ...], str]
_FATES = {
    Outcome.STORED: Fate.STORED,
    Outcome.QUARANTINED: Fate.QUARANTINED,
    Outcome.SAME_CONTENT: Fate.KNOWN,
    Outcome.OTHER_CONTENT: Fate.REFUSED,
}
_EVENTS = {Fate.HELD: "instance.known"} | {fate: f"instance.{fate}" for fate in Fate if fate is not Fate.HELD}


def instance_received(
    request: StoreRequest,
    dataset: ScannedDataset,
    attributes: Attributes,
    source: Source,
    verdict: Verdict,
    kept: Place,
) -> ReceivedInstance:
    """What the index takes in of an instance that was kept."""
    return ReceivedInstance(
        sop_class_uid=_uid(dataset, SOP_CLASS_UID),
        sop_instance_uid=_uid(dataset, SOP_INSTANCE_UID),
        study_instance_uid=_uid(dataset, STUDY_INSTANCE_UID),
        series_instance_uid=_uid(dataset, SERIES_INSTANCE_UID),
        transfer_syntax_uid=request.transfer_syntax_uid,
        attributes=attributes,
        location=kept.location,
        dataset_offset=kept.dataset_offset,
        dataset_size_bytes=kept.dataset_size_bytes,
        digest=source.digest,
        digest_algorithm=DIGEST_ALGORITHM,
        received_at=datetime.now(UTC),
        sender=request.sender,
        verdict=verdict,
    )


def _uid(dataset: ScannedDataset, tag: int) -> str:
    return dataset.uid(tag) or ""


def _log(
    intake: Intake, request: StoreRequest, dataset: ScannedDataset, reception: Reception, duration_s: float
) -> None:
    """One line an instance, at its end (PS3.15 wants UIDs in audit trails; nothing here tells of a patient)."""
    answer = intake.answer
    refused_or_held = intake.fate in (Fate.REFUSED, Fate.QUARANTINED)
    write = log.warning if refused_or_held else log.info
    fields: dict[str, object] = {
        "sop_instance_uid": (_uid(dataset, SOP_INSTANCE_UID) or request.sop_instance_uid)[:_UID_LENGTH],
        "sop_class_uid": request.sop_class_uid[:_UID_LENGTH],
        "calling_ae_title": request.sender.calling_ae_title,
        "peer": request.sender.peer,
        "size_bytes": reception.size_bytes,
        "status": f"{answer.status:04X}",
        "duration_ms": round(duration_s * 1000, 2),
    }
    remarks = [finding.rule for finding in intake.findings if finding.severity >= Severity.WARN]
    if remarks:
        fields["rules"] = remarks
    if refused_or_held:
        fields["offending_elements"] = [f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in answer.offending_elements]
        fields["reason"] = answer.comment
    write(_EVENTS[intake.fate], **fields)
