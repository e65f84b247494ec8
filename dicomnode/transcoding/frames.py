"""Which fragments make up which frame (PS3.5 Section A.4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from dicomnode.errors import TranscodingError

Fragment = tuple[int, int]
"""Offset and length of what a fragment holds."""

_ITEM_HEADER_BYTES: Final = 8
_STARTS: Final = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")
"""How a codestream of JPEG or JPEG-LS, of JPEG 2000, and a JP2 file begin."""


def encoded_frames(
    data: memoryview, fragments: Sequence[Fragment], frames: int, offsets: Sequence[int]
) -> Iterator[bytes]:
    """Each frame's bytes, padding included, in order.

    Args:
        fragments: without the Basic Offset Table.
        frames: how many there must be.
        offsets: of each frame's first item from the first fragment's item on, by the Basic or the Extended Offset Table; empty
            when there is none.

    Raises:
        TranscodingError: the fragments do not make up so many frames.
    """
    for group in _grouped(data, fragments, frames, offsets):
        yield b"".join(data[start : start + length] for start, length in group)


def _grouped(
    data: memoryview, fragments: Sequence[Fragment], frames: int, offsets: Sequence[int]
) -> Iterator[Sequence[Fragment]]:
    if len(fragments) < frames or not fragments:
        raise TranscodingError(f"{len(fragments)} fragments cannot hold {frames} frames")
    if len(fragments) == frames:
        return ([fragment] for fragment in fragments)
    firsts = _by_table(fragments, offsets) if len(offsets) == frames else []
    if not firsts or frames == 1:
        firsts = [at for at, (start, _) in enumerate(fragments) if bytes(data[start : start + 8]).startswith(_STARTS)]
    if frames == 1 and not firsts:
        firsts = [0]  # RLE, which nothing marks
    if len(firsts) != frames or firsts[0] != 0:
        raise TranscodingError(f"{len(fragments)} fragments do not make up {frames} frames")
    return (fragments[first:after] for first, after in pairwise([*firsts, len(fragments)]))


def _by_table(fragments: Sequence[Fragment], offsets: Sequence[int]) -> list[int]:
    """Which fragments begin a frame; none when the table does not fit them."""
    origin = fragments[0][0]
    numbers = {start - origin: at for at, (start, _) in enumerate(fragments)}
    firsts = [numbers.get(offset, -1) for offset in offsets]
    return firsts if all(before < after for before, after in pairwise([-1, *firsts])) else []
