"""Instances that say nothing new: most are like the one of their series that came before, and are only to be counted.

Where the one before was hung, and what was said there, is remembered. The statement that counts the next one in looks whether all
of that is still so, and nothing is here that it would meet; if anything is not, it changes nothing, and `hierarchy` looks at
everything. So whatever other processes do meanwhile, what comes of it is the same.
"""

from __future__ import annotations

import sqlite3
from typing import Final, NamedTuple

from dicomnode.dicom.instance import Attributes
from dicomnode.index.hierarchy import COUNT_INTO_SERIES, Newcomer, Place, is_settled

COUNT_IN: Final = """
UPDATE study SET instance_count = instance_count + 1, size_bytes = size_bytes + ?1,
    last_received_at = max(last_received_at, ?2), last_calling_ae_title = ?3
WHERE id = ?8 AND study_instance_uid = ?4 AND sop_classes_in_study = ?9 AND attributes = ?10 AND patient = ?11
    AND EXISTS (SELECT 1 FROM patient
        WHERE id = ?11 AND patient_id = ?12 AND issuer = ?13 AND attributes = ?14 AND corrected IS ?15)
    AND EXISTS (SELECT 1 FROM series WHERE id = ?16 AND study = ?8 AND series_instance_uid = ?5 AND attributes = ?17)
    AND NOT EXISTS (SELECT 1 FROM instance WHERE sop_instance_uid = ?6 AND state = 'accepted')
    AND NOT EXISTS (SELECT 1 FROM instance WHERE sop_instance_uid = ?6 AND digest = ?7 AND state = 'quarantined')
    AND NOT EXISTS (SELECT 1 FROM instance WHERE sop_instance_uid = ?6 AND received_digest = ?7 AND state = 'quarantined')
"""
_REMEMBERED: Final = 256
"""Of so many series: more than send at once."""


class _Remembered(NamedTuple):
    """What an instance said that was settled, and where: what `COUNT_IN` binds from its eighth place on."""

    said: Attributes
    sop_class_uid: str
    series: int
    place: tuple[int | str | None, ...]

    def holds_for(self, newcomer: Newcomer) -> bool:
        """Whether another instance of the series says the same."""
        said, before = newcomer.attributes, self.said
        return (
            newcomer.sop_class_uid == self.sop_class_uid
            and (said.patient is before.patient or said.patient == before.patient)
            and (said.study is before.study or said.study == before.study)
            and (said.series is before.series or said.series == before.series)
        )


class Settled:
    """Where instances that say nothing new are counted in, for the one thread of a process that writes."""

    def __init__(self) -> None:
        self._remembered: dict[str, _Remembered] = {}

    def count_in(
        self, connection: sqlite3.Connection, newcomer: Newcomer, sop_instance_uid: str, digest: bytes
    ) -> int | None:
        """The row of the newcomer's series, with the newcomer counted in; None, and nothing is changed, when more is to be done.

        Args:
            digest: of its data set as it came.
        """
        remembered = self._remembered.get(newcomer.series_instance_uid)
        if remembered is None or not remembered.holds_for(newcomer):
            return None
        own = (
            newcomer.size_bytes,
            newcomer.received_at,
            newcomer.calling_ae_title,
            newcomer.study_instance_uid,
            newcomer.series_instance_uid,
            sop_instance_uid,
            digest,
        )
        if not connection.execute(COUNT_IN, own + remembered.place).rowcount:
            return None
        connection.execute(COUNT_INTO_SERIES, (remembered.series,))
        return remembered.series

    def remember(self, newcomer: Newcomer, place: Place) -> None:
        """Note where the newcomer was linked, if it said nothing new."""
        if place.series is None or not is_settled(newcomer, place):
            return
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        self._remembered[newcomer.series_instance_uid] = _Remembered(
            newcomer.attributes,
            newcomer.sop_class_uid,
            place.series,
            (
                place.study,
                place.sop_classes,
                place.study_attributes,
                place.patient,
                place.patient_id,
                place.issuer,
                place.patient_attributes,
                place.corrected,
                place.series,
                place.series_attributes,
            ),
        )
