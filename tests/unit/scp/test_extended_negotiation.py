"""What is agreed on, and what it means for the query."""

from __future__ import annotations

import pytest

from dicomnode.dicom.query.identifier import QueryOptions
from dicomnode.scp import extended_negotiation

FIND, MOVE, GET = (f"1.2.840.10008.5.1.4.1.2.2.{operation}" for operation in (1, 2, 3))
WORKLIST = "1.2.840.10008.5.1.4.31"
CT = "1.2.840.10008.5.1.4.1.1.2"


@pytest.mark.parametrize(
    ("sop_class", "offered", "answer"),
    [
        (FIND, b"\1", b"\1"),
        (FIND, b"\1\1\1", b"\1\1\1"),
        (FIND, b"\1\1\1\1\1\1\1", b"\1\1\1\0\0\1\1"),
        (FIND, b"\0\0\0\0\0\0\0", b"\0\0\0\0\0\0\0"),
        (FIND, b"\0\1\0\2", b"\0\1\0\0"),
        (FIND, b"\1" * 20, b"\1\1\1\0\0\1\1"),
        (FIND, b"", b""),
        (WORKLIST, b"\1\1\1\1", b"\1\1\1\0"),
        (WORKLIST, b"\1\1\0", b"\1\1\0"),
        (MOVE, b"\1", b"\1"),
        (GET, b"\1\1", b"\1\0"),
        (CT, b"\1\1\1", b""),
    ],
)
def test_a_byte_for_each_that_is_known(sop_class: str, offered: bytes, answer: bytes) -> None:
    assert extended_negotiation.answer(sop_class, offered) == answer


@pytest.mark.parametrize(
    ("agreed", "options"),
    [
        (b"", QueryOptions()),
        (b"\1", QueryOptions(relational=True)),
        (b"\0\1\1", QueryOptions(combined_datetime=True, fuzzy=True)),
        (b"\0\0\0\0\0\1\1", QueryOptions(empty_value=True, multiple_value=True)),
    ],
)
def test_what_was_not_agreed_on_is_off(agreed: bytes, options: QueryOptions) -> None:
    assert extended_negotiation.query_options(agreed, strict=False) == options


def test_names_in_worklist_queries_are_fuzzy_once_agreed() -> None:
    assert extended_negotiation.is_fuzzy_worklist(b"\1\1\1\0")
    assert not extended_negotiation.is_fuzzy_worklist(b"\1\1\0\0")
    assert not extended_negotiation.is_fuzzy_worklist(b"")
