"""Modality Worklist as SCP: C-FIND of Scheduled Procedure Steps (PS3.4 Section K.4.1); each query is kept, with how it ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from dicomnode.dicom.peer import Permission
from dicomnode.dicom.query.worklist import WorklistIdentifier, parse_worklist_query
from dicomnode.dicom.step_status import WAITING
from dicomnode.index import AnsweredQuery, WorklistView
from dicomnode.scp import extended_negotiation, status
from dicomnode.scp.find import Account, respond
from dicomnode.scp.known_peers import KnownPeers
from dicomnode.services.query import Matches
from dicomnode.services.worklist.query import Reader, WorklistQuery
from dicomnode.upper_layer.operations import Exchange, FinalAnswer, IdentifierRequest


class WorklistSCP:
    """Answers queries from :class:`~dicomnode.services.worklist.query.WorklistQuery`."""

    def __init__(self, worklist: WorklistQuery, peers: KnownPeers) -> None:
        self._worklist = worklist
        self._peers = peers

    def find(self, request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        """Send the matches; the final response is left to the caller."""
        account = Account("worklist_query.answered", "worklist_query.abandoned", request.sender, details={"keys": 0})
        asked = _Asked()
        answer = respond(lambda: self._matches(request, asked, account), exchange, account)
        self._worklist.keep(
            AnsweredQuery(
                datetime.now(UTC),
                request.sender.calling_ae_title,
                request.sender.peer,
                asked.identifier,
                asked.view,
                account.matches,
                answer.status,
                answer.comment,
            )
        )
        return answer

    def _matches(self, request: IdentifierRequest, asked: _Asked, account: Account) -> Matches | FinalAnswer:
        if not self._peers.may(request.sender, Permission.WORKLIST):
            return status.not_authorized_to_query()
        fuzzy = extended_negotiation.is_fuzzy_worklist(request.extended_negotiation)
        identifier = parse_worklist_query(request.identifier, request.transfer_syntax_uid, fuzzy=fuzzy)
        peer = self._peers[request.sender.peer] if request.sender.peer is not None else None
        reader = Reader.of(request.sender, peer, identifier)
        asked.identifier, asked.view = identifier, reader.view
        account.details.update(keys=len(identifier.matched()))
        return self._worklist.find(identifier, request.transfer_syntax_uid, reader)


@dataclass(slots=True)
class _Asked:
    """What is kept of a query, as far as it was understood."""

    identifier: WorklistIdentifier | None = None
    view: WorklistView = field(default_factory=lambda: WorklistView(WAITING))
