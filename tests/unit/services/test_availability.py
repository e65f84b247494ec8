"""The notification as a data set: what PS3.4 Table R.3.2-1 lists, and nothing else."""

from __future__ import annotations

from io import BytesIO

import pydicom

from dicomnode.dicom.character_sets import character_set
from dicomnode.dicom.encode import Encoding
from dicomnode.index.availability import AvailableInstance
from dicomnode.services.availability import notification

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
