"""``dicomnode mpps`` and ``dicomnode studies --incomplete`` on what modalities told."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from factories import ct
from modality import EXPLICIT_LE, begun, ended, scheduled, written

from dicomnode.dicom.peer import Sender
from dicomnode.services.mpps import MppsSettings, PerformedProcedureSteps

if TYPE_CHECKING:
    from conftest import NodeFolder

CT1 = Sender("CT1", "DICOMNODE", "127.0.0.1", "ct1")


@pytest.fixture
def steps(node_folder: NodeFolder) -> PerformedProcedureSteps:
    return PerformedProcedureSteps(node_folder.index, MppsSettings())


def create(steps: PerformedProcedureSteps, study: str, **values: object) -> str:
    return steps.create("", written(begun(scheduled(study), **values)), EXPLICIT_LE, CT1)[0]


def rows(folder: NodeFolder, *arguments: str) -> list[dict[str, Any]]:
    done = folder.run(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_steps_are_listed(node_folder: NodeFolder, steps: PerformedProcedureSteps) -> None:
    first, second = create(steps, "1.2.3"), create(steps, "1.2.4", Modality="MR")
    steps.change(first, written(ended("1.9.1", "1.9.2")), EXPLICIT_LE, CT1)
    assert [row["sop_instance_uid"] for row in rows(node_folder, "mpps", "list")] == [second, first]
    [row] = rows(node_folder, "mpps", "list", "--status", "completed")
    assert (row["status"], row["study_instance_uids"], row["instances"], row["calling_ae_title"]) == (
        "COMPLETED",
        ["1.2.3"],
        2,
        "CT1",
    )
    text = node_folder.run("mpps", "list", "--modality", "MR").stdout
    assert second in text
    assert first not in text
    assert "no step fits" in node_folder.run("mpps", "list", "--ae", "CT9").stdout


def test_step_is_shown_whole(node_folder: NodeFolder, steps: PerformedProcedureSteps) -> None:
    uid = create(steps, "1.2.3", PatientName="Müller^Anna", SpecificCharacterSet="ISO_IR 100")
    text = node_folder.run("mpps", "show", uid).stdout
    assert "PatientName: Müller^Anna" in text
    assert "  StudyInstanceUID: 1.2.3" in text
    assert "IN PROGRESS by CT1" in text
    [shown] = rows(node_folder, "mpps", "show", uid)
    assert shown["step"]["00100010"]["Value"] == [{"Alphabetic": "Müller^Anna"}]
    assert [change["status"] for change in shown["history"]] == ["IN PROGRESS"]


def test_step_that_is_not_there_fails(node_folder: NodeFolder) -> None:
    done = node_folder.run("mpps", "show", "1.2.3")
    assert done.exit_code == 1
    assert "no such performed procedure step" in done.stderr


def test_incomplete_studies_say_what_they_wait_for(node_folder: NodeFolder, steps: PerformedProcedureSteps) -> None:
    growing, working, lacking = ct(), ct(), ct()
    for instance in (growing, working, lacking):
        node_folder.receive(instance)
    create(steps, working.StudyInstanceUID)
    ending = create(steps, lacking.StudyInstanceUID)
    steps.change(ending, written(ended(lacking.SOPInstanceUID, "1.9.1")), EXPLICIT_LE, CT1)
    node_folder.index.completeness.look(timedelta(hours=1))
    told = {row["study_instance_uid"]: row for row in rows(node_folder, "studies", "--incomplete")}
    assert told[growing.StudyInstanceUID]["waits_for"] == "silence"
    assert told[working.StudyInstanceUID]["waits_for"] == "performed-step"
    assert told[lacking.StudyInstanceUID]["waits_for"] == "instances"
    assert told[lacking.StudyInstanceUID]["missing"] == ["1.9.1"]
    text = node_folder.run("studies", "--incomplete").stdout
    assert "1 of 2 instances" in text
    assert "  1.9.1" in text


def test_no_incomplete_study(node_folder: NodeFolder) -> None:
    assert "every study is complete" in node_folder.run("studies", "--incomplete").stdout
    assert node_folder.run("studies", "--incomplete", "--modality", "CT").exit_code == 2
