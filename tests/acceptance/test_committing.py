"""``dicomnode commit``: one node has another one vouch for what it sent there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from factories import series
from running_node import RunningNode, free_port, wait_for


@pytest.mark.parametrize("is_same", [True, False], ids=["same association", "new association"])
def test_says_what_the_other_node_vouches_for(tmp_path: Path, is_same: bool) -> None:
    files = series(tmp_path, 3)
    one = RunningNode(tmp_path / "one", ae_titles=["ONE"], processes={"workers": 1})
    other = RunningNode(tmp_path / "other", ae_titles=["OTHER"], processes={"workers": 1})
    one.settings["peers"] = {"other": {"ae_title": "OTHER", "host": "127.0.0.1", "port": other.port}}
    one_there = {"ae_title": "ONE", "host": "127.0.0.1", "port": one.port, "commitment_same_association": is_same}
    other.settings["peers"] = {"one": one_there}
    with one, other:
        assert one.cli("send", "other", *files[:2]).returncode == 0
        done = one.cli("commit", "other", *files[:2])
        assert done.returncode == 0, done.stderr
        assert "2 committed, 0 not" in done.stdout
        over = "same" if is_same else "new"
        wait_for(lambda: other.events("commitment.reported", association=over), what="the line of the report")
        if is_same:
            (cut := tmp_path / "cut.dcm").write_bytes(files[2].read_bytes()[:140])
            beside = one.cli("commit", "other", *files[:2], cut)
            assert (beside.returncode, "cut.dcm" in beside.stderr) == (1, True), "nobody vouches for it"
        partly = one.cli("commit", "other", *files, "--json")
        assert partly.returncode == 1
        rows = [json.loads(line) for line in partly.stdout.splitlines()]
        assert [row["committed"] for row in rows] == [True, True, False]
        assert rows[2]["failure_reason"] == 0x0112


def test_commits_a_study_that_is_here_and_says_when_nobody_reports(tmp_path: Path) -> None:
    files = series(tmp_path, 2)
    with RunningNode(tmp_path / "node", processes={"workers": 1}) as node:
        itself = f"DICOMNODE@127.0.0.1:{node.port}"
        assert node.storescu(*files) == [0, 0]
        [study] = node.rows("studies")
        silent = node.cli("commit", itself, "--study", str(study["study_instance_uid"]), "--timeout", "3")
        assert silent.returncode == 1
        assert "no report within 3 s" in silent.stderr, "it has no peer to call"
        nothing = node.cli("commit", itself, "--study", "1.2.3")
        assert nothing.returncode == 1
        assert "no study 1.2.3" in nothing.stderr
    unreachable = node.cli("commit", f"PACS@127.0.0.1:{free_port()}", *files)
    assert unreachable.returncode == 1
