"""Storage commitment as SCP (PS3.4 Annex J): what the node vouches for. As SCU: ``committing``.

A request is on the disk, with the report that is owed for it, before it is answered. The verdict is made when the report goes out:
by then whoever asks has sent what he asks for, and a file is read again, up to its last byte, at the latest possible moment.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import structlog
from pydantic import Field

from dicomnode.dicom.commitment import (
    PUSH_MODEL_INSTANCE,
    CommitmentReport,
    CommitmentRequest,
    FailureReason,
    Reference,
)
from dicomnode.dicom.peer import PeerSettings, Sender
from dicomnode.dicom.sop_class import STORAGE_COMMITMENT_PUSH_MODEL, is_standard_storage, may_be_storage
from dicomnode.errors import DeliveryError, DicomNodeError, UndeliverableError, UnknownInstanceError
from dicomnode.files import Files
from dicomnode.index import Index
from dicomnode.index.commitment import AskedCommitment, Holding
from dicomnode.index.outbox import OutboxEntry
from dicomnode.scu.caller import Caller
from dicomnode.scu.normalized import n_event_report, opened, transfer_syntax
from dicomnode.scu.settings import ScuSettings
from dicomnode.services.completeness import tell_complete
from dicomnode.settings import Settings
from dicomnode.upper_layer.operations import Reporter

log = structlog.get_logger()

SAME_ASSOCIATION_S: Final = 60.0
"""So long the delivery worker leaves a report alone that shall go over the association that asked for it."""
_LEASE_S: Final = 600.0
_TOLD_EACH: Final = 1000


class CommitmentSettings(Settings):
    """What a request for storage commitment may ask for."""

    maximum_instances: Annotated[int, Field(ge=1, le=1_000_000)] = 20_000
    """Instances that one request may name."""
    kept_days: Annotated[int, Field(ge=1, le=36500)] = 90
    """Days for which requests and what was reported on them are kept."""


class Commitment:
    """Takes requests, judges, reports."""

    def __init__(
        self,
        index: Index,
        files: Files,
        *,
        peers: Mapping[str, PeerSettings],
        scu: ScuSettings,
        settings: CommitmentSettings,
        worker: str,
    ) -> None:
        """Vouch for what ``index`` and ``files`` hold; ``worker`` is a name that no other living process has."""
        self._index = index
        self._files = files
        self._peers = peers
        self._scu = scu
        self._settings = settings
        self._worker = worker

    def ask(self, dataset: bytes, transfer_syntax_uid: str, sender: Sender) -> int | None:
        """Take a request, durably; the entry in the outbox of the report that shall go over the same association, else None.

        Raises:
            CommitmentError: the request is wrong, or too large.
            IndexUnavailableError: it cannot be kept now.
        """
        request = CommitmentRequest.read(dataset, transfer_syntax_uid, maximum=self._settings.maximum_instances)
        peer = self._peers.get(sender.peer or "")
        is_same = peer is not None and peer.commitment_same_association
        not_before = datetime.now(UTC) + timedelta(seconds=SAME_ASSOCIATION_S) if is_same else None
        destination = sender.peer or f"{sender.calling_ae_title}@{sender.address}"
        taken = self._index.commitments.ask(request, sender, destination=destination, not_before=not_before)
        log.info(
            "commitment.requested",
            calling_ae_title=sender.calling_ae_title,
            peer=sender.peer,
            transaction_uid=request.transaction_uid,
            instances=len(request.references),
            again=taken.report is None,
        )
        tell_complete(taken.complete)
        return taken.report if is_same else None

    def report_over(self, reporter: Reporter, entry: int, transfer_syntax_uid: str) -> None:
        """Report over the association that asked; what fails is left to the delivery worker."""
        claimed = self._index.deliveries.take(entry, self._worker, _LEASE_S)
        if claimed is None:
            return
        try:
            asked = self._asked(claimed)
            report = self.judge(asked)
            dataset = report.encoded(transfer_syntax_uid, retrieve_ae_title=asked.sender.called_ae_title)
            answer = reporter.report(STORAGE_COMMITMENT_PUSH_MODEL, PUSH_MODEL_INSTANCE, report.event_type_id, dataset)
            if answer != 0:
                why = "the association ended" if answer is None else f"answered with {answer:#06x}"
                raise DeliveryError(f"no report over the same association: {why}")
        except DicomNodeError as error:
            self._index.deliveries.failed(claimed, str(error), datetime.now(UTC))
            log.info("commitment.not_reported", entry=entry, reason=str(error))
            return
        self._reported(asked, report, "same")
        self._index.deliveries.done(claimed)

    def deliver(self, entry: OutboxEntry) -> None:
        """Report over an association of our own, as the SCP (PS3.4 Section J.3.3); the handler of ``commitment-report``.

        Raises:
            UndeliverableError: no peer is configured to call, or there is no such request any more.
            DeliveryError: the peer does not take the report.
            PeerError: it cannot be reached.
        """
        asked = self._asked(entry)
        peer = self._peer_of(asked.sender)
        report = self.judge(asked)
        caller = Caller(peer, asked.sender.called_ae_title, self._scu)
        with opened(caller, STORAGE_COMMITMENT_PUSH_MODEL, is_scp=True) as association:
            syntax = transfer_syntax(association, STORAGE_COMMITMENT_PUSH_MODEL)
            response = n_event_report(
                association,
                STORAGE_COMMITMENT_PUSH_MODEL,
                PUSH_MODEL_INSTANCE,
                report.event_type_id,
                report.encoded(syntax, retrieve_ae_title=asked.sender.called_ae_title),
            )
        if not response.is_success:
            raise DeliveryError(f"report not taken: {response.told()}")
        self._reported(asked, report, "new")

    def judge(self, asked: AskedCommitment) -> CommitmentReport:
        """What the node vouches for, as of now; each file is read.

        Raises:
            IndexUnavailableError: the index cannot be read, or what it has may not be durable.
        """
        references = asked.request.references
        if asked.is_repeated:
            failed = dict.fromkeys(references, int(FailureReason.TRANSACTION_UID_IN_USE))
            return CommitmentReport(asked.request.transaction_uid, (), failed)
        started, committed, failures = time.monotonic(), [], {}
        for number, (reference, holding) in enumerate(
            zip(references, self._index.commitments.holdings(references), strict=True), start=1
        ):
            reason = self._why_not(reference, holding)
            if reason is None:
                committed.append(reference)
            else:
                failures[reference] = int(reason)
            if number % _TOLD_EACH == 0:
                log.info(
                    "commitment.progressed",
                    transaction_uid=asked.request.transaction_uid,
                    checked=number,
                    of=len(references),
                    duration_s=round(time.monotonic() - started, 1),
                )
        if committed:
            self._index.sync()  # the rows that this rests on may be younger than the last sync
        return CommitmentReport(asked.request.transaction_uid, tuple(committed), failures)

    def _asked(self, entry: OutboxEntry) -> AskedCommitment:
        key = entry.payload.get("request")
        try:
            return self._index.commitments.asked(key if isinstance(key, int) else 0)
        except DicomNodeError as error:
            raise UndeliverableError(str(error)) from error

    def _peer_of(self, sender: Sender) -> PeerSettings:
        """Whom to call; looked up anew each time, so that a person may configure a peer and have a report tried again."""
        known = self._peers.get(sender.peer or "")
        candidates = (
            [known] if known else [one for one in self._peers.values() if one.ae_title == sender.calling_ae_title]
        )
        for peer in candidates:
            if peer.host:
                return peer
        where = f"{sender.calling_ae_title} at {sender.address}"
        raise UndeliverableError(f"no peer with a host is configured for {where}: configure one, then try again")

    def _why_not(self, reference: Reference, holding: Holding | None) -> FailureReason | None:
        """Why an instance is not committed (PS3.3 Section C.14.1.1); None when it is."""
        sop_class_uid = reference.sop_class_uid
        if holding is None:
            is_stored = is_standard_storage(sop_class_uid) or may_be_storage(sop_class_uid)
            return FailureReason.NO_SUCH_INSTANCE if is_stored else FailureReason.CLASS_NOT_SUPPORTED
        if holding.sop_class_uid != sop_class_uid:
            return FailureReason.CLASS_CONFLICT
        if not holding.location:  # in quarantine
            return FailureReason.PROCESSING_FAILURE
        try:
            if self._files.digest(holding.location) == holding.digest:
                return None
            why = "its content is not what was stored"
        except UnknownInstanceError:
            why = "its file is missing"
        except DicomNodeError as error:
            why = str(error)
        log.error("commitment.file_altered", sop_instance_uid=reference.sop_instance_uid, reason=why)
        return FailureReason.PROCESSING_FAILURE

    def _reported(self, asked: AskedCommitment, report: CommitmentReport, association: str) -> None:
        self._index.commitments.reported(asked.id, report.failed)
        log.info(
            "commitment.reported",
            called_ae_title=asked.sender.calling_ae_title,
            transaction_uid=report.transaction_uid,
            association=association,
            committed=len(report.committed),
            failed=len(report.failed),
        )
