"""Command sets of the hot messages, decoded and encoded without a Dataset (PS3.7 Section 6.3: Implicit VR Little Endian)."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from dicomnode.dicom import status as statuses
from dicomnode.dicom.instance import StoreAnswer
from dicomnode.dicom.outgoing import MoveOriginator
from dicomnode.dicom.sub_operations import SubOperations
from dicomnode.upper_layer.faults import INVALID_PARAMETER, Violation

C_STORE_RQ: Final = 0x0001
C_STORE_RSP: Final = 0x8001
C_GET_RQ: Final = 0x0010
C_FIND_RQ: Final = 0x0020
C_MOVE_RQ: Final = 0x0021
C_ECHO_RQ: Final = 0x0030
C_CANCEL_RQ: Final = 0x0FFF
RESPONSE: Final = 0x8000
"""Of the Command Field of a response, beside the request's."""
WITH_DATASET: Final = 0x0001
"""Command Data Set Type (0000,0800) of a message with one; any other value but the next means the same."""
_MEDIUM: Final = 0x0000
"""Priority (0000,0700)."""
NO_DATASET: Final = 0x0101
"""Command Data Set Type (0000,0800) of a message without a data set."""

AFFECTED_SOP_CLASS_UID: Final = 0x0002
COMMAND_FIELD: Final = 0x0100
MESSAGE_ID: Final = 0x0110
MESSAGE_ID_BEING_RESPONDED_TO: Final = 0x0120
MOVE_DESTINATION: Final = 0x0600
COMMAND_DATASET_TYPE: Final = 0x0800
PRIORITY: Final = 0x0700
STATUS: Final = 0x0900
OFFENDING_ELEMENT: Final = 0x0901
ERROR_COMMENT: Final = 0x0902
AFFECTED_SOP_INSTANCE_UID: Final = 0x1000
MOVE_ORIGINATOR_AE_TITLE: Final = 0x1030
MOVE_ORIGINATOR_MESSAGE_ID: Final = 0x1031

_PDATA_TF: Final = 4
_LAST_COMMAND: Final = 3
"""Message control header: command, last fragment (PS3.8 Annex E.2)."""
_MAX_UID: Final = 64
_MAX_US: Final = 65535
_US_BYTES: Final = 2

_HEADER_BYTES: Final = 8
"""Group, element, length."""
_REMEMBERED_BYTES: Final = 1024
_REMEMBERED_FORMS: Final = 8

_header = struct.Struct("<HHI").unpack_from
_at = struct.Struct("<HH")


class Command(NamedTuple):
    """A command set: {element number: value}; all its elements are of group 0000."""

    elements: dict[int, bytes]

    def number(self, element: int) -> int | None:
        """A US value; None when absent or of another length."""
        value = self.elements.get(element, b"")
        return int.from_bytes(value, "little") if len(value) == _US_BYTES else None

    def text(self, element: int) -> str:
        """A UI or AE value without padding; bytes that are no ASCII stand as latin-1."""
        return self.elements.get(element, b"").rstrip(b"\0 ").decode("latin_1")


def decode(data: bytes) -> Command:
    """The command set in ``data``.

    Raises:
        Violation: it is none.
    """
    elements: dict[int, bytes] = {}
    position, end = 0, len(data)
    while position < end:
        if end - position < _HEADER_BYTES:
            raise Violation("command set is cut off", INVALID_PARAMETER)
        group, element, length = _header(data, position)
        position += _HEADER_BYTES
        if group != 0 or length > end - position:
            raise Violation("command set is malformed", INVALID_PARAMETER)
        elements[element] = data[position : position + length]
        position += length
    if COMMAND_FIELD not in elements:
        raise Violation("command set has no Command Field", INVALID_PARAMETER)
    return Command(elements)


class _Form(NamedTuple):
    """What a command set is apart from its values."""

    cut: Callable[[bytes], tuple[Any, ...]]
    """A command set of this length into headers and values in turn."""
    headers: tuple[bytes, ...]
    elements: tuple[int, ...]


class Decoder:
    """Decodes the command sets of one association.

    A device sends the same elements with each instance: where all headers are those of an earlier command set, so are the values'
    places.
    """

    def __init__(self) -> None:
        self._forms: dict[int, _Form] = {}
        """By length: a few, as UIDs differ in theirs."""

    def decode(self, data: bytes) -> Command:
        """The command set in ``data``, as `decode` reads it.

        Raises:
            Violation: it is none.
        """
        form = self._forms.get(len(data))
        if form is not None:
            pieces = form.cut(data)
            if pieces[::2] == form.headers:
                return Command(dict(zip(form.elements, pieces[1::2], strict=True)))
        command = decode(data)
        self._remember(data, command)
        return command

    def _remember(self, data: bytes, command: Command) -> None:
        sizes = [len(value) for value in command.elements.values()]
        is_plain = len(data) == len(sizes) * _HEADER_BYTES + sum(sizes)  # else an element comes twice
        if not is_plain or len(data) > _REMEMBERED_BYTES:
            return
        if len(self._forms) >= _REMEMBERED_FORMS:
            self._forms.clear()
        cut = struct.Struct("".join(f"{_HEADER_BYTES}s{size}s" for size in sizes)).unpack
        self._forms[len(data)] = _Form(cut, cut(data)[::2], tuple(command.elements))


