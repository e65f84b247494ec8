"""What the storage service decides when an instance meets another one, also while that one changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC
from pathlib import Path

import pytest
from factories import ABSENT, ct
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from structlog.testing import capture_logs

from dicomnode.dicom import status
from dicomnode.dicom.instance import DuplicatePolicy, Finding, StoreRequest
from dicomnode.dicom.peer import Sender
from dicomnode.errors import StorageError
from dicomnode.files import Files, FilesSettings
from dicomnode.index import Durability, Index, IndexSettings, Scope
from dicomnode.qa import QaSettings, Validation
from dicomnode.qa.settings import RuleSeverity
from dicomnode.services.storage import ReceptionSettings, Storage


class Interrupted(Validation):
    """The rules; between the moment when a conflict is seen and the one when it is acted on, something else happens."""

    meanwhile: Callable[[], object] | None = None

    def other_content(self) -> Finding:
        """The finding, after what happens meanwhile."""
        happens, self.meanwhile = self.meanwhile, None
        if happens:
            happens()
        return super().other_content()


class Node:
    """One data folder, and the processes that work in it."""

    def __init__(self, folder: Path, opened: ExitStack) -> None:
        self._folder = folder
        self._opened = opened
        self.index = self._index()
        self.index.prepare()

    def process(self, duplicates: DuplicatePolicy, validation: Validation | None = None) -> Storage:
        """The service as another process has it."""
        files = Files(self._folder / "files", "test", FilesSettings(free_space_floor_bytes=0), durable=False)
        self._opened.callback(files.close)
        return Storage(
            files=files,
            index=self._index(),
            validation=validation or Validation(QaSettings()),
            settings=ReceptionSettings(duplicates=duplicates),
            time_zone=UTC,
        )

    def accepted_digest(self, dataset: Dataset) -> bytes:
        """The digest of the accepted instance."""
        known = self.index.instances.known(dataset.SOPInstanceUID)
        assert known is not None
        return known.digest

    def quarantined(self) -> int:
        """How many instances are held back."""
        return len(list(self.index.quarantine.list()))

    def _index(self) -> Index:
        index = Index(self._folder, IndexSettings(), durability=Durability.FAST)
        self._opened.callback(index.close)
        return index


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """An empty data folder."""
    with ExitStack() as opened:
        yield Node(tmp_path, opened)


def store(storage: Storage, dataset: Dataset, transfer_syntax: str = ExplicitVRLittleEndian) -> int:
    """Take ``dataset`` in; the status."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, transfer_syntax == ImplicitVRLittleEndian
    write_dataset(buffer, dataset)
    uids = str(dataset.SOPClassUID), str(dataset.SOPInstanceUID)
    request = StoreRequest(*uids, transfer_syntax, Sender("CT1", "DICOMNODE", "127.0.0.1"))
    reception = storage.receive(request)
    reception.write(memoryview(buffer.getvalue()))
    try:
        return storage.accept(request, reception).status
    finally:
        reception.discard()


def test_what_was_accepted_is_answered_as_the_first_time_however_often_it_comes_again(node: Node) -> None:
    instance = ct(PatientID=ABSENT)
    remarks = node.process(
        DuplicatePolicy.KEEP_FIRST, Validation(QaSettings(severities={"patient.id": RuleSeverity.WARN}))
    )
    holds_back = node.process(DuplicatePolicy.KEEP_FIRST)  # the rules of a later day
    answers = [store(storage, instance) for storage in (remarks, holds_back, holds_back, holds_back)]
    assert answers == [status.SUCCESS] * 4
    assert node.quarantined() == 0


def test_newcomer_is_compared_with_the_instance_that_replaced_what_it_met(node: Node) -> None:
    first, second = ct(), ct()
    second.update({element.tag: element for element in first if element.keyword.endswith("UID")})
    second.PatientComments = "other content"
    rules = Interrupted(QaSettings())
    keeps_first, replaces = node.process(DuplicatePolicy.KEEP_FIRST, rules), node.process(DuplicatePolicy.REPLACE)
    assert store(keeps_first, first) == status.SUCCESS

    rules.meanwhile = lambda: store(replaces, second)
    assert store(keeps_first, second, ImplicitVRLittleEndian) == status.SUCCESS  # it is what is accepted by now

    assert node.quarantined() == 1  # the first one


def test_instance_that_is_deleted_while_it_comes_again_is_no_success(
    node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person deletes it between the look at its row and the look at its file."""
    instance = ct()
    assert store(node.process(DuplicatePolicy.KEEP_FIRST), instance) == status.SUCCESS
    genuine = Files.has

    def has(files: Files, location: str, size_bytes: int) -> bool:
        monkeypatch.undo()
        holding = node.index.removal.holding(Scope(sop_instance_uid=instance.SOPInstanceUID))
        [removed] = node.index.removal.remove(holding, limit=1, reason="sent by mistake", by="anna")
        (tmp_path / "files" / str(removed.location)).unlink()
        return genuine(files, location, size_bytes)

    monkeypatch.setattr(Files, "has", has)
    receiving = node.process(DuplicatePolicy.KEEP_FIRST)
    with pytest.raises(StorageError):
        store(receiving, instance)
    assert store(receiving, instance) == status.SUCCESS
    assert len(node.accepted_digest(instance)) > 0


def test_two_newcomers_with_other_content_are_both_held_back(node: Node) -> None:
    first, second, third = ct(), ct(), ct()
    for other, comment in ((second, "second"), (third, "third")):
        other.update({element.tag: element for element in first if element.keyword.endswith("UID")})
        other.PatientComments = comment
    rules = Interrupted(QaSettings())
    keeps_first, also_keeps = node.process(DuplicatePolicy.KEEP_FIRST, rules), node.process(DuplicatePolicy.KEEP_FIRST)
    assert store(keeps_first, first) == status.SUCCESS
    accepted = node.accepted_digest(first)

    rules.meanwhile = lambda: store(also_keeps, third)
    assert store(keeps_first, second) == status.STORED_WITH_FAULTS

    assert node.accepted_digest(first) == accepted
    assert node.quarantined() == 2


def test_quarantined_instance_that_comes_again_and_again_is_kept_once(node: Node, tmp_path: Path) -> None:
    storage, dataset = node.process(DuplicatePolicy.KEEP_FIRST), ct(PatientID=ABSENT)
    assert [store(storage, dataset) for _ in range(4)] == [status.STORED_WITH_FAULTS] * 4
    assert node.quarantined() == 1
    [kept] = tmp_path.rglob("*.dcm")
    kept.unlink()
    assert [store(storage, dataset) for _ in range(2)] == [status.STORED_WITH_FAULTS] * 2
    assert len(list(tmp_path.rglob("*.dcm"))) == 1, "its file was gone, and is not back"


def test_line_of_an_instance_names_each_rule_once(node: Node) -> None:
    storage = node.process(DuplicatePolicy.KEEP_FIRST)
    with capture_logs() as logs:
        store(storage, ct(Rows=ABSENT, Columns=ABSENT, PixelSpacing=ABSENT, ImageType=ABSENT))
    [line] = [line for line in logs if line["event"] == "instance.quarantined"]
    assert "iod.type1" in line["rules"]
    assert len(set(line["rules"])) == len(line["rules"])
