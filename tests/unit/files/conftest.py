from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dicomnode.dicom.instance import StoreRequest
from dicomnode.dicom.peer import Sender
from dicomnode.files import Files, FilesSettings, MemoryShare, Reception

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
STUDY = "1.2.840.99.1"
FRAGMENT_BYTES = 16_384

Receive = Callable[..., Reception]


class Node:
    """A data folder, and how a process of the node uses its files."""

    def __init__(self, data: Path) -> None:
        self.root = data / "files"
        self.incoming = data / "incoming"
        self._opened: list[Files] = []

    def open(self, *, durable: bool = False, **settings: int) -> Files:
        """Another process's view, as it were: it has an incoming folder of its own."""
        values = {"free_space_floor_bytes": 0, "spool_threshold_bytes": 100_000} | settings
        files = Files(self.root, "worker", FilesSettings(**values), durable=durable)
        self._opened.append(files)
        return files

    def close(self) -> None:
        """Let go of everything that was opened."""
        for files in self._opened:
            files.close()

    def kept(self) -> list[str]:
        """The locations of all files in the store."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file())

    def unfinished(self) -> list[Path]:
        """All files in the incoming folders."""
        return [path for path in self.incoming.rglob("*") if path.is_file()]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node with an empty data folder."""
    made = Node(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture
def receive() -> Receive:
    """Bring a data set into a reception, as an association does: fragments in a buffer that is used again."""

    def bring(
        files: Files,
        dataset: bytes,
        uid: str = "1.2.3",
        *,
        syntax: str = EXPLICIT_LE,
        memory: MemoryShare | None = None,
        piece_bytes: int = FRAGMENT_BYTES,
    ) -> Reception:
        request = StoreRequest(CT, uid, syntax, Sender("CT1", "NODE", "127.0.0.1"))
        reception = files.receive(request, memory)
        buffer = bytearray(piece_bytes)
        for start in range(0, len(dataset), piece_bytes):
            fragment = dataset[start : start + piece_bytes]
            buffer[: len(fragment)] = fragment
            reception.write(memoryview(buffer)[: len(fragment)])
        return reception

    return bring


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path | None]:
    """A file system with 2 MB; None where this user may not mount one."""
    folder = tmp_path / "small"
    folder.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], check=False, capture_output=True
    ).returncode:
        yield None
        return
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)
