"""``dicomnode studies UID``: one study, and what was found of it as a whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from factories import ct
from pydicom.uid import generate_uid

if TYPE_CHECKING:
    from conftest import NodeFolder

STUDY, SERIES = generate_uid(), generate_uid()


@pytest.fixture
def filled(node_folder: NodeFolder) -> NodeFolder:
    """A series without its fifth slice, and a slice that names another sex."""
    frame = generate_uid()
    for number in (1, 2, 3, 4, 6, 7, 8, 9, 10):
        uids = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES, "FrameOfReferenceUID": frame}
        position = ["0", "0", str(5 * number)]
        sex = "M" if number == 10 else "F"
        node_folder.receive(ct(InstanceNumber=str(number), ImagePositionPatient=position, PatientSex=sex, **uids))
    return node_folder


def shown(folder: NodeFolder, *arguments: str) -> dict[str, Any]:
    done = folder.run("studies", STUDY, "--json", *arguments)
    assert done.exit_code == 0, done.output
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])  # logs go elsewhere in the real program
    return answer


def test_study_is_judged_when_that_is_asked(filled: NodeFolder) -> None:
    assert shown(filled)["verdict"] is None
    verdict = shown(filled, "--judge")["verdict"]
    assert (verdict["severity"], verdict["instances"]) == ("warn", 9)
    assert {(one["rule"], one["series_instance_uid"]) for one in verdict["findings"]} == {
        ("study.slices-missing", SERIES),
        ("study.numbers-missing", SERIES),
        ("study.patient", ""),
    }
    assert shown(filled)["verdict"] == verdict


def test_study_is_shown_to_people(filled: NodeFolder) -> None:
    filled.run("studies", STUDY, "--judge")
    text = filled.run("studies", STUDY).output
    assert "1 slice missing: 10 instead of 5 mm after instance 4" in text
    assert "PatientSex is another one in 1 instance" in text
    assert SERIES in text


def test_people_are_told_when_something_came_since(filled: NodeFolder) -> None:
    filled.run("studies", STUDY, "--judge")
    filled.receive(ct(StudyInstanceUID=STUDY, SeriesInstanceUID=SERIES))
    assert "of 9 instances; it has 10 now" in filled.run("studies", STUDY).output


def test_missing_file_is_told(filled: NodeFolder) -> None:
    filled.kept()[0].unlink()
    findings = shown(filled, "--judge")["verdict"]["findings"]
    assert [one["comment"] for one in findings if one["rule"] == "study.file"] == ["1 instance could not be read"]


def test_site_decides_what_is_told(filled: NodeFolder) -> None:
    with filled.path.open("a") as file:
        file.write('qa: {severities: {study.slices-missing: "off", study.numbers-missing: "off"}}\n')
    assert [one["rule"] for one in shown(filled, "--judge")["verdict"]["findings"]] == ["study.patient"]


def test_unknown_study_is_no_success(node_folder: NodeFolder) -> None:
    done = node_folder.run("studies", "1.2.3", "--judge")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "no study 1.2.3" in done.stderr


@pytest.mark.parametrize("arguments", [("1.2.3", "--modality", "CT"), ("1.2.3", "--series", "1.2.4"), ("--judge",)])
def test_uid_stands_alone(node_folder: NodeFolder, arguments: tuple[str, ...]) -> None:
    assert node_folder.run("studies", *arguments).exit_code == 2
