"""What the whole node may hold at once, counted in memory that all its processes share.

The table is one anonymous file (``memfd``) that each worker inherits and maps. Each worker has a place in it, which it alone
writes; everybody reads all places. No lock lies between processes: one that its holder's kill -9 left closed would stop the
node. Two workers that claim in the same instant may therefore pass a limit by one each. The parent clears the place of a worker
that died, so its share comes back.

A new limit: a field of `LimitSettings`, a `Limit`, a comparison in `Place.claim`.
"""

from __future__ import annotations

import heapq
import mmap
import os
import sys
import threading
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Annotated

from pydantic import Field

from dicomnode.settings import Settings

SLOTS = 4096
"""Associations that one worker has room for: the most that ``limits.associations`` may say."""

_WORD = 8
_HEADER_WORDS = 8
_PLACE_WORDS = _HEADER_WORDS + 2 * SLOTS
_MEGABYTE = 1024 * 1024

# Words of a place's header.
_ASSOCIATIONS, _MEMORY, _TOP = range(3)


class LimitSettings(Settings):
    """How much the node takes on at once, over all its workers; past a limit an association is rejected as transient."""

    associations: Annotated[int, Field(ge=1, le=SLOTS)] = 500
    """Associations that may be open at once. Each costs a thread and about 150 KB while it is idle."""
    associations_per_peer: Annotated[int, Field(ge=0, le=SLOTS)] = 0
    """Associations of one peer (or of one unknown AE title at one address); 0 = no limit of its own."""
    associations_per_host: Annotated[int, Field(ge=0, le=SLOTS)] = 0
    """Associations from one IP address; 0 = no limit of its own, because NAT puts a whole clinic behind one address."""
    memory_mb: Annotated[int, Field(ge=16)] = 512
    """Memory in MiB for data sets that are being received, over all associations; the rest waits in files."""


class Limit(StrEnum):
    """Which limit of `LimitSettings` was reached."""

    ASSOCIATIONS = "associations"
    ASSOCIATIONS_PER_PEER = "associations_per_peer"
    ASSOCIATIONS_PER_HOST = "associations_per_host"


@dataclass(frozen=True, slots=True)
class LimitReached:
    """No place for this association now."""

    limit: Limit


@dataclass(frozen=True, slots=True)
class Use:
    """What is in use: associations, and memory reserved for data sets."""

    associations: int
    memory_bytes: int


