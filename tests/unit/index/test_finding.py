"""What queries find, and what they return of it."""

from __future__ import annotations

import pytest
from unit.index.queries import asked, found
from unit.index.received import MODALITY, PATIENT_ID, PATIENT_NAME, STUDY_DATE, received

from dicomnode.index import Index, OnConflict


@pytest.fixture
def filled(index: Index) -> Index:
    """Two studies of P1, one of P2; the first with a CT and an SR series of two and one instances."""
    for uid, patient_id, name, date, modality in (
        ("1.2.1.1.1", "P1", "Doe^Jane", "20240101", "CT"),
        ("1.2.1.1.2", "P1", "Doe^Jane", "20240101", "CT"),
        ("1.2.1.2.1", "P1", "Doe^Jane", "20240101", "SR"),
        ("1.2.2.1.1", "P1", "Doe^Jane", "20240202", "MR"),
        ("1.2.3.1.1", "P2", "Roe", "20240303", "MR"),
    ):
        series = uid.rpartition(".")[0]
        index.instances.add(
            received(
                uid,
                study=series.rpartition(".")[0],
                series=series,
                patient={PATIENT_ID: patient_id, PATIENT_NAME: name},
                of_study={STUDY_DATE: date},
                of_series={MODALITY: modality},
            ),
            OnConflict(),
        )
    return index


def test_studies_with_patient_and_counts(filled: Index) -> None:
    rows = found(
        filled,
        asked("STUDY", PatientID="P1"),
        "StudyInstanceUID",
        "PatientName",
        "ModalitiesInStudy",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
    )
    assert rows == [("1.2.1", "Doe^Jane", "CT\\SR", "2", "3"), ("1.2.2", "Doe^Jane", "MR", "1", "1")]


def test_all_keys_must_match(filled: Index) -> None:
    assert found(filled, asked("STUDY", PatientName="roe", StudyDate="20240101"), "StudyInstanceUID") == []
    assert found(filled, asked("STUDY", StudyDate="20240101", PatientName="d*"), "PatientID") == [("P1",)]


def test_patients_with_counts(filled: Index) -> None:
    rows = found(
        filled,
        asked("PATIENT", PatientName="*o*"),
        "PatientID",
        "NumberOfPatientRelatedStudies",
        "NumberOfPatientRelatedSeries",
        "NumberOfPatientRelatedInstances",
    )
    assert rows == [("P1", "2", "3", "4"), ("P2", "1", "1", "1")]
