"""The circuit breaker: when suddenly much of a device is refused, it is held in quarantine instead, and somebody is told.

A rule of the site, or new software of the device, may be at fault; a scanner that is refused may drop the images. What the node's
workers judged of a device stands in memory that they share, without a lock: two that write in the same instant may lose one of so
many judgements, and nothing hangs on that. It outlives workers and reloads, and ends with the node.
"""

from __future__ import annotations

import mmap
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from hashlib import blake2b
from typing import Annotated, Final

import structlog
from pydantic import Field, model_validator

from dicomnode.dicom import status
from dicomnode.dicom.instance import Finding, Severity, Verdict
from dicomnode.dicom.peer import Sender
from dicomnode.qa.core import BREAKER, UIDS
from dicomnode.settings import Settings

log = structlog.get_logger()

MAX_WINDOW: Final = 1000
NEVER_KEPT: Final = frozenset({UIDS, "core.parse"})
"""Rules whose refusals stay: what cannot be indexed cannot be held either."""

_DEVICES: Final = 2048
_PROBED: Final = 8
_WORD: Final = 8
_SLOT_BYTES: Final = 1024
_SLOT_WORDS: Final = _SLOT_BYTES // _WORD
_RING_AT: Final = 3 * _WORD
_KEY, _COUNT, _OPENED = range(3)
_KEPT, _REFUSED = 1, 2
_NS: Final = 1_000_000_000


class BreakerSettings(Settings):
    """When refusals become quarantine."""

    refused_share: Annotated[float, Field(gt=0, le=1)] = 0.2
    """Of a device's last instances, this share refused and more opens the breaker; it closes at half of it. 1: never."""
    window: Annotated[int, Field(ge=20, le=MAX_WINDOW)] = 200
    """So many instances of a device, the last ones, are looked at."""
    at_least: Annotated[int, Field(ge=10, le=MAX_WINDOW)] = 50
    """Before a device has sent so many, nothing opens."""
    open_s: Annotated[float, Field(ge=1, le=7 * 86400)] = 3600.0
    """Time in s after which the breaker closes in any case, and counting begins anew."""

    @model_validator(mode="after")
    def _can_open(self) -> BreakerSettings:
        if self.at_least > self.window:
            raise ValueError("at_least is more than window: no device is ever seen to send so many")
        return self


class BreakerTable:
    """What was judged of each device, in memory that all workers share (``memfd``)."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        """The descriptor that a worker inherits, to attach to."""
        self.bytes = mmap.mmap(fd, 0)
        self.words = memoryview(self.bytes).cast("Q")

    @classmethod
    def create(cls) -> BreakerTable:
        """A new, empty table; pages of it take memory when they are first written."""
        fd = os.memfd_create("dicomnode-breaker")
        os.ftruncate(fd, _DEVICES * _SLOT_BYTES)
        return cls(fd)

    def slot(self, key: int) -> int:
        """The slot of a device; that of another one, when there are too many: a peer can make up any number."""
        words = self.words
        home = key % _DEVICES
        for step in range(_PROBED):
            slot = (home + step) % _DEVICES
            found = words[slot * _SLOT_WORDS + _KEY]
            if found == key:
                return slot
            if not found:
                break
        else:
            slot = home
        self.clear(slot)
        words[slot * _SLOT_WORDS + _KEY] = key
        return slot

    def clear(self, slot: int) -> None:
        """Forget what was judged of a device."""
        start = slot * _SLOT_BYTES
        self.bytes[start + _WORD : start + _SLOT_BYTES] = bytes(_SLOT_BYTES - _WORD)


class Breaker:
    """Judges devices by how much of theirs is refused; one for all associations of a process."""

    def __init__(
        self, table: BreakerTable, settings: BreakerSettings, *, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        """Count in ``table``.

        Args:
            clock: ns of a clock that all processes of the machine share.
        """
        self._table = table
        self._settings = settings
        self._clock = clock

    def judged(self, verdict: Verdict, sender: Sender) -> Verdict:
        """The verdict on an instance that came from ``sender``: where it refuses while the breaker is open, it holds back."""
        is_refused = verdict.severity is Severity.REJECT
        is_open = self._count(sender, verdict, is_refused=is_refused)
        if not is_refused or not is_open or any(finding.rule in NEVER_KEPT for finding in _refusing(verdict)):
            return verdict
        return replace(verdict, findings=(*(_held(finding) for finding in verdict.findings), _OPEN))

    def _count(self, sender: Sender, verdict: Verdict, *, is_refused: bool) -> bool:
        """Whether the breaker is open for ``sender``, this instance counted."""
        table, settings = self._table, self._settings
        slot = table.slot(_key(sender.peer or f"{sender.calling_ae_title}@{sender.address}"))
        words, first = table.words, slot * _SLOT_WORDS
        ring = slot * _SLOT_BYTES + _RING_AT
        count = words[first + _COUNT]
        table.bytes[ring + count % settings.window] = _REFUSED if is_refused else _KEPT
        words[first + _COUNT] = count + 1
        opened_ns = words[first + _OPENED]
        if not is_refused and not opened_ns:
            return False
        judged = table.bytes[ring : ring + settings.window]
        refused, seen = judged.count(bytes((_REFUSED,))), min(count + 1, settings.window)
        if opened_ns:
            return not self._closes(slot, sender, opened_ns, refused, seen)
        if settings.refused_share >= 1 or seen < settings.at_least or refused < settings.refused_share * seen:
            return False
        words[first + _OPENED] = self._clock()
        log.error(
            "qa.breaker_opened",
            **_device(sender),
            refused=refused,
            instances=seen,
            rules=sorted({finding.rule for finding in _refusing(verdict)}),
        )
        return True

    def _closes(self, slot: int, sender: Sender, opened_ns: int, refused: int, seen: int) -> bool:
        open_s = (self._clock() - opened_ns) / _NS
        is_over = open_s >= self._settings.open_s
        if not is_over and refused > self._settings.refused_share * seen / 2:
            return False
        self._table.clear(slot)
        log.warning(
            "qa.breaker_closed",
            **_device(sender),
            refused=refused,
            instances=seen,
            reason="time" if is_over else "share",
            open_s=round(open_s, 1),
        )
        return True


_OPEN: Final = Finding(
    BREAKER,
    Severity.QUARANTINE,
    status.STORED_WITH_FAULTS,
    (),
    "held, not refused: so much of this device is refused now",
)


def _refusing(verdict: Verdict) -> list[Finding]:
    return [finding for finding in verdict.findings if finding.severity is Severity.REJECT]


def _held(finding: Finding) -> Finding:
    if finding.severity is not Severity.REJECT:
        return finding
    comment = f"would reject: {finding.comment}"
    return replace(finding, severity=Severity.QUARANTINE, comment=comment, would=Severity.REJECT)


def _device(sender: Sender) -> dict[str, str | None]:
    return {"calling_ae_title": sender.calling_ae_title, "peer": sender.peer, "address": sender.address}


@lru_cache(maxsize=1024)
def _key(device: str) -> int:
    """A word that stands for a device in every process of the node; never 0."""
    return int.from_bytes(blake2b(device.encode(), digest_size=_WORD).digest(), sys.byteorder) or 1
