"""Where each attribute stands in the tables: what a query selects to return it, and compares to match it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from dicomnode.dicom.attributes import LevelAttributes
from dicomnode.dicom.query.model import Level, level_of_key, levels_up_to, query_keys

TABLES: Final = {Level.PATIENT: "patient", Level.STUDY: "study", Level.SERIES: "series", Level.IMAGE: "instance"}

_JOINS: Final = {
    Level.STUDY: "study.patient = patient.id",
    Level.SERIES: "series.study = study.id",
    Level.IMAGE: "instance.series = series.id",
}
"""How the table of a level hangs below the one above."""

_STUDIES: Final = "FROM study WHERE study.patient = patient.id"

_COLUMNS: Final[dict[Level, dict[int, str]]] = {
    Level.PATIENT: {
        0x00100010: "patient.patient_name",
        0x00100020: "patient.patient_id",
        0x00100021: "patient.issuer",
        0x00100030: "patient.birth_date",
        0x00100032: "patient.birth_time",
        0x00100040: "patient.sex",
        0x00201200: f"(SELECT CAST(count(*) AS TEXT) {_STUDIES})",
        0x00201202: f"(SELECT CAST(sum(series_count) AS TEXT) {_STUDIES})",
        0x00201204: f"(SELECT CAST(sum(instance_count) AS TEXT) {_STUDIES})",
    },
    Level.STUDY: {
        0x00080020: "study.study_date",
        0x00080030: "study.study_time",
        0x00080050: "study.accession_number",
        0x00080061: "study.modalities_in_study",
        0x00080062: "study.sop_classes_in_study",
        0x00080090: "study.referring_physician_name",
        0x00081030: "study.study_description",
        0x00101010: "study.patient_age",
        0x00101020: "study.patient_size",
        0x00101030: "study.patient_weight",
        0x0020000D: "study.study_instance_uid",
        0x00200010: "study.study_id",
        0x00201206: "CAST(study.series_count AS TEXT)",
        0x00201208: "CAST(study.instance_count AS TEXT)",
    },
    Level.SERIES: {
        0x00080060: "series.modality",
        0x0008103E: "series.series_description",
        0x0020000E: "series.series_instance_uid",
        0x00200011: "series.series_number",
        0x00201209: "CAST(series.instance_count AS TEXT)",
    },
    Level.IMAGE: {
        0x00080016: "instance.sop_class_uid",
        0x00080018: "instance.sop_instance_uid",
        0x00083002: "instance.transfer_syntax_uid",
        0x00200013: "instance.instance_number",
    },
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where one attribute stands.

    Attributes:
        level: whose table.
        vr: as the data dictionary has it.
        expression: SQL for its text; NULL when it is absent, though a column has ``''`` then.
        is_column: it stands in a column of its own.
    """

    level: Level
    vr: str
    expression: str
    is_column: bool


class Places:
    """Where an index that keeps certain attributes has each of them."""

    def __init__(self, kept: LevelAttributes) -> None:
        self._keys = query_keys(kept)
        self._found: dict[tuple[int, Level], Place] = {}

    def of(self, tag: int, level: Level) -> Place | None:
        """Where a query at ``level`` finds the attribute; None when the index does not keep it there."""
        known = self._found.get((tag, level))
        if known is not None:
            return known
        at = level_of_key(tag, level, self._keys)
        if at is None:
            return None  # not remembered: a peer may ask for any number of these
        column = _COLUMNS[at].get(tag)
        expression = column or f"json_extract({TABLES[at]}.attributes, '$.\"{tag:08X}\"')"
        place = self._found[tag, level] = Place(at, self._keys[at][tag], expression, is_column=column is not None)
        return place


def joined(lowest: Level, highest: Level) -> str:
    """The tables between both levels, for whoever looks for rows: SQLite begins where the fewest are."""
    upwards = levels_up_to(lowest)
    between = upwards[: upwards.index(highest) + 1]
    return TABLES[highest] + "".join(f" JOIN {TABLES[level]} ON {_JOINS[level]}" for level in between[-2::-1])


def climbed(lowest: Level, highest: Level) -> str:
    """The steps up from the rows of ``lowest``: each leads to the one above. None when ``highest`` is not above."""
    upwards = levels_up_to(lowest)
    if highest not in upwards:
        return ""
    steps = pairwise(upwards[: upwards.index(highest) + 1])
    return "".join(f" CROSS JOIN {TABLES[above]} ON {_JOINS[below]}" for below, above in steps)
