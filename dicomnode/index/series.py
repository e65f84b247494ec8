"""The series of one study, for a sysadmin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from peewee import SQL

from dicomnode.index.database import Connections
from dicomnode.index.schema.hierarchy import Series, Study
from dicomnode.index.schema.statements import bound, compiled


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """One series as it is listed; ``instances`` counts the accepted ones."""

    series_instance_uid: str
    series_number: str
    modality: str
    description: str
    instances: int


_ROWS: Final = compiled(
    Series.select(
        Series.series_instance_uid,
        Series.series_number,
        Series.modality,
        Series.series_description,
        Series.instance_count,
    )
    .join(Study)
    .where(Study.study_instance_uid == bound("study_instance_uid"))
    .order_by(SQL("CAST(series_number AS INTEGER)"), Series.id)
)


def series_of(connections: Connections, study_instance_uid: str) -> list[SeriesRow]:
    """The series of the study, by Series Number; none when the study is not here.

    Raises:
        IndexUnavailableError: the index cannot be read.
    """
    with connections.reading() as connection:
        rows = connection.execute(_ROWS, {"study_instance_uid": study_instance_uid}).fetchall()
    return [SeriesRow(*row) for row in rows]
