"""Files that a person names on the command line, themselves or by a folder that they lie in."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that may hold an instance.

    Attributes:
        is_named: whoever asked named this file; others were found in a folder, where other files may be, too.
    """

    path: Path
    is_named: bool


def candidates(paths: Sequence[Path], *, without: Path | None = None) -> Iterator[Candidate]:
    """These files, and those in these folders and in all folders below, in the order of their names.

    A folder that cannot be read comes as if it had been named: to open it tells why. Links to folders are not followed.

    Args:
        without: a folder that is left out.
    """
    left_out = None if without is None else without.resolve()
    for path in paths:
        if not path.is_dir():
            yield Candidate(path, is_named=True)
            continue
        faults: list[OSError] = []
        for folder, folders, names in os.walk(path, onerror=faults.append):
            folders.sort()
            if left_out is not None and left_out.name in folders and Path(folder, left_out.name).resolve() == left_out:
                folders.remove(left_out.name)
            yield from (Candidate(Path(folder, name), is_named=False) for name in sorted(names))
        yield from (Candidate(Path(str(fault.filename)), is_named=True) for fault in faults)