class NodeTable:
    """The shared table: a place for each worker process, also for those of an older configuration that still drain."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        """The descriptor that a worker inherits, to `attach` to."""
        self._map = mmap.mmap(fd, 0)
        self._words = memoryview(self._map).cast("Q")
        self.places = len(self._words) // _PLACE_WORDS

    @classmethod
    def create(cls, places: int) -> NodeTable:
        """A new, empty table; pages of it take memory when they are first written."""
        fd = os.memfd_create("dicomnode-limits")
        os.ftruncate(fd, places * _PLACE_WORDS * _WORD)
        return cls(fd)

    @classmethod
    def attach(cls, fd: int) -> NodeTable:
        """The table behind an inherited descriptor."""
        return cls(fd)

    def place(self, number: int) -> Place:
        """The place that worker ``number`` writes; only that process may ask, and once."""
        return Place(self._words, number)

    def clear(self, number: int) -> None:
        """Give back what the worker at this place held; it must be dead."""
        start = number * _PLACE_WORDS
        top = self._words[start + _TOP]
        for column in (start + _HEADER_WORDS, start + _HEADER_WORDS + SLOTS):
            self._words[column : column + top] = memoryview(bytes(top * _WORD)).cast("Q")
        self._words[start : start + _HEADER_WORDS] = memoryview(bytes(_HEADER_WORDS * _WORD)).cast("Q")

    def use(self) -> list[Use]:
        """What each place holds now, in order of the places."""
        starts = range(0, len(self._words), _PLACE_WORDS)
        return [Use(self._words[start + _ASSOCIATIONS], self._words[start + _MEMORY]) for start in starts]

    def close(self) -> None:
        """Let go of the mapping and its descriptor; the table lives on while another process holds it."""
        self._words.release()
        self._map.close()
        os.close(self.fd)


class Place:
    """A worker's own place in the table; its threads may call at the same time."""

    def __init__(self, words: memoryview[int], number: int) -> None:
        self._words = words
        self._start = number * _PLACE_WORDS
        self._peers = self._start + _HEADER_WORDS
        self._hosts = self._peers + SLOTS
        self._free: list[int] = list(range(SLOTS))
        self._lock = threading.Lock()
        self._all = range(0, len(words), _PLACE_WORDS)

    def claim(self, peer: str, host: str, settings: LimitSettings) -> Slot | LimitReached:
        """A slot for one association, or the limit that stands against it.

        Args:
            peer: what names the peer: equal text is the same peer.
            host: its IP address.
            settings: the limits that this worker began with.
        """
        peer_key, host_key = _key(peer), _key(host)
        with self._lock:
            if not self._free or self._sum(_ASSOCIATIONS) >= settings.associations:
                return LimitReached(Limit.ASSOCIATIONS)
            if 0 < settings.associations_per_peer <= self._count(peer_key, _HEADER_WORDS):
                return LimitReached(Limit.ASSOCIATIONS_PER_PEER)
            if 0 < settings.associations_per_host <= self._count(host_key, _HEADER_WORDS + SLOTS):
                return LimitReached(Limit.ASSOCIATIONS_PER_HOST)
            index = heapq.heappop(self._free)  # the lowest: what a reader has to look at stays short
            words = self._words
            words[self._start + _TOP] = max(words[self._start + _TOP], index + 1)
            words[self._peers + index] = int.from_bytes(peer_key, sys.byteorder)
            words[self._hosts + index] = int.from_bytes(host_key, sys.byteorder)
            words[self._start + _ASSOCIATIONS] += 1
        return Slot(self, index)

    def memory(self, settings: LimitSettings) -> Memory:
        """This worker's hand in the memory that all associations of the node share."""
        return Memory(self, settings.memory_mb * _MEGABYTE)

    def _sum(self, word: int) -> int:
        return sum(self._words[word::_PLACE_WORDS])

    def _count(self, key: bytes, column: int) -> int:
        """How often a word stands in a column; searched as bytes, which is seven times as fast as word by word."""
        words = self._words
        return sum(
            words[start + column : start + column + words[start + _TOP]].tobytes().count(key)
            for start in self._all
            if words[start + _ASSOCIATIONS]
        )

    def _reserve(self, size_bytes: int, limit_bytes: int) -> bool:
        with self._lock:
            if self._sum(_MEMORY) + size_bytes > limit_bytes:
                return False
            self._words[self._start + _MEMORY] += size_bytes
            return True

    def _give_back(self, size_bytes: int) -> None:
        with self._lock:
            self._words[self._start + _MEMORY] -= size_bytes

    def _release(self, index: int) -> None:
        with self._lock:
            self._words[self._peers + index] = 0
            self._words[self._hosts + index] = 0
            self._words[self._start + _ASSOCIATIONS] -= 1
            heapq.heappush(self._free, index)


class Slot:
    """One association's place among the node's associations; used by the association's thread alone."""

    __slots__ = ("_index", "_place")

    def __init__(self, place: Place, index: int) -> None:
        self._place = place
        self._index = index

    def release(self) -> None:
        """The association has ended. A second call does nothing."""
        if self._index >= 0:
            self._place._release(self._index)
            self._index = -1


class Memory:
    """Memory for data sets that are being received; the worker's threads may call at the same time."""

    __slots__ = ("_limit_bytes", "_place")

    def __init__(self, place: Place, limit_bytes: int) -> None:
        self._place = place
        self._limit_bytes = limit_bytes

    def reserve(self, size_bytes: int, /) -> bool:
        """Take memory out of what all associations share; False when not so much is left."""
        return self._place._reserve(size_bytes, self._limit_bytes)

    def give_back(self, size_bytes: int, /) -> None:
        """Return memory that was reserved."""
        self._place._give_back(size_bytes)


def _key(text: str) -> bytes:
    """A word that stands for ``text`` in every process of the node (Python's own hash differs from process to process)."""
    return blake2b(text.encode(), digest_size=_WORD).digest()
