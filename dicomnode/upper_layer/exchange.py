"""Requests but the hot ones, served one after the other; those with Identifiers together with the peer that waits for responses."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import structlog

from dicomnode.dicom import status
from dicomnode.dicom.instance import StoreAnswer
from dicomnode.dicom.outgoing import OutgoingInstance
from dicomnode.dicom.sub_operations import SubOperations
from dicomnode.upper_layer import commands, normalized_exchange, pdus
from dicomnode.upper_layer.commands import Command
from dicomnode.upper_layer.faults import UNEXPECTED_PARAMETER, Gone, TimedOut, Violation
from dicomnode.upper_layer.operations import FinalAnswer, IdentifierKind, IdentifierRequest, NormalizedRequest
from dicomnode.upper_layer.sending import DEFAULT_MAXIMUM_LENGTH, send_store

if TYPE_CHECKING:
    from dicomnode.upper_layer.association import PulledAssociation

log = structlog.get_logger()

_MAX_WAITING: Final = 16
"""Those after them stay in the network, where they can."""
_MOST_WAITING: Final = 4096
"""What may come while an answer of the peer is waited for, or in one PDU; a peer that sends more ahead is aborted."""
_MEBIBYTE: Final = 1024 * 1024
_COMMAND_FIELDS: Final = {
    IdentifierKind.FIND: commands.C_FIND_RQ,
    IdentifierKind.MOVE: commands.C_MOVE_RQ,
    IdentifierKind.GET: commands.C_GET_RQ,
}


Request = IdentifierRequest | NormalizedRequest


class Exchanges:
    """The requests of one association: the one that is served, and those that came meanwhile."""

    def __init__(self, association: PulledAssociation) -> None:
        self._association = association
        self._waiting: deque[tuple[int, Request]] = deque()
        self._served: Request | None = None
        self.cancelled: set[int] = set()
        """Message IDs of requests that are here."""
        self.awaited: int | None = None
        """Command Field of the response that we wait for."""
        self.response: Command | None = None
        self.reports = 0
        """N-EVENT-REPORT requests that were sent."""

    @property
    def is_full(self) -> bool:
        """Whether as much waits as may."""
        return len(self._waiting) >= _MAX_WAITING or self._is_at(self._association.settings.maximum_message_mb)

    def _is_at(self, limit_mb: int) -> bool:
        return sum(_size_bytes(request) for _, request in self._waiting) >= limit_mb * _MEBIBYTE

    def add(self, context_id: int, request: Request) -> None:
        """Keep a request until those before it are answered.

        Raises:
            Violation: the peer sends too much ahead.
        """
        if len(self._waiting) >= _MOST_WAITING or self._is_at(2 * self._association.settings.maximum_message_mb):
            raise Violation("more requests than may wait")
        self._waiting.append((context_id, request))

    @contextlib.contextmanager
    def awaiting(self, command_field: int) -> Iterator[None]:
        """While a request of ours waits for the response of this Command Field, which then is ``response``."""
        self.awaited, self.response = command_field, None
        try:
            yield
        finally:
            self.awaited = None

    def cancel(self, message_id: int | None) -> None:
        """A C-CANCEL came (PS3.7 Section 9.3.2.3); one for a request that is answered already means nothing."""
        here = [request.message_id for _, request in self._waiting]
        if self._served is not None:
            here.append(self._served.message_id)
        if message_id in here:
            self.cancelled.add(message_id)

    def serve(self) -> None:
        """Answer all requests that are here.

        Raises:
            Gone: the peer is lost.
            Violation: it broke the protocol meanwhile.
        """
        while self._waiting and not self._association.is_over:
            context_id, request = self._waiting.popleft()
            self._served = request
            try:
                if isinstance(request, NormalizedRequest):
                    normalized_exchange.serve(self._association, context_id, request)
                else:
                    exchange = PeerExchange(self._association, context_id, request)
                    exchange.answer(self._answer(request, exchange))
            except Gone as gone:
                if isinstance(gone.__cause__, Violation):
                    raise gone.__cause__ from None
                raise
            finally:
                self._served = None
                self.cancelled.discard(request.message_id)

    def _answer(self, request: IdentifierRequest, exchange: PeerExchange) -> FinalAnswer:
        operations = self._association.operations
        try:
            match request.kind:
                case IdentifierKind.FIND:
                    return operations.find(request, exchange)
                case IdentifierKind.MOVE:
                    return operations.move(request, exchange)
                case IdentifierKind.GET:
                    return operations.get(request, exchange)
        except Gone:
            raise
        except Exception:  # a bug of ours costs this operation, not the association
            log.exception(
                "operation.failed", operation=str(request.kind), calling_ae_title=request.sender.calling_ae_title
            )
            return FinalAnswer(status.UNABLE_TO_PROCESS)


class PeerExchange:
    """The peer of one request; see `operations.Exchange`."""

    def __init__(self, association: PulledAssociation, context_id: int, request: IdentifierRequest) -> None:
        self._association = association
        self._context_id = context_id
        self._request = request
        self._storage_contexts = _storage_contexts(association) if request.kind is IdentifierKind.GET else {}

    def is_cancelled(self) -> bool:
        """Whether a C-CANCEL for this request has come."""
        try:
            self._association.read_what_has_come()
        except Violation as violation:
            raise Gone(str(violation)) from violation
        if self._association.is_over:
            raise Gone("association has ended")
        return self._request.message_id in self._association.exchanges.cancelled

    def matches(self, identifiers: Sequence[bytes], *, status: int) -> None:
        """Send one Pending C-FIND response with each of these Identifiers."""
        command = self._command(FinalAnswer(status), has_identifier=True)
        self._send(pdus.messages(self._context_id, command, identifiers, self._association.maximum_length))

    def progress(self, counts: SubOperations) -> None:
        """Send a Pending response to a C-MOVE or C-GET."""
        self.answer(FinalAnswer(status.PENDING, counts=counts))

    def storage_contexts(self) -> Sequence[tuple[str, str]]:
        """SOP Class and transfer syntax of each context in which the peer takes instances."""
        return list(self._storage_contexts)

    def store(self, instance: OutgoingInstance, message_id: int) -> StoreAnswer | None:
        """The peer's answer to a C-STORE; None when no context carries the instance as it is."""
        context_id = self._storage_contexts.get((instance.sop_class_uid, instance.transfer_syntax_uid))
        if context_id is None:
            return None
        dataset = instance.dataset()
        command = commands.store_request(instance.sop_class_uid, instance.sop_instance_uid, message_id)
        try:
            self._check()
            theirs = self._association.requestor.maximum_length
            maximum_length = DEFAULT_MAXIMUM_LENGTH if theirs is None else theirs
            with self._association.exchanges.awaiting(commands.C_STORE_RSP):
                send_store(self._association.connection, context_id, command, dataset, maximum_length)
                return commands.store_answer(self._store_response(message_id))
        except Violation as violation:
            raise Gone(str(violation)) from violation

    def _store_response(self, message_id: int) -> Command:
        exchanges, timeout_s = self._association.exchanges, self._association.settings.idle_timeout_s
        deadline = time.monotonic() + timeout_s
        while (response := exchanges.response) is None:
            self._check()
            if (left_s := deadline - time.monotonic()) <= 0:
                raise TimedOut("timed out waiting for a C-STORE response")
            self._association.dul.read(left_s)
        if response.number(commands.MESSAGE_ID_BEING_RESPONDED_TO) != message_id:
            raise Violation("C-STORE response to another request", UNEXPECTED_PARAMETER)
        return response

    def answer(self, answer: FinalAnswer) -> None:
        """Send a response, the final one but for `progress`."""
        command = self._command(answer, has_identifier=bool(answer.identifier))
        self._send(
            b"".join(pdus.fragmented(self._context_id, command, answer.identifier, self._association.maximum_length))
        )

    def _command(self, answer: FinalAnswer, *, has_identifier: bool) -> bytes:
        return commands.identifier_response(
            _COMMAND_FIELDS[self._request.kind],
            self._request.sop_class_uid,
            self._request.message_id,
            answer.status,
            has_identifier=has_identifier,
            offending_elements=answer.offending_elements,
            comment=answer.comment,
            counts=answer.counts,
        )

    def _check(self) -> None:
        if self._association.is_leaving:
            raise Gone("association has ended")

    def _send(self, data: bytes) -> None:
        try:
            self._association.send(data)
        except Violation as violation:
            raise Gone(str(violation)) from violation


def _size_bytes(request: Request) -> int:
    return len(request.dataset if isinstance(request, NormalizedRequest) else request.identifier)


def _storage_contexts(association: PulledAssociation) -> dict[tuple[str, str], int]:
    """The ids of the contexts in which the peer is SCP; no instance is of the one other class that the policy lets it be SCP of."""
    return {
        (str(context.abstract_syntax), str(context.transfer_syntax[0])): context_id
        for context_id, context in reversed(association._accepted_cx.items())
        if context.as_scu
    }
