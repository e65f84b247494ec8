"""A process that has the index of a folder open, and does what its standard input says; run by tests that disturb it.

    commanded.py FOLDER full|fast

A line is a command: ``add UID``, ``crowd UID`` (eight threads add an instance each), ``refuse UID``, ``known UID``, ``sync``. The
answer is a line too: what became of it, or ``unavailable`` and whether it was rolled back.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import structlog
from unit.index.received import received, request, verdict

from dicomnode.dicom.instance import Severity
from dicomnode.errors import IndexUnavailableError
from dicomnode.index import Durability, Index, IndexSettings, OnConflict


def obey(index: Index, command: str, uid: str) -> str:
    """Do it; what became of it."""
    try:
        match command:
            case "add":
                return index.instances.add(received(uid), OnConflict()).outcome.name
            case "crowd":
                with ThreadPoolExecutor(8) as pool:
                    answers = pool.map(lambda number: obey(index, "add", f"{uid}.{number}"), range(8))
                return ", ".join(sorted(set(answers)))
            case "refuse":
                index.refusals.record(
                    request(uid), ("", "", uid), verdict("r", severity=Severity.REJECT), datetime.now(UTC)
                )
            case "known":
                return str(index.instances.known(uid) is not None)
            case "sync":
                index.sync()
    except IndexUnavailableError as error:
        return f"unavailable {error.rolled_back}"
    return "done"


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # answers stand alone
    opened = Index(
        Path(sys.argv[1]), IndexSettings(lock_timeout_s=1, checkpoint_mb=1), durability=Durability(sys.argv[2])
    )
    for line in sys.stdin:
        command, _, uid = line.strip().partition(" ")
        sys.stdout.write(obey(opened, command, uid) + "\n")
        sys.stdout.flush()
