"""Storage commitment as a modality sees it: what is vouched for, over which association, and after a crash."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from factories import ABSENT, ct, write
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom.sop_class import MRImageStorage, StorageCommitmentPushModel
from running_node import RunningNode, free_port, wait_for
from scanner import Modality, action, request

TIMEOUT_S = 60.0
IN_QUARANTINE, UNKNOWN, OTHER_CLASS = 0x0110, 0x0112, 0x0119


def settings(port: int, **peer: object) -> dict[str, object]:
    ct1 = {"ae_title": "CT1", "host": "127.0.0.1", "port": port} | peer
    return {
        "peers": {"ct1": ct1},
        "delivery": {"first_retry_s": 0.5, "longest_retry_s": 1},
        "processes": {"workers": 1},
    }


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def node(tmp_path: Path, port: int) -> Iterator[RunningNode]:
    with RunningNode(tmp_path / "node", **settings(port)) as running:
        yield running


def stored(node: RunningNode, tmp_path: Path, expected: int = 0, **changes: object) -> tuple[str, str]:
    """An instance that the node was sent: its class and UID."""
    dataset = ct(**changes)
    file = write(dataset, tmp_path / f"{dataset.SOPInstanceUID}.dcm")
    assert node.storescu(file, options=("-aet", "CT1")) == [expected]
    return str(dataset.SOPClassUID), str(dataset.SOPInstanceUID)


def owed_to_others(node: RunningNode) -> list[dict[str, Any]]:
    """What waits in the outbox, but for what the node still does itself about a study that is complete."""
    return [entry for entry in node.rows("outbox", "list") if entry["destination"]]


def test_stored_instance_is_committed_over_a_new_association(node: RunningNode, tmp_path: Path, port: int) -> None:
    instance = stored(node, tmp_path)
    with Modality(node.port, port) as modality:
        status, transaction_uid = modality.ask(instance)
        report = modality.reports.get(timeout=TIMEOUT_S)
    assert status == 0
    assert (report.event_type_id, report.committed, report.failed) == (1, [instance[1]], {})
    assert report.dataset.TransactionUID == transaction_uid
    assert report.dataset.RetrieveAETitle == "DICOMNODE"
    assert "FailedSOPSequence" not in report.dataset
    assert report.is_new_association
    assert report.calling_ae_title == "DICOMNODE"
    wait_for(lambda: not node.rows("outbox", "list"), what="the outbox to be empty")


def test_each_failure_has_its_reason_and_the_whole_request_is_told(
    node: RunningNode, tmp_path: Path, port: int
) -> None:
    good, altered, cut = (stored(node, tmp_path) for _ in range(3))
    held = stored(node, tmp_path, expected=0xB007, PatientID=ABSENT)
    wrong_class = MRImageStorage, stored(node, tmp_path)[1]
    unknown = good[0], generate_uid()
    for instance, change in ((altered, b"X"), (cut, None)):
        file = next(path for path in node.files() if location(node, instance[1]) in str(path))
        with file.open("r+b") as opened:
            if change:
                opened.seek(-1, 2)
                opened.write(change)
            else:
                opened.truncate(file.stat().st_size - 1)
    with Modality(node.port, port) as modality:
        assert modality.ask(good, altered, cut, held, wrong_class, unknown)[0] == 0
        report = modality.reports.get(timeout=TIMEOUT_S)
    assert report.event_type_id == 2
    assert report.committed == [good[1]]
    assert report.failed == {
        altered[1]: 0x0110,
        cut[1]: 0x0110,
        held[1]: IN_QUARANTINE,
        wrong_class[1]: OTHER_CLASS,
        unknown[1]: UNKNOWN,
    }


def location(node: RunningNode, sop_instance_uid: str) -> str:
    with sqlite3.connect(node.data / "index.sqlite") as connection:
        [(found,)] = connection.execute(
            "SELECT location FROM instance WHERE sop_instance_uid = ?", (sop_instance_uid,)
        ).fetchall()
    return str(found)


def test_report_goes_over_the_same_association_when_the_peer_is_set_so(tmp_path: Path, port: int) -> None:
    with RunningNode(tmp_path / "node", **settings(port, commitment_same_association=True)) as node:
        instance = stored(node, tmp_path)
        modality = Modality(node.port, port)  # does not listen
        association = modality.associate()
        assert request(association, instance)[0] == 0
        report = modality.reports.get(timeout=TIMEOUT_S)
        association.abort()
        assert not report.is_new_association
        assert report.committed == [instance[1]]
        wait_for(lambda: node.events("commitment.reported", association="same"), what="the log line")
        wait_for(lambda: not node.rows("outbox", "list"), what="the outbox to be empty")


def test_report_comes_after_a_crash(node: RunningNode, tmp_path: Path, port: int) -> None:
    instance = stored(node, tmp_path)
    modality = Modality(node.port, port)  # does not listen yet, so nothing can be reported before the crash
    status, transaction_uid = modality.ask(instance)
    assert status == 0
    node.kill()
    node.start()
    with modality:
        report = modality.reports.get(timeout=TIMEOUT_S)
    assert (report.dataset.TransactionUID, report.committed) == (transaction_uid, [instance[1]])


def test_report_that_is_not_taken_comes_again(node: RunningNode, tmp_path: Path, port: int) -> None:
    instance = stored(node, tmp_path)
    with Modality(node.port, port) as modality:
        modality.answers.put(0x0110)
        modality.ask(instance)
        reports = [modality.reports.get(timeout=TIMEOUT_S) for _ in range(2)]
    assert [report.committed for report in reports] == [[instance[1]]] * 2


def test_peer_that_asks_is_not_left_alone_any_longer(tmp_path: Path, port: int) -> None:
    chosen = settings(port) | {"delivery": {"first_retry_s": 300, "longest_retry_s": 600}}
    with RunningNode(tmp_path / "node", **chosen) as node:
        first, second = stored(node, tmp_path), stored(node, tmp_path)
        modality = Modality(node.port, port)
        modality.ask(first)
        wait_for(lambda: node.events("delivery.failed"), what="an attempt while the modality is off")
        with modality:
            modality.ask(second)
            reports = [modality.reports.get(timeout=TIMEOUT_S) for _ in range(2)]
        assert [report.committed for report in reports] == [[second[1]], [first[1]]]


def test_dead_destination_does_not_delay_another(tmp_path: Path, port: int) -> None:
    dead = {"ae_title": "CT2", "host": "127.0.0.1", "port": free_port()}
    chosen = settings(port)
    chosen["peers"] = {**chosen["peers"], "ct2": dead}  # type: ignore[dict-item]
    with RunningNode(tmp_path / "node", **chosen) as node:
        instance = stored(node, tmp_path)
        for _ in range(20):
            Modality(node.port, 0, "CT2").ask(instance)
        with Modality(node.port, port) as modality:
            modality.ask(instance)
            assert modality.reports.get(timeout=TIMEOUT_S).committed == [instance[1]]
        # what was told just now leaves the outbox a moment later
        wait_for(
            lambda: [entry["destination"] for entry in owed_to_others(node)] == ["ct2"] * 20, what="the 20 to be left"
        )


def test_same_request_again_is_reported_once(node: RunningNode, tmp_path: Path, port: int) -> None:
    instance = stored(node, tmp_path)
    modality = Modality(node.port, port)
    _, transaction_uid = modality.ask(instance)
    assert modality.ask(instance, transaction_uid=transaction_uid)[0] == 0
    assert [(entry["kind"], entry["destination"]) for entry in owed_to_others(node)] == [("commitment-report", "ct1")]


def test_transaction_uid_in_use_fails_the_other_request(node: RunningNode, tmp_path: Path, port: int) -> None:
    first, second = stored(node, tmp_path), stored(node, tmp_path)
    modality = Modality(node.port, port)
    _, transaction_uid = modality.ask(first)
    modality.ask(second, transaction_uid=transaction_uid)
    with modality:
        reports = [modality.reports.get(timeout=TIMEOUT_S) for _ in range(2)]
    assert [report.committed for report in reports] == [[first[1]], []]
    assert reports[1].failed == {second[1]: 0x0131}


def test_peer_without_host_is_given_up_where_a_person_sees_it(node: RunningNode, tmp_path: Path) -> None:
    instance = stored(node, tmp_path)
    Modality(node.port, 0, "STRANGER").ask(instance)
    [entry] = wait_for(lambda: node.rows("outbox", "list", "--dead"), what="the entry to be given up")
    assert entry["destination"] == "STRANGER@127.0.0.1"
    assert "no peer with a host is configured" in entry["reason"]
    assert node.rows("status")[0]["outbox_dead"] == 1
    dropped = node.cli("outbox", "drop", str(entry["id"]), "--reason", "a test device")
    assert dropped.returncode == 0, dropped.stderr
    assert not owed_to_others(node)


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A node that takes none of the requests that it gets."""
    with RunningNode(tmp_path_factory.mktemp("refusing") / "node", **settings(free_port())) as running:
        yield running


