"""What becomes of the instances that were held back: a person looks, corrects, lets them in, or decides against them.

Each step is recorded in its transaction: who, when, why, and the digest of the data set before and after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Final

import structlog

from dicomnode.dicom.amend import Change, OriginalAttributes, Reason, amended, vr_of
from dicomnode.dicom.equivalence import differing, readable
from dicomnode.dicom.instance import Severity, StoreRequest, Verdict
from dicomnode.dicom.knowledge import Knowledge
from dicomnode.dicom.listing import value_text
from dicomnode.dicom.peer import Sender
from dicomnode.dicom.scan import ScannedDataset, scan
from dicomnode.errors import AmendError, IndexUnavailableError, UnknownInstanceError
from dicomnode.files import Files, Reception
from dicomnode.index import Index, OnConflict, QuarantineEntry
from dicomnode.qa import Validation
from dicomnode.services.amending import write_pieces
from dicomnode.services.intake import Incoming, instance_received, known_of, uids_of

log = structlog.get_logger()

AFFECTED_INSTANCE: Final = "core.affected-instance"
"""The rule that compares the data set with the request that brought it; what that said is not kept."""


@dataclass(frozen=True, slots=True)
class Difference:
    """An element that an entry has otherwise than what it is compared with; None where it is absent."""

    path: str
    tag: int
    held: str | None
    accepted: str | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """An entry beside what is accepted.

    Attributes:
        against: ``instance`` for the accepted one of the same UID, ``study`` for what patient and study are known by.
    """

    against: str
    differences: tuple[Difference, ...]


class Quarantine:
    """The decisions on held back instances."""

    def __init__(self, index: Index, files: Files, validation: Validation, *, ae_title: str, time_zone: tzinfo) -> None:
        """Decide on what ``index`` and ``files`` hold; both should be durable, since files are removed for good.

        Args:
            ae_title: our own, as Modifying System (0400,0563).
            time_zone: the node's.
        """
        self._index = index
        self._files = files
        self._validation = validation
        self._ae_title = ae_title
        self._time_zone = time_zone

    def list(self) -> Iterator[QuarantineEntry]:
        """What waits for a decision, the oldest first."""
        return self._index.quarantine.list()

    def get(self, entry: int) -> QuarantineEntry:
        """One of them.

        Raises:
            UnknownInstanceError: there is no such entry.
        """
        return self._index.quarantine.get(entry)

    def path(self, entry: QuarantineEntry) -> Path:
        """The file of an entry."""
        return self._files.path(entry.location)

    @contextmanager
    def dataset(self, entry: QuarantineEntry) -> Iterator[ScannedDataset]:
        """The data set of an entry, scanned up to its end.

        Raises:
            UnknownInstanceError: its file is gone.
            StorageError: it cannot be read.
        """
        stored = self._files.dataset(entry.location, entry.dataset_offset, entry.dataset_size_bytes)
        with readable(stored, entry.transfer_syntax_uid) as scanned:
            yield scanned

    def compare(self, entry: QuarantineEntry) -> Comparison:
        """How an entry differs from the accepted instance of its UID, else from what is known of its study and patient.

        Raises:
            UnknownInstanceError: there is neither, or a file is gone.
            StorageError: a file cannot be read.
        """
        known = self._index.instances.known(entry.sop_instance_uid)
        if known is None:
            return Comparison("study", tuple(self._differing_levels(entry)))
        accepted = self._files.dataset(known.location, known.dataset_offset, known.dataset_size_bytes)
        with self.dataset(entry) as held, readable(accepted, known.transfer_syntax_uid) as other:
            return Comparison("instance", tuple(_differences(held, other)))

    def edit(self, entry: int, values: Mapping[int, str | None], *, reason: str, by: str) -> QuarantineEntry:
        """Change elements of an instance, judge it anew, and keep it so in quarantine; the old values are kept in it.

        First the new file is durable, then the row says so, then the old file goes: killed at any moment, one of them is there.

        Args:
            values: by tag: values joined by backslashes; None takes the element away.

        Returns:
            The entry as it is now, with what is found of it now.

        Raises:
            UnknownInstanceError: there is no such entry, or somebody changed it meanwhile.
            AmendError: it cannot be changed so, nothing changes, or it would then be refused.
            IndexUnavailableError: the index cannot be written now.
            StorageError: the new version cannot be written, or the old file not be removed (the next start does it).
        """
        was = self._index.quarantine.get(entry)
        reception = self._amended(was, values)
        try:
            now = self._keep(was, reception, reason=reason, by=by)
        finally:
            reception.discard()
        log.info(
            "instance.amended",
            sop_instance_uid=now.sop_instance_uid,
            entry=entry,
            elements=[f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in values],
            rules=list(dict.fromkeys(finding.rule for finding in now.findings)),
            reason=reason,
            by=by,
        )
        return now

    def release(self, entry: int, *, reason: str, by: str, under_study_patient: bool = False) -> QuarantineEntry:
        """Let an instance in, whatever was found of it: queries find it from now on.

        Args:
            under_study_patient: also when its study is another patient's: it is found as his. A site that lets such instances in
                anyway (``index.study-patient``) need not say so.

        Raises:
            UnknownInstanceError: there is no such entry, or another instance with its UID was accepted.
            NotReleasableError: its study is another patient's.
            IndexUnavailableError: the index cannot be written now.
        """
        is_let_in = under_study_patient or self._validation.other_patient() is None
        released = self._index.quarantine.release(entry, reason=reason, by=by, under_study_patient=is_let_in)
        log.info("instance.released", sop_instance_uid=released.sop_instance_uid, entry=entry, reason=reason, by=by)
        return released

    def discard(self, entry: int, *, reason: str, by: str) -> QuarantineEntry:
        """Decide against an instance: its file goes, its row stays as the record.

        The row changes first: never a row without its file.

        Raises:
            UnknownInstanceError: there is no such entry, or it was edited just now, or its file put back.
            IndexUnavailableError: the index cannot be written now.
            StorageError: its file cannot be removed; the next start does it if the instance is discarded.
        """
        was = self._index.quarantine.get(entry)
        with self._files.removing(was.location):
            discarded = self._index.quarantine.discard(was, reason=reason, by=by)
        log.info("instance.discarded", sop_instance_uid=discarded.sop_instance_uid, entry=entry, reason=reason, by=by)
        return discarded

    # -- editing ------------------------------------------------------------------------------------------------------

    def _amended(self, was: QuarantineEntry, values: Mapping[int, str | None]) -> Reception:
        """What ``was`` becomes, written like a data set that comes."""
        stored = self._files.dataset(was.location, was.dataset_offset, was.dataset_size_bytes)
        scanned = scan(stored, was.transfer_syntax_uid)
        changes = [Change(tag, vr_of(scanned, tag), value) for tag, value in values.items()]
        original = OriginalAttributes(
            datetime.now(self._time_zone), self._ae_title, was.calling_ae_title, Reason.CORRECT
        )
        pieces = amended(stored, was.transfer_syntax_uid, changes, original=original)
        reception = self._files.receive(_request(was))
        write_pieces(reception, pieces)
        return reception

    def _keep(self, was: QuarantineEntry, reception: Reception, *, reason: str, by: str) -> QuarantineEntry:
        dataset = scan(reception.dataset, was.transfer_syntax_uid)
        if reception.digest == was.digest:
            raise AmendError("nothing changes: it has these values already")
        uids = uids_of(dataset)
        request = _request(was)._replace(sop_class_uid=uids.sop_class, sop_instance_uid=uids.sop_instance)
        known = known_of(self._index, request.sender, dataset, uids)
        verdict = self._judged(was, dataset, request, known)
        kept = reception.keep(uids.study, uids.sop_instance, uids.sop_class)
        received = instance_received(Incoming(request, uids, reception, verdict, known), kept)
        on_conflict = OnConflict(self._validation.other_patient(), self._validation.other_content())
        try:
            with self._files.removing(was.location):
                now = self._index.quarantine.amend(was, received, on_conflict, reason=reason, by=by)
        except UnknownInstanceError:
            kept.withdraw()
            raise
        except IndexUnavailableError as error:
            if error.rolled_back:
                kept.withdraw()
            raise
        kept.settle()
        return now

    def _judged(
        self, was: QuarantineEntry, dataset: ScannedDataset, request: StoreRequest, known: Knowledge
    ) -> Verdict:
        """The rules' verdict on the new version.

        Raises:
            AmendError: they would have it refused.
        """
        today = datetime.now(self._time_zone).date()
        verdict = self._validation.judge(dataset, request, today, known, can_be_fixed=False)  # a person does that here
        if verdict.severity is Severity.REJECT and verdict.worst is not None:
            raise AmendError(f"it would be refused then: {verdict.worst.comment} [{verdict.worst.rule}]")
        if request.sop_instance_uid != was.sop_instance_uid:
            return verdict
        still = tuple(finding for finding in was.findings if finding.rule == AFFECTED_INSTANCE)
        return replace(verdict, findings=(*still, *verdict.findings))

    # -- comparing ----------------------------------------------------------------------------------------------------

    def _differing_levels(self, entry: QuarantineEntry) -> Iterator[Difference]:
        above = self._index.quarantine.above(entry)
        if above is None:
            raise UnknownInstanceError("nothing to compare it with: neither its UID nor its study is accepted")
        for held, known in zip(above.held, above.known, strict=True):
            for tag in sorted(held.keys() | known.keys()):
                if held.get(tag) != known.get(tag):
                    yield Difference("", tag, held.get(tag), known.get(tag))


def _differences(held: ScannedDataset, accepted: ScannedDataset) -> Iterator[Difference]:
    for path, tag, ours, theirs in differing(held, accepted):
        yield Difference(
            path,
            tag,
            None if ours is None else value_text(held, ours, tag),
            None if theirs is None else value_text(accepted, theirs, tag),
        )


def _request(was: QuarantineEntry) -> StoreRequest:
    """As if it came now from who sent it."""
    sender = Sender(was.calling_ae_title, was.called_ae_title, was.address, was.peer)
    return StoreRequest(was.sop_class_uid, was.sop_instance_uid, was.transfer_syntax_uid, sender)
