"""Whole messages as P-DATA-TF PDUs (PS3.8 Section 9.3.5, Annex E), in as few as the peer's maximum length allows."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final

_PDATA_TF: Final = 4
_IS_COMMAND: Final = 1
_IS_LAST: Final = 2
_ITEM_HEADER_BYTES: Final = 6

_pdu = struct.Struct(">BxI").pack
_item = struct.Struct(">IBB").pack


def messages(context_id: int, command: bytes, datasets: Iterable[bytes], maximum_length: int) -> bytes:
    """One message for each data set, all with the same command set.

    Args:
        maximum_length: of a P-DATA-TF PDU's body in bytes; 0 for no limit (PS3.8 Annex D.1).
    """
    parts: list[bytes] = []
    heads: dict[int, bytes | None] = {}
    """By the data set's length: what goes before one that fits into a PDU together with its command set."""
    for dataset in datasets:
        size_bytes = len(dataset)
        if size_bytes not in heads:
            heads[size_bytes] = _head(context_id, command, size_bytes, maximum_length)
        head = heads[size_bytes]
        if head is None:
            parts += fragmented(context_id, command, dataset, maximum_length)
        else:
            parts += (head, dataset)
    return b"".join(parts)


def fragmented(context_id: int, command: bytes, dataset: bytes, maximum_length: int) -> Iterator[bytes]:
    """The PDUs of one message, one fragment in each; without a data set when ``dataset`` is empty."""
    yield from _fragments(context_id, _IS_COMMAND, command, maximum_length)
    if dataset:
        yield from _fragments(context_id, 0, dataset, maximum_length)


def _head(context_id: int, command: bytes, size_bytes: int, maximum_length: int) -> bytes | None:
    length = len(command) + size_bytes + 2 * _ITEM_HEADER_BYTES
    if maximum_length and length > maximum_length:
        return None
    return b"".join(
        (
            _pdu(_PDATA_TF, length),
            _item(len(command) + 2, context_id, _IS_COMMAND | _IS_LAST),
            command,
            _item(size_bytes + 2, context_id, _IS_LAST),
        )
    )


def _fragments(context_id: int, kind: int, data: bytes, maximum_length: int) -> Iterator[bytes]:
    """Fragments have an even length (PS3.8 Annex E.1)."""
    room_bytes = max((maximum_length - _ITEM_HEADER_BYTES) // 2 * 2, 2) if maximum_length else len(data)
    for start in range(0, len(data), room_bytes):
        fragment = data[start : start + room_bytes]
        last = _IS_LAST if start + room_bytes >= len(data) else 0
        yield _pdu(_PDATA_TF, len(fragment) + _ITEM_HEADER_BYTES)
        yield _item(len(fragment) + 2, context_id, kind | last)
        yield fragment
