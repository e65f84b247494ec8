"""One request and the responses to it, as C-FIND, C-MOVE and C-GET have them (PS3.7 Sections 9.1.2-9.1.4).

Whoever asks may wish to stop: then a C-CANCEL goes out (PS3.7 Section 9.3.2.3), and the responses still come to their end.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pynetdicom.dimse_primitives import C_CANCEL, C_FIND, C_GET, C_MOVE
from pynetdicom.presentation import PresentationContext

from dicomnode.dicom import status
from dicomnode.dicom.sub_operations import SubOperations
from dicomnode.errors import PeerError
from dicomnode.upper_layer.requestor import RequestedAssociation

MESSAGE_ID: Final = 1
"""An association of ours has one request under way at a time."""
_LOOK_S: Final = 0.2
"""While nothing comes, so often is asked whether to stop."""

Request = C_FIND | C_GET | C_MOVE


@dataclass(frozen=True, slots=True)
class Response:
    """One response; of the counts those that it does not tell are 0, and all are missing when it tells none.

    Attributes:
        identifier: encoded in the transfer syntax of the presentation context.
        comment: Error Comment (0000,0902).
        offending_elements: (0000,0901), as tags.
    """

    status: int
    identifier: bytes = b""
    comment: str = ""
    offending_elements: tuple[int, ...] = ()
    counts: SubOperations | None = None

    @property
    def is_pending(self) -> bool:
        """Whether more responses follow (PS3.7 Section C.4)."""
        return status.is_pending(self.status)


def ask(
    association: RequestedAssociation,
    context: PresentationContext,
    request: Request,
    *,
    answer_s: float,
    is_cancelled: Callable[[], bool],
    end_s: float | None = None,
) -> Iterator[Response]:
    """Send ``request``, and each response to it as it comes; the last one is the only one that is not pending.

    Args:
        answer_s: how long the peer may be silent.
        end_s: how long it may take to end after a C-CANCEL; ``answer_s`` unless it is given.
        is_cancelled: asked before each response and while none comes; once it says so a C-CANCEL goes out.

    Raises:
        PeerError: the association ended, the peer was silent, or answered something else.
    """
    request.MessageID = MESSAGE_ID
    assert context.context_id is not None
    context_id = context.context_id
    association.dimse_timeout = _LOOK_S
    association.dimse.send_msg(request, context_id)
    deadline, is_cancelling = time.monotonic() + answer_s, False
    while True:
        if not is_cancelling and is_cancelled():
            cancel = C_CANCEL()
            cancel.MessageIDBeingRespondedTo = MESSAGE_ID
            association.dimse.send_msg(cancel, context_id)
            deadline, is_cancelling = time.monotonic() + (answer_s if end_s is None else end_s), True
        received_bytes = association.connection.received_bytes
        _, message = association.dimse.get_msg(block=True)
        if message is not None:
            response = _response(association, request, message)
            yield response
            if not response.is_pending:
                return
        elif not association.is_established:
            raise PeerError(f"association ended by {association.acceptor.ae_title} before the last response")
        # In a C-GET instances come between the responses, maybe for hours.
        if not is_cancelling and (message is not None or association.connection.received_bytes > received_bytes):
            deadline = time.monotonic() + answer_s
        elif time.monotonic() > deadline:
            association.give_up()
            what = "no end after C-CANCEL" if is_cancelling else f"no response within {answer_s:g} s"
            raise PeerError(f"{what} from {association.acceptor.ae_title}")


def _response(association: RequestedAssociation, request: Request, message: object) -> Response:
    if not isinstance(message, type(request)) or not message.is_valid_response:
        association.give_up()
        raise PeerError(f"{type(message).__name__.replace('_', '-')} in place of a response to {_name(request)}")
    assert message.Status is not None
    return Response(
        status=message.Status,
        identifier=message.Identifier.getvalue() if message.Identifier is not None else b"",
        comment=_text(message.ErrorComment),
        offending_elements=_tags(message.OffendingElement),
        counts=None if isinstance(message, C_FIND) else _counts(message),
    )


def _counts(message: C_GET | C_MOVE) -> SubOperations | None:
    counts = (
        message.NumberOfRemainingSuboperations,
        message.NumberOfCompletedSuboperations,
        message.NumberOfFailedSuboperations,
        message.NumberOfWarningSuboperations,
    )
    return None if counts == (None,) * 4 else SubOperations(*(count or 0 for count in counts))


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _tags(value: object) -> tuple[int, ...]:
    """Offending Element as pynetdicom has it: nothing, a tag, or several."""
    if isinstance(value, int):
        return (int(value),)
    return tuple(int(tag) for tag in value) if isinstance(value, Iterable) else ()


def _name(request: Request) -> str:
    return type(request).__name__.replace("_", "-")
