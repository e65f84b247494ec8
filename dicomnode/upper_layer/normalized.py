"""The command sets of normalized messages (PS3.7 Section 10.3): requests as they come, and their responses."""

from __future__ import annotations

import struct
from typing import Final

from dicomnode.dicom import status as statuses
from dicomnode.dicom.peer import Sender
from dicomnode.upper_layer import commands
from dicomnode.upper_layer.commands import Command, command_set, element, number
from dicomnode.upper_layer.operations import NormalizedAnswer, NormalizedKind, NormalizedRequest

KINDS: Final = {
    0x0100: NormalizedKind.EVENT_REPORT,
    0x0110: NormalizedKind.GET,
    0x0120: NormalizedKind.SET,
    0x0130: NormalizedKind.ACTION,
    0x0140: NormalizedKind.CREATE,
    0x0150: NormalizedKind.DELETE,
}
"""By Command Field of the request."""
N_EVENT_REPORT_RQ: Final = 0x0100
N_EVENT_REPORT_RSP: Final = 0x8100

_COMMAND_FIELDS: Final = {kind: field for field, kind in KINDS.items()}
_REQUESTED_SOP_CLASS_UID: Final = 0x0003
_ERROR_ID: Final = 0x0903
_REQUESTED_SOP_INSTANCE_UID: Final = 0x1001
_ATTRIBUTE_IDENTIFIER_LIST: Final = 0x1005
_TYPE_IDS: Final = {NormalizedKind.EVENT_REPORT: 0x1002, NormalizedKind.ACTION: 0x1008}
"""Event Type ID and Action Type ID."""
_NAMES_AFFECTED: Final = frozenset({NormalizedKind.EVENT_REPORT, NormalizedKind.CREATE})
"""Operations that name what they are about as affected; the others name it as requested."""
_MAX_ATTRIBUTES: Final = 4096
"""Of an Attribute Identifier List."""

# which fields a response with a status may have beside it (PS3.7 Annex C.4, C.5)
_BARE: Final = frozenset(
    {
        statuses.DUPLICATE_INVOCATION,
        statuses.UNRECOGNIZED_OPERATION,
        statuses.MISTYPED_ARGUMENT,
        statuses.RESOURCE_LIMITATION,
    }
)
_ABOUT_ITS_TYPE: Final = frozenset(
    {
        statuses.NO_SUCH_EVENT_TYPE,
        statuses.NO_SUCH_ARGUMENT,
        statuses.INVALID_ARGUMENT_VALUE,
        statuses.NO_SUCH_ACTION_TYPE,
    }
)
_WITH_COMMENT: Final = frozenset({statuses.PROCESSING_FAILURE, statuses.NOT_AUTHORIZED})
_FIRST_OF_SERVICES: Final = 0xA000
"""From here on a status is a service's own, and may have a comment."""

_at = struct.Struct("<HH")


def request_of(command: Command, dataset: bytes, transfer_syntax_uid: str, sender: Sender) -> NormalizedRequest:
    """The request whose command set this is, and its data set."""
    kind = KINDS[command.number(commands.COMMAND_FIELD) or 0]
    affected = kind in _NAMES_AFFECTED
    type_id = _TYPE_IDS.get(kind)
    tags = command.elements.get(_ATTRIBUTE_IDENTIFIER_LIST, b"")
    return NormalizedRequest(
        kind=kind,
        sop_class_uid=command.text(commands.AFFECTED_SOP_CLASS_UID if affected else _REQUESTED_SOP_CLASS_UID),
        sop_instance_uid=command.text(commands.AFFECTED_SOP_INSTANCE_UID if affected else _REQUESTED_SOP_INSTANCE_UID),
        message_id=command.number(commands.MESSAGE_ID) or 0,
        transfer_syntax_uid=transfer_syntax_uid,
        dataset=dataset,
        type_id=None if type_id is None else command.number(type_id),
        attributes=commands.attribute_tags(tags[: _MAX_ATTRIBUTES * _at.size]) if kind is NormalizedKind.GET else (),
        sender=sender,
    )


def response(request: NormalizedRequest, answer: NormalizedAnswer) -> bytes:
    """The command set of the response, with what its status allows (PS3.7 Section 10.3, Annex C)."""
    status = answer.status
    is_bare = status in _BARE
    has_type = bool(answer.dataset) or statuses.is_success(status) or status in _ABOUT_ITS_TYPE
    type_id = request.type_id if has_type else None
    event, action = (type_id if kind is request.kind else None for kind in _TYPE_IDS)
    uid = answer.sop_instance_uid or request.sop_instance_uid
    may_have_comment = status in _WITH_COMMENT or status >= _FIRST_OF_SERVICES
    return command_set(
        element(commands.AFFECTED_SOP_CLASS_UID, b"" if is_bare else commands.uid_bytes(request.sop_class_uid)),
        number(commands.COMMAND_FIELD, _COMMAND_FIELDS[request.kind] | commands.RESPONSE),
        number(commands.MESSAGE_ID_BEING_RESPONDED_TO, request.message_id),
        number(commands.COMMAND_DATASET_TYPE, commands.WITH_DATASET if answer.dataset else commands.NO_DATASET),
        number(commands.STATUS, status),
        commands.comment_element(statuses.error_comment(answer.comment) if may_have_comment else ""),
        _optional_number(_ERROR_ID, answer.error_id),
        element(commands.AFFECTED_SOP_INSTANCE_UID, b"" if is_bare else commands.uid_bytes(uid)),
        _optional_number(_TYPE_IDS[NormalizedKind.EVENT_REPORT], event),
        element(_ATTRIBUTE_IDENTIFIER_LIST, commands.attribute_values(answer.offending_elements)),
        _optional_number(_TYPE_IDS[NormalizedKind.ACTION], action),
    )


def event_report(sop_class_uid: str, sop_instance_uid: str, event_type_id: int, message_id: int) -> bytes:
    """The command set of an N-EVENT-REPORT-RQ with a data set (PS3.7 Table 10.3-1)."""
    return command_set(
        element(commands.AFFECTED_SOP_CLASS_UID, commands.uid_bytes(sop_class_uid)),
        number(commands.COMMAND_FIELD, N_EVENT_REPORT_RQ),
        number(commands.MESSAGE_ID, message_id),
        number(commands.COMMAND_DATASET_TYPE, commands.WITH_DATASET),
        element(commands.AFFECTED_SOP_INSTANCE_UID, commands.uid_bytes(sop_instance_uid)),
        number(_TYPE_IDS[NormalizedKind.EVENT_REPORT], event_type_id),
    )


def _optional_number(tag: int, value: int | None) -> bytes:
    return b"" if value is None else number(tag, value)
