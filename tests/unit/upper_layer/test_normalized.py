"""Command sets of normalized messages (PS3.7 Section 10.3, Annex C)."""

from __future__ import annotations

import struct

import pytest

from dicomnode.dicom import status
from dicomnode.dicom.peer import Sender
from dicomnode.upper_layer import commands
from dicomnode.upper_layer.normalized import KINDS, event_report, request_of, response
from dicomnode.upper_layer.operations import NormalizedAnswer, NormalizedKind, NormalizedRequest

MPPS = "1.2.840.10008.3.1.2.3.3"
SENDER = Sender("CT1", "DICOMNODE", "127.0.0.1")
SYNTAX = "1.2.840.10008.1.2.1"
UID = "1.2.3"
CLASS, INSTANCE, COMMENT, ERROR_ID, ATTRIBUTES, EVENT, ACTION = 0x0002, 0x1000, 0x0902, 0x0903, 0x1005, 0x1002, 0x1008


def asked(kind: NormalizedKind = NormalizedKind.ACTION, type_id: int | None = 1) -> NormalizedRequest:
    return NormalizedRequest(kind, MPPS, UID, 7, SYNTAX, b"", type_id, (), SENDER)


def answered(answer: NormalizedAnswer, request: NormalizedRequest | None = None) -> commands.Command:
    data = response(request or asked(), answer)
    assert struct.unpack("<I", data[8:12])[0] == len(data) - 12
    return commands.decode(data)


@pytest.mark.parametrize("field", list(KINDS))
def test_request_is_read_by_its_kind(field: int) -> None:
    affected = field in (0x0100, 0x0140)
    data = commands.command_set(
        commands.element(0x0002 if affected else 0x0003, MPPS.encode()),
        commands.number(0x0100, field),
        commands.number(0x0110, 9),
        commands.number(0x0800, 1),
        commands.element(0x1000 if affected else 0x1001, UID.encode()),
        commands.number(0x1002, 2),
        commands.element(0x1005, struct.pack("<HHHH", 0x0040, 0x0252, 0x0010, 0x0020)),
        commands.number(0x1008, 3),
    )
    request = request_of(commands.decode(data), b"data", SYNTAX, SENDER)
    assert (request.kind, request.sop_class_uid, request.sop_instance_uid) == (KINDS[field], MPPS, UID)
    assert (request.message_id, request.dataset) == (9, b"data")
    assert request.type_id == {0x0100: 2, 0x0130: 3}.get(field)
    assert request.attributes == ((0x00400252, 0x00100020) if field == 0x0110 else ())


def test_request_that_says_nothing_is_read() -> None:
    request = request_of(commands.decode(commands.command_set(commands.number(0x0100, 0x0140))), b"", SYNTAX, SENDER)
    assert (request.sop_class_uid, request.sop_instance_uid, request.type_id) == ("", "", None)


@pytest.mark.parametrize(("kind", "field"), [(kind, field | 0x8000) for field, kind in KINDS.items()])
def test_response_names_what_it_is_about(kind: NormalizedKind, field: int) -> None:
    said = answered(NormalizedAnswer(status.SUCCESS, dataset=b"data"), asked(kind))
    assert (said.number(0x0100), said.number(0x0120), said.number(0x0900)) == (field, 7, 0)
    assert (said.text(CLASS), said.text(INSTANCE)) == (MPPS, UID)
    assert said.number(0x0800) != commands.NO_DATASET
    assert (said.number(EVENT), said.number(ACTION)) == (
        1 if kind is NormalizedKind.EVENT_REPORT else None,
        1 if kind is NormalizedKind.ACTION else None,
    )


def test_elements_are_in_the_order_of_their_tags() -> None:
    answer = NormalizedAnswer(0x0110, comment="why", error_id=1, offending_elements=(0x00100010,), dataset=b"data")
    assert list(answered(answer).elements) == sorted(answered(answer).elements)


@pytest.mark.parametrize("code", [0x0210, 0x0211, 0x0212, 0x0213])
def test_response_to_what_could_not_be_understood_says_nothing_else(code: int) -> None:
    said = answered(NormalizedAnswer(code, comment="not told"))
    assert set(said.elements) == {0x0000, 0x0100, 0x0120, 0x0800, 0x0900}


@pytest.mark.parametrize("code", [0x0110, 0x0124, 0xA700])
def test_comment_is_told_where_it_may_be_and_cut(code: int) -> None:
    said = answered(NormalizedAnswer(code, comment="Grüße\\" + "x" * 100))
    assert said.text(COMMENT) == "Gr??e?" + "x" * 58


@pytest.mark.parametrize("code", [0x0000, 0x0106, 0x0112, 0x0115, 0x0120])
def test_comment_is_left_out_where_it_may_not_be(code: int) -> None:
    assert COMMENT not in answered(NormalizedAnswer(code, comment="why")).elements


@pytest.mark.parametrize(("code", "is_told"), [(0x0113, True), (0x0115, True), (0x0123, True), (0x0112, False)])
def test_type_is_told_where_it_is_what_is_wrong(code: int, is_told: bool) -> None:
    assert (answered(NormalizedAnswer(code)).number(ACTION) == 1) == is_told


def test_uid_that_is_too_long_is_not_given_back() -> None:
    request = NormalizedRequest(NormalizedKind.SET, MPPS, "1." + "2" * 100, 7, SYNTAX, b"", None, (), SENDER)
    assert INSTANCE not in answered(NormalizedAnswer(0x0112), request).elements


def test_assigned_uid_is_told() -> None:
    request = NormalizedRequest(NormalizedKind.CREATE, MPPS, "", 7, SYNTAX, b"", None, (), SENDER)
    assert answered(NormalizedAnswer(0, "2.25.1"), request).text(INSTANCE) == "2.25.1"


def test_report_says_what_happened() -> None:
    said = commands.decode(event_report(MPPS, UID, 2, 5))
    assert (said.number(0x0100), said.number(0x0110), said.number(EVENT)) == (0x0100, 5, 2)
    assert (said.text(CLASS), said.text(INSTANCE)) == (MPPS, UID)
