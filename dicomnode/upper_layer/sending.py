"""A C-STORE as its SCU: the data set goes from where it lies to the socket, uncopied, in PDUs of the peer's maximum length."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from dicomnode.dicom.instance import StoreAnswer
from dicomnode.errors import PeerError
from dicomnode.upper_layer import commands, pdus
from dicomnode.upper_layer.faults import Gone, TimedOut, Violation

if TYPE_CHECKING:
    from dicomnode.upper_layer.connection import Connection
    from dicomnode.upper_layer.requestor import RequestedAssociation

_PDATA_TF: Final = 4
_IS_LAST: Final = 2
_ITEM_HEADER_BYTES: Final = 6
_BATCH_BYTES: Final = 512 * 1024
"""What is sent with one system call, and has the send timeout to be taken; more at once is slower again."""
_LONGEST_PDU_BYTES: Final = 256 * 1024
"""Whatever a peer allows."""
_BATCH_PIECES: Final = 512
DEFAULT_MAXIMUM_LENGTH: Final = 16 * 1024
"""For a peer that does not say how long a PDU may be."""

_head = struct.Struct(">BxIIBB").pack


def store(
    association: RequestedAssociation,
    context_id: int,
    command: bytes,
    message_id: int,
    dataset: memoryview,
    *,
    meanwhile: Callable[[], None] = lambda: None,
) -> StoreAnswer:
    """The peer's answer to a C-STORE; each step has its deadline.

    Args:
        command: as `commands.store_request` makes it.
        meanwhile: called when all has been sent, while the peer works on it.

    Raises:
        PeerError: there is none, and the association is over.
    """
    messages = association.messages
    messages.is_storing, messages.store_response = True, None
    maximum_length = association.acceptor.maximum_length
    try:
        send_store(
            association.connection,
            context_id,
            command,
            dataset,
            DEFAULT_MAXIMUM_LENGTH if maximum_length is None else maximum_length,
        )
        meanwhile()
        answer = commands.store_answer(_response(association, message_id))
    except (Gone, Violation) as fault:
        association.give_up()
        raise PeerError(f"association lost: {fault}") from fault
    messages.is_storing = False
    return answer


def send_store(
    connection: Connection, context_id: int, command: bytes, dataset: memoryview, maximum_length: int
) -> None:
    """Send a C-STORE-RQ and its data set, of any size; its command set as `commands.store_request` makes it.

    Args:
        maximum_length: that the peer allows for the body of a P-DATA-TF PDU in bytes; 0 for no limit (PS3.8 Annex D.1).

    Raises:
        Gone: the connection has ended.
        TimedOut: the peer does not take it.
    """
    for pieces in _batches(context_id, command, dataset, maximum_length):
        connection.send_pieces(pieces)


def _batches(
    context_id: int, command: bytes, dataset: memoryview, maximum_length: int
) -> Iterator[list[bytes | memoryview]]:
    """Command set and data set as P-DATA-TF PDUs with one fragment each, a system call's worth at a time."""
    room_bytes = min(maximum_length or _LONGEST_PDU_BYTES, _LONGEST_PDU_BYTES) - _ITEM_HEADER_BYTES
    room_bytes = max(room_bytes // 2 * 2, 2)  # fragments have an even length (PS3.8 Annex E.1)
    pieces_a_batch = min(2 * max(_BATCH_BYTES // room_bytes, 1), _BATCH_PIECES)
    batch: list[bytes | memoryview] = list(pdus.fragmented(context_id, command, b"", maximum_length))
    last = max(len(dataset) - 1, 0) // room_bytes * room_bytes
    head = _fragment_head(context_id, room_bytes, 0)
    for start in range(0, last, room_bytes):
        batch += (head, dataset[start : start + room_bytes])
        if len(batch) >= pieces_a_batch:
            yield batch
            batch = []
    rest = dataset[last:]
    padding = b"\0" * (
        len(rest) % 2
    )  # of deflated data sets (PS3.5 Section A.5) and of broken ones; many peers abort without
    yield [*batch, _fragment_head(context_id, len(rest) + len(padding), _IS_LAST), rest, padding]


def _fragment_head(context_id: int, size_bytes: int, header: int) -> bytes:
    return _head(_PDATA_TF, size_bytes + _ITEM_HEADER_BYTES, size_bytes + 2, context_id, header)


def _response(association: RequestedAssociation, message_id: int) -> commands.Command:
    messages, timeout_s = association.messages, association.dimse_timeout or 0.0
    deadline = time.monotonic() + timeout_s
    while messages.store_response is None:
        if not association.is_established:
            raise Gone(association.fault or f"the peer {'aborted' if association.is_aborted else 'released'} it")
        if (left_s := deadline - time.monotonic()) <= 0:
            raise TimedOut(f"no answer within {timeout_s:g} s")
        association.dul.read(left_s)
    if messages.store_response.number(commands.MESSAGE_ID_BEING_RESPONDED_TO) != message_id:
        raise Violation("C-STORE response to another request")
    return messages.store_response
