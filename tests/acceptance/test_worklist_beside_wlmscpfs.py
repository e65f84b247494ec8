"""A site that moves over from wlmscpfs: DCMTK's own example folder and queries, answered by both."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom import Dataset
from running_node import DCMTK, RunningNode, dcmtk, free_port, wait_for

EXAMPLES = Path("/usr/share/doc/dcmtk/examples")
QUERIES = sorted((EXAMPLES / "wlistqry").glob("*.dump"))
NOT_COMPARED = {"SpecificCharacterSet", "CommentsOnTheScheduledProcedureStep"}
"""wlmscpfs names the file's set, the node the one that it writes in."""

pytestmark = pytest.mark.skipif(not QUERIES, reason="DCMTK came without its examples")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data files path as wlmscpfs wants it: a folder for the called AE title, with a lock file."""
    folder = tmp_path_factory.mktemp("wlistdb")
    (folder / "OFFIS").mkdir()
    (folder / "OFFIS" / "lockfile").touch()
    for dump in (EXAMPLES / "wlistdb" / "OFFIS").glob("*.dump"):
        assert dcmtk("dump2dcm", dump, folder / "OFFIS" / f"{dump.stem}.wl").returncode == 0
    return folder


@pytest.fixture(scope="module")
def wlmscpfs(files: Path) -> Iterator[int]:
    """The port of a wlmscpfs."""
    port = free_port()
    with subprocess.Popen([DCMTK / "wlmscpfs", "-dfp", files, "-csk", str(port)]) as server:
        try:
            wait_for(lambda: dcmtk("echoscu", "-aec", "OFFIS", "127.0.0.1", str(port)).returncode == 0, what="wlmscpfs")
            yield port
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def node(files: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node that was given the same folder, and nothing else."""
    settings = {"ae_titles": ["OFFIS"], "worklist": {"folder": str(files), "folder_interval_s": 1}}
    with RunningNode(tmp_path_factory.mktemp("node"), **settings) as running:
        wait_for(lambda: len(running.rows("worklist", "list")) == 10, what="the folder to be followed")
        yield running


def find(port: int, query: Path, folder: Path) -> dict[str, Dataset]:
    """What a query finds, by the step's ID and the study."""
    folder.mkdir()
    done = dcmtk("findscu", "-d", "-W", "-X", "-od", folder, "-aec", "OFFIS", "127.0.0.1", str(port), query)
    assert "DIMSE Status                  : 0x0000" in done.stdout + done.stderr
    return {str(match.StudyInstanceUID): match for match in map(read, folder.glob("rsp*.dcm"))}


def read(path: Path) -> Dataset:
    return pydicom.dcmread(path, force=True)


def values(dataset: Dataset) -> dict[str, Any]:
    """Each attribute as it is compared: wlmscpfs makes blank items, the node empty sequences."""
    return {
        element.keyword: [item for item in map(values, element.value) if any(item.values())]
        if element.VR == "SQ"
        else str(element.value or "")
        for element in dataset
        if element.keyword not in NOT_COMPARED
    }


@pytest.mark.parametrize("dump", QUERIES, ids=lambda path: path.stem)
def test_both_answer_the_same(node: RunningNode, wlmscpfs: int, dump: Path, tmp_path: Path) -> None:
    query = tmp_path / "query.dcm"
    assert dcmtk("dump2dcm", dump, query).returncode == 0
    asked = pydicom.dcmread(query, force=True)
    asked.StudyInstanceUID = asked.get("StudyInstanceUID", "")
    pydicom.dcmwrite(query, asked)
    theirs, ours = (find(port, query, tmp_path / str(port)) for port in (wlmscpfs, node.port))
    assert ours.keys() == theirs.keys()
    step = asked.get("ScheduledProcedureStepSequence")
    asks_for_all = step is not None and not (step and step[0])
    for study, match in ours.items():
        mine, other = values(match), values(theirs[study])
        assert mine == other if not asks_for_all else known(other).items() <= mine_of(mine, other).items()


def known(answer: dict[str, Any]) -> dict[str, Any]:
    """What wlmscpfs knows of a step: of the rest it returns other attributes without a value than the node."""
    [step] = answer["ScheduledProcedureStepSequence"]
    return {name: value for name, value in step.items() if value}


def mine_of(answer: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The node's step, when the entry's other attributes are the same."""
    sequence = "ScheduledProcedureStepSequence"
    assert {**answer, sequence: None} == {**other, sequence: None}
    [step] = answer[sequence]
    return dict(step)
