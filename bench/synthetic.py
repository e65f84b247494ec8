"""An index of as many studies as are wanted, without files: what queries cost as an archive grows, answers that take a while."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path

from dicomnode.dicom.query.person_name import name_groups
from dicomnode.index import Durability, Index, IndexSettings

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
DATABASE = "index.sqlite"
_BATCH = 10_000

Row = Mapping[str, object]


def patient_id(number: int) -> str:
    """Patient ID of study ``number``, from 1: each has a patient of its own."""
    return f"PID{number:07}"


def study_uid(number: int) -> str:
    """Study Instance UID of study ``number``, as long as such UIDs are."""
    return f"1.2.826.0.1.3680043.8.498.{10**37 + number * 7919}"


def fill(folder: Path, studies: int, *, instances: int = 1) -> None:
    """Make the index of a data folder, with ``studies`` studies of one series with so many instances each."""
    folder.mkdir(parents=True, exist_ok=True)
    index = Index(folder, IndexSettings(), durability=Durability.FAST)
    index.prepare()
    index.close()
    insert(folder, studies, instances=instances)


def insert(folder: Path, studies: int, *, instances: int = 1) -> None:
    """Put the studies into an index that is there, and that nobody writes to meanwhile."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        for first in range(1, studies + 1, _BATCH):
            numbers = range(first, min(first + _BATCH, studies + 1))
            with connection:
                for table, rows in (
                    ("patient", map(_patient, numbers)),
                    ("study", (_study(number, instances) for number in numbers)),
                    ("series", (_series(number, instances) for number in numbers)),
                    ("instance", (_instance(n, k, instances) for n in numbers for k in range(1, instances + 1))),
                ):
                    _insert(connection, table, rows)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _insert(connection: sqlite3.Connection, table: str, rows: Iterable[Row]) -> None:
    """Add rows; columns that they do not name are empty, or 0 where they must not be NULL."""
    columns = list(_columns(connection, table))
    names = ", ".join(f'"{name}"' for name, _ in columns)
    places = ", ".join("?" for _ in columns)
    values = ([row.get(name, default) for name, default in columns] for row in rows)
    connection.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", values)


def _columns(connection: sqlite3.Connection, table: str) -> Iterator[tuple[str, object]]:
    for _, name, kind, not_null, *_ in connection.execute(f"PRAGMA table_info({table})"):
        default: object = "" if kind == "TEXT" else b"" if kind == "BLOB" else 0
        yield name, default if not_null else None


def _patient(number: int) -> Row:
    name = f"Doe{number % 997}^Jane{number}"
    alphabetic, ideographic, phonetic = name_groups(name)
    return {
        "id": number,
        "patient_id": patient_id(number),
        "patient_name": name,
        "name_key": alphabetic,
        "ideographic_key": ideographic,
        "phonetic_key": phonetic,
        "birth_date": f"19{number % 100:02}{number % 12 + 1:02}{number % 28 + 1:02}",
        "sex": "F" if number % 2 else "M",
        "attributes": "{}",
    }


def _study(number: int, instances: int) -> Row:
    return {
        "id": number,
        "patient": number,
        "study_instance_uid": study_uid(number),
        "study_date": f"20{number % 25:02}{number % 12 + 1:02}{number % 28 + 1:02}",
        "study_time": f"{number % 24:02}{number % 60:02}12",
        "accession_number": f"A{number:09}",
        "study_id": str(number),
        "referring_physician_name": f"Ref^{number % 50}",
        "study_description": f"CT abdomen {number % 40}",
        "modalities_in_study": "CT",
        "sop_classes_in_study": CT,
        "series_count": 1,
        "instance_count": instances,
        "size_bytes": 1000 * instances,
        "last_calling_ae_title": "CT1",
        "attributes": "{}",
    }


def _series(number: int, instances: int) -> Row:
    return {
        "id": number,
        "study": number,
        "series_instance_uid": f"{study_uid(number)}.1",
        "modality": "CT",
        "series_number": "1",
        "instance_count": instances,
        "attributes": "{}",
    }


def _instance(study: int, number: int, instances: int) -> Row:
    return {
        "id": (study - 1) * instances + number,
        "series": study,
        "state": "accepted",
        "sop_instance_uid": f"{study_uid(study)}.1.{number}",
        "sop_class_uid": CT,
        "transfer_syntax_uid": EXPLICIT_LE,
        "instance_number": str(number),
        "dataset_size_bytes": 1000,
        "findings": "[]",
        "attributes": "{}",
    }
