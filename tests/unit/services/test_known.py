"""What is known decides at reception; what two associations bring in the same moment shows in the verdict on the study."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import date
from pathlib import Path

import pytest
from factories import ct
from pydicom import Dataset
from pydicom.uid import generate_uid
from unit.services.test_storage import Node, store

from dicomnode.dicom.instance import DuplicatePolicy, StoreRequest, Verdict
from dicomnode.dicom.knowledge import Knowledge
from dicomnode.dicom.scan import ScannedDataset
from dicomnode.files import Files, FilesSettings
from dicomnode.index import StudyVerdict
from dicomnode.qa import QaSettings, Validation
from dicomnode.services.study_verdict import StudyJudgement

STUDY, SERIES, FRAME = generate_uid(), generate_uid(), generate_uid()


class Interrupted(Validation):
    """The rules; between the moment when it is found out what is known and the verdict, something else happens."""

    meanwhile: Callable[[], object] | None = None

    def judge(
        self,
        dataset: ScannedDataset,
        request: StoreRequest,
        today: date,
        known: Knowledge | None = None,
        *,
        can_be_fixed: bool = True,
    ) -> Verdict:
        """The verdict, after what happens meanwhile."""
        happens, self.meanwhile = self.meanwhile, None
        if happens:
            happens()
        return super().judge(dataset, request, today, known, can_be_fixed=can_be_fixed)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """An empty data folder."""
    with ExitStack() as opened:
        yield Node(tmp_path, opened)


def slice_of_study(number: int, **changes: object) -> Dataset:
    uids = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES, "FrameOfReferenceUID": FRAME}
    position = ["0", "0", str(5 * number)]
    return ct(**(uids | {"InstanceNumber": str(number), "ImagePositionPatient": position} | changes))


def found(node: Node, dataset: Dataset) -> list[str]:
    """The rules that found something in an accepted instance."""
    known = node.index.instances.known(dataset.SOPInstanceUID)
    assert known is not None
    return [finding.rule for finding in known.findings]


def judged(node: Node, folder: Path) -> StudyVerdict:
    with closing(Files(folder / "files", "judge", FilesSettings(), durable=False)) as files:
        return StudyJudgement(node.index, files, {}).judge(STUDY)


def test_association_is_compared_with_what_another_process_took_in(node: Node) -> None:
    first, second = node.process(DuplicatePolicy.KEEP_FIRST), node.process(DuplicatePolicy.KEEP_FIRST)
    store(first, slice_of_study(1))
    changed = slice_of_study(2, PatientSex="M")
    store(second, changed)
    assert found(node, changed) == ["known.sex"]


def test_same_instance_again_contradicts_nothing(node: Node) -> None:
    storage = node.process(DuplicatePolicy.KEEP_FIRST)
    datasets = [slice_of_study(number) for number in (1, 2, 3)]
    for dataset in datasets * 2:
        assert store(storage, dataset) == 0x0000
    assert [found(node, dataset) for dataset in datasets] == [[], [], []]


def test_what_two_associations_bring_at_once_is_told_by_the_study(node: Node, tmp_path: Path) -> None:
    rules = Interrupted(QaSettings())
    one, other = node.process(DuplicatePolicy.KEEP_FIRST, rules), node.process(DuplicatePolicy.KEEP_FIRST)
    late = slice_of_study(1, PatientName="Doe^John", FrameOfReferenceUID=generate_uid())
    rules.meanwhile = lambda: [store(other, slice_of_study(number)) for number in (1, 2, 3)]
    store(one, late)

    assert found(node, late) == []  # nothing was known when it came
    assert [finding.rule for finding in judged(node, tmp_path).findings] == [
        "study.numbers-doubled",
        "study.patient",
        "study.series-frames",
        "study.frames",
    ]


def test_other_patient_who_comes_in_the_same_moment_is_held_back(node: Node) -> None:
    rules = Interrupted(QaSettings())
    one, other = node.process(DuplicatePolicy.KEEP_FIRST, rules), node.process(DuplicatePolicy.KEEP_FIRST)
    rules.meanwhile = lambda: store(other, slice_of_study(1))
    assert store(one, slice_of_study(2, PatientID="P2")) == 0xB007
    assert node.quarantined() == 1


def test_site_that_lets_another_patient_in_is_told_so(node: Node) -> None:
    rules = Validation(QaSettings.model_validate({"severities": {"index.study-patient": "warn"}}))
    storage = node.process(DuplicatePolicy.KEEP_FIRST, rules)
    store(storage, slice_of_study(1))
    other = slice_of_study(2, PatientID="P2")
    assert store(storage, other) == 0x0000
    assert found(node, other) == ["index.study-patient"]
