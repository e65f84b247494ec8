"""The instances that a retrieve request selects (PS3.4 Section C.4.2.1.4)."""

from __future__ import annotations

import json
from dataclasses import dataclass

from dicomnode.dicom.query.identifier import Selection
from dicomnode.index.database import Connections
from dicomnode.index.texts import level_of


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """An accepted instance, and where its file is.

    Attributes:
        location: relative to the folder of files.
        dataset_offset: bytes before the data set in that file.
        corrected: what was corrected of its patient since, as the index holds it; None when nothing was.
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    location: str
    dataset_offset: int
    dataset_size_bytes: int
    corrected: str | None = None

    @property
    def corrections(self) -> dict[int, str]:
        """What is to be said of the patient in place of what the file says, by tag; empty when the file is right."""
        return level_of(self.corrected) if self.corrected else {}


_SELECTED = """
SELECT instance.sop_class_uid, instance.sop_instance_uid, study.study_instance_uid, series.series_instance_uid,
    instance.transfer_syntax_uid, instance.location, instance.dataset_offset, instance.dataset_size_bytes,
    patient.corrected
FROM patient JOIN study ON study.patient = patient.id JOIN series ON series.study = study.id
    JOIN instance ON instance.series = series.id
WHERE instance.state = 'accepted' AND instance.series IS NOT NULL AND {}
ORDER BY series.id, instance.id
"""


def select(connections: Connections, selection: Selection) -> list[StoredInstance]:
    """The accepted instances, series by series in the order in which they came; none for a selection without any condition.

    Raises:
        IndexUnavailableError: the index cannot be read.
    """
    text, values = selecting(selection)
    if not values:
        return []
    with connections.reading() as connection:
        rows = connection.execute(text, values).fetchall()
    return [StoredInstance(*row) for row in rows]


def selecting(selection: Selection) -> tuple[str, list[str]]:
    """The statement, and what it binds."""
    terms, values = [], []
    if selection.patient_id:
        terms.append("patient.patient_id <> '' AND patient.patient_id = ?")
        values.append(selection.patient_id)
    for column, uids in (
        ("study.study_instance_uid", selection.study_uids),
        ("series.series_instance_uid", selection.series_uids),
        ("instance.sop_instance_uid", selection.sop_instance_uids),
    ):
        if len(uids) == 1:
            terms.append(f"{column} = ?")
            values.append(uids[0])
        elif uids:
            terms.append(f"{column} IN (SELECT value FROM json_each(?))")  # noqa: S608 - bound
            values.append(json.dumps(uids))
    return _SELECTED.format(" AND ".join(terms)), values
