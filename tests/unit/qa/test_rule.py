"""What rules look at: a value that several of them share is computed once."""

from __future__ import annotations

from datetime import date

import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from dicomnode.dicom.instance import StoreRequest
from dicomnode.dicom.peer import Sender
from dicomnode.dicom.scan import scan
from dicomnode.qa.rule import Subject

REQUEST = StoreRequest(CTImageStorage, "1.2.3", ExplicitVRLittleEndian, Sender("CT1", "DICOMNODE", "192.0.2.1", None))


def subject() -> Subject:
    return Subject(scan(b"\x10\x00\x20\x00LO\x02\x00P1", ExplicitVRLittleEndian), REQUEST, date(2024, 6, 1))


def test_what_rules_share_is_computed_once_an_instance() -> None:
    computed: list[Subject] = []

    def count(shared: Subject) -> int | None:
        computed.append(shared)
        return None

    first, second = subject(), subject()
    assert [first.once("key", count), first.once("key", count), second.once("key", count)] == [None, None, None]
    assert computed == [first, second]


def test_what_is_kept_under_one_key_is_not_told_for_another() -> None:
    shared = subject()
    assert (shared.once("one", lambda _: 1), shared.once("two", lambda _: 2)) == (1, 2)


def test_shared_value_that_fails_is_computed_anew() -> None:
    shared = subject()

    def fail(_: Subject) -> int:
        raise ValueError("no value")

    with pytest.raises(ValueError, match="no value"):
        shared.once("key", fail)
    assert shared.once("key", lambda _: 1) == 1
