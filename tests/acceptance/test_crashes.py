"""Whatever dies, and whenever: every answered Success is there afterwards, bit for bit, and nothing half-written is visible."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pydicom
import pytest
import yaml
from factories import ct
from pydicom.uid import generate_uid
from raw_peer import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, RawPeer, dataset_bytes
from running_node import RunningNode, wait_for


@dataclass
class Load:
    """Scanners that send one series each, as fast as they can, and remember what was answered."""

    node: RunningNode
    scanners: int
    instances: int
    sent: dict[str, bytes] = field(default_factory=dict)
    accepted: set[str] = field(default_factory=set)
    other_answers: dict[str, int] = field(default_factory=dict)
    under_way: set[int] = field(default_factory=set)

    def run(self) -> None:
        """Send everything once; a scanner whose association ends gives up, as a scanner does."""
        with ThreadPoolExecutor(self.scanners) as pool:
            list(pool.map(self._scan, range(self.scanners)))

    def start(self) -> threading.Thread:
        """The same beside the test; returns once an instance of each scanner has been accepted."""
        thread = threading.Thread(target=self.run)
        thread.start()
        wait_for(lambda: len(self.under_way) == self.scanners, what="the first instances to be accepted")
        return thread

    def retry(self) -> None:
        """Send again what was not answered Success; all of it has to be accepted now."""
        with RawPeer(self.node.port) as peer:
            assert peer.associate(calling="RETRY") == A_ASSOCIATE_AC
            for number, uid in enumerate(sorted(self.sent.keys() - self.accepted)):
                assert peer.store(uid, self.sent[uid], message_id=number % 65535 + 1) == 0
                self.accepted.add(uid)
            peer.release()

    def _scan(self, number: int) -> None:
        common = {"StudyInstanceUID": generate_uid(), "SeriesInstanceUID": generate_uid(), "PatientID": f"P{number}"}
        slices = [ct(InstanceNumber=str(n), rows=64, columns=64, **common) for n in range(self.instances)]
        data = {str(dataset.SOPInstanceUID): dataset_bytes(dataset) for dataset in slices}
        self.sent.update(data)
        try:
            with RawPeer(self.node.port) as peer:
                if peer.associate(calling=f"CT{number}") != A_ASSOCIATE_AC:
                    return
                for message, (uid, dataset) in enumerate(data.items(), start=1):
                    status = peer.store(uid, dataset, message_id=message)
                    if status == 0:
                        self.accepted.add(uid)
                        self.under_way.add(number)
                    elif status > 0:
                        self.other_answers[uid] = status
                    else:
                        return
                peer.release()
        except ConnectionError:
            return


def assert_nothing_is_lost(load: Load) -> None:
    """Every accepted instance is there byte for byte, the index and the files agree, and nothing else lies about."""
    kept: dict[str, bytes] = {}
    for path in load.node.files():
        with path.open("rb") as file:
            meta = pydicom.filereader.read_file_meta_info(path)
            file.seek(144 + meta.FileMetaInformationGroupLength)
            uid = str(meta.MediaStorageSOPInstanceUID)
            assert uid not in kept, "kept twice"
            kept[uid] = file.read()
    for uid in load.accepted:
        assert kept[uid] == load.sent[uid]
    indexed = sum(row["instances"] for row in load.node.rows("studies"))
    assert indexed == len(kept)
    assert load.accepted <= kept.keys()


@pytest.fixture
def busy(tmp_path: Path) -> Iterator[RunningNode]:
    """A node with two workers, under which processes will die."""
    with RunningNode(tmp_path / "node", processes={"workers": 2}) as running:
        yield running


def test_killed_workers_lose_nothing_that_was_accepted(busy: RunningNode) -> None:
    descriptors = busy.descriptors()
    load = Load(busy, scanners=6, instances=150)
    thread = load.start()
    for _ in range(3):
        victim = random.choice(wait_for(busy.workers, what="a worker to live"))
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda victim=victim: victim not in busy.workers(), what="the worker to go")
        wait_for(lambda: len(busy.workers()) == 2, what="its successor")
    thread.join(60)
    load.retry()
    assert busy.descriptors() == descriptors
    assert busy.stop() == 0
    busy.start()
    assert_nothing_is_lost(load)
    assert busy.unfinished() == []
    assert len(load.accepted) == len(load.sent)


@pytest.mark.parametrize("moment", range(3))
def test_killed_parent_loses_nothing_that_was_accepted(busy: RunningNode, moment: int) -> None:
    load = Load(busy, scanners=4, instances=100)
    thread = load.start()
    wait_for(lambda: len(load.accepted) >= 5 + 60 * moment, what="some more instances")
    busy.kill()
    thread.join(60)
    busy.start()
    assert_nothing_is_lost(load)
    load.retry()
    assert_nothing_is_lost(load)


def test_everything_killed_at_once_loses_nothing_that_was_accepted(busy: RunningNode) -> None:
    load = Load(busy, scanners=6, instances=100)
    thread = load.start()
    for pid in (busy.process.pid, *busy.workers()):
        os.kill(pid, signal.SIGKILL)
    busy.process.wait(30)
    thread.join(60)
    busy.start()
    assert_nothing_is_lost(load)
    assert busy.unfinished() == []
    load.retry()
    assert_nothing_is_lost(load)


def test_sigterm_lets_running_associations_end(busy: RunningNode) -> None:
    load = Load(busy, scanners=4, instances=60)
    thread = load.start()
    assert busy.stop() == 0
    thread.join(60)
    assert load.accepted == load.sent.keys()
    busy.start()
    assert_nothing_is_lost(load)


def test_sighup_refuses_nobody(busy: RunningNode) -> None:
    descriptors = busy.descriptors()
    load = Load(busy, scanners=4, instances=120)
    thread = load.start()
    for _ in range(3):
        before = set(busy.workers())
        busy.process.send_signal(signal.SIGHUP)
        wait_for(lambda before=before: set(busy.workers()) - before, what="new workers")
        assert busy.echoscu().returncode == 0
    thread.join(60)
    assert load.accepted == load.sent.keys()
    assert load.other_answers == {}
    wait_for(lambda: len(busy.workers()) == 2, what="the old workers to leave")
    wait_for(
        lambda: busy.descriptors() == descriptors, what="their descriptors, and the old delivery worker's, to be closed"
    )
    assert_nothing_is_lost(load)


def test_sighup_with_a_broken_file_keeps_the_old_configuration(busy: RunningNode) -> None:
    good = busy.config.read_text()
    busy.config.write_text(good + "\nno_such_key: 1\n")
    busy.process.send_signal(signal.SIGHUP)
    [line] = wait_for(lambda: busy.events("configuration.refused"), what="the refusal in the log")
    assert "no_such_key" in str(line)
    assert busy.echoscu().returncode == 0


def test_fifty_senders_of_one_study_make_one_study(busy: RunningNode) -> None:
    study, patient = generate_uid(), "P1"
    slices = [ct(StudyInstanceUID=study, PatientID=patient, InstanceNumber=str(n)) for n in range(50)]

    def send(dataset: pydicom.Dataset) -> int:
        with RawPeer(busy.port) as peer:
            assert peer.associate() == A_ASSOCIATE_AC
            status = peer.store(str(dataset.SOPInstanceUID), dataset_bytes(dataset))
            peer.release()
            return status

    with ThreadPoolExecutor(50) as pool:
        assert list(pool.map(send, slices)) == [0] * 50
    [row] = busy.rows("studies")
    assert row["instances"] == 50
    assert len(busy.files()) == 50


def test_one_instance_from_many_senders_at_once_is_kept_once(busy: RunningNode) -> None:
    dataset = ct()
    data = dataset_bytes(dataset)

    def send(_: int) -> int:
        with RawPeer(busy.port) as peer:
            assert peer.associate() == A_ASSOCIATE_AC
            return peer.store(str(dataset.SOPInstanceUID), data)

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(send, range(20))) == {0}
    assert len(busy.files()) == 1


def test_second_node_on_the_same_data_folder_is_refused(busy: RunningNode) -> None:
    second = RunningNode(busy.folder / "second", data=str(busy.data))
    second.launch()
    assert second.process.wait(60) == 2
    assert f"in use by another node, process {busy.process.pid}" in (second.folder / "log.jsonl").read_text()
    assert busy.echoscu().returncode == 0


def test_sighup_keeps_what_needs_a_restart_and_takes_the_rest(busy: RunningNode) -> None:
    old_port = busy.port
    busy.settings |= {"listeners": [{"host": "127.0.0.1", "port": 1}], "unknown_peers": "reject", "durability": "fast"}
    busy.config.write_text(yaml.safe_dump(busy.settings))
    busy.process.send_signal(signal.SIGHUP)
    [line] = wait_for(lambda: busy.events("configuration.needs_restart"), what="the log to say so")
    assert line["keys"] == ["durability", "listeners"]
    wait_for(lambda: busy.events("configuration.reloaded"), what="the new workers")
    with RawPeer(old_port) as peer:
        assert peer.associate() == A_ASSOCIATE_RJ
