"""Storage Commitment Push Model (PS3.4 Annex J): requests of peers, and the reports of those that we asked."""

from __future__ import annotations

import structlog

from dicomnode.dicom import status as statuses
from dicomnode.dicom.commitment import FAILURES_EXIST, PUSH_MODEL_INSTANCE, REQUEST, SUCCESSFUL
from dicomnode.dicom.peer import Permission
from dicomnode.dicom.sop_class import STORAGE_COMMITMENT_PUSH_MODEL
from dicomnode.errors import DicomNodeError
from dicomnode.scp import status
from dicomnode.scp.application_entity import NormalizedServices
from dicomnode.scp.known_peers import KnownPeers
from dicomnode.services.commitment import Commitment
from dicomnode.services.committing import Reports
from dicomnode.upper_layer.operations import NormalizedAnswer, NormalizedKind, NormalizedRequest

log = structlog.get_logger()


class StorageCommitmentSCP:
    """Translates between the messages and :class:`~dicomnode.services.commitment.Commitment`."""

    def __init__(self, commitment: Commitment, reports: Reports, peers: KnownPeers) -> None:
        self._commitment = commitment
        self._reports = reports
        self._peers = peers

    def services(self) -> NormalizedServices:
        """What it serves."""
        return {
            (NormalizedKind.ACTION, STORAGE_COMMITMENT_PUSH_MODEL): self.request,
            (NormalizedKind.EVENT_REPORT, STORAGE_COMMITMENT_PUSH_MODEL): self.report,
        }

    def request(self, request: NormalizedRequest) -> NormalizedAnswer:
        """N-ACTION (PS3.4 Section J.3.2): Success says that the request is kept, nothing more."""
        if not self._peers.may(request.sender, Permission.COMMITMENT):
            return self._refused(request, NormalizedAnswer(statuses.NOT_AUTHORIZED), "not authorized")
        if request.sop_instance_uid != PUSH_MODEL_INSTANCE:
            return self._refused(
                request, NormalizedAnswer(statuses.NO_SUCH_SOP_INSTANCE), "not the well-known instance"
            )
        if request.type_id != REQUEST:
            return self._refused(request, NormalizedAnswer(statuses.NO_SUCH_ACTION_TYPE), "no such action type")
        try:
            entry = self._commitment.ask(request.dataset, request.transfer_syntax_uid, request.sender)
        except DicomNodeError as error:
            return self._refused(request, status.normalized_answer(error), str(error))
        if entry is None:
            return NormalizedAnswer(statuses.SUCCESS)
        return NormalizedAnswer(
            statuses.SUCCESS,
            afterwards=lambda reporter: self._commitment.report_over(reporter, entry, request.transfer_syntax_uid),
        )

    def report(self, request: NormalizedRequest) -> NormalizedAnswer:
        """N-EVENT-REPORT on a request of ours (PS3.4 Section J.3.3)."""
        if request.sop_instance_uid != PUSH_MODEL_INSTANCE:
            return self._refused(
                request, NormalizedAnswer(statuses.NO_SUCH_SOP_INSTANCE), "not the well-known instance"
            )
        if request.type_id not in (SUCCESSFUL, FAILURES_EXIST):
            return self._refused(request, NormalizedAnswer(statuses.NO_SUCH_EVENT_TYPE), "no such event type")
        try:
            self._reports.take(request.dataset, request.transfer_syntax_uid, request.sender)
        except DicomNodeError as error:
            return self._refused(request, status.normalized_answer(error), str(error))
        return NormalizedAnswer(statuses.SUCCESS)

    def _refused(self, request: NormalizedRequest, answer: NormalizedAnswer, reason: str) -> NormalizedAnswer:
        log.warning(
            "commitment.refused",
            operation=str(request.kind),
            calling_ae_title=request.sender.calling_ae_title,
            peer=request.sender.peer,
            status=f"{answer.status:04X}",
            reason=reason,
        )
        return answer
