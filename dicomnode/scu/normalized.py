"""Normalized services as SCU, and reports as SCP (PS3.7 Section 10.1): one request, one response.

    with opened(caller, uid) as association:
        syntax = transfer_syntax(association, uid)
        response = n_create(association, uid, instance_uid, encoded(..., syntax))

Who brings a report is the SCP: it says so by its role, and answers nothing itself (PS3.4 Section J.3.3).
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from pydicom.uid import UID
from pynetdicom import build_role
from pynetdicom.dimse_primitives import N_ACTION, N_CREATE, N_EVENT_REPORT, N_SET
from pynetdicom.presentation import PresentationContext, build_context

from dicomnode.dicom import status
from dicomnode.errors import NoContextError, PeerError
from dicomnode.scu.caller import UNCOMPRESSED, Caller, accepted_context
from dicomnode.upper_layer.requestor import Reports, RequestedAssociation

Request = N_ACTION | N_CREATE | N_EVENT_REPORT | N_SET

_MESSAGE_ID: Final = 1
"""An association of ours has one request under way at a time."""


@dataclass(frozen=True, slots=True)
class NormalizedResponse:
    """What a peer answered.

    Attributes:
        sop_instance_uid: Affected SOP Instance UID; empty when it is not told.
        dataset: encoded in the transfer syntax of the presentation context; empty for none.
        comment: Error Comment (0000,0902).
        error_id: Error ID (0000,0903); None when there is none.
    """

    status: int
    sop_instance_uid: str = ""
    dataset: bytes = b""
    comment: str = ""
    error_id: int | None = None

    @property
    def is_success(self) -> bool:
        """Whether the peer did what it was asked to, maybe with a warning."""
        return status.is_success(self.status)

    def told(self) -> str:
        """The status for a person."""
        return status.meaning(self.status) + (f": {status.error_comment(self.comment)}" if self.comment else "")


def opened(
    caller: Caller, sop_class_uid: str, *, is_scp: bool = False, reports: Reports | None = None
) -> AbstractContextManager[RequestedAssociation]:
    """An association for requests of this class, released after the block.

    Args:
        is_scp: we bring reports: say by role selection that we are the SCP (PS3.7 Section D.3.3.4).
        reports: answers the reports that the peer sends over it.

    Raises:
        NoContextError: the peer does not take the class.
        PeerError: it cannot be reached, or does not want us.
    """
    return caller.association(
        [build_context(sop_class_uid, UNCOMPRESSED)],
        extended_negotiation=[build_role(sop_class_uid, scp_role=True)] if is_scp else [],
        reports=reports,
    )


def transfer_syntax(association: RequestedAssociation, sop_class_uid: str) -> str:
    """In what the data sets of this class are encoded.

    Raises:
        NoContextError: the peer does not take the class.
    """
    return str(_context(association, sop_class_uid).transfer_syntax[0])


def n_create(
    association: RequestedAssociation, sop_class_uid: str, sop_instance_uid: str, dataset: bytes
) -> NormalizedResponse:
    """The answer to an N-CREATE (PS3.7 Section 10.1.5).

    Args:
        sop_instance_uid: empty to let the peer assign one.

    Raises:
        NoContextError: the peer does not take the class.
        PeerError: there is no answer, and the association is over.
    """
    request = N_CREATE()
    request.AffectedSOPClassUID = UID(sop_class_uid)
    if sop_instance_uid:
        request.AffectedSOPInstanceUID = UID(sop_instance_uid)
    request.AttributeList = BytesIO(dataset)
    return _ask(association, sop_class_uid, request)


def n_set(
    association: RequestedAssociation, sop_class_uid: str, sop_instance_uid: str, dataset: bytes
) -> NormalizedResponse:
    """The answer to an N-SET (PS3.7 Section 10.1.3); for errors see `n_create`."""
    request = N_SET()
    request.RequestedSOPClassUID = UID(sop_class_uid)
    request.RequestedSOPInstanceUID = UID(sop_instance_uid)
    request.ModificationList = BytesIO(dataset)
    return _ask(association, sop_class_uid, request)


def n_action(
    association: RequestedAssociation, sop_class_uid: str, sop_instance_uid: str, action_type_id: int, dataset: bytes
) -> NormalizedResponse:
    """The answer to an N-ACTION (PS3.7 Section 10.1.4); for errors see `n_create`."""
    request = N_ACTION()
    request.RequestedSOPClassUID = UID(sop_class_uid)
    request.RequestedSOPInstanceUID = UID(sop_instance_uid)
    request.ActionTypeID = action_type_id
    request.ActionInformation = BytesIO(dataset)
    return _ask(association, sop_class_uid, request)


def n_event_report(
    association: RequestedAssociation, sop_class_uid: str, sop_instance_uid: str, event_type_id: int, dataset: bytes
) -> NormalizedResponse:
    """The answer to an N-EVENT-REPORT (PS3.7 Section 10.1.1); for errors see `n_create`."""
    request = N_EVENT_REPORT()
    request.AffectedSOPClassUID = UID(sop_class_uid)
    request.AffectedSOPInstanceUID = UID(sop_instance_uid)
    request.EventTypeID = event_type_id
    request.EventInformation = BytesIO(dataset)
    return _ask(association, sop_class_uid, request)


def _context(association: RequestedAssociation, sop_class_uid: str) -> PresentationContext:
    context = accepted_context(association, sop_class_uid)
    if context is None:
        raise NoContextError(f"no context for {UID(sop_class_uid).name} accepted by {association.acceptor.ae_title}")
    return context


def _ask(association: RequestedAssociation, sop_class_uid: str, request: Request) -> NormalizedResponse:
    context = _context(association, sop_class_uid)
    assert context.context_id is not None
    request.MessageID = _MESSAGE_ID
    name, who = type(request).__name__.replace("_", "-"), association.acceptor.ae_title
    association.dimse.send_msg(request, context.context_id)
    _, message = association.dimse.get_msg(block=True)
    if message is None:
        why = f" within {association.dimse_timeout:g} s" if association.is_established else ", the association ended"
        association.give_up()
        raise PeerError(f"no answer to {name} from {who}{why}")
    if not isinstance(message, type(request)) or not message.is_valid_response:
        association.give_up()
        raise PeerError(f"{type(message).__name__.replace('_', '-')} in place of a response to {name} from {who}")
    return _response(message)


def _response(message: Request) -> NormalizedResponse:
    assert message.Status is not None
    dataset = _dataset(message)
    return NormalizedResponse(
        message.Status,
        _text(message.AffectedSOPInstanceUID),
        dataset.getvalue() if dataset is not None else b"",
        _text(message.ErrorComment),
        message.ErrorID,
    )


def _dataset(message: Request) -> BytesIO | None:
    if isinstance(message, N_ACTION):
        return message.ActionReply
    if isinstance(message, N_EVENT_REPORT):
        return message.EventReply
    return message.AttributeList


def _text(value: object) -> str:
    return "" if value is None else str(value)
