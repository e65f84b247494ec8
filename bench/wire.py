"""The few DICOM Upper Layer bytes that the benchmark needs, encoded ahead of time (PS3.8 Section 9.3, PS3.7 Annex E)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydicom.uid import ExplicitVRLittleEndian

from bench.instances import PLACEHOLDER, Form, Template

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
PDU_HEADER_BYTES = 6
PDV_HEADER_BYTES = 6

C_STORE_RQ, C_GET_RQ, C_FIND_RQ, C_MOVE_RQ, C_ECHO_RQ = 0x0001, 0x0010, 0x0020, 0x0021, 0x0030
SUCCESS, PENDING, SOME_FAILED = 0x0000, 0xFF00, 0xB000
VERIFICATION = "1.2.840.10008.1.1"
STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_ROOT_MOVE, STUDY_ROOT_GET = "1.2.840.10008.5.1.4.1.2.2.2", "1.2.840.10008.5.1.4.1.2.2.3"

LARGEST_PDU = 131072
"""What we accept, and the most that we send: DCMTK's senders do the same, whatever the peer would take."""

_APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
_IMPLEMENTATION_CLASS_UID = "1.2.826.0.1.3680043.8.498.1.1"
_NO_DATA_SET, _DATA_SET = 0x0101, 0x0001
_COMMAND, _LAST = 1, 2  # bits of a PDV's message control header (PS3.8 Section E.2)


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What an A-ASSOCIATE-AC says."""

    accepted_context_ids: frozenset[int]
    max_pdu_length: int


def context_id(index: int) -> int:
    """The odd number that the proposed context at ``index`` goes by."""
    return 2 * index + 1


def associate_rq(
    called_ae_title: str, calling_ae_title: str, abstract_syntaxes: Sequence[str], receives: Sequence[str] = ()
) -> bytes:
    """An A-ASSOCIATE-RQ that proposes each abstract syntax in Explicit VR Little Endian; we are SCP of those in ``receives``."""
    contexts = b"".join(
        _item(
            0x20,
            struct.pack(">BBBB", context_id(index), 0, 0, 0)
            + _item(0x30, uid.encode())
            + _item(0x40, ExplicitVRLittleEndian.encode()),
        )
        for index, uid in enumerate(abstract_syntaxes)
    )
    roles = b"".join(
        _item(0x54, struct.pack(">H", len(uid)) + uid.encode() + b"\0\1") for uid in receives
    )  # PS3.7 Table D.3-9
    user_information = _item(
        0x50, _item(0x51, struct.pack(">L", LARGEST_PDU)) + _item(0x52, _IMPLEMENTATION_CLASS_UID.encode()) + roles
    )
    body = (
        struct.pack(">HH16s16s32x", 1, 0, called_ae_title.ljust(16).encode(), calling_ae_title.ljust(16).encode())
        + _item(0x10, _APPLICATION_CONTEXT.encode())
        + contexts
        + user_information
    )
    return pdu(ASSOCIATE_RQ, body)


def parse_associate_ac(body: bytes) -> Acceptance:
    """What the peer accepted, from the A-ASSOCIATE-AC without its PDU header."""
    accepted, max_length = set(), LARGEST_PDU
    for item_type, value in _items(body[68:]):
        if item_type == 0x21 and value[2] == 0:
            accepted.add(value[0])
        elif item_type == 0x50:
            lengths = [struct.unpack(">L", item)[0] for kind, item in _items(value) if kind == 0x51]
            max_length = lengths[0] if lengths and lengths[0] else LARGEST_PDU
    return Acceptance(frozenset(accepted), min(max_length, LARGEST_PDU))


def associate_ac(request: bytes) -> bytes:
    """The answer to an A-ASSOCIATE-RQ (without its PDU header) that accepts every context, in its first transfer syntax."""
    body = request[:68] + _item(0x10, _APPLICATION_CONTEXT.encode())
    for item_type, value in _items(request[68:]):
        if item_type == 0x20:
            _, transfer_syntax, *_ = (item for _, item in _items(value[4:]))
            body += _item(0x21, bytes([value[0], 0, 0, 0]) + _item(0x40, transfer_syntax))
    return pdu(ASSOCIATE_AC, body + _item(0x50, _item(0x51, struct.pack(">L", LARGEST_PDU))))


def pdu(pdu_type: int, body: bytes) -> bytes:
    """One PDU."""
    return struct.pack(">BBL", pdu_type, 0, len(body)) + body


def echo_rq(context: int) -> bytes:
    """A C-ECHO-RQ (PS3.7 Section 9.3.5.1)."""
    command = _command(
        (0x0002, _uid(VERIFICATION)), (0x0100, _us(C_ECHO_RQ)), (0x0110, _us(1)), (0x0800, _us(_NO_DATA_SET))
    )
    return _p_data(context, _COMMAND | _LAST, command)


def store_rq_pdus(template: Template, context: int, max_pdu_length: int) -> Iterator[bytes]:
    """A C-STORE-RQ of the template (PS3.7 Section 9.3.1.1), the command in a PDU of its own, as DCMTK sends it."""
    command = _command(
        (0x0002, _uid(template.sop_class_uid)),
        (0x0100, _us(C_STORE_RQ)),
        (0x0110, _us(1)),
        (0x0700, _us(0)),
        (0x0800, _us(_DATA_SET)),
        (0x1000, _uid(PLACEHOLDER.sop_instance_uid)),
    )
    yield _p_data(context, _COMMAND | _LAST, command)
    rest = template.size_bytes
    for piece in template.pieces(max_pdu_length - PDV_HEADER_BYTES):
        rest -= len(piece)
        yield _p_data(context, 0 if rest else _LAST, piece)


def store_rq(template: Template, context: int, max_pdu_length: int) -> Form:
    """A C-STORE-RQ whole, to be filled in with identities."""
    return Form(b"".join(store_rq_pdus(template, context, max_pdu_length)))


def find_rq(context: int, identifier: bytes, sop_class_uid: str = STUDY_ROOT_FIND) -> bytes:
    """A C-FIND-RQ (PS3.7 Section 9.3.2.1)."""
    command = _command(
        (0x0002, _uid(sop_class_uid)),
        (0x0100, _us(C_FIND_RQ)),
        (0x0110, _us(1)),
        (0x0700, _us(0)),
        (0x0800, _us(_DATA_SET)),
    )
    return _p_data(context, _COMMAND | _LAST, command) + _p_data(context, _LAST, identifier)


def retrieve_rq(context: int, study_uid: str, move_destination: str = "") -> bytes:
    """A C-MOVE-RQ (PS3.7 Section 9.3.4.1) for a study, or a C-GET-RQ (9.3.3.1) without a destination."""
    destination = ((0x0600, move_destination.ljust(16).encode()),) if move_destination else ()
    command = _command(
        (0x0002, _uid(STUDY_ROOT_MOVE if move_destination else STUDY_ROOT_GET)),
        (0x0100, _us(C_MOVE_RQ if move_destination else C_GET_RQ)),
        (0x0110, _us(1)),
        *destination,
        (0x0700, _us(0)),
        (0x0800, _us(_DATA_SET)),
    )
    uid = _uid(study_uid)
    identifier = struct.pack("<HH2sH6s", 0x0008, 0x0052, b"CS", 6, b"STUDY ")
    identifier += struct.pack("<HH2sH", 0x0020, 0x000D, b"UI", len(uid)) + uid
    return _p_data(context, _COMMAND | _LAST, command) + _p_data(context, _LAST, identifier)


def success_rsp(context: int, command_field: int, message_id: int = 1) -> bytes:
    """A response with status Success."""
    response_field = _us(command_field | 0x8000)
    command = _command(
        (0x0100, response_field), (0x0120, _us(message_id)), (0x0800, _us(_NO_DATA_SET)), (0x0900, _us(SUCCESS))
    )
    return _p_data(context, _COMMAND | _LAST, command)


def command_field(body: bytes) -> int:
    """Command Field (0000,0100) of the message that begins in this P-DATA-TF without its PDU header."""
    return element(body[PDV_HEADER_BYTES:], 0x0100)


def response_status(body: bytes) -> int:
    """Status (0000,0900) of the response in this P-DATA-TF without its PDU header (PS3.7 Annex C)."""
    return element(body[PDV_HEADER_BYTES:], 0x0900)


def has_dataset(command: bytes) -> bool:
    """Whether a data set follows this command set: Command Data Set Type (0000,0800)."""
    return element(command, 0x0800) != _NO_DATA_SET


def element(command: bytes, wanted: int) -> int:
    """The US value of (0000,``wanted``) in a command set."""
    position = 0
    while position < len(command):
        number, length = struct.unpack_from("<2xHL", command, position)
        if number == wanted:
            value: int = struct.unpack_from("<H", command, position + 8)[0]
            return value
        position += 8 + length
    raise ValueError(f"the command set holds no (0000,{wanted:04X})")


def _p_data(context: int, control: int, value: bytes) -> bytes:
    return pdu(P_DATA, struct.pack(">LBB", len(value) + 2, context, control) + value)


def _command(*elements: tuple[int, bytes]) -> bytes:
    encoded = b"".join(struct.pack("<HHL", 0, element, len(value)) + value for element, value in elements)
    return struct.pack("<HHLL", 0, 0, 4, len(encoded)) + encoded


def _us(value: int) -> bytes:
    return struct.pack("<H", value)


def _uid(value: str) -> bytes:
    return value.encode() + b"\0" * (len(value) % 2)


def _item(item_type: int, value: bytes) -> bytes:
    return struct.pack(">BBH", item_type, 0, len(value)) + value


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(data):
        item_type, _, length = struct.unpack_from(">BBH", data, position)
        yield item_type, data[position + 4 : position + 4 + length]
        position += 4 + length
