"""``dicomnode worklist`` on an index of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import Result
from unit.dicom.worklist_entries import entry
from unit.scp.worklist_client import ask, keys

from dicomnode.dicom.peer import OwnEntries, PeerSettings
from dicomnode.dicom.procedure import StepStatus
from dicomnode.index import StepKey

if TYPE_CHECKING:
    from conftest import NodeFolder

ASSIGNMENTS = (
    "PatientName=Doe^Jane",
    "PatientID=4711",
    "Modality=CT",
    "ScheduledStationAETitle=CT1",
    "ScheduledProcedureStepStartDate=20261124",
    "ScheduledProcedureStepID=S1",
    "AccessionNumber=A1",
    "RequestedProcedureDescription=CT thorax",
)


def listed(folder: NodeFolder, *arguments: str) -> list[str]:
    done = folder.run("worklist", "list", "--json", *arguments)
    assert done.exit_code == 0, done.output
    return [
        json.loads(line)["00400100"]["Value"][0]["00400009"]["Value"][0] for line in done.stdout.splitlines()
    ]  # fmt: skip


def last(done: Result) -> dict[str, Any]:
    """The last line: the node's own log is not set up here."""
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def scheduled(folder: NodeFolder, **values: object) -> StepKey:
    made = entry(**values)
    folder.index.worklist.put(made, by="ris")
    return StepKey.of(made)


def explained(folder: NodeFolder, *arguments: str) -> tuple[dict[str, Any], str]:
    done = folder.run("worklist", "explain", "--json", *arguments)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout.splitlines()[0]), folder.run("worklist", "explain", *arguments).stdout


def test_step_is_added_changed_and_shown(node_folder: NodeFolder) -> None:
    added = node_folder.run("worklist", "add", *ASSIGNMENTS, "--json")
    assert added.exit_code == 0, added.output
    outcome = last(added)
    assert (outcome["outcome"], outcome["step_id"], outcome["status"]) == ("added", "S1", "SCHEDULED")
    changed = last(node_folder.run("worklist", "add", *ASSIGNMENTS, "PatientWeight=70", "--json"))
    assert (changed["outcome"], changed["study_instance_uid"]) == ("changed", outcome["study_instance_uid"])
    shown = json.loads(node_folder.run("worklist", "show", "A1", "--json").stdout)
    assert shown["entry"]["00100020"]["Value"] == ["4711"]
    assert [record["kind"] for record in shown["history"]] == ["scheduled", "changed"]
    assert "PatientID: 4711" in node_folder.run("worklist", "show", "S1").stdout


@pytest.mark.parametrize(
    ("arguments", "exit_code", "what"),
    [
        (("PatientID=1",), 1, "ScheduledStationAETitle"),
        (("PatientID",), 2, "KEY=VALUE"),
        ((*ASSIGNMENTS, "PatientHat=x"), 1, "PatientHat"),
        ((*ASSIGNMENTS, "PatientSize=tall"), 1, "PatientSize"),
    ],
)
def test_what_a_scanner_could_not_use_is_not_added(
    node_folder: NodeFolder, arguments: tuple[str, ...], exit_code: int, what: str
) -> None:
    done = node_folder.run("worklist", "add", *arguments)
    assert (done.exit_code, what in done.stderr) == (exit_code, True)
    assert listed(node_folder) == []


def test_files_are_imported_and_a_bad_one_does_not_stop_the_rest(node_folder: NodeFolder, tmp_path: Path) -> None:
    files = tmp_path / "in"
    files.mkdir()
    header = ",".join(text.partition("=")[0] for text in ASSIGNMENTS)
    good = ",".join(text.partition("=")[2] for text in ASSIGNMENTS)
    (files / "a.csv").write_text(f"{header}\n{good.replace('S1', 'X' * 17)}\n{good}\n")
    (files / "b.json").write_text("{")
    (files / "c.txt").write_text("not looked at")
    done = node_folder.run("worklist", "import", str(files))
    assert done.exit_code == 1
    assert "a.csv, entry 1: ScheduledProcedureStepID" in done.stderr
    assert "b.json: is no JSON" in done.stderr
    assert "c.txt" not in done.output
    assert listed(node_folder) == ["S1"]
    again = node_folder.run("worklist", "import", str(files / "a.csv"), "--json")
    assert last(again)["outcome"] == "unchanged"


def test_what_is_exported_is_imported_as_the_same(node_folder: NodeFolder, tmp_path: Path) -> None:
    key = scheduled(node_folder, PatientName="Müller^Anna=山田^太郎", ScheduledProcedureStepStatus="READY")
    before = node_folder.index.worklist.entry(*key)
    listing = tmp_path / "all.jsonl"
    listing.write_text(node_folder.run("worklist", "list", "--json").stdout)
    assert node_folder.run("worklist", "export", str(tmp_path / "out")).exit_code == 0
    for path in (listing, tmp_path / "out"):
        assert node_folder.run("worklist", "remove", key.step_id).exit_code == 0
        assert listed(node_folder) == []
        done = node_folder.run("worklist", "import", str(path))
        assert done.exit_code == 0, done.output
        assert node_folder.index.worklist.entry(*key) == before