@pytest.mark.parametrize("fault", ["no transaction", "no references", "twice", "no uid"])
def test_refuses_request_that_lacks_what_it_needs(refusing: RunningNode, fault: str) -> None:
    dataset = Dataset()
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.3", "not a uid" if fault == "no uid" else "1.2.4"
    if fault != "no transaction":
        dataset.TransactionUID = "1.2.5"
    if fault != "no references":
        dataset.ReferencedSOPSequence = [item, item] if fault == "twice" else [item]
    association = Modality(refusing.port, 0).associate()
    status, _ = association.send_n_action(dataset, 1, StorageCommitmentPushModel, "1.2.840.10008.1.20.1.1")
    association.release()
    assert status.Status == 0x0115
    assert not refusing.rows("outbox", "list")


def test_refuses_other_instance_and_action(refusing: RunningNode) -> None:
    association = Modality(refusing.port, 0).associate()
    send = association.send_n_action
    asked = action(("1.2.3", "1.2.4"))  # pynetdicom announces an empty data set, and then sends none
    assert send(asked, 2, StorageCommitmentPushModel, "1.2.840.10008.1.20.1.1")[0].Status == 0x0123
    assert send(asked, 1, StorageCommitmentPushModel, "1.2.3")[0].Status == 0x0112
    association.release()
