"""Studies as a sysadmin lists them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from unit.index.received import (
    ACCESSION_NUMBER,
    CT,
    ISSUER,
    MODALITY,
    MR,
    PATIENT_ID,
    PATIENT_NAME,
    STUDY_DATE,
    STUDY_DESCRIPTION,
    received,
    verdict,
)

from dicomnode.dicom.peer import Sender
from dicomnode.index import Index, OnConflict, StudyFilter
from dicomnode.index.migrations import MIGRATIONS

EVERY = StudyFilter()


@pytest.fixture
def filled(index: Index) -> Index:
    """Three studies of three patients."""
    studies = [
        ("1.2.1", "P1", "Müller^Jürgen", "20240101", "A1", "CT"),
        ("1.2.2", "P2", "Mueller^Jane", "20240202", "A2", "MR"),
        ("1.2.3", "P3", "O[dd]_100%^Ann", "2024.03.03", "A3", "US"),
    ]
    for uid, patient_id, name, date, accession, modality in studies:
        index.instances.add(
            received(
                f"{uid}.1.1",
                study=uid,
                series=f"{uid}.1",
                patient={PATIENT_ID: patient_id, PATIENT_NAME: name},
                of_study={STUDY_DATE: date, ACCESSION_NUMBER: accession},
                of_series={MODALITY: modality},
            ),
            OnConflict(),
        )
    index.instances.add(
        received("1.2.1.2.1", study="1.2.1", series="1.2.1.2", patient={PATIENT_ID: "P1"}, of_series={MODALITY: "SR"}),
        OnConflict(),
    )
    return index


@pytest.mark.parametrize(
    ("filters", "patients"),
    [
        (EVERY, ["P3", "P2", "P1"]),
        (StudyFilter(patient_id="P1"), ["P1"]),
        (StudyFilter(patient_id="P"), []),
        (StudyFilter(patient_name="MÜLLER*"), ["P1"]),
        (StudyFilter(patient_name="mu\u0308ller*"), ["P1"]),
        (StudyFilter(patient_name="m*ller^j*"), ["P2", "P1"]),
        (StudyFilter(patient_name="m?ller^*"), ["P1"]),
        (StudyFilter(patient_name="Müller"), []),
        (StudyFilter(patient_name="o[dd]_100%^ann"), ["P3"]),
        (StudyFilter(patient_name="o[dd]?100%*"), ["P3"]),
        (StudyFilter(patient_name="od*"), []),
        (StudyFilter(accession_number="A2"), ["P2"]),
        (StudyFilter(study_instance_uid="1.2.3"), ["P3"]),
        (StudyFilter(modality="SR"), ["P1"]),
        (StudyFilter(modality="R"), []),
        (StudyFilter(date_from="20240202"), ["P3", "P2"]),
        (StudyFilter(date_to="20240202"), ["P2", "P1"]),
        (StudyFilter(date_from="20240303", date_to="20240303"), ["P3"]),
        (StudyFilter(patient_id="P1", modality="MR"), []),
    ],
)
def test_filters(filled: Index, filters: StudyFilter, patients: list[str]) -> None:
    assert [row.patient_id for row in filled.studies(filters)] == patients


def test_study_without_a_date_is_in_no_range(index: Index) -> None:
    index.instances.add(received(of_study={}), OnConflict())
    assert list(index.studies(StudyFilter(date_to="99991231"))) == []
    assert len(list(index.studies(EVERY))) == 1


def test_limit(filled: Index) -> None:
    assert [row.patient_id for row in filled.studies(EVERY, limit=2)] == ["P3", "P2"]


def test_lists_more_studies_than_fit_on_a_page(index: Index) -> None:
    uids = [f"1.2.{number}" for number in range(1003)]
    for uid in uids:
        index.instances.add(received(f"{uid}.1.1", study=uid, series=f"{uid}.1"), OnConflict())
    assert [row.study_instance_uid for row in index.studies(EVERY)] == uids[::-1]


def test_slow_reader_of_the_list_sees_no_study_twice_while_more_come(index: Index) -> None:
    for number in range(600):
        index.instances.add(received(f"1.2.{number}.1.1", study=f"1.2.{number}"), OnConflict())
    rows = index.studies(EVERY)
    seen = [next(rows).study_instance_uid]
    index.instances.add(received("1.2.9999.1.1", study="1.2.9999"), OnConflict())
    index.instances.add(received("1.2.3.1.2", study="1.2.3"), OnConflict())
    seen += [row.study_instance_uid for row in rows]
    assert sorted(seen) == sorted(f"1.2.{number}" for number in range(600))


def test_row_tells_of_the_whole_study(index: Index) -> None:
    before = datetime.now(UTC)
    study = {STUDY_DATE: "20240101", ACCESSION_NUMBER: "A1", STUDY_DESCRIPTION: "Abdomen"}
    patient = {PATIENT_ID: "P1", ISSUER: "Clinic", PATIENT_NAME: "Doe^Jane"}
    for number, modality in enumerate(("CT", "CT", "SR")):
        index.instances.add(
            received(
                f"1.2.{number}",
                series=f"1.2.{modality}",
                patient=patient,
                of_study=study,
                of_series={MODALITY: modality},
                sender=Sender(f"AE{number}", "DICOMNODE", "127.0.0.1"),
                size_bytes=100 + number,
            ),
            OnConflict(),
        )
    index.instances.add(received("1.2.9", judged=verdict("patient.id")), OnConflict())
    [row] = index.studies(EVERY)
    assert (row.patient_id, row.issuer, row.patient_name) == ("P1", "Clinic", "Doe^Jane")
    assert (row.study_date, row.accession_number, row.description) == ("20240101", "A1", "Abdomen")
    assert (row.modalities, row.series, row.instances, row.size_bytes) == (("CT", "SR"), 2, 3, 303)
    assert (row.quarantined, row.calling_ae_title) == (1, "AE2")
    assert before <= row.last_received_at <= datetime.now(UTC)


def test_later_instance_fills_in_what_the_first_did_not_have(index: Index) -> None:
    index.instances.add(received(patient={PATIENT_ID: "P1"}, of_study={STUDY_DATE: ""}, of_series={}), OnConflict())
    fuller = received(
        "1.2.5",
        patient={PATIENT_ID: "P1", PATIENT_NAME: "Doe^Jane"},
        of_study={STUDY_DATE: "20240101", STUDY_DESCRIPTION: "Abdomen"},
        of_series={MODALITY: "CT"},
    )
    index.instances.add(fuller, OnConflict())
    later = received(
        "1.2.6",
        patient={PATIENT_ID: "P1", PATIENT_NAME: "Roe"},
        of_study={STUDY_DATE: "20250505"},
        of_series={MODALITY: "MR"},
    )
    index.instances.add(later, OnConflict())
    [row] = index.studies(StudyFilter(patient_name="doe*"))
    assert (row.patient_name, row.study_date, row.description) == ("Doe^Jane", "20240101", "Abdomen")
    assert row.modalities == ("CT",)


def test_patient_is_his_id_and_its_issuer(index: Index) -> None:
    for number, (patient_id, issuer) in enumerate([("P1", "A"), ("P1", "B"), ("P1", "A"), ("P2", "A")]):
        index.instances.add(
            received(f"1.2.{number}", study=f"1.2.{number}", patient={PATIENT_ID: patient_id, ISSUER: issuer}),
            OnConflict(),
        )
    assert (index.summary().patients, index.summary().studies) == (3, 4)


def test_patients_without_an_id_are_never_merged(index: Index) -> None:
    for study in ("1.2.1", "1.2.1", "1.2.2"):
        for patient in ({}, {PATIENT_ID: ""}):
            index.instances.add(
                received(f"{study}.{len(patient)}", study=study, patient=patient), OnConflict(other_patient=None)
            )
    assert (index.summary().patients, index.summary().studies) == (2, 2)


def test_series_uid_may_occur_in_two_studies(index: Index) -> None:
    for study in ("1.2.1", "1.2.2"):
        index.instances.add(received(f"{study}.1", study=study, series="1.2.9"), OnConflict())
    assert index.summary().series == 2


def test_summary_counts_what_is_held(index: Index) -> None:
    index.instances.add(received(size_bytes=10), OnConflict())
    index.instances.add(received("1.2.5", size_bytes=5, sop_class=MR, judged=verdict("patient.id")), OnConflict())
    index.instances.add(received("1.2.6", size_bytes=7, sop_class=CT, judged=verdict("patient.id")), OnConflict())
    index.quarantine.discard(list(index.quarantine.list())[-1], reason="test images", by="anna")
    held = index.summary()
    assert (held.patients, held.studies, held.series, held.instances) == (1, 1, 1, 1)
    assert (held.quarantined, held.size_bytes, held.schema_version) == (1, 15, len(MIGRATIONS))
