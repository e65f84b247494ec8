"""A process that keeps instances as a worker does; run by tests that need several of them, or one to kill.

    keeper.py ROOT NAME STUDY COUNT ROWS full|fast

Three threads keep COUNT instances in all. ROWS stands for the index: a line is a committed row. Each third instance is a loser,
which gets no row.
"""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

from dicomnode.dicom.instance import StoreRequest
from dicomnode.dicom.peer import Sender
from dicomnode.files import Files, FilesSettings

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
THREADS = 3
SMALL_BYTES = 20_000
SPOOLED_BYTES = 150_000


def content(uid: str) -> bytes:
    """The data set of an instance: half of them are so large that they are spooled."""
    size_bytes = SMALL_BYTES if int(uid[-1]) % 2 else SPOOLED_BYTES
    return (uid.encode() * (size_bytes // len(uid) + 1))[:size_bytes]


def main(root: str, name: str, study: str, count: str, rows: str, durability: str) -> None:
    settings = FilesSettings(spool_threshold_bytes=100_000, free_space_floor_bytes=0)
    files = Files(Path(root), name, settings, durable=durability == "full")
    index = os.open(rows, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def keep(thread: int) -> None:
        for number in range(thread, int(count), THREADS):
            uid = f"1.2.{os.getpid()}.{number}"
            request = StoreRequest(CT, uid, EXPLICIT_LE, Sender("CT1", "NODE", "127.0.0.1"))
            reception = files.receive(request)
            data = memoryview(content(uid))
            for start in range(0, len(data), 16_000):
                reception.write(data[start : start + 16_000])
            kept = reception.keep(study, uid, CT)
            if number % 3 == 2:
                kept.withdraw()
            else:
                os.write(index, f"{kept.location}\n".encode())
                if durability == "full":
                    os.fdatasync(index)
                kept.settle()
            reception.discard()

    threads = [threading.Thread(target=keep, args=(thread,)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    files.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