def test_list_leaves_out_what_is_finished(node_folder: NodeFolder) -> None:
    scheduled(
        node_folder,
        ScheduledProcedureStepID="OPEN",
        ScheduledProcedureStepStatus="STARTED",
        ScheduledStationAETitle="MR1",
    )
    scheduled(node_folder, ScheduledProcedureStepID="DONE", ScheduledProcedureStepStatus="COMPLETED")
    assert listed(node_folder) == ["OPEN"]
    assert listed(node_folder, "--all") == ["OPEN", "DONE"]
    assert listed(node_folder, "--status", "completed") == ["DONE"]
    assert listed(node_folder, "--ae", "MR1", "--from", "2026-11-24", "--to", "2026-11-24") == ["OPEN"]
    assert "OPEN" in node_folder.run("worklist", "list").stdout
    assert "more" in node_folder.run("worklist", "list", "--all", "--limit", "1").stderr


def decide(folder: NodeFolder, *arguments: str) -> Result:
    return folder.run("worklist", *arguments)


def test_decisions_are_recorded_with_who_and_why(node_folder: NodeFolder) -> None:
    key = scheduled(node_folder, ScheduledProcedureStepID="S1")
    assert decide(node_folder, "status", "arrived", "S1").exit_code == 0
    assert decide(node_folder, "cancel", "S1", "--reason", "not fasted").exit_code == 0
    assert [(one.status, one.reason) for one in node_folder.index.worklist.history(*key)][1:] == [
        (StepStatus.ARRIVED, ""),
        (StepStatus.CANCELED, "not fasted"),
    ]


def test_one_of_several_entries_has_to_be_named(node_folder: NodeFolder) -> None:
    first = scheduled(node_folder, ScheduledProcedureStepID="S1", AccessionNumber="A1")
    scheduled(node_folder, ScheduledProcedureStepID="S1", AccessionNumber="A1")
    refused = decide(node_folder, "cancel", "S1")
    assert (refused.exit_code, "--study" in refused.stderr) == (1, True)
    assert decide(node_folder, "remove", "S1", "--study", first.study_instance_uid).exit_code == 0
    assert listed(node_folder) == ["S1"]
    scheduled(node_folder, ScheduledProcedureStepID="S2", AccessionNumber="A1")
    assert decide(node_folder, "remove", "A1", "--all").exit_code == 0
    assert listed(node_folder) == []


def test_unknown_entry_is_told_and_the_others_are_done(node_folder: NodeFolder) -> None:
    scheduled(node_folder, ScheduledProcedureStepID="S1")
    done = decide(node_folder, "remove", "nothing", "S1")
    assert (done.exit_code, "nothing: no such entry" in done.stderr) == (1, True)
    assert listed(node_folder) == []


def test_explain_says_which_key_keeps_entries_away(node_folder: NodeFolder) -> None:
    for _ in range(3):
        scheduled(node_folder, ScheduledStationAETitle="CT1")
    scheduled(node_folder, ScheduledStationAETitle="CT2", ScheduledProcedureStepStatus="STARTED")
    assert ask(node_folder.index, keys({"ScheduledStationAETitle": "CT2", "Modality": "CT"})).matches_ == []
    told, text = explained(node_folder)
    assert (told["matches"], told["matches_now"], told["entries"]) == (0, 0, 4)
    assert "3 entries match all but ScheduledStationAETitle=CT2; there: CT1 (3)" in text
    assert "1 entry matches but its status is STARTED" in text
    assert told["near_misses"][0] == {"key": "ScheduledStationAETitle", "count": 3, "there": {"CT1": 3}}


def test_explain_says_what_a_device_is_set_to_see(node_folder: NodeFolder) -> None:
    scheduled(node_folder, ScheduledStationAETitle="CT1")
    peer = PeerSettings(ae_title="CT9", worklist_own_entries=OwnEntries.ALWAYS)
    ask(node_folder.index, keys({}), peer=peer, calling="CT9")
    _, text = explained(node_folder, "--ae", "CT9")
    assert "scheduled for CT9" in text
    assert "ScheduledStationAETitle=CT9, as the device is set" in text


def test_explain_says_when_nothing_comes_near(node_folder: NodeFolder) -> None:
    scheduled(node_folder)
    ask(
        node_folder.index, keys({"Modality": "MR", "ScheduledProcedureStepStartDate": "20300101"}, PatientName="Nobody")
    )
    _, text = explained(node_folder)
    assert "no entry comes near" in text
    assert "Modality=MR: 0" in text


def test_explain_tells_of_an_empty_worklist_and_of_a_query_that_failed(node_folder: NodeFolder) -> None:
    ask(node_folder.index, keys({}))
    assert "the worklist is empty" in explained(node_folder)[1]
    ask(node_folder.index, keys({"ScheduledProcedureStepStartTime": "2200-0600"}))
    told, text = explained(node_folder)
    assert (told["status"], "failed (A900)" in text) == ("A900", True)


def test_explain_goes_back_as_far_as_is_asked(node_folder: NodeFolder) -> None:
    for calling in ("CT1", "CT2", "CT1"):
        ask(node_folder.index, keys({}), calling=calling)
    done = node_folder.run("worklist", "explain", "--last", "5", "--json")
    assert [json.loads(line)["calling_ae_title"] for line in done.stdout.splitlines()] == ["CT1", "CT2", "CT1"]
    assert node_folder.run("worklist", "explain", "--ae", "OTHER").exit_code == 1


def test_queries_are_kept_no_longer_than_they_should_be(node_folder: NodeFolder) -> None:
    for _ in range(10):
        ask(node_folder.index, keys({}), queries_kept=3)
    assert len(node_folder.index.worklist_queries.latest(count=100)) == 3
    ask(node_folder.index, keys({}), queries_kept_hours=0)
    assert len(node_folder.index.worklist_queries.latest(count=100)) == 3
