"""Has a peer vouch for instances: asks it, and waits for its report (PS3.4 Annex J, as SCU).

A report may come over the association that asked, or over one that the peer opens to the running node. Both write it into the
index, and there it is read.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from dicomnode.dicom import status
from dicomnode.dicom.commitment import (
    PUSH_MODEL_INSTANCE,
    REQUEST,
    CommitmentReport,
    CommitmentRequest,
    FailureReason,
    Reference,
)
from dicomnode.dicom.peer import Sender
from dicomnode.dicom.procedure import new_uid
from dicomnode.dicom.query.identifier import Level, Selection
from dicomnode.dicom.sop_class import STORAGE_COMMITMENT_PUSH_MODEL
from dicomnode.errors import CommitmentError, DatasetError, DicomNodeError, PeerError, UnknownInstanceError
from dicomnode.index import Index
from dicomnode.index.commitment import OwnCommitment
from dicomnode.scu.caller import Caller
from dicomnode.scu.normalized import n_action, opened, transfer_syntax
from dicomnode.services.candidates import Candidate
from dicomnode.services.commitment import CommitmentSettings
from dicomnode.services.sending import is_other, read_instance
from dicomnode.upper_layer.operations import NormalizedAnswer, NormalizedRequest
from dicomnode.upper_layer.requestor import RequestedAssociation

log = structlog.get_logger()

_LOOK_S: Final = 0.5
_PASSED_OVER: Final = int(FailureReason.PROCESSING_FAILURE)
"""Of an instance that a report does not tell of: it is not committed."""
_STAYS_OPEN_S: Final = 10.0
"""For a report over the same association; longer only when nobody listens for another."""


def references_of_studies(index: Index, study_instance_uids: Iterable[str]) -> list[Reference]:
    """The accepted instances of these studies.

    Raises:
        UnknownInstanceError: there are none of one.
        IndexUnavailableError: the index cannot be read.
    """
    references: list[Reference] = []
    for uid in study_instance_uids:
        found = index.select(Selection(Level.STUDY, study_uids=(uid,)))
        if not found:
            raise UnknownInstanceError(f"no study {uid} here")
        references += [Reference(one.sop_class_uid, one.sop_instance_uid) for one in found]
    return references


def references_of_files(files: Iterable[Candidate]) -> Iterator[Reference | tuple[Path, str]]:
    """The instance in each file, or the file and why there is none where there should be one."""
    for file in files:
        try:
            instance = read_instance(file.path)
        except DatasetError as error:
            if not is_other(file):
                yield file.path, str(error)
        else:
            yield Reference(instance.sop_class_uid, instance.sop_instance_uid)


class Reports:
    """Takes what peers report on requests of ours."""

    def __init__(self, index: Index, settings: CommitmentSettings) -> None:
        self._index = index
        self._settings = settings

    def take(self, dataset: bytes, transfer_syntax_uid: str, sender: Sender) -> None:
        """Keep a report, durably.

        Raises:
            CommitmentError: it cannot be read, nobody asked this peer, or it reported otherwise before.
            IndexUnavailableError: it cannot be kept now: the peer may try again.
        """
        report = CommitmentReport.read(dataset, transfer_syntax_uid, maximum=self._settings.maximum_instances)
        own = self._index.commitments.own(report.transaction_uid)
        if own is None:
            raise CommitmentError("Transaction UID is none that we asked with")
        told = {one.sop_instance_uid for one in (*report.committed, *report.failed)}
        passed_over = [one for one in own.request.references if one.sop_instance_uid not in told]
        report = replace(report, failed={**report.failed, **dict.fromkeys(passed_over, _PASSED_OVER)})
        if not self._index.commitments.take(report, sender.calling_ae_title):
            raise CommitmentError("another peer was asked with this Transaction UID, or it was reported on otherwise")
        log.info(
            "commitment.report_taken",
            calling_ae_title=sender.calling_ae_title,
            transaction_uid=report.transaction_uid,
            committed=len(report.committed),
            failed=len(report.failed),
        )


class Committing:
    """Asks, and waits."""

    def __init__(self, index: Index, reports: Reports, caller: Caller, *, peer: str) -> None:
        """Ask through ``caller``; ``peer`` is its name, empty when it has none."""
        self._index = index
        self._reports = reports
        self._caller = caller
        self._peer = peer

    def commit(
        self, references: Sequence[Reference], *, timeout_s: float, is_running: bool, is_cancelled: Callable[[], bool]
    ) -> OwnCommitment:
        """The request with what the peer reported on it; ``failures`` is None when it did not within ``timeout_s``.

        Args:
            is_running: whether a node takes reports on other associations.

        Raises:
            PeerError: the peer cannot be reached, or refuses the request.
            IndexUnavailableError: the index cannot be read or written.
        """
        request = CommitmentRequest(new_uid(), tuple(references))
        ours, theirs = self._caller.calling_ae_title, self._caller.peer.ae_title
        self._index.commitments.begin(request, peer=self._peer, ae_title=theirs, our_ae_title=ours)
        deadline = time.monotonic() + timeout_s

        def is_over() -> bool:
            return self._own(request).reported_at is not None or is_cancelled()

        with opened(self._caller, STORAGE_COMMITMENT_PUSH_MODEL, reports=self._take) as association:
            self._ask(association, request)
            stays_s = min(timeout_s, _STAYS_OPEN_S) if is_running else timeout_s
            closes_at = time.monotonic() + stays_s
            while association.is_established and time.monotonic() < closes_at and not is_over():
                association.read_until(is_over, _LOOK_S)
        while is_running and time.monotonic() < deadline and not is_over():
            time.sleep(_LOOK_S)
        return self._own(request)

    def _ask(self, association: RequestedAssociation, request: CommitmentRequest) -> None:
        syntax = transfer_syntax(association, STORAGE_COMMITMENT_PUSH_MODEL)
        dataset = request.encoded(syntax)
        response = n_action(association, STORAGE_COMMITMENT_PUSH_MODEL, PUSH_MODEL_INSTANCE, REQUEST, dataset)
        if not response.is_success:
            raise PeerError(f"{self._caller.peer.ae_title} refuses the request: {response.told()}")

    def _take(self, request: NormalizedRequest) -> NormalizedAnswer:
        try:
            self._reports.take(request.dataset, request.transfer_syntax_uid, request.sender)
        except DicomNodeError:
            return NormalizedAnswer(status.PROCESSING_FAILURE)
        return NormalizedAnswer(status.SUCCESS)

    def _own(self, request: CommitmentRequest) -> OwnCommitment:
        own = self._index.commitments.own(request.transaction_uid)
        assert own is not None, "it was written before anything else"
        return own
