"""C-MOVE and C-GET as SCP (PS3.4 Sections C.4.2, C.4.3): who may have what sent where; and the answer at the end."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from dicomnode.dicom import status as statuses
from dicomnode.dicom.peer import PeerSettings, Permission
from dicomnode.dicom.query.identifier import Operation, Selection, model_of, parse_retrieve
from dicomnode.errors import DicomNodeError
from dicomnode.scp import extended_negotiation, status
from dicomnode.scp.known_peers import KnownPeers
from dicomnode.services.retrieve import Destination, Retrieve, Retrieved
from dicomnode.services.tally import failed_list
from dicomnode.upper_layer.operations import Exchange, FinalAnswer, IdentifierRequest

log = structlog.get_logger()


class RetrieveSCP:
    """Answers C-MOVE and C-GET by :class:`~dicomnode.services.retrieve.Retrieve`."""

    def __init__(self, retrieve: Retrieve, peers: KnownPeers) -> None:
        self._retrieve = retrieve
        self._peers = peers

    def move(self, request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        """Send what the Identifier selects to the Move Destination (PS3.7 Section 9.1.4)."""
        peer = self._peer(request)
        if refusal := self._why_not(request, Operation.MOVE):
            return refusal
        match = self._peers.destination(request.move_destination, request.sender.peer)
        if match.name is None:
            reason = f"no such Move Destination: {request.move_destination}"
            answer = FinalAnswer(statuses.MOVE_DESTINATION_UNKNOWN, comment=statuses.error_comment(reason))
            return _refuse(request, answer, f"{reason}; {match.near_miss}" if match.near_miss else reason)
        allowed = None if peer is None else peer.move_destinations
        if allowed is not None and match.name not in allowed:
            reason = f"this peer may not have anything sent to {match.name}"
            return _refuse(request, status.not_authorized_to_retrieve(), reason)
        destination = Destination(match.name, self._peers[match.name])
        return _answer(request, peer, lambda selection: self._retrieve.move(request, selection, destination, exchange))

    def get(self, request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        """Send what the Identifier selects on the association that it came on (PS3.7 Section 9.1.3)."""
        peer = self._peer(request)
        if refusal := self._why_not(request, Operation.GET):
            return refusal
        return _answer(request, peer, lambda selection: self._retrieve.get(request, selection, peer, exchange))

    def _why_not(self, request: IdentifierRequest, operation: Operation) -> FinalAnswer | None:
        """The refusal of a request that is not to be looked at; None when it is."""
        _, expected = model_of(request.sop_class_uid) or (None, None)
        if expected is not operation:
            return _refuse(request, FinalAnswer(statuses.SOP_CLASS_NOT_SUPPORTED), f"no {operation} in this context")
        if not self._peers.may(request.sender, Permission.RETRIEVE):
            return _refuse(request, status.not_authorized_to_retrieve(), "this peer may not retrieve")
        return None

    def _peer(self, request: IdentifierRequest) -> PeerSettings | None:
        return None if request.sender.peer is None else self._peers[request.sender.peer]


def _answer(
    request: IdentifierRequest, peer: PeerSettings | None, retrieve: Callable[[Selection], Retrieved]
) -> FinalAnswer:
    """The final response; no failure before the first sub-operation passes."""
    model, _ = model_of(request.sop_class_uid) or (None, None)
    assert model is not None
    options = extended_negotiation.retrieve_options(
        request.extended_negotiation, strict=peer is not None and peer.strict_queries
    )
    try:
        return _final(
            request, retrieve(parse_retrieve(request.identifier, request.transfer_syntax_uid, model, options))
        )
    except DicomNodeError as error:
        return _refuse(request, status.retrieve_answer(error), str(error))


def _final(request: IdentifierRequest, retrieved: Retrieved) -> FinalAnswer:
    identifier, named = failed_list(list(retrieved.failed_uids), request.transfer_syntax_uid)
    if named < len(retrieved.failed_uids):
        log.warning("retrieve.list_cut", failed=len(retrieved.failed_uids), named=named)
    return FinalAnswer(retrieved.status, identifier=identifier, counts=retrieved.counts)


def _refuse(request: IdentifierRequest, answer: FinalAnswer, reason: str) -> FinalAnswer:
    log.warning(
        "retrieve.refused",
        kind=str(request.kind),
        calling_ae_title=request.sender.calling_ae_title,
        peer=request.sender.peer,
        destination=request.move_destination or None,
        status=f"{answer.status:04X}",
        reason=reason,
    )
    return answer
