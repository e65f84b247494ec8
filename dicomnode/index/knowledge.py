"""What is known of an instance's patient, study and series before it is taken in: one statement, a few looks into indices.

It is read anew for each instance, because that takes 20 us and what other processes, or people, change counts at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from dicomnode.dicom.instance import Attributes
from dicomnode.dicom.knowledge import Knowledge, Scheduling
from dicomnode.index.database import Connections
from dicomnode.index.hierarchy import ISSUER_OF_PATIENT_ID, PATIENT_ID
from dicomnode.index.identities import is_patient, successor
from dicomnode.index.texts import level_of

_FRAME_OF_REFERENCE_UID: Final = 0x00200052
_ACCESSION_NUMBER: Final = 0x00080050
_INSTANCE_NUMBER: Final = 0x00200013

# Of the series with a UID, or a frame of reference, only the one that came first is looked at: there may be thousands.
KNOWLEDGE: Final = """
SELECT
    own.attributes,
    study.attributes,
    series.attributes,
    of_study.patient_id,
    of_study.issuer,
    (SELECT first.study IS NOT study.id FROM series AS first
        WHERE first.series_instance_uid = :series_instance_uid ORDER BY first.id LIMIT 1),
    (SELECT of_first.patient IS NOT coalesce(study.patient, own.id)
        FROM (SELECT study FROM series
            WHERE frame_of_reference_uid = :frame_of_reference_uid AND frame_of_reference_uid <> '' ORDER BY id LIMIT 1) AS first
        JOIN study AS of_first ON of_first.id = first.study),
    (SELECT 1 FROM instance
        WHERE instance.series = series.id AND instance.series IS NOT NULL AND instance_number = :instance_number
            AND instance_number <> '' AND sop_instance_uid <> :sop_instance_uid LIMIT 1),
    (SELECT CASE
        WHEN NOT EXISTS (SELECT 1 FROM worklist_station WHERE ae_title = :calling_ae_title) THEN 0
        WHEN EXISTS (SELECT 1 FROM worklist_step WHERE accession_number = :accession_number AND accession_number <> ''
            AND patient_id = :patient_id) THEN 1
        WHEN EXISTS (SELECT 1 FROM worklist_step WHERE study_instance_uid = :study_instance_uid
            AND patient_id = :patient_id) THEN 1
        WHEN EXISTS (SELECT 1 FROM worklist_step WHERE accession_number = :accession_number AND accession_number <> '') THEN 2
        WHEN EXISTS (SELECT 1 FROM worklist_step WHERE study_instance_uid = :study_instance_uid) THEN 2
        ELSE 3 END)
FROM (SELECT 1)
LEFT JOIN patient AS own ON own.patient_id = :patient_id AND own.issuer = :issuer AND own.patient_id <> ''
LEFT JOIN study ON study.study_instance_uid = :study_instance_uid
LEFT JOIN patient AS of_study ON of_study.id = study.patient
LEFT JOIN series ON series.study = study.id AND series.series_instance_uid = :series_instance_uid
"""


def knowledge_of(
    connections: Connections,
    said: Attributes,
    *,
    study_instance_uid: str,
    series_instance_uid: str,
    sop_instance_uid: str,
    calling_ae_title: str,
) -> Knowledge:
    """What is known of the patient, study and series of an instance that says ``said``, as any process committed it.

    Raises:
        IndexUnavailableError: the index cannot be read.
    """
    identity = said.patient.get(PATIENT_ID, ""), said.patient.get(ISSUER_OF_PATIENT_ID, "")
    values = {
        "patient_id": identity[0],
        "issuer": identity[1],
        "study_instance_uid": study_instance_uid,
        "series_instance_uid": series_instance_uid,
        "sop_instance_uid": sop_instance_uid,
        "frame_of_reference_uid": said.series.get(_FRAME_OF_REFERENCE_UID, ""),
        "accession_number": said.study.get(_ACCESSION_NUMBER, ""),
        "calling_ae_title": calling_ae_title,
        "instance_number": said.instance.get(_INSTANCE_NUMBER, ""),
    }
    with connections.reading() as connection:
        row = connection.execute(KNOWLEDGE, values).fetchone()
        patient, study, series, patient_id, issuer, other_study, other_patient, taken, scheduling = row
        of_other = study is not None and not is_patient(connection, (patient_id, issuer), identity)
        if other_patient and patient is None and successor(connection, identity):  # the other one may be himself
            other_patient = 0
    return Knowledge(
        said,
        _level(patient),
        _level(study),
        _level(series),
        study_has_other_patient=of_other,
        series_has_other_study=bool(other_study),
        frame_has_other_patient=bool(other_patient),
        number_is_taken=taken is not None,
        scheduling=Scheduling(scheduling),
    )


@lru_cache(maxsize=256)
def _level(text: str | None) -> Mapping[int, str] | None:
    """The attributes; the same few texts come for all instances of a series."""
    return None if text is None else MappingProxyType(level_of(text))
