"""The notification as a data set: what PS3.4 Table R.3.2-1 lists, and nothing else."""

from __future__ import annotations

import errno
import os
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from unit.index.received import received

from dicomnode.dicom.character_sets import character_set
from dicomnode.dicom.encode import Encoding
from dicomnode.dicom.peer import PeerSettings
from dicomnode.errors import IndexUnavailableError
from dicomnode.index import Durability, Index, IndexSettings, Notify, OnConflict
from dicomnode.index.availability import AvailableInstance
from dicomnode.scu.settings import ScuSettings
from dicomnode.services.availability import AvailabilityNotifier, notification

PEER = PeerSettings(ae_title="RIS", host="127.0.0.1", port=104)
IMPLICIT = "1.2.840.10008.1.2"
INSTANCES = [AvailableInstance("1.1", "1.9", "1.1.1"), AvailableInstance("1.1", "1.9", "1.1.2")]
OTHER_SERIES = [AvailableInstance("1.2", "1.9", "1.2.1")]


def dataset(performed_step: str = "") -> pydicom.Dataset:
    made = notification("1", [*INSTANCES, *OTHER_SERIES], ae_title="NODE", performed_step=performed_step)
    encoded = Encoding.of(IMPLICIT, character_set("")).json_dataset(made)
    return pydicom.dcmread(BytesIO(encoded), force=True)


def test_each_series_has_its_instances() -> None:
    told = dataset()
    series = {item.SeriesInstanceUID: item.ReferencedSOPSequence for item in told.ReferencedSeriesSequence}
    assert {uid: [one.ReferencedSOPInstanceUID for one in items] for uid, items in series.items()} == {
        "1.1": ["1.1.1", "1.1.2"],
        "1.2": ["1.2.1"],
    }
    assert {(one.InstanceAvailability, one.RetrieveAETitle) for items in series.values() for one in items} == {
        ("ONLINE", "NODE")
    }


def test_step_is_named_only_when_it_is_known() -> None:
    assert len(dataset().ReferencedPerformedProcedureStepSequence) == 0
    [step] = dataset("1.2.3").ReferencedPerformedProcedureStepSequence
    assert (step.ReferencedSOPClassUID, step.ReferencedSOPInstanceUID) == ("1.2.840.10008.3.1.2.3.3", "1.2.3")
    assert len(step.PerformedWorkitemCodeSequence) == 0


def test_nothing_is_told_that_may_not_be_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The receiving process has committed the row, and the disk fails before it is synced."""
    with ExitStack() as opened:
        receiving = Index(
            tmp_path, IndexSettings(), durability=Durability.FAST, notify=Notify(("ris",), quiet_s=0)
        )  # commits, and leaves syncs to others
        telling = Index(tmp_path, IndexSettings(), durability=Durability.FULL)
        for index in (receiving, telling):
            opened.callback(index.close)
        receiving.prepare()
        receiving.instances.add(received("1.1"), OnConflict())
        entry = telling.deliveries.claim("ris", "delivery-1", 60)
        assert entry is not None
        told: list[str] = []
        notify = AvailabilityNotifier(telling, {"ris": PEER}, ScuSettings(), ae_title="NODE")
        monkeypatch.setattr(notify, "_tell", lambda peer, study, untold: told.append(study))

        def fail(descriptor: int) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        with monkeypatch.context() as failing:
            failing.setattr(os, "fdatasync", fail)
            with pytest.raises(IndexUnavailableError):
                notify(entry)
        assert told == []
        notify(entry)
        assert told == [entry.key]
