"""A normalized request served: its response, and what may follow it, a report over the same association."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import structlog

from dicomnode.dicom import status
from dicomnode.upper_layer import commands, normalized, pdus
from dicomnode.upper_layer.faults import UNEXPECTED_PARAMETER, Gone, TimedOut, Violation
from dicomnode.upper_layer.operations import NormalizedAnswer, NormalizedKind, NormalizedRequest

if TYPE_CHECKING:
    from dicomnode.upper_layer.association import PulledAssociation

log = structlog.get_logger()

_MAX_MESSAGE_ID: Final = 0xFFFF


def serve(association: PulledAssociation, context_id: int, request: NormalizedRequest) -> None:
    """Answer the request, then let its service do what comes afterwards.

    Raises:
        Gone: the peer is lost.
        Violation: it broke the protocol meanwhile.
    """
    answer = _answer(association, context_id, request)
    command = normalized.response(request, answer)
    association.send(b"".join(pdus.fragmented(context_id, command, answer.dataset, association.maximum_length)))
    if answer.afterwards is None:
        return
    reporter = PeerReporter(association, context_id)
    try:
        answer.afterwards(reporter)
    except Exception:  # a bug of ours costs what came afterwards, not the association
        log.exception("operation.failed", operation=str(request.kind), calling_ae_title=request.sender.calling_ae_title)
    if reporter.fault is not None:
        raise reporter.fault


def _answer(association: PulledAssociation, context_id: int, request: NormalizedRequest) -> NormalizedAnswer:
    context = association._accepted_cx[context_id]
    if request.sop_class_uid != context.abstract_syntax:
        return NormalizedAnswer(status.NO_SUCH_SOP_CLASS)
    if request.kind is not NormalizedKind.EVENT_REPORT and not context.as_scp:
        return NormalizedAnswer(status.UNRECOGNIZED_OPERATION)  # the peer wanted to be the SCP only
    try:
        return association.operations.normalized(request)
    except Exception:  # a bug of ours costs this operation, not the association
        log.exception("operation.failed", operation=str(request.kind), calling_ae_title=request.sender.calling_ae_title)
        return NormalizedAnswer(status.PROCESSING_FAILURE)


class PeerReporter:
    """Sends reports to the peer of an association, in the context of its request; see `operations.Reporter`."""

    def __init__(self, association: PulledAssociation, context_id: int) -> None:
        self._association = association
        self._context_id = context_id
        self.fault: Gone | Violation | None = None
        """Why the association has to end."""

    def report(self, sop_class_uid: str, sop_instance_uid: str, event_type_id: int, dataset: bytes) -> int | None:
        """The status that answers this N-EVENT-REPORT; None when the association ended before it came."""
        if self.fault is not None or self._association.is_leaving:
            return None
        try:
            return self._report(sop_class_uid, sop_instance_uid, event_type_id, dataset)
        except (Gone, Violation) as fault:
            self.fault = fault
            return None

    def _report(self, sop_class_uid: str, sop_instance_uid: str, event_type_id: int, dataset: bytes) -> int | None:
        association, context_id = self._association, self._context_id
        message_id = association.exchanges.reports % _MAX_MESSAGE_ID + 1
        association.exchanges.reports += 1
        command = normalized.event_report(sop_class_uid, sop_instance_uid, event_type_id, message_id)
        with association.exchanges.awaiting(normalized.N_EVENT_REPORT_RSP):
            association.send(b"".join(pdus.fragmented(context_id, command, dataset, association.maximum_length)))
            response = self._response()
        if response is None:
            return None
        if response.number(commands.MESSAGE_ID_BEING_RESPONDED_TO) != message_id:
            raise Violation("N-EVENT-REPORT response to another request", UNEXPECTED_PARAMETER)
        return response.number(commands.STATUS)

    def _response(self) -> commands.Command | None:
        association = self._association
        deadline = time.monotonic() + association.settings.report_timeout_s
        while (response := association.exchanges.response) is None:
            if association.is_leaving:
                return None
            if (left_s := deadline - time.monotonic()) <= 0:
                raise TimedOut("timed out waiting for an N-EVENT-REPORT response")
            association.dul.read(left_s)
        return response
