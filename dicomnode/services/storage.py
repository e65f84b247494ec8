"""Taking an instance in: scan, judge, write, index, and only then answer.

The order is the promise. Nothing is answered Success before its data, its directory entry and its row are on disk; nothing
that could be kept is lost; whatever fails on the way leaves neither a row without its file nor, after the next start, a file
without its row.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from functools import partial

import structlog

from dicomnode.dicom.amend import ORIGINAL_ATTRIBUTES_SEQUENCE, Piece
from dicomnode.dicom.equivalence import same_content
from dicomnode.dicom.instance import (
    DuplicatePolicy,
    Finding,
    ReceivedInstance,
    Severity,
    State,
    StoreAnswer,
    StoreRequest,
    Verdict,
)
from dicomnode.dicom.knowledge import Knowledge
from dicomnode.dicom.layout import Layouts
from dicomnode.dicom.scan import ScannedDataset, scan
from dicomnode.errors import IndexUnavailableError, StorageError, UnknownInstanceError
from dicomnode.files import Files, MemoryShare, Reception, told
from dicomnode.index import Added, Existing, Index, OnConflict, Outcome
from dicomnode.qa import Validation
from dicomnode.qa.breaker import Breaker
from dicomnode.qa.fixing import fixed
from dicomnode.services.amending import write_pieces
from dicomnode.services.intake import (
    Fate,
    Incoming,
    Intake,
    Place,
    Source,
    Uids,
    instance_received,
    known_of,
    log_intake,
    uids_of,
)
from dicomnode.settings import Settings

__all__ = ["Fate", "Intake", "Reception", "ReceptionSettings", "Storage"]

log = structlog.get_logger()


class ReceptionSettings(Settings):
    """How instances are taken in."""

    duplicates: DuplicatePolicy = DuplicatePolicy.KEEP_FIRST
    """What to do when a SOP Instance UID that is here already comes with other content: keep-first (the newcomer goes to
    quarantine), replace (the old one goes to quarantine) or reject (the newcomer is refused)."""


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
        breaker: Breaker | None = None,
    ) -> None:
        self._files = files
        self._index = index
        self._validation = validation
        self._settings = settings
        self._time_zone = time_zone
        self._memory = memory
        self._breaker = breaker
        self._on_conflict = OnConflict(other_patient=validation.other_patient())
        self._layouts = Layouts()
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
        uids, intake = self._take_in(request, reception)
        duration_s = time.monotonic() - started
        reception.afterwards(lambda: log_intake(intake, request, uids.sop_instance, reception, duration_s))
        return intake.answer

    def take_in(self, request: StoreRequest, source: Source) -> Intake:
        """The same for what comes some other way than by a C-STORE: all that is known of it, and no line in the log.

        Raises:
            StorageError: it could not be made durable now; nothing of it is kept.
        """
        return self._take_in(request, source)[1]

    def _take_in(self, request: StoreRequest, source: Source) -> tuple[Uids, Intake]:
        dataset = scan(source.dataset, request.transfer_syntax_uid, layouts=self._layouts)
        now = datetime.now(self._time_zone)
        uids = uids_of(dataset)
        # before the disk is waited for: it is at work already
        known = known_of(self._index, request.sender, dataset, uids)
        verdict = self._validation.judge(dataset, request, now.date(), known)
        incoming = Incoming(request, uids, source, verdict, known)
        fate, findings, location = (
            self._fix(incoming, dataset, now) if verdict.changes else self._refuse_or_keep(incoming)
        )
        return uids, Intake(fate, self._validation.answer(findings, request.sender), findings, location)

    def _fix(self, incoming: Incoming, dataset: ScannedDataset, now: datetime) -> _Taken:
        """Take in what rules would change, changed; what came so before is known by its digest, and not changed anew."""
        request, source, verdict = incoming.request, incoming.source, incoming.verdict
        if taken := self._fixed_before(incoming.uids.sop_instance, source.digest):
            return taken
        made, changed = None, None
        if isinstance(source, Reception):  # a file that stays where it is stays as it is
            changed = self._files.receive(request, self._memory)
            source.afterwards(changed.discard)
            write, look = partial(_written, changed), partial(self._known, request)
            made = fixed(self._validation, verdict, source.dataset, request, now, write, look)
        if made is None or changed is None:
            verdict = self._validation.judge(dataset, request, now.date(), incoming.known, can_be_fixed=False)
            return self._refuse_or_keep(incoming._replace(verdict=verdict))
        uids, known = uids_of(made.dataset), self._known(request, made.dataset)
        return self._refuse_or_keep(Incoming(request, uids, changed, made.verdict, known, source.digest))

    def _known(self, request: StoreRequest, dataset: ScannedDataset) -> Knowledge:
        return known_of(self._index, request.sender, dataset, uids_of(dataset))

    def _fixed_before(self, sop_instance_uid: str, digest: bytes) -> _Taken | None:
        """What became of the same content before, if it is here: fixed then, or as it came."""
        known = self._index.instances.known(sop_instance_uid)
        if known is not None and known.came_as(digest) and self._is_whole(known):
            self._index.sync()
            return Fate.KNOWN, known.findings, known.location
        return self._held_before(sop_instance_uid, digest)

    def _refuse_or_keep(self, incoming: Incoming) -> _Taken:
        if self._breaker is not None:
            verdict = self._breaker.judged(incoming.verdict, incoming.request.sender)
            incoming = incoming if verdict is incoming.verdict else incoming._replace(verdict=verdict)
        if incoming.verdict.severity is Severity.REJECT:
            return self._refuse(incoming.request, incoming.uids, incoming.verdict)
        return self._keep(incoming)

    def _refuse(self, request: StoreRequest, uids: Uids, verdict: Verdict) -> _Taken:
        """Record what was not kept. The record is no promise to the sender, so its failure is only logged."""
        try:
            self._index.refusals.record(
                request, (uids.study, uids.series, uids.sop_instance), verdict, datetime.now(UTC)
            )
        except IndexUnavailableError as error:
            log.error("refusal.not_recorded", sop_instance_uid=uids.sop_instance, reason=str(error))
        return Fate.REFUSED, verdict.findings, ""

    def _keep(self, incoming: Incoming) -> _Taken:
        """Write and index the instance, accepted or in quarantine; what became of it, all findings, and where it is."""
        uids, source = incoming.uids, incoming.source
        if self._look_first and (taken := self._taken_before(uids.sop_instance, incoming)):
            return taken
        kept = source.keep(uids.study, uids.sop_instance, uids.sop_class)
        received = instance_received(incoming, kept)
        added = self._add(received, incoming, kept)
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
        # what was refused is nowhere here: who moves files in removes those that are
        return fate, added.findings, "" if fate is Fate.REFUSED else location

    def _taken_before(self, sop_instance_uid: str, incoming: Incoming) -> _Taken | None:
        """What became of the same content before, if it is here."""
        known = self._index.instances.known(sop_instance_uid)
        if known is not None and self._holds(known, incoming):
            self._index.sync()  # the row that this Success rests on may be younger than the last sync
            came = known.received_digest or known.digest  # its findings are of that
            findings = known.findings if came == incoming.digest else incoming.verdict.findings
            return Fate.KNOWN, findings, known.location
        return self._held_before(sop_instance_uid, incoming.digest)

    def _held_before(self, sop_instance_uid: str, digest: bytes) -> _Taken | None:
        held = self._index.instances.held(sop_instance_uid, digest)
        if held is not None and self._is_whole(held):
            self._index.sync()
            return Fate.HELD, held.findings, held.location
        return None

    def _restored(self, existing: Existing, received: ReceivedInstance, kept: Place) -> bool:
        """Whether what came takes the place of a file that is gone or cut off: a Success must not rest on a row alone."""
        if not existing.came_as(received.received_digest or received.digest) or self._is_whole(existing):
            return False
        log.error("file.missing", location=told(existing.location))
        if existing.digest != received.digest and not _is_fixed_alike(existing, received):
            kept.withdraw()
            raise StorageError(
                "the file of this instance is missing: it was amended here, and what came is not what it was"
            )
        try:
            with self._files.removing(existing.location):
                is_restored = self._index.instances.relocate(existing, received)
        except IndexUnavailableError as error:
            if error.rolled_back:
                kept.withdraw()
            raise
        if not is_restored:  # deleted since, or restored by another association
            kept.withdraw()
            raise StorageError("what is here of this instance was changed just now: send it again")
        return True

    def _is_whole(self, existing: Existing) -> bool:
        return self._files.has(existing.location, existing.dataset_offset + existing.dataset_size_bytes)

    def _add(self, received: ReceivedInstance, incoming: Incoming, kept: Place) -> Added:
        """Index the instance; what it meets there is decided here, and the index makes sure that it is still so."""
        on_conflict = self._on_conflict
        while True:
            try:
                added = self._index.instances.add(received, on_conflict)
            except IndexUnavailableError as error:
                if error.rolled_back:
                    kept.withdraw()
                raise
            if added.outcome is not Outcome.OTHER_CONTENT or added.existing is None:
                return added
            if self._holds(added.existing, incoming):
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

    def _holds(self, existing: Existing, incoming: Incoming) -> bool:
        """Whether what is here has the content of what came, maybe in another encoding; and whether it really is here."""
        if not self._is_whole(existing):
            return False
        if existing.came_as(incoming.digest):
            return True
        try:
            stored = self._files.read(existing.location)
        except UnknownInstanceError:  # removed since
            return False
        return same_content(
            stored.dataset,
            existing.transfer_syntax_uid,
            incoming.source.dataset,
            incoming.request.transfer_syntax_uid,
            apart_from=_OF_FIXES if incoming.came_as else frozenset(),
        )


_OF_FIXES = frozenset({ORIGINAL_ATTRIBUTES_SEQUENCE})
"""What two that were fixed alike differ in: it tells when."""
_Taken = tuple[Fate, tuple[Finding, ...], str]
_FATES = {
    Outcome.STORED: Fate.STORED,
    Outcome.QUARANTINED: Fate.QUARANTINED,
    Outcome.SAME_CONTENT: Fate.KNOWN,
    Outcome.OTHER_CONTENT: Fate.REFUSED,
}


def _is_fixed_alike(existing: Existing, received: ReceivedInstance) -> bool:
    """Whether what is gone is what came, changed by rules alone, as has been done to it again: only the time in it is another."""
    return (
        existing.received_digest is not None
        and existing.received_digest == received.received_digest
        and existing.dataset_size_bytes == received.dataset_size_bytes
        and any(finding.severity is Severity.FIX for finding in existing.findings)
    )


def _written(reception: Reception, pieces: Iterator[Piece]) -> memoryview:
    write_pieces(reception, pieces)
    return reception.dataset
