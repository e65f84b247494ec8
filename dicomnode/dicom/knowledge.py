"""What the node had of an instance's patient, study and series when the instance came: what rules may compare it with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from dicomnode.dicom.instance import Attributes


class Scheduling(IntEnum):
    """Whether an instance is of something that was scheduled."""

    NOT_USED = 0
    """Nothing was ever scheduled for the device that sent it: it does not work by the worklist."""
    SCHEDULED = 1
    """Its accession number or its study is, or was, scheduled for its patient."""
    OTHER_PATIENT = 2
    """Only for another patient."""
    UNKNOWN = 3
    """Neither is scheduled."""


@dataclass(frozen=True, slots=True)
class Knowledge:
    """An instance beside what was accepted before it; attributes are {tag: value} as in `Attributes`.

    Attributes:
        said: what the instance says of itself.
        patient: of the patient with its Patient ID and issuer; None when there is none, or it names no patient.
        study: of the study with its UID; None when that is not here.
        series: of the series with its UID in that study; None when that is not here.
        study_has_other_patient: the study is here, under another patient.
        series_has_other_study: the first series that came with its UID is in another study.
        frame_has_other_patient: the first series that came with its frame of reference is of another patient.
        number_is_taken: another instance of the series has its Instance Number.
        scheduling: what the worklist says of its accession number and study.
    """

    said: Attributes
    patient: Mapping[int, str] | None = None
    study: Mapping[int, str] | None = None
    series: Mapping[int, str] | None = None
    study_has_other_patient: bool = False
    series_has_other_study: bool = False
    frame_has_other_patient: bool = False
    number_is_taken: bool = False
    scheduling: Scheduling = Scheduling.NOT_USED
