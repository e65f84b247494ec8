"""Modality Worklist C-FIND as SCP (PS3.4 Section K.4.1): a Pending response for each scheduled step that matches, a final one."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import structlog

from dicomnode.dicom import status as statuses
from dicomnode.dicom.peer import Permission, Sender
from dicomnode.dicom.query.worklist import WorklistIdentifier, parse_worklist_query
from dicomnode.dicom.step_status import WAITING
from dicomnode.errors import DicomNodeError, IdentifierError, TooManyMatchesError
from dicomnode.index import AnsweredQuery, WorklistView
from dicomnode.scp import extended_negotiation, status
from dicomnode.scp.known_peers import KnownPeers
from dicomnode.services.worklist.query import Reader, WorklistQuery
from dicomnode.upper_layer.faults import Gone
from dicomnode.upper_layer.operations import Exchange, FinalAnswer, IdentifierRequest

log = structlog.get_logger()


class WorklistSCP:
    """Answers queries from :class:`~dicomnode.services.worklist.query.WorklistQuery`."""

    def __init__(self, worklist: WorklistQuery, peers: KnownPeers) -> None:
        self._worklist = worklist
        self._peers = peers

    def find(self, request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        """Send the matches; the final response is left to the caller."""
        account = _Account(request.sender)
        try:
            answer = self._find(request, exchange, account)
        except Gone as gone:
            account.write(log.info, "worklist_query.abandoned", reason=str(gone))
            raise
        except DicomNodeError as error:
            answer = status.query_answer(error)
            write = log.warning if isinstance(error, IdentifierError | TooManyMatchesError) else log.error
            account.write(write, "worklist_query.answered", status=f"{answer.status:04X}", reason=str(error))
        else:
            write = log.warning if answer.status == statuses.NOT_AUTHORIZED else log.info
            account.write(write, "worklist_query.answered", status=f"{answer.status:04X}")
        self._worklist.keep(account.query(answer))
        return answer

    def _find(self, request: IdentifierRequest, exchange: Exchange, account: _Account) -> FinalAnswer:
        if not self._peers.may(request.sender, Permission.WORKLIST):
            return status.not_authorized_to_query()
        fuzzy = extended_negotiation.is_fuzzy_worklist(request.extended_negotiation)
        identifier = parse_worklist_query(request.identifier, request.transfer_syntax_uid, fuzzy=fuzzy)
        peer = self._peers[request.sender.peer] if request.sender.peer is not None else None
        reader = Reader.of(request.sender, peer, identifier)
        account.identifier, account.view = identifier, reader.view
        matches = self._worklist.find(identifier, request.transfer_syntax_uid, reader)
        for page in matches.pages:
            if exchange.is_cancelled():
                return FinalAnswer(statuses.CANCEL)
            exchange.matches(page, status=matches.status)
            account.matches += len(page)
        return FinalAnswer(statuses.SUCCESS)


class _Account:
    """What is told and kept of a query at its end."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._began = time.monotonic()
        self.identifier: WorklistIdentifier | None = None
        self.view = WorklistView(WAITING)
        self.matches = 0

    def write(self, write: Callable[..., None], event: str, **outcome: str) -> None:
        """One line."""
        write(
            event,
            calling_ae_title=self._sender.calling_ae_title,
            peer=self._sender.peer,
            keys=len(self.identifier.matched()) if self.identifier is not None else 0,
            matches=self.matches,
            duration_ms=round((time.monotonic() - self._began) * 1000, 1),
            **outcome,
        )

    def query(self, answer: FinalAnswer) -> AnsweredQuery:
        """What is kept."""
        return AnsweredQuery(
            datetime.now(UTC),
            self._sender.calling_ae_title,
            self._sender.peer,
            self.identifier,
            self.view,
            self.matches,
            answer.status,
            answer.comment,
        )
