"""``dicomnode quarantine`` on what a node has held back."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from click.testing import Result
from factories import ABSENT, ct
from pydicom import Dataset, FileDataset, dcmread

from dicomnode.errors import StorageError

if TYPE_CHECKING:
    from conftest import NodeFolder


def entries(folder: NodeFolder) -> list[dict[str, Any]]:
    return [json.loads(line) for line in folder.run("quarantine", "list", "--json").stdout.splitlines()]


@pytest.fixture
def held(node_folder: NodeFolder) -> NodeFolder:
    """Two instances in quarantine."""
    for _ in range(2):
        node_folder.receive(ct(PatientID=ABSENT))
    return node_folder


def test_lists_what_was_held_back_and_why(held: NodeFolder) -> None:
    first, second = entries(held)
    assert first["id"] < second["id"]
    assert first["rule"] == "patient.id"
    assert first["calling_ae_title"] == "CT1"
    assert any("(0010,0020)" in finding["tags"] for finding in first["findings"])
    assert "patient.id" in held.run("quarantine", "list").stdout


def test_released_instance_is_among_the_studies(held: NodeFolder) -> None:
    first, second = entries(held)
    done = held.run("quarantine", "release", str(first["id"]), "--reason", "trauma")
    assert done.exit_code == 0, done.stderr
    assert [entry["id"] for entry in entries(held)] == [second["id"]]
    assert len(held.run("studies", "--json").stdout.splitlines()) == 1
    assert len(held.kept()) == 2


def test_discarded_instance_and_its_file_are_gone(held: NodeFolder) -> None:
    ids = [str(entry["id"]) for entry in entries(held)]
    done = held.run("quarantine", "discard", *ids, "--reason", "test images", "--yes")
    assert done.exit_code == 0, done.stderr
    assert entries(held) == []
    assert held.kept() == []
    assert held.run("studies", "--json").stdout == ""


def test_one_that_is_not_there_does_not_stop_the_rest(held: NodeFolder) -> None:
    first, second = (entry["id"] for entry in entries(held))
    done = held.run("quarantine", "release", str(first), "9999", str(second), "--reason", "trauma")
    assert done.exit_code == 1
    assert "9999" in done.stderr
    assert entries(held) == []


def test_decision_needs_a_reason(held: NodeFolder) -> None:
    assert held.run("quarantine", "release", "1").exit_code == 2
    assert held.run("quarantine", "discard", "1", "--yes").exit_code == 2
    assert len(entries(held)) == 2


def test_script_must_say_yes_to_remove_files(held: NodeFolder) -> None:
    first, _ = entries(held)
    done = held.run("quarantine", "discard", str(first["id"]), "--reason", "test images")
    assert done.exit_code == 2
    assert "--yes" in done.stderr
    assert len(held.kept()) == 2


def test_empty_quarantine_is_no_failure(node_folder: NodeFolder) -> None:
    done = node_folder.run("quarantine", "list", "--json")
    assert (done.exit_code, done.stdout) == (0, "")
    assert node_folder.run("quarantine", "list").stdout == "nothing is held back\n"


# -- looking ------------------------------------------------------------------------------------------------------------


def only(folder: NodeFolder) -> dict[str, Any]:
    [entry] = entries(folder)
    return entry


def stored(folder: NodeFolder) -> FileDataset:
    [path] = folder.kept()
    return dcmread(path)


def test_shows_findings_and_elements_with_the_offending_ones_marked(node_folder: NodeFolder) -> None:
    inner = Dataset()
    inner.CodeValue = "T-1"
    node_folder.receive(ct(PatientID=ABSENT, ProcedureCodeSequence=[inner], ImageComments="x" * 500))
    shown = node_folder.run("quarantine", "show", str(only(node_folder)["id"]))
    assert shown.exit_code == 0, shown.stderr
    lines = shown.stdout.splitlines()
    assert any("patient.id" in line and "(0010,0020)" in line and "PS3.3 C.7.1.1" in line for line in lines)
    [offending] = [line for line in lines if line.strip().startswith("!") and "(0010,0020)" in line]
    assert "(absent)" in offending
    assert not any(line.strip().startswith("!") and "Patient's Name" in line for line in lines)
    assert next(line for line in lines if "Patient's Name" in line).rstrip().endswith("Doe^Jane")
    assert next(line for line in lines if "(0008,0100)" in line).split()[-1] == "T-1"
    assert "x" * 100 not in shown.stdout
    assert "512 bytes, BLAKE3" in next(line for line in lines if "(7FE0,0010)" in line)


def test_shows_dicom_json_with_findings_for_scripts(node_folder: NodeFolder) -> None:
    node_folder.receive(ct(PatientID=ABSENT, rows=256, columns=256))
    entry = only(node_folder)
    shown = json.loads(node_folder.run("quarantine", "show", str(entry["id"]), "--json").stdout)
    assert shown["findings"] == entry["findings"]
    assert shown["dataset"]["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]}
    uri = urlsplit(shown["dataset"]["7FE00010"]["BulkDataURI"])
    at = {name: int(value) for name, value in parse_qsl(uri.query)}
    content = Path(uri.path).read_bytes()[at["offset"] : at["offset"] + at["length"]]
    assert content == stored(node_folder).PixelData


def test_terminal_is_not_steered_by_what_is_shown(node_folder: NodeFolder) -> None:
    node_folder.receive(ct(PatientID=ABSENT, PatientName="Doe\x1b[31m^Jane"))
    assert "\x1b[31m" not in node_folder.run("quarantine", "show", str(only(node_folder)["id"])).stdout


def test_diff_tells_what_differs_from_the_accepted_instance(node_folder: NodeFolder) -> None:
    first = ct()
    node_folder.receive(first)
    second = copy.deepcopy(first)
    second.StudyDescription, second.PixelData = "Neck", b"\1\0" * 256
    node_folder.receive(second)
    entry = str(only(node_folder)["id"])
    told = json.loads(node_folder.run("quarantine", "diff", entry, "--json").stdout)
    assert told["against"] == "instance"
    description, pixels = told["differences"]
    assert (description["tag"], description["quarantined"], description["accepted"]) == ("(0008,1030)", "Neck", "Head")
    assert pixels["tag"] == "(7FE0,0010)"
    assert pixels["quarantined"] != pixels["accepted"]
    assert "Neck" in node_folder.run("quarantine", "diff", entry).stdout


def test_diff_of_a_patient_clash_is_with_what_is_known_of_the_patient(node_folder: NodeFolder) -> None:
    first = ct()
    node_folder.receive(first)
    node_folder.receive(ct(StudyInstanceUID=first.StudyInstanceUID, PatientID="P2", PatientName="Roe^Rick"))
    told = json.loads(node_folder.run("quarantine", "diff", str(only(node_folder)["id"]), "--json").stdout)
    assert told["against"] == "study"
    assert {(one["name"], one["quarantined"], one["accepted"]) for one in told["differences"]} == {
        ("Patient ID", "P2", "P1"),
        ("Patient's Name", "Roe^Rick", "Doe^Jane"),
    }


def test_diff_with_nothing_says_so(node_folder: NodeFolder) -> None:
    node_folder.receive(ct(PatientID=ABSENT))
    done = node_folder.run("quarantine", "diff", str(only(node_folder)["id"]))
    assert done.exit_code == 1
    assert "nothing to compare" in done.stderr


@pytest.mark.parametrize("command", ["show", "diff"])
def test_entry_that_is_not_there_cannot_be_looked_at(node_folder: NodeFolder, command: str) -> None:
    done = node_folder.run("quarantine", command, "9999")
    assert done.exit_code == 1
    assert "9999" in done.stderr


# -- editing ------------------------------------------------------------------------------------------------------------


def edit(folder: NodeFolder, *arguments: str) -> Result:
    return folder.run("quarantine", "edit", str(only(folder)["id"]), *arguments, "--reason", "typing error")


def test_edited_instance_is_clean_and_remembers_what_it_said(node_folder: NodeFolder) -> None:
    node_folder.receive(ct(PatientID=ABSENT))
    [old] = node_folder.kept()
    done = edit(node_folder, "PatientID=4711", "(0010,0010)=Müller^Jörg", "00100040=")
    assert done.exit_code == 0, done.stderr
    assert "nothing holds it back any more" in done.stdout
    now = stored(node_folder)
    assert (now.PatientID, str(now.PatientName), now.PatientSex) == ("4711", "Müller^Jörg", "")
    [kept] = now.OriginalAttributesSequence
    assert (kept.ReasonForTheAttributeModification, kept.SourceOfPreviousValues) == ("CORRECT", "CT1")
    [before] = kept.ModifiedAttributesSequence
    assert (before["PatientID"].is_empty, str(before.PatientName), before.PatientSex) == (True, "Doe^Jane", "F")
    assert not old.exists()
    assert "patient.id" not in [finding["rule"] for finding in only(node_folder)["findings"]]
    assert only(node_folder)["rule"] is None
    assert "edited" in node_folder.run("quarantine", "list").stdout


def test_edit_releases_at_once_what_is_clean(node_folder: NodeFolder) -> None:
    node_folder.receive(ct(PatientID=ABSENT))
    done = edit(node_folder, "PatientID=4711", "--release")
    assert done.exit_code == 0, done.stderr
    assert entries(node_folder) == []
    [study] = node_folder.run("studies", "--json").stdout.splitlines()
    assert json.loads(study)["patient_id"] == "4711"


def test_edit_does_not_release_what_is_still_held_back(node_folder: NodeFolder) -> None:
    node_folder.receive(ct(PatientID=ABSENT))
    done = edit(node_folder, "StudyDescription=Neck", "--release")
    assert done.exit_code == 1
    assert "still held back" in done.stderr
    assert "patient.id" in done.stdout
    assert stored(node_folder).StudyDescription == "Neck"


def test_patient_clash_is_mended_by_editing(node_folder: NodeFolder) -> None:
    first = ct()
    node_folder.receive(first)
    node_folder.receive(ct(StudyInstanceUID=first.StudyInstanceUID, PatientID="P2"))
    entry = str(only(node_folder)["id"])
    refused = node_folder.run("quarantine", "release", entry, "--reason", "x")
    assert refused.exit_code == 1
    assert "--under-study-patient" in refused.stderr
    assert edit(node_folder, "PatientID=P3").stdout.count("quarantine: index.study-patient") == 1
    assert edit(node_folder, "PatientID=P1", "--release").exit_code == 0
    [study] = node_folder.run("studies", "--json").stdout.splitlines()
    assert json.loads(study)["instances"] == 2


def test_instance_is_released_under_its_studys_patient_when_that_is_said(node_folder: NodeFolder) -> None:
    first = ct()
    node_folder.receive(first)
    node_folder.receive(ct(StudyInstanceUID=first.StudyInstanceUID, PatientID="P2"))
    entry = str(only(node_folder)["id"])
    done = node_folder.run("quarantine", "release", entry, "--reason", "old ID", "--under-study-patient")
    assert done.exit_code == 0, done.stderr
    assert "index.study-patient" in done.stdout
    assert entries(node_folder) == []


def test_duplicate_is_let_in_under_a_uid_of_its_own(node_folder: NodeFolder) -> None:
    first = ct()
    node_folder.receive(first)
    node_folder.receive(ct(**{name: first[name].value for name in ("SOPInstanceUID", "StudyInstanceUID")}))
    assert edit(node_folder, "StudyDescription=Neck").stdout.count("quarantine: core.duplicate") == 1
    assert edit(node_folder, "SOPInstanceUID=1.2.840.77.1", "--release").exit_code == 0
    assert {dcmread(path).file_meta.MediaStorageSOPInstanceUID for path in node_folder.kept()} == {
        first.SOPInstanceUID,
        "1.2.840.77.1",
    }


def test_sender_that_tries_again_makes_no_second_entry_of_an_edited_instance(node_folder: NodeFolder) -> None:
    came = ct(PatientID=ABSENT)
    node_folder.receive(came)
    edit(node_folder, "PatientID=4711")
    node_folder.receive(came)
    assert len(entries(node_folder)) == 1
    node_folder.run("quarantine", "release", str(only(node_folder)["id"]), "--reason", "clean")
    node_folder.receive(came)
    assert entries(node_folder) == []
    assert len(node_folder.kept()) == 1


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("PatientName=山田", "character set"),
        ("Rows=many", "(0028,0010)"),
        ("SOPInstanceUID=", "refused"),
        ("PatientName=Doe^Jane", "nothing changes"),
        ("PixelData=1", "pixel data"),
    ],
)
def test_edit_that_cannot_be_made_changes_nothing(node_folder: NodeFolder, assignment: str, told: str) -> None:
    node_folder.receive(ct(PatientID=ABSENT))
    [before] = node_folder.kept()
    entry = only(node_folder)
    done = edit(node_folder, assignment)
    assert done.exit_code == 1
    assert told in done.stderr
    assert (node_folder.kept(), only(node_folder)) == ([before], entry)


@pytest.mark.parametrize("arguments", [["PatientID"], ["NoSuchTag=1"], ["PatientID=1", "0010,0020=2"], []])
def test_edit_that_is_not_clear_is_wrong_usage(held: NodeFolder, arguments: list[str]) -> None:
    assert held.run("quarantine", "edit", "1", *arguments, "--reason", "x").exit_code == 2


def test_removed_element_is_gone_and_remembered(node_folder: NodeFolder) -> None:
    node_folder.receive(ct(PatientID=ABSENT))
    assert edit(node_folder, "--remove", "StudyDescription").exit_code == 0
    now = stored(node_folder)
    assert "StudyDescription" not in now
    assert now.OriginalAttributesSequence[0].ModifiedAttributesSequence[0].StudyDescription == "Head"


def test_sender_is_not_told_success_when_the_edited_instances_file_is_gone(node_folder: NodeFolder) -> None:
    came = ct(PatientID=ABSENT)
    node_folder.receive(came)
    edit(node_folder, "PatientID=4711")
    [file] = node_folder.kept()
    file.unlink()
    with pytest.raises(StorageError, match="missing"):
        node_folder.receive(came)
    assert node_folder.kept() == []


def test_large_instance_is_edited_with_its_pixel_data_as_it_came(node_folder: NodeFolder) -> None:
    pixels = bytes(range(256)) * 64 * 1024
    node_folder.receive(ct(PatientID=ABSENT, rows=4096, columns=2048, PixelData=pixels))
    assert edit(node_folder, "PatientID=4711", "--release").exit_code == 0
    assert stored(node_folder).PixelData == pixels
