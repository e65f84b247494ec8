"""The codec of the hot messages speaks as pynetdicom's own does."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from pydicom.uid import CTImageStorage
from pynetdicom.dimse_messages import C_ECHO_RQ, C_ECHO_RSP, C_STORE_RQ, C_STORE_RSP, DIMSEMessage
from pynetdicom.dimse_primitives import C_ECHO, C_STORE
from pynetdicom.dsutils import encode
from pynetdicom.pdu import P_DATA_TF

from dicomnode.upper_layer import commands
from dicomnode.upper_layer.commands import Decoder, decode, response_pdu
from dicomnode.upper_layer.faults import Violation

LONGEST = "1.2." + "3" * 60


def encoded(message: DIMSEMessage) -> bytes:
    """The command set of a message, as pynetdicom encodes it."""
    data = encode(message.command_set, True, True)
    assert data is not None
    return data


def store_request(**values: Any) -> bytes:
    primitive = C_STORE()
    primitive.MessageID = 7
    primitive.AffectedSOPClassUID = CTImageStorage
    primitive.AffectedSOPInstanceUID = "1.2.3"
    primitive.Priority = 2
    for keyword, value in values.items():
        setattr(primitive, keyword, value)
    message = C_STORE_RQ()
    message.primitive_to_message(primitive)
    message.command_set.CommandDataSetType = 1
    return encoded(message)


def echo_request() -> bytes:
    primitive = C_ECHO()
    primitive.MessageID = 65535
    primitive.AffectedSOPClassUID = "1.2.840.10008.1.1"
    message = C_ECHO_RQ()
    message.primitive_to_message(primitive)
    return encoded(message)


def response(pdu: bytes) -> tuple[int, DIMSEMessage]:
    """A response as pynetdicom reads it, with the id of its presentation context."""
    p_data = P_DATA_TF()
    p_data.decode(pdu)
    message = DIMSEMessage()
    assert message.decode_msg(p_data.to_primitive())
    assert message.context_id is not None
    return message.context_id, message


@pytest.mark.parametrize("uid", ["1.2.3", "1.2.34", LONGEST, "1.2.826.0.1.3680043.8.498.1234567890"])
def test_store_request_of_pynetdicom_is_understood(uid: str) -> None:
    command = decode(
        store_request(
            AffectedSOPInstanceUID=uid, MoveOriginatorApplicationEntityTitle="MOVER", MoveOriginatorMessageID=12
        )
    )
    assert command.number(commands.COMMAND_FIELD) == commands.C_STORE_RQ
    assert command.number(commands.MESSAGE_ID) == 7
    assert command.number(commands.COMMAND_DATASET_TYPE) == 1
    assert command.text(commands.AFFECTED_SOP_CLASS_UID) == CTImageStorage
    assert command.text(commands.AFFECTED_SOP_INSTANCE_UID) == uid
    assert command.text(commands.MOVE_ORIGINATOR_AE_TITLE) == "MOVER"
    assert command.number(commands.MOVE_ORIGINATOR_MESSAGE_ID) == 12


def test_absent_elements_are_none_or_empty() -> None:
    command = decode(store_request())
    assert command.number(commands.MOVE_ORIGINATOR_MESSAGE_ID) is None
    assert command.text(commands.MOVE_ORIGINATOR_AE_TITLE) == ""


@pytest.mark.parametrize("uid", ["1.2.3", "1.2.34", LONGEST])
def test_store_response_is_read_by_pynetdicom(uid: str) -> None:
    pdu = response_pdu(decode(store_request(AffectedSOPInstanceUID=uid)), 5, 0xB007, (0x00100020, 0x0020000D), "no ID")
    context_id, message = response(pdu)
    assert isinstance(message, C_STORE_RSP)
    command = message.command_set
    assert (context_id, command.MessageIDBeingRespondedTo, command.Status) == (5, 7, 0xB007)
    assert (command.AffectedSOPClassUID, command.AffectedSOPInstanceUID) == (CTImageStorage, uid)
    assert list(command.OffendingElement) == [0x00100020, 0x0020000D]
    assert command.ErrorComment == "no ID"
    assert command.CommandDataSetType == commands.NO_DATASET


def test_success_is_byte_for_byte_what_pynetdicom_sends() -> None:
    primitive = C_STORE()
    primitive.MessageIDBeingRespondedTo = 7
    primitive.AffectedSOPClassUID = CTImageStorage
    primitive.AffectedSOPInstanceUID = "1.2.3"
    primitive.Status = 0
    theirs = C_STORE_RSP()
    theirs.primitive_to_message(primitive)
    ours = response_pdu(decode(store_request()), 1, 0)
    assert ours[12:] == encoded(theirs)


def test_echo_response_is_read_by_pynetdicom() -> None:
    context_id, message = response(response_pdu(decode(echo_request()), 3, 0))
    assert isinstance(message, C_ECHO_RSP)
    assert (context_id, message.command_set.MessageIDBeingRespondedTo, message.command_set.Status) == (3, 65535, 0)
    assert "AffectedSOPInstanceUID" not in message.command_set


def test_group_length_counts_what_follows() -> None:
    pdu = response_pdu(decode(store_request()), 1, 0xA700, (), "odd")
    length = struct.unpack_from("<I", pdu, 20)[0]
    assert length == len(pdu) - 24


def test_uid_that_is_none_is_not_given_back() -> None:
    request = store_request() + struct.pack("<HHI", 0, 0x1000, 66) + b"9" * 66
    _, message = response(response_pdu(decode(request), 1, 0xC000))
    assert "AffectedSOPInstanceUID" not in message.command_set


def test_comment_beyond_ascii_stays_readable() -> None:
    _, message = response(response_pdu(decode(store_request()), 1, 0xC000, (), "Größe"))
    assert message.command_set.ErrorComment == "Gr??e"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0\0",
        b"\0\0\0\0\x04\0\0",
        bytes(8),
        struct.pack("<HHI", 0, 0x0100, 2) + b"\x01",
        struct.pack("<HHI", 0, 0x0100, 0xFFFFFFFF),
        struct.pack("<HHIH", 8, 0x0100, 2, 1),
        b"\xff" * 64,
    ],
    ids=["empty", "two bytes", "half a header", "no command field", "cut", "undefined length", "other group", "ones"],
)
def test_what_is_no_command_set_is_a_violation(data: bytes) -> None:
    with pytest.raises(Violation):
        decode(data)


def test_every_cut_of_a_request_is_a_violation_or_a_shorter_command() -> None:
    whole = store_request()
    for length in range(len(whole)):
        try:
            command = decode(whole[:length])
        except Violation:
            continue
        assert set(command.elements) < set(decode(whole).elements)


def test_number_of_another_length_is_none() -> None:
    data = struct.pack("<HHIH", 0, 0x0100, 2, 1) + struct.pack("<HHII", 0, 0x0110, 4, 7)
    assert decode(data).number(commands.MESSAGE_ID) is None


def test_bytes_beyond_ascii_in_a_title_do_not_raise() -> None:
    data = struct.pack("<HHIH", 0, 0x0100, 2, 1) + struct.pack("<HHI", 0, 0x1030, 2) + b"\xff\xfe"
    assert decode(data).text(commands.MOVE_ORIGINATOR_AE_TITLE) == "ÿþ"


def test_decoder_reads_each_command_set_as_if_it_were_the_first() -> None:
    requests = [store_request(AffectedSOPInstanceUID=f"1.2.{number}", MessageID=number) for number in range(95, 105)]
    twice = struct.pack("<HHIHHHIHHHIH", 0, 0x0100, 2, 1, 0, 0x0110, 2, 7, 0, 0x0110, 2, 8)
    other = [echo_request(), twice, struct.pack("<HHIHHHI", 0, 0x0100, 2, 1, 0, 0x0110, 0), twice]
    decoder = Decoder()
    for data in [*requests, *other, *requests, store_request(MoveOriginatorMessageID=3)]:
        assert decoder.decode(data) == decode(data)


def test_decoder_does_not_take_one_command_set_for_another_of_the_same_length() -> None:
    decoder = Decoder()
    decoder.decode(struct.pack("<HHIHHHIH", 0, 0x0100, 2, 1, 0, 0x0110, 2, 7))
    other = decoder.decode(struct.pack("<HHIHHHIH", 0, 0x0100, 2, 1, 0, 0x0120, 2, 7))
    assert other.number(commands.MESSAGE_ID) is None
    assert other.number(commands.MESSAGE_ID_BEING_RESPONDED_TO) == 7
    for data in (
        struct.pack("<HHIHHHIH", 8, 0x0100, 2, 1, 0, 0x0120, 2, 7),
        struct.pack("<HHIHHHI", 0, 0x0100, 2, 1, 0, 0x0120, 4),
    ):
        with pytest.raises(Violation):
            decoder.decode(data)