def response_pdu(
    request: Command, context_id: int, status: int, offending_elements: tuple[int, ...] = (), comment: str = ""
) -> bytes:
    """The response to a C-STORE-RQ or C-ECHO-RQ as one P-DATA-TF PDU (PS3.7 Tables 9.3-2, 9.3-13)."""
    command = command_set(
        _head(request.elements.get(AFFECTED_SOP_CLASS_UID, b"")[: _MAX_UID + 1], request.number(COMMAND_FIELD) or 0),
        number(MESSAGE_ID_BEING_RESPONDED_TO, request.number(MESSAGE_ID) or 0),
        _WITHOUT_DATASET,
        _outcome(status, offending_elements, comment),
        element(AFFECTED_SOP_INSTANCE_UID, _as_uid(request.elements.get(AFFECTED_SOP_INSTANCE_UID, b""))),
    )
    return struct.pack(">BxIIBB", _PDATA_TF, len(command) + 6, len(command) + 2, context_id, _LAST_COMMAND) + command


def identifier_response(
    command_field: int,
    sop_class_uid: str,
    message_id: int,
    status: int,
    *,
    has_identifier: bool,
    offending_elements: tuple[int, ...] = (),
    comment: str = "",
    counts: SubOperations | None = None,
) -> bytes:
    """The command set of a response to a C-FIND, C-MOVE or C-GET (PS3.7 Tables 9.3-4, 9.3-7, 9.3-10).

    Args:
        command_field: of the request.
    """
    return command_set(
        _head(sop_class_uid.encode("latin_1"), command_field),
        number(MESSAGE_ID_BEING_RESPONDED_TO, message_id),
        number(COMMAND_DATASET_TYPE, WITH_DATASET if has_identifier else NO_DATASET),
        _outcome(status, offending_elements, comment),
        b"" if counts is None else _sub_operations(counts, status),
    )


def store_request(
    sop_class_uid: str, sop_instance_uid: str, message_id: int, originator: MoveOriginator | None = None
) -> bytes:
    """The command set of a C-STORE-RQ of medium priority (PS3.7 Table 9.3-1)."""
    return command_set(
        element(AFFECTED_SOP_CLASS_UID, sop_class_uid.encode("latin_1", "replace")),
        number(COMMAND_FIELD, C_STORE_RQ),
        number(MESSAGE_ID, message_id),
        number(PRIORITY, _MEDIUM),
        number(COMMAND_DATASET_TYPE, WITH_DATASET),
        element(AFFECTED_SOP_INSTANCE_UID, sop_instance_uid.encode("latin_1", "replace")),
        b"" if originator is None else _move_originator(originator),
    )


def store_answer(response: Command) -> StoreAnswer:
    """What a C-STORE-RSP says (PS3.7 Table 9.3-2).

    Raises:
        Violation: it has no status.
    """
    status = response.number(STATUS)
    if status is None:
        raise Violation("C-STORE response without a status", INVALID_PARAMETER)
    offending = attribute_tags(response.elements.get(OFFENDING_ELEMENT, b""))
    return StoreAnswer(status, offending, statuses.error_comment(response.text(ERROR_COMMENT).strip(" ")))


def _move_originator(originator: MoveOriginator) -> bytes:
    title = element(MOVE_ORIGINATOR_AE_TITLE, originator.ae_title.encode("ascii", "replace"), pad=b" ")
    return title + number(MOVE_ORIGINATOR_MESSAGE_ID, originator.message_id)


def command_set(*elements: bytes) -> bytes:
    """The command set of these elements, which are in the order of their tags."""
    body = b"".join(elements)
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def _outcome(status: int, offending_elements: tuple[int, ...], comment: str) -> bytes:
    """Status, Offending Element, Error Comment (PS3.7 Annex C)."""
    outcome = number(STATUS, status)
    if offending_elements or comment:
        outcome += element(OFFENDING_ELEMENT, attribute_values(offending_elements)) + comment_element(comment)
    return outcome


def attribute_tags(value: bytes) -> tuple[int, ...]:
    """The tags in a value of the VR AT."""
    return tuple(group << 16 | number for group, number in _at.iter_unpack(value[: len(value) // 4 * 4]))


def attribute_values(tags: Iterable[int]) -> bytes:
    """Tags as a value of the VR AT."""
    return b"".join(_at.pack(tag >> 16, tag & 0xFFFF) for tag in tags)


def comment_element(comment: str) -> bytes:
    """Error Comment (0000,0902); nothing when it is empty."""
    return element(ERROR_COMMENT, comment.encode("ascii", "replace"), pad=b" ")


def uid_bytes(uid: str) -> bytes:
    """A UID as it goes into an element; what is too long to be one is not given back."""
    return _as_uid(uid.encode("latin_1", "replace"))


def _sub_operations(counts: SubOperations, status: int) -> bytes:
    """Their numbers; how many remain is told only while some may (PS3.4 Section C.4.2.1.6)."""
    numbers = [(0x1021, counts.completed), (0x1022, counts.failed), (0x1023, counts.warning)]
    if statuses.is_pending(status) or status == statuses.CANCEL:
        numbers.insert(0, (0x1020, counts.remaining))
    return b"".join(number(element, min(count, _MAX_US)) for element, count in numbers)


def number(element: int, value: int) -> bytes:
    """An element with the VR US."""
    return struct.pack("<HHIH", 0, element, 2, value)


@lru_cache(maxsize=256)
def _head(sop_class_uid: bytes, command_field: int) -> bytes:
    return element(AFFECTED_SOP_CLASS_UID, sop_class_uid) + number(COMMAND_FIELD, command_field | RESPONSE)


def _as_uid(value: bytes) -> bytes:
    """What can be given back as a UID: not one that is too long to be one."""
    return value if len(value) <= _MAX_UID else b""


def element(element: int, value: bytes, *, pad: bytes = b"\0") -> bytes:
    """An element of the command set; nothing for an empty value."""
    if not value:
        return b""
    if len(value) % 2:
        value += pad
    return struct.pack("<HHI", 0, element, len(value)) + value


_WITHOUT_DATASET: Final = number(COMMAND_DATASET_TYPE, NO_DATASET)
