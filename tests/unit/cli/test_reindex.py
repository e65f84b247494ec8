"""``dicomnode reindex``: attributes named in the configuration, added to what is stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from factories import ct
from pydicom import Dataset
from unit.index.queries import asked, found

from dicomnode.config import load
from dicomnode.index import Durability, Index

if TYPE_CHECKING:
    from conftest import NodeFolder

FURTHER = """
index:
  further_attributes:
    patient: [PatientAddress]
    study: [ReasonForStudy]
    series: [ContrastBolusAgent]
    image: ["0018,0060", DerivationCodeSequence]
"""


def code(value: str) -> list[Dataset]:
    item = Dataset()
    item.CodeValue = value
    return [item]


@pytest.fixture
def holding(node_folder: NodeFolder) -> NodeFolder:
    """One study of an instance with further attributes, and one without; received while the index kept none of them."""
    node_folder.receive(
        ct(
            StudyInstanceUID="1.2.1",
            PatientID="P1",
            PatientAddress="Main Street 1",
            ReasonForStudy="Fall",
            ContrastBolusAgent="Barium",
            KVP="120",
            DerivationCodeSequence=code("113072"),
        )
    )
    node_folder.receive(ct(StudyInstanceUID="1.2.2", PatientID="P2"))
    return node_folder


def opened(folder: NodeFolder) -> Index:
    config = load(folder.path, {})
    return Index(config.data, config.index, durability=Durability.FAST)


def studies(folder: NodeFolder, **keys: str) -> list[tuple[str | None, ...]]:
    index = opened(folder)
    try:
        return found(index, asked("STUDY", **keys), "StudyInstanceUID")
    finally:
        index.close()


def test_further_attributes_are_matched_and_returned_after_it(holding: NodeFolder) -> None:
    assert len(studies(holding, ReasonForStudy="Fa*")) == 2  # not kept, so no condition
    holding.path.write_text(holding.path.read_text() + FURTHER)
    assert studies(holding, ReasonForStudy="Fa*") == []
    done = holding.run("reindex")
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "read 2 instances, added to 2, 0 cannot be read")
    assert studies(holding, ReasonForStudy="Fa*") == [("1.2.1",)]
    assert studies(holding, PatientAddress="*street*") == []
    assert studies(holding, PatientAddress="*Street*") == [("1.2.1",)]
    index = opened(holding)
    relational = asked("IMAGE", KVP="120", DerivationCodeSequence={"CodeValue": "113072"})
    [row] = found(index, relational, "ContrastBolusAgent", "PatientAddress", "KVP", "StudyInstanceUID")
    index.close()
    assert row == ("Barium", "Main Street 1", "120", "1.2.1")


def test_new_instances_come_with_them(make_node_folder: type[NodeFolder], tmp_path: Path) -> None:
    folder = make_node_folder(tmp_path, FURTHER)
    folder.receive(ct(StudyInstanceUID="1.2.3", PatientID="P3", ReasonForStudy="Cough"))
    folder.close()
    assert studies(folder, ReasonForStudy="Cough") == [("1.2.3",)]
    assert studies(folder, ReasonForStudy="Fall") == []


def test_a_second_run_finds_nothing_to_do(holding: NodeFolder) -> None:
    holding.path.write_text(holding.path.read_text() + FURTHER)
    holding.run("reindex")
    done = holding.run("reindex", "--json")
    assert json.loads(done.stdout.splitlines()[-1]) == {"instances": 2, "changed": 0, "unreadable": 0}


def test_file_that_is_gone_is_told(holding: NodeFolder) -> None:
    holding.kept()[0].unlink()
    done = holding.run("reindex")
    assert (done.exit_code, done.stdout.endswith("1 cannot be read\n")) == (1, True)


def test_quarantined_instances_get_them_for_their_release(node_folder: NodeFolder) -> None:
    node_folder.receive(ct(StudyInstanceUID="1.2.9", PatientID="", ReasonForStudy="Fall"))
    node_folder.path.write_text(node_folder.path.read_text() + FURTHER)
    assert json.loads(node_folder.run("reindex", "--json").stdout.splitlines()[-1])["changed"] == 1
    [entry] = [json.loads(line) for line in node_folder.run("quarantine", "list", "--json").stdout.splitlines()]
    node_folder.run("quarantine", "release", str(entry["id"]), "--reason", "known")
    assert studies(node_folder, ReasonForStudy="Fall") == [("1.2.9",)]


def test_tag_of_no_attribute_is_refused(holding: NodeFolder) -> None:
    holding.path.write_text(holding.path.read_text() + "\nindex: {further_attributes: {study: [NoSuchThing]}}\n")
    done = holding.run("reindex")
    assert (done.exit_code, "index.further_attributes.study" in done.stderr) == (2, True)
