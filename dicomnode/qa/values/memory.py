"""What was judged of values before: faults of blocks, items and values, by their bytes. All of it is bounded."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from dicomnode.dicom.character_sets import CharacterSet, character_set
from dicomnode.dicom.scan import Element
from dicomnode.qa.values.forms import Flaw
from dicomnode.qa.walk import Place

_MAX_REMEMBERED_BYTES: Final = 2 << 20
_OVERHEAD_BYTES: Final = 256
MAX_VALUES: Final = 8192
_CONTEXTS: Final = 8

Key = tuple[str, int, str]
"""A fault: rule, tag and words."""
Faults = dict[Key, Place | None]
"""Each fault, and the item where it shows first."""


class Memory:
    """What was judged before where one encoding and one character set are in force."""

    __slots__ = ("_size_bytes", "characters", "clean", "faults", "items", "values")

    def __init__(self, characters: CharacterSet) -> None:
        self._size_bytes = 0
        self.characters = characters
        self.clean: set[bytes | tuple[int, Element]] = {b""}
        """The bytes of blocks and elements in which nothing is wrong; and pixel data, of which the bytes do not count."""
        self.faults: dict[bytes, Faults] = {}
        """Of blocks in which something is."""
        self.items: dict[tuple[int, bytes], tuple[Key, ...]] = {}
        self.values: dict[tuple[int, bytes, bytes], tuple[Flaw, ...]] = {}

    def make_room(self, size_bytes: int) -> None:
        """Count a block or item that is about to be remembered; forget all others when there are too many."""
        self._size_bytes += size_bytes + _OVERHEAD_BYTES
        if self._size_bytes > _MAX_REMEMBERED_BYTES:
            self.clean.clear()
            self.clean.add(b"")
            self.faults.clear()
            self.items.clear()
            self._size_bytes = 0


@lru_cache(maxsize=_CONTEXTS)  # a peer can make up any number of terms
def memory_of(terms: bytes, implicit_vr: bool, big_endian: bool) -> Memory:  # noqa: ARG001, FBT001 - keys
    """What was judged where this encoding and these terms of Specific Character Set are in force."""
    return Memory(character_set(terms.decode("latin_1")))
