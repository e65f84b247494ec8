"""What the operating system says about a server's processes, and the statistics over rounds."""

from __future__ import annotations

import math
import mmap
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_GONE = (FileNotFoundError, ProcessLookupError)


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory of a process and all its descendants, bytes."""

    peak: int
    """Sum of the greatest resident sets that each process ever had (VmHWM); pages that they share count once for each."""
    resident: int
    """Sum of the resident sets now (VmRSS)."""
    proportional: int
    """What they really take now: shared pages are divided among those that share them (Pss)."""
    anonymous: int
    """Of the resident sets, what no file backs (RssAnon)."""


def process_tree(pid: int) -> Iterator[int]:
    """``pid`` and its descendants that live now."""
    yield pid
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(*_GONE):
            for child in path.read_text().split():
                yield from process_tree(int(child))


def cpu_s(pid: int) -> float:
    """User and system time of the process and its descendants, also of those that it has waited for; in steps of 10 ms."""
    ticks = 0
    for one in process_tree(pid):
        with suppress(*_GONE):
            # the fields after the command's name, which may hold anything: utime, stime, cutime, cstime are 14 to 17 (proc(5))
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
    return ticks * _TICK_S


def memory(pid: int) -> Memory:
    """The memory of the process and its descendants."""
    peak = resident = proportional = anonymous = 0
    for one in process_tree(pid):
        with suppress(*_GONE):
            status = Path(f"/proc/{one}/status").read_text()
            rollup = Path(f"/proc/{one}/smaps_rollup").read_text()
            peak += _kilobytes(status, "VmHWM")
            resident += _kilobytes(status, "VmRSS")
            anonymous += _kilobytes(status, "RssAnon")
            proportional += _kilobytes(rollup, "Pss")
    return Memory(peak, resident, proportional, anonymous)


def _kilobytes(text: str, name: str) -> int:
    found = re.search(rf"^{name}:\s*(\d+) kB", text, re.MULTILINE)
    return int(found.group(1)) * 1024 if found else 0


def warm_memory(size_bytes: int) -> None:
    """Take this much memory and give it back at once.

    A virtual machine returns free pages to its host after about two seconds, and to touch one again takes microseconds: without
    this, a server that writes files fast measures the host.
    """
    mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE).close()


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of ``values`` that at least ``percent`` % of them do not exceed (nearest rank)."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(math.ceil(percent / 100 * len(ordered)) - 1, 0)]
