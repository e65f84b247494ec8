"""Presentation contexts of an A-ASSOCIATE-RQ read, and those of the answer written (PS3.8 Sections 9.3.2.2 and 9.3.3.2).

pynetdicom checks each UID of each context anew at every step: some 10 ms for 128 contexts. Here a UID is checked once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from pydicom.uid import UID
from pynetdicom.presentation import PresentationContext

from dicomnode.upper_layer.faults import INVALID_PARAMETER, Violation

APPLICATION_CONTEXT, PRESENTATION_CONTEXT, USER_INFORMATION = 0x10, 0x20, 0x50
"""Types of the items of an A-ASSOCIATE-RQ."""
_RESULT, _ABSTRACT_SYNTAX, _TRANSFER_SYNTAX = 0x21, 0x30, 0x40
_SUB_ITEMS: Final = {
    PRESENTATION_CONTEXT: frozenset({_ABSTRACT_SYNTAX, _TRANSFER_SYNTAX}),
    _RESULT: frozenset({_TRANSFER_SYNTAX}),
    USER_INFORMATION: frozenset(range(0x51, 0x5A)),
}
"""By the type of the item that they are in (PS3.8 Section 9.3.2, PS3.7 Annex D.3.3)."""

ITEM_HEADER_BYTES: Final = 4
_CONTEXT_HEADER_BYTES: Final = 4
_LONGEST_UID: Final = 64
_KNOWN_UIDS: Final = 4096

_result = struct.Struct(">BxHBxBxBxH").pack


def items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The items in ``data``: type, a reserved byte, length in two bytes, body.

    Raises:
        Violation: one is cut off.
    """
    position, end = 0, len(data)
    while position < end:
        begin = position + ITEM_HEADER_BYTES
        position = begin + int.from_bytes(data[begin - 2 : begin])
        if begin > end or position > end:
            raise Violation("A-ASSOCIATE-RQ has an item that is cut off", INVALID_PARAMETER)
        yield data[begin - ITEM_HEADER_BYTES], data[begin:position]


def recognized(data: bytes) -> bytes:
    """The items of an A-ASSOCIATE-RQ or -AC but those of unknown types, which are to be skipped (PS3.8 Section 9.3.1).

    Raises:
        Violation: one is cut off.
    """
    kept: list[bytes] = []
    for kind, body in items(data):
        if kind == APPLICATION_CONTEXT:
            kept.append(_packed(kind, body))
        elif kind in _SUB_ITEMS:
            head = b"" if kind == USER_INFORMATION else body[:_CONTEXT_HEADER_BYTES]
            inner = [_packed(sub, value) for sub, value in items(body[len(head) :]) if sub in _SUB_ITEMS[kind]]
            kept.append(_packed(kind, head + b"".join(inner)))
    return b"".join(kept)


def split(data: bytes) -> tuple[list[PresentationContext], bytes]:
    """The proposed presentation contexts among the items of an A-ASSOCIATE-RQ, and the other items as they came.

    Raises:
        Violation: a context is malformed.
    """
    contexts: list[PresentationContext] = []
    others: list[bytes] = []
    for kind, body in items(data):
        if kind == PRESENTATION_CONTEXT:
            contexts.append(_context(body))
        else:
            others.append(_packed(kind, body))
    return contexts, b"".join(others)


def results(contexts: Iterable[PresentationContext]) -> bytes:
    """The presentation context items of an A-ASSOCIATE-AC, one for each context, with its first transfer syntax."""
    return b"".join([_result_item(context) for context in contexts])


def _packed(kind: int, body: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(body)) + body


def _context(body: bytes) -> PresentationContext:
    abstract_syntaxes: list[UID] = []
    transfer_syntaxes: list[UID] = []
    for kind, value in items(body[_CONTEXT_HEADER_BYTES:]):
        if kind == _ABSTRACT_SYNTAX:
            abstract_syntaxes.append(_uid(value))
        elif kind == _TRANSFER_SYNTAX:
            transfer_syntaxes.append(_uid(value))
    if len(abstract_syntaxes) != 1 or not transfer_syntaxes or not body[0] % 2:
        raise Violation("presentation context is malformed", INVALID_PARAMETER)
    context = PresentationContext()
    context._context_id = body[0]
    [context._abstract_syntax] = abstract_syntaxes
    context._transfer_syntax = transfer_syntaxes
    return context


@lru_cache(maxsize=_KNOWN_UIDS)
def _uid(value: bytes) -> UID:
    text = value.rstrip(b"\0 ")
    if not text or len(text) > _LONGEST_UID or not text.isascii():
        raise Violation("A-ASSOCIATE-RQ has a UID that is none", INVALID_PARAMETER)
    return UID(text.decode("ascii"))


def _result_item(context: PresentationContext) -> bytes:
    transfer_syntax = context._transfer_syntax[0].encode("ascii")
    size = len(transfer_syntax)
    return _result(_RESULT, size + 8, context._context_id, context.result, _TRANSFER_SYNTAX, size) + transfer_syntax
