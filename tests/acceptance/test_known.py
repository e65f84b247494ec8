"""What contradicts what the node knows is remarked upon or held back, and a complete study is judged: storescu and the program."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from factories import ct, write
from pydicom.uid import generate_uid
from running_node import RunningNode, wait_for

STUDY, SERIES, FRAME = generate_uid(), generate_uid(), generate_uid()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningNode]:
    """A node that takes a study for complete when nothing came for a second."""
    with RunningNode(tmp_path / "node", completeness={"silence_s": 1}) as running:
        yield running


def slices(folder: Path, *numbers: int, **changes: object) -> list[Path]:
    """Slices of one series, 5 mm apart."""
    folder.mkdir(exist_ok=True)
    uids = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES, "FrameOfReferenceUID": FRAME}
    return [
        write(
            ct(**(uids | {"InstanceNumber": str(n), "ImagePositionPatient": ["0", "0", str(5 * n)]} | changes)),
            folder / f"{n:04}.dcm",
        )
        for n in numbers
    ]


def remarks(node: RunningNode, event: str = "instance.stored") -> list[list[str]]:
    """The rules in the lines of those instances of which there is something to say."""
    return [line["rules"] for line in node.events(event) if "rules" in line]


def test_second_association_that_contradicts_the_first_is_remarked_upon(node: RunningNode, tmp_path: Path) -> None:
    assert node.storescu(*slices(tmp_path / "a", 1, 2)) == [0x0000] * 2
    assert remarks(node) == []

    said = {"PatientName": "Doe^John", "PatientBirthDate": "19700102", "AccessionNumber": "A2", "SeriesNumber": "7"}
    assert node.storescu(*slices(tmp_path / "b", 2, **said)) == [0x0000]
    [rules] = wait_for(lambda: remarks(node), what="the remarks")
    assert rules == [
        "known.patient-name",
        "known.birth-date",
        "known.study",
        "known.series",
        "known.instance-number",
    ]


def test_study_and_frame_of_another_patient_are_told(node: RunningNode, tmp_path: Path) -> None:
    node.storescu(*slices(tmp_path / "a", 1))
    other = {"PatientID": "P2", "PatientName": "Roe^Ann"}
    assert node.storescu(*slices(tmp_path / "b", 2, **other)) == [0xB007]
    uids = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid()}
    assert node.storescu(*slices(tmp_path / "c", 3, **other, **uids)) == [0x0000]

    [entry] = node.rows("quarantine", "list")
    assert entry["rule"] == "index.study-patient"
    assert ["known.frame-of-reference"] in wait_for(lambda: remarks(node), what="the remark")


def test_site_holds_back_what_it_will_not_have(tmp_path: Path) -> None:
    with RunningNode(tmp_path / "node", qa={"severities": {"known.birth-date": "quarantine"}}) as node:
        node.storescu(*slices(tmp_path / "a", 1))
        assert node.storescu(*slices(tmp_path / "b", 2, PatientBirthDate="19700102")) == [0xB007]
        [entry] = node.rows("quarantine", "list")
        assert (entry["rule"], entry["findings"][0]["tag"]) == ("known.birth-date", "(0010,0030)")

        corrected = node.cli("quarantine", "edit", str(entry["id"]), "PatientBirthDate=19700101", "--reason", "typo")
        assert corrected.returncode == 0, corrected.stderr
        [entry] = node.rows("quarantine", "list")
        assert entry["findings"] == []


def test_complete_study_is_judged_as_a_whole(node: RunningNode, tmp_path: Path) -> None:
    node.storescu(*slices(tmp_path / "a", 1, 2, 3, 4, 5, 8, 9, 10, 11, 12))
    [judged] = wait_for(lambda: node.events("study.judged"), what="the verdict")
    assert (judged["study_instance_uid"], judged["instances"]) == (STUDY, 10)
    assert judged["rules"] == ["study.slices-missing"]

    [study] = node.rows("studies", STUDY)
    missing = {one["rule"]: one["comment"] for one in study["verdict"]["findings"]}
    assert missing["study.slices-missing"] == "2 slices missing: 15 instead of 5 mm after instance 5"

    node.storescu(*slices(tmp_path / "b", 6, 7))  # the rest comes late
    wait_for(lambda: len(node.events("study.judged")) > 1, what="another verdict")
    [study] = node.rows("studies", STUDY)
    assert (study["verdict"]["instances"], study["verdict"]["findings"]) == (12, [])
