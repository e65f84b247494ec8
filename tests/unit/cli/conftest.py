"""A data folder as a node leaves it, made by the node's own parts."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRLittleEndian

sys.path.insert(0, str(Path(__file__).parents[2]))

from dicomnode import parts
from dicomnode.cli import commands
from dicomnode.config import Config, load
from dicomnode.dicom.instance import StoreRequest
from dicomnode.dicom.peer import Sender
from dicomnode.index import Durability


class NodeFolder:
    """A configuration, and the data folder of a node that is not running."""

    def __init__(self, folder: Path, more: str = "") -> None:
        self.path = folder / "node.yaml"
        self.path.write_text(f"data: data\nfiles: {{free_space_floor_bytes: 0}}\n{more}")
        self.config: Config = load(self.path, {})
        self.config.data.mkdir(mode=0o700)
        self.index = parts.open_index(self.config, durability=Durability.FAST)
        self.index.prepare()
        self.files = parts.open_files(self.config, "test", durability=Durability.FAST)
        self._open = ExitStack()
        self._open.callback(self.index.close)
        self._open.callback(self.files.close)
        self.storage = parts.storage(self.config, self.files, self.index)

    def receive(self, dataset: Dataset, calling_ae_title: str = "CT1") -> int:
        """Take ``dataset`` in as from a C-STORE; the status."""
        request = StoreRequest(
            sop_class_uid=str(dataset.SOPClassUID),
            sop_instance_uid=str(dataset.SOPInstanceUID),
            transfer_syntax_uid=ExplicitVRLittleEndian,
            sender=Sender(calling_ae_title, "DICOMNODE", "127.0.0.1"),
        )
        reception = self.storage.receive(request)
        reception.write(memoryview(encoded(dataset)))
        try:
            return self.storage.accept(request, reception).status
        finally:
            reception.discard()

    def kept(self) -> list[Path]:
        """The files that are kept."""
        return sorted((self.config.data / "files").rglob("*.dcm"))

    def run(self, *arguments: str) -> Result:
        """A command with this node's configuration."""
        return CliRunner().invoke(commands, [*arguments, "--config", str(self.path)])

    def close(self) -> None:
        """Let go of the folder; a second time does nothing."""
        self._open.close()


def encoded(dataset: Dataset) -> bytes:
    """The data set's bytes in explicit VR little endian, without preamble and meta information."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, dataset)
    return buffer.getvalue()


@pytest.fixture
def make_node_folder() -> type[NodeFolder]:
    """For a node's folder elsewhere than in ``tmp_path``; to be closed."""
    return NodeFolder


@pytest.fixture
def node_folder(tmp_path: Path) -> Iterator[NodeFolder]:
    """An empty node's folder."""
    folder = NodeFolder(tmp_path)
    yield folder
    folder.close()
