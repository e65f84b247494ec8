"""Messages found in streams of bytes, however they are cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomnode.errors import FramingError
from dicomnode.hl7.mllp import Framer, framed

LIMIT = 200
contents = st.binary(max_size=LIMIT).map(lambda data: data.replace(b"\x0b", b"").replace(b"\x1c", b""))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """``data`` in pieces."""
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(edges)]


@given(
    st.lists(contents, max_size=5), st.lists(st.integers(min_value=0)), st.sampled_from([b"", b"\r", b"\n", b"\r\n"])
)
def test_every_message_is_found_however_the_stream_is_cut(
    messages: list[bytes], places: list[int], between: bytes
) -> None:
    stream = b"".join(framed(message) + between for message in messages)
    framer = Framer(LIMIT)
    assert [found for piece in cut(stream, places) for found in framer.feed(piece)] == messages
    assert not framer.is_within


@given(st.binary(max_size=3 * LIMIT), st.lists(st.integers(min_value=0)))
def test_any_bytes_give_bounded_messages_or_a_framing_error(data: bytes, places: list[int]) -> None:
    framer = Framer(LIMIT)
    try:
        found = [message for piece in cut(data, places) for message in framer.feed(piece)]
    except FramingError:
        return
    assert all(len(message) <= LIMIT and not set(b"\x0b\x1c") & set(message) for message in found)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GET / HTTP/1.1\r\n", "begins with 0x0B"),
        (b"\x16\x03\x01", "begins with 0x0B"),
        (b"\x0bMSH\x0bMSH", "before the last one has ended"),
        (b"\x0b" + b"x" * (LIMIT + 1), "longer than 200 bytes"),
        (b"\x0b" + b"x" * (LIMIT + 1) + b"\x1c\r", "longer than 200 bytes"),
    ],
)
def test_what_is_no_mllp_ends_the_connection(data: bytes, words: str) -> None:
    with pytest.raises(FramingError, match=words):
        Framer(LIMIT).feed(data)


def test_message_of_the_longest_length_is_taken() -> None:
    assert Framer(LIMIT).feed(framed(b"x" * LIMIT)) == [b"x" * LIMIT]
