"""C-FIND as SCP (PS3.4 Section C.4.1, PS3.7 Section 9.1.2): one request in, a Pending response for each match, a final one."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from dicomnode.dicom import status as statuses
from dicomnode.dicom.peer import PeerSettings, Permission, Sender
from dicomnode.dicom.query.identifier import Level, Operation, model_of, parse_query
from dicomnode.errors import DicomNodeError, IdentifierError, TooManyMatchesError
from dicomnode.scp import extended_negotiation, status
from dicomnode.scp.known_peers import KnownPeers
from dicomnode.services.query import Query
from dicomnode.upper_layer.faults import Gone
from dicomnode.upper_layer.operations import Exchange, FinalAnswer, IdentifierRequest

log = structlog.get_logger()


class QuerySCP:
    """Answers queries from :class:`~dicomnode.services.query.Query`."""

    def __init__(self, query: Query, peers: KnownPeers) -> None:
        self._query = query
        self._peers = peers

    def find(self, request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        """Send the matches; the final response is left to the caller."""
        account = _Account(request.sender)
        try:
            answer = self._find(request, exchange, account)
        except Gone as gone:
            account.write(log.info, "query.abandoned", reason=str(gone))
            raise
        except DicomNodeError as error:
            answer = status.query_answer(error)
            write = log.warning if isinstance(error, IdentifierError | TooManyMatchesError) else log.error
            account.write(write, "query.answered", status=f"{answer.status:04X}", reason=str(error))
            return answer
        write = log.warning if answer.status == statuses.NOT_AUTHORIZED else log.info
        account.write(write, "query.answered", status=f"{answer.status:04X}")
        return answer

    def _find(self, request: IdentifierRequest, exchange: Exchange, account: _Account) -> FinalAnswer:
        peer = self._peers[request.sender.peer] if request.sender.peer is not None else None
        if not self._peers.may(request.sender, Permission.QUERY):
            return status.not_authorized_to_query()
        model, operation = model_of(request.sop_class_uid) or (None, None)
        if model is None or operation is not Operation.FIND:
            return FinalAnswer(statuses.SOP_CLASS_NOT_SUPPORTED)
        options = extended_negotiation.query_options(request.extended_negotiation, strict=_is_strict(peer))
        identifier = parse_query(request.identifier, request.transfer_syntax_uid, model, options)
        account.level, account.keys = identifier.level, len(identifier.keys)
        matches = self._query.find(
            identifier, request.transfer_syntax_uid, only_set=peer.character_set if peer is not None else ""
        )
        for page in matches.pages:
            if exchange.is_cancelled():
                return FinalAnswer(statuses.CANCEL)
            exchange.matches(page, status=matches.status)
            account.matches += len(page)
        return FinalAnswer(statuses.SUCCESS)


class _Account:
    """What the log says of a query, told once at its end."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._began = time.monotonic()
        self.level: Level | None = None
        self.keys = 0
        self.matches = 0

    def write(self, write: Callable[..., None], event: str, **outcome: str) -> None:
        """One line."""
        write(
            event,
            calling_ae_title=self._sender.calling_ae_title,
            peer=self._sender.peer,
            query_level=self.level,
            keys=self.keys,
            matches=self.matches,
            duration_ms=round((time.monotonic() - self._began) * 1000, 1),
            **outcome,
        )


def _is_strict(peer: PeerSettings | None) -> bool:
    return peer is not None and peer.strict_queries
