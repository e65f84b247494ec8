"""DIMSE messages as their fragments come (PS3.8 Annex E): the hot ones are served at once, the others when they are whole.

A data set of a C-STORE goes fragment by fragment into the sink that the service opened, and is never held here. Any other request
is put together and then served by `exchange`, when whatever is being read has been read.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import structlog

from dicomnode.dicom import status
from dicomnode.dicom.instance import StoreAnswer, StoreRequest
from dicomnode.dicom.sop_class import VERIFICATION
from dicomnode.upper_layer import commands, normalized
from dicomnode.upper_layer.commands import Command, Decoder, response_pdu
from dicomnode.upper_layer.faults import INVALID_PARAMETER, UNEXPECTED_PARAMETER, UNEXPECTED_PDU, Violation
from dicomnode.upper_layer.operations import DataSink, IdentifierKind, IdentifierRequest, NormalizedRequest

if TYPE_CHECKING:
    from dicomnode.upper_layer.association import PulledAssociation

log = structlog.get_logger()

_IS_COMMAND, _IS_LAST = 0x01, 0x02
_item = struct.Struct(">IBB").unpack_from
_ITEM_HEADER_BYTES = 6
_MAX_COMMAND_BYTES = 64 * 1024
_WITH_IDENTIFIER = {
    commands.C_FIND_RQ: IdentifierKind.FIND,
    commands.C_MOVE_RQ: IdentifierKind.MOVE,
    commands.C_GET_RQ: IdentifierKind.GET,
}
_MEBIBYTE = 1024 * 1024


class _Dropped:
    """The sink for an instance in a presentation context that carries none."""

    def write(self, fragment: memoryview) -> None:
        """Drop it."""

    def discard(self) -> None:
        """Nothing was kept."""


class _Context(NamedTuple):
    """A presentation context that was accepted."""

    abstract_syntax: str
    transfer_syntax_uid: str


class Messages:
    """Puts the messages of one association together and has them served."""

    def __init__(self, association: PulledAssociation) -> None:
        self._association = association
        self._operations = association.operations
        self._decoder = Decoder()
        self._command_bytes = bytearray()
        self._contexts: dict[int, _Context] = {}
        """Those that were used."""
        self._context_id: int | None = None
        """Of the message that is being received; None between messages."""
        self._store: tuple[Command, StoreRequest, DataSink] | None = None
        self._held: tuple[Command, bytearray] | None = None
        """A message whose data set is put together here, and what came of that."""
        self._is_command_whole = False
        self._size_bytes = 0
        self.instances = 0
        """C-STORE requests that were answered."""

    def take(self, pdu: memoryview) -> None:
        """Take the body of a P-DATA-TF PDU (PS3.8 Section 9.3.5).

        Raises:
            Violation: it breaks the protocol or a limit.
        """
        position, end = 0, len(pdu)
        if end == 0:
            raise Violation("P-DATA-TF is empty", INVALID_PARAMETER)
        while position < end:
            start = position + _ITEM_HEADER_BYTES
            if start > end:
                raise Violation("presentation data value is cut off", INVALID_PARAMETER)
            length, context_id, header = _item(pdu, position)
            position = start + length - 2
            if not start <= position <= end:
                raise Violation("presentation data value has a wrong length", INVALID_PARAMETER)
            self._fragment(context_id, header, pdu[start:position])

    def discard(self) -> None:
        """The association ends: what is half received is dropped."""
        if self._store is not None:
            self._store[2].discard()
            self._store = None
        self._held = None

    def _fragment(self, context_id: int, header: int, fragment: memoryview) -> None:
        if self._context_id is None:
            self._begin(context_id)
        elif context_id != self._context_id:
            raise Violation("presentation context changes within a message", UNEXPECTED_PARAMETER)
        is_last = bool(header & _IS_LAST)
        if header & _IS_COMMAND:
            self._command_fragment(fragment, is_last=is_last)
        elif self._store is not None:
            self._dataset_fragment(fragment, is_last=is_last)
        elif self._held is not None:
            self._held_fragment(fragment, is_last=is_last)
        elif not self._is_command_whole:
            raise Violation("data set comes before its command", UNEXPECTED_PARAMETER)
        else:
            self._other_fragment(fragment, is_last=is_last)

    def _begin(self, context_id: int) -> None:
        if context_id not in self._association._accepted_cx:
            raise Violation(f"presentation context {context_id} was not accepted", INVALID_PARAMETER)
        self._context_id = context_id
        self._size_bytes = 0

    def _command_fragment(self, fragment: memoryview, *, is_last: bool) -> None:
        if self._is_command_whole:
            raise Violation("second command within a message", UNEXPECTED_PARAMETER)
        self._command_bytes += fragment
        if len(self._command_bytes) > _MAX_COMMAND_BYTES:
            raise Violation(f"command set of more than {_MAX_COMMAND_BYTES} bytes", INVALID_PARAMETER)
        if is_last:
            self._is_command_whole = True
            self._serve(self._decoder.decode(bytes(self._command_bytes)))

    def _serve(self, command: Command) -> None:
        """Begin with a message whose command set is whole."""
        assert self._context_id is not None
        field = command.number(commands.COMMAND_FIELD)
        has_dataset = command.number(commands.COMMAND_DATASET_TYPE) != commands.NO_DATASET
        if field == commands.C_STORE_RQ and self._is_ours(self._context_id):
            if not has_dataset:
                self._answer(command, StoreAnswer(status.MISTYPED_ARGUMENT))
                self._finish()
                return
            context = self._context()
            request = self._store_request(command, context)
            self._store = command, request, self._sink(request, context)
        elif field == commands.C_ECHO_RQ and not has_dataset:
            self._answer(command, StoreAnswer(self._operations.echo(self._association.sender)))
            self._finish()
        elif field in _WITH_IDENTIFIER and not has_dataset:
            self._answer(command, StoreAnswer(status.MISTYPED_ARGUMENT))
            self._finish()
        elif field == commands.C_CANCEL_RQ:
            self._association.exchanges.cancel(command.number(commands.MESSAGE_ID_BEING_RESPONDED_TO))
            self._finish()
        elif has_dataset:
            self._held = command, bytearray()
        else:
            self._whole(command, b"")

    def _whole(self, command: Command, dataset: bytes) -> None:
        """A message that is not hot has come."""
        assert self._context_id is not None
        field, exchanges = command.number(commands.COMMAND_FIELD) or 0, self._association.exchanges
        if field in _WITH_IDENTIFIER:
            exchanges.add(self._context_id, self._identifier_request(command, dataset))
        elif field in normalized.KINDS:
            exchanges.add(self._context_id, self._normalized_request(command, dataset))
        elif field == exchanges.awaited and exchanges.response is None:
            exchanges.response = command
        elif field & commands.RESPONSE:
            raise Violation("response that nobody waits for", UNEXPECTED_PDU)
        else:
            self._answer(command, StoreAnswer(status.UNRECOGNIZED_OPERATION))
        self._finish()

    def _dataset_fragment(self, fragment: memoryview, *, is_last: bool) -> None:
        assert self._store is not None
        command, request, sink = self._store
        self._grow(len(fragment), self._association.settings.maximum_dataset_mb)
        sink.write(fragment)
        if is_last:
            self._store = None
            try:
                self._answer(command, self._stored(request, sink))
            finally:
                sink.discard()
            self.instances += 1
            self._finish()

    def _held_fragment(self, fragment: memoryview, *, is_last: bool) -> None:
        assert self._held is not None
        command, dataset = self._held
        self._grow(len(fragment), self._association.settings.maximum_message_mb)
        dataset += fragment
        if is_last:
            self._held = None
            self._whole(command, bytes(dataset))

    def _other_fragment(self, fragment: memoryview, *, is_last: bool) -> None:  # noqa: ARG002
        """Of a message without a data set."""
        raise Violation("data set of a message that has none", UNEXPECTED_PARAMETER)

    def _sink(self, request: StoreRequest, context: _Context) -> DataSink:
        return _Dropped() if context.abstract_syntax == VERIFICATION else self._operations.open_sink(request)

    def _stored(self, request: StoreRequest, sink: DataSink) -> StoreAnswer:
        if isinstance(sink, _Dropped):
            return StoreAnswer(status.SOP_CLASS_NOT_SUPPORTED)
        try:
            return self._operations.store(request, sink)
        except Exception:  # a bug of ours costs this instance's Success, not the association
            log.exception("instance.failed", calling_ae_title=request.sender.calling_ae_title)
            return StoreAnswer(status.PROCESSING_FAILURE)

    def _grow(self, size_bytes: int, limit_mb: int) -> None:
        self._size_bytes += size_bytes
        if self._size_bytes > limit_mb * _MEBIBYTE:
            raise Violation(f"data set of more than {limit_mb} MiB")

    def _finish(self) -> None:
        self._context_id = None
        self._is_command_whole = False
        self._command_bytes.clear()

    def _is_ours(self, context_id: int) -> bool:
        """Whether the peer is the sender in this context: in a C-GET, instances go the other way."""
        return bool(self._association._accepted_cx[context_id].as_scp)

    def _context(self) -> _Context:
        """The presentation context of the message."""
        assert self._context_id is not None
        context = self._contexts.get(self._context_id)
        if context is None:
            theirs = self._association._accepted_cx[self._context_id]
            context = _Context(str(theirs.abstract_syntax), str(theirs.transfer_syntax[0]))
            self._contexts[self._context_id] = context
        return context

    def _store_request(self, command: Command, context: _Context) -> StoreRequest:
        return StoreRequest(
            sop_class_uid=command.text(commands.AFFECTED_SOP_CLASS_UID),
            sop_instance_uid=command.text(commands.AFFECTED_SOP_INSTANCE_UID),
            transfer_syntax_uid=context.transfer_syntax_uid,
            sender=self._association.sender,
            message_id=command.number(commands.MESSAGE_ID) or 0,
            move_originator_ae_title=command.text(commands.MOVE_ORIGINATOR_AE_TITLE),
            move_originator_message_id=command.number(commands.MOVE_ORIGINATOR_MESSAGE_ID),
        )

    def _identifier_request(self, command: Command, identifier: bytes) -> IdentifierRequest:
        context = self._context()
        return IdentifierRequest(
            kind=_WITH_IDENTIFIER[command.number(commands.COMMAND_FIELD) or 0],
            sop_class_uid=context.abstract_syntax,
            message_id=command.number(commands.MESSAGE_ID) or 0,
            transfer_syntax_uid=context.transfer_syntax_uid,
            identifier=identifier,
            move_destination=command.text(commands.MOVE_DESTINATION).strip(" "),
            sender=self._association.sender,
            extended_negotiation=self._association.extended_negotiation.get(context.abstract_syntax, b""),
        )

    def _normalized_request(self, command: Command, dataset: bytes) -> NormalizedRequest:
        return normalized.request_of(command, dataset, self._context().transfer_syntax_uid, self._association.sender)

    def _answer(self, command: Command, answer: StoreAnswer) -> None:
        assert self._context_id is not None
        self._association.connection.send(
            response_pdu(command, self._context_id, answer.status, answer.offending_elements, answer.comment)
        )
