"""What the node had of an instance's patient, study and series when the instance came: what rules may compare it with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dicomnode.dicom.instance import Attributes


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
    """

    said: Attributes
    patient: Mapping[int, str] | None = None
    study: Mapping[int, str] | None = None
    series: Mapping[int, str] | None = None
    study_has_other_patient: bool = False
    series_has_other_study: bool = False
    frame_has_other_patient: bool = False
    number_is_taken: bool = False
