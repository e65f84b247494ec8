"""Presentation contexts as bytes: what pynetdicom encodes is read as it was meant, and what we write is what it reads."""

from __future__ import annotations

import struct

import pytest
from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_RQ
from pynetdicom.pdu_items import PresentationContextItemAC
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification
from pynetdicom.presentation import PresentationContext, build_context

from dicomnode.upper_layer import proposals
from dicomnode.upper_layer.faults import Violation

CT, EXPLICIT, IMPLICIT = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
FIXED_BYTES = 74


def item(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(body)) + body


def context(*sub_items: bytes, context_id: int = 1) -> bytes:
    return item(0x20, bytes((context_id, 0, 0, 0)) + b"".join(sub_items))


def test_reads_what_pynetdicom_encodes() -> None:
    request = A_ASSOCIATE()
    request.application_context_name = UID("1.2.840.10008.3.1.1.1")
    request.calling_ae_title, request.called_ae_title = "CT1", "NODE"
    proposed = [build_context(CT, [EXPLICIT, IMPLICIT]), build_context("1.2.3", [IMPLICIT])]
    for number, one in enumerate(proposed):
        one.context_id = 2 * number + 1
    request.presentation_context_definition_list = proposed
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received, implementation.implementation_class_uid = 16384, UID("1.2.3.4")
    request.user_information = [length, implementation]
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(request)
    whole = pdu.encode()

    contexts, others = proposals.split(whole[FIXED_BYTES:])

    assert [(one.context_id, one.abstract_syntax, one.transfer_syntax) for one in contexts] == [
        (1, CT, [EXPLICIT, IMPLICIT]),
        (3, "1.2.3", [IMPLICIT]),
    ]
    assert [kind for kind, _ in proposals.items(others)] == [proposals.APPLICATION_CONTEXT, proposals.USER_INFORMATION]


def test_padded_uid_is_read_without_its_padding() -> None:
    [one], _ = proposals.split(context(item(0x30, b"1.2.3\0"), item(0x40, IMPLICIT.encode() + b"\0")))
    assert (one.abstract_syntax, one.transfer_syntax) == ("1.2.3", [IMPLICIT])


def test_items_of_unknown_types_are_skipped_at_each_level() -> None:
    known = [
        item(0x10, b"1.2.840.10008.3.1.1.1"),
        context(item(0x30, b"1.2.3"), item(0x40, b"1.2.4")),
        item(0x50, item(0x51, bytes(4)) + item(0x59, bytes(2))),
    ]
    with_unknown = [
        known[0],
        item(0x11, b"?"),
        context(item(0x30, b"1.2.3"), item(0x41, b"?"), item(0x40, b"1.2.4")),
        item(0x50, item(0x51, bytes(4)) + item(0x59, bytes(2)) + item(0x5A, b"")),
        item(0xFF, b""),
    ]
    assert proposals.recognized(b"".join(with_unknown)) == b"".join(known)


@pytest.mark.parametrize(
    "malformed",
    [
        context(item(0x40, b"1.2")),
        context(item(0x30, b"1.2")),
        context(item(0x30, b"1.2"), item(0x30, b"1.3"), item(0x40, b"1.2")),
        context(item(0x30, b""), item(0x40, b"1.2")),
        context(item(0x30, b"1" * 65), item(0x40, b"1.2")),
        context(item(0x30, b"1.\xff"), item(0x40, b"1.2")),
        context(item(0x30, b"1.2"), item(0x40, b"1.2"), context_id=2),
        context(item(0x30, b"1.2"), item(0x40, b"1.2")[:-1]),
        item(0x20, b""),
    ],
    ids=[
        "no abstract syntax",
        "no transfer syntax",
        "two abstract syntaxes",
        "empty UID",
        "UID of 65 characters",
        "UID that is not ASCII",
        "even id",
        "cut off",
        "empty item",
    ],
)
def test_malformed_context_is_a_violation(malformed: bytes) -> None:
    with pytest.raises(Violation):
        proposals.split(malformed)


def test_pynetdicom_reads_the_results() -> None:
    accepted, refused = PresentationContext(), PresentationContext()
    for number, (one, result) in enumerate(((accepted, 0), (refused, 3))):
        one.context_id, one.result = 2 * number + 1, result
        one.transfer_syntax = [UID(EXPLICIT)]
    data = proposals.results([accepted, refused])
    for number, (kind, body) in enumerate(proposals.items(data)):
        theirs = PresentationContextItemAC()
        theirs.decode(item(kind, body))
        assert (theirs.context_id, theirs.result, theirs.transfer_syntax) == (2 * number + 1, 3 * number, EXPLICIT)
