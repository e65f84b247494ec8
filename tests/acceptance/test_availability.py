"""Instance Availability Notification: what a peer is told once instances can be retrieved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from factories import ABSENT, ct, series, write
from pydicom.dataset import Dataset
from running_node import RunningNode, free_port, wait_for
from scanner import Modality

TIMEOUT_S = 60.0


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def node(tmp_path: Path, port: int) -> Iterator[RunningNode]:
    ris = {"ae_title": "CT1", "host": "127.0.0.1", "port": port, "notify_availability": True}
    settings = {"peers": {"ris": ris}, "availability": {"quiet_s": 2}, "delivery": {"first_retry_s": 0.5}}
    with RunningNode(tmp_path / "node", processes={"workers": 1}, **settings) as running:
        yield running


def told(notification: Dataset) -> list[str]:
    return [
        str(item.ReferencedSOPInstanceUID)
        for of_series in notification.ReferencedSeriesSequence
        for item in of_series.ReferencedSOPSequence
    ]


def test_each_accepted_instance_is_told_once_study_by_study(node: RunningNode, tmp_path: Path, port: int) -> None:
    files = series(tmp_path, 5)
    with Modality(node.port, port) as ris:
        assert node.storescu(*files) == [0] * 5
        first = ris.notifications.get(timeout=TIMEOUT_S)
        assert len(told(first)) == 5
        assert len(first.ReferencedPerformedProcedureStepSequence) == 0
        assert {element.keyword for element in first} == {
            "ReferencedPerformedProcedureStepSequence",
            "ReferencedSeriesSequence",
            "StudyInstanceUID",
        }
        item = first.ReferencedSeriesSequence[0].ReferencedSOPSequence[0]
        assert (item.InstanceAvailability, item.RetrieveAETitle) == ("ONLINE", "DICOMNODE")
        later = ct(StudyInstanceUID=first.StudyInstanceUID)
        assert node.storescu(write(later, tmp_path / "later.dcm")) == [0]
        assert told(ris.notifications.get(timeout=TIMEOUT_S)) == [later.SOPInstanceUID], "just what is new"


def test_held_instance_is_told_when_it_is_released(node: RunningNode, tmp_path: Path, port: int) -> None:
    held, clean = ct(PatientID=ABSENT), ct()
    with Modality(node.port, port) as ris:
        assert node.storescu(write(held, tmp_path / "held.dcm")) == [0xB007]
        assert node.storescu(write(clean, tmp_path / "clean.dcm")) == [0]
        assert told(ris.notifications.get(timeout=TIMEOUT_S)) == [clean.SOPInstanceUID]
        [entry] = node.rows("quarantine", "list")
        released = node.cli("quarantine", "release", str(entry["id"]), "--reason", "trauma")
        assert released.returncode == 0, released.stderr
        assert told(ris.notifications.get(timeout=TIMEOUT_S)) == [held.SOPInstanceUID]


def test_peer_that_is_away_is_told_later(node: RunningNode, tmp_path: Path, port: int) -> None:
    instance = ct()
    assert node.storescu(write(instance, tmp_path / "a.dcm")) == [0]
    wait_for(lambda: node.events("delivery.failed", destination="ris"), what="an attempt to fail")
    with Modality(node.port, port) as ris:
        assert told(ris.notifications.get(timeout=TIMEOUT_S)) == [instance.SOPInstanceUID]
