"""Query as SCP: C-FIND in the Patient Root and Study Root models (PS3.4 Section C.4.1)."""

from __future__ import annotations

from dicomnode.dicom import status as statuses
from dicomnode.dicom.peer import Permission
from dicomnode.dicom.query.identifier import Operation, model_of, parse_query
from dicomnode.scp import extended_negotiation, status
from dicomnode.scp.find import Account, respond
from dicomnode.scp.known_peers import KnownPeers
from dicomnode.services.query import Matches, Query
from dicomnode.upper_layer.operations import Exchange, FinalAnswer, IdentifierRequest


class QuerySCP:
    """Answers queries from :class:`~dicomnode.services.query.Query`."""

    def __init__(self, query: Query, peers: KnownPeers) -> None:
        self._query = query
        self._peers = peers

    def find(self, request: IdentifierRequest, exchange: Exchange) -> FinalAnswer:
        """Send the matches; the final response is left to the caller."""
        account = Account("query.answered", "query.abandoned", request.sender, details={"query_level": None, "keys": 0})
        return respond(lambda: self._matches(request, account), exchange, account)

    def _matches(self, request: IdentifierRequest, account: Account) -> Matches | FinalAnswer:
        peer = self._peers[request.sender.peer] if request.sender.peer is not None else None
        if not self._peers.may(request.sender, Permission.QUERY):
            return status.not_authorized_to_query()
        model, operation = model_of(request.sop_class_uid) or (None, None)
        if model is None or operation is not Operation.FIND:
            return FinalAnswer(statuses.SOP_CLASS_NOT_SUPPORTED)
        is_strict = peer is not None and peer.strict_queries
        options = extended_negotiation.query_options(request.extended_negotiation, strict=is_strict)
        identifier = parse_query(request.identifier, request.transfer_syntax_uid, model, options)
        account.details.update(query_level=identifier.level, keys=len(identifier.keys))
        only_set = peer.character_set if peer is not None else ""
        return self._query.find(identifier, request.transfer_syntax_uid, only_set=only_set)
