from __future__ import annotations

import os

import pytest

from dicomnode.files.buffers import BUFFER_BYTES, SPARE_BUFFERS, Buffers, HeldBytes


@pytest.mark.parametrize(
    "sizes", [[], [0], [10, 0, 20], [BUFFER_BYTES], [BUFFER_BYTES - 1, 2], [3 * BUFFER_BYTES, 5, BUFFER_BYTES]]
)
def test_holds_what_came_in_order(sizes):
    pieces = [os.urandom(size) for size in sizes]
    held = HeldBytes(Buffers())
    for piece in pieces:
        held.append(memoryview(piece))
    assert held.view() == b"".join(pieces)
    assert held.size_bytes == sum(sizes)


def test_view_cannot_be_written():
    held = HeldBytes(Buffers())
    held.append(memoryview(b"1234"))
    assert held.view().readonly


def test_is_empty_once_dropped_and_takes_the_next():
    held = HeldBytes(Buffers())
    held.append(memoryview(b"1234"))
    held.drop()
    assert held.view() == b""
    held.append(memoryview(b"56"))
    assert held.view() == b"56"


def test_buffer_is_used_again():
    buffers = Buffers()
    first = buffers.take()
    buffers.give_back(first)
    assert buffers.take() is first


def test_buffer_that_somebody_looks_at_is_not_used_again():
    buffers = Buffers()
    held, other = HeldBytes(buffers), HeldBytes(buffers)
    held.append(memoryview(b"first patient"))
    shown = held.view()
    held.drop()
    other.append(memoryview(b"other patient"))
    assert shown == b"first patient"


def test_keeps_few_buffers_and_none_that_has_grown():
    buffers = Buffers()
    grown = bytearray(2 * BUFFER_BYTES)
    some = [buffers.take() for _ in range(SPARE_BUFFERS + 1)]
    for buffer in (grown, *some):
        buffers.give_back(buffer)
    again = [buffers.take() for _ in range(SPARE_BUFFERS + 1)]
    assert sum(any(buffer is one for one in some) for buffer in again) == SPARE_BUFFERS
    assert all(buffer is not grown for buffer in again)
