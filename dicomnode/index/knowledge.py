"""What is known of an instance's patient, study and series before it is taken in: one statement, a few looks into indices.

After each commit SQLite reads their pages anew, which takes 85 us. So what was found is remembered for a moment, for instances
of the series that say the very same of patient, study and series; only whether the Instance Number is taken is looked up for
each. No contradiction can come of that: an instance that says anything else is looked up at once. What another process brought in
that moment may be missed; the verdict on the whole study tells it.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple

from dicomnode.dicom.instance import Attributes
from dicomnode.dicom.knowledge import Knowledge, Scheduling
from dicomnode.dicom.tags import (
    ACCESSION_NUMBER,
    FRAME_OF_REFERENCE_UID,
    INSTANCE_NUMBER,
    ISSUER_OF_PATIENT_ID,
    PATIENT_ID,
)
from dicomnode.index.database import Connections
from dicomnode.index.identities import is_patient, successor
from dicomnode.index.texts import level_of

# Of the series with a UID, or a frame of reference, only the one that came first is looked at: there may be thousands.
KNOWLEDGE: Final = """
SELECT
    own.attributes,
    study.attributes,
    series.attributes,
    series.id,
    of_study.patient_id,
    of_study.issuer,
    (SELECT first.study IS NOT study.id FROM series AS first
        WHERE first.series_instance_uid = :series_instance_uid ORDER BY first.id LIMIT 1),
    (SELECT of_first.patient IS NOT coalesce(study.patient, own.id)
        FROM (SELECT study FROM series
            WHERE frame_of_reference_uid = :frame_of_reference_uid AND frame_of_reference_uid <> '' ORDER BY id LIMIT 1) AS first
        JOIN study AS of_first ON of_first.id = first.study),
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


NUMBER_IS_TAKEN: Final = """
SELECT 1 FROM instance
WHERE series = ? AND series IS NOT NULL AND instance_number = ? AND sop_instance_uid <> ?
LIMIT 1
"""

_REMEMBERED_S: Final = 2.0
_REMEMBERED: Final = 256
"""Of so many series: more than send at once."""


class Asked(NamedTuple):
    """An instance that something shall be known of.

    Attributes:
        said: what it says of itself.
        calling_ae_title: who sent it: whether anything is scheduled for that device.
    """

    said: Attributes
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    calling_ae_title: str


class _Remembered(NamedTuple):
    """What was found for ``asked``, of a series that is here; whether its number is taken left out."""

    asked: Asked
    series: int
    knowledge: Knowledge
    until: float

    def holds_for(self, asked: Asked) -> bool:
        """Whether the same would be found for another instance."""
        said, before = asked.said, self.asked.said
        return (
            time.monotonic() < self.until
            and asked.study_instance_uid == self.asked.study_instance_uid
            and asked.calling_ae_title == self.asked.calling_ae_title
            and (said.patient is before.patient or said.patient == before.patient)
            and (said.study is before.study or said.study == before.study)
            and (said.series is before.series or said.series == before.series)
        )

    def known_of(self, said: Attributes, *, number_is_taken: bool) -> Knowledge:
        """What is known of such an instance, spelled out: `dataclasses.replace` takes more than twice as long."""
        known = self.knowledge
        return Knowledge(
            said,
            known.patient,
            known.study,
            known.series,
            known.study_has_other_patient,
            known.series_has_other_study,
            known.frame_has_other_patient,
            number_is_taken,
            known.scheduling,
        )


class Knowing:
    """Looks up what is known, for all threads of a process."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._remembered: dict[str, _Remembered] = {}

    def of(self, asked: Asked) -> Knowledge:
        """What is known of the instance's patient, study and series, as any process committed it until a moment ago.

        Raises:
            IndexUnavailableError: the index cannot be read.
        """
        uid, number = asked.series_instance_uid, asked.said.instance.get(INSTANCE_NUMBER, "")
        remembered = self._remembered.get(uid)
        if remembered is not None and remembered.holds_for(asked):
            is_taken = False
            if number:
                with self._connections.reading() as connection:
                    is_taken = _is_taken(connection, remembered.series, number, asked)
            return remembered.known_of(asked.said, number_is_taken=is_taken)
        with self._connections.reading() as connection:
            found, known = _looked_up(connection, asked)
            is_taken = found is not None and bool(number) and _is_taken(connection, found, number, asked)
        if found is not None:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[uid] = _Remembered(asked, found, known, time.monotonic() + _REMEMBERED_S)
        return replace(known, number_is_taken=is_taken) if is_taken else known


def _looked_up(connection: sqlite3.Connection, asked: Asked) -> tuple[int | None, Knowledge]:
    """The row of the series, if it is here, and what is known besides its numbers."""
    said = asked.said
    identity = said.patient.get(PATIENT_ID, ""), said.patient.get(ISSUER_OF_PATIENT_ID, "")
    values = {
        "patient_id": identity[0],
        "issuer": identity[1],
        "study_instance_uid": asked.study_instance_uid,
        "series_instance_uid": asked.series_instance_uid,
        "frame_of_reference_uid": said.series.get(FRAME_OF_REFERENCE_UID, ""),
        "accession_number": said.study.get(ACCESSION_NUMBER, ""),
        "calling_ae_title": asked.calling_ae_title,
    }
    row = connection.execute(KNOWLEDGE, values).fetchone()
    patient, study, series, series_row, patient_id, issuer, other_study, other_patient, scheduling = row
    of_other = study is not None and not is_patient(connection, (patient_id, issuer), identity)
    if other_patient and patient is None and successor(connection, identity):  # the other one may be himself
        other_patient = 0
    return series_row, Knowledge(
        said,
        _level(patient),
        _level(study),
        _level(series),
        study_has_other_patient=of_other,
        series_has_other_study=bool(other_study),
        frame_has_other_patient=bool(other_patient),
        scheduling=Scheduling(scheduling),
    )


def _is_taken(connection: sqlite3.Connection, series: int, number: str, asked: Asked) -> bool:
    values = series, number, asked.sop_instance_uid
    return connection.execute(NUMBER_IS_TAKEN, values).fetchone() is not None


@lru_cache(maxsize=256)
def _level(text: str | None) -> Mapping[int, str] | None:
    """The attributes; the same few texts come for all instances of a series."""
    return None if text is None else MappingProxyType(level_of(text))
