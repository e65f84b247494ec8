"""What queries find, and what they return of it."""

from __future__ import annotations

import json

import pytest
from pydicom.datadict import tag_for_keyword
from unit.index.queries import asked, found
from unit.index.received import ISSUER, MODALITY, MR, PATIENT_ID, PATIENT_NAME, STUDY_DATE, received, verdict

from dicomnode.dicom.query.identifier import Identifier, Level, QueryOptions, Selection
from dicomnode.index import Index, OnConflict, Scope

RELATIONAL = QueryOptions(relational=True)
CODES = json.dumps([{"00080100": {"vr": "SH", "Value": ["R1"]}}, {"00080100": {"vr": "SH", "Value": ["R2"]}}])


def add(index: Index, uid: str, patient_id: str, name: str, date: str, modality: str) -> None:
    """An instance whose series and study have its UID without the last and the last two numbers."""
    series = uid.rpartition(".")[0]
    index.instances.add(
        received(
            uid,
            study=series.rpartition(".")[0],
            series=series,
            patient={PATIENT_ID: patient_id, PATIENT_NAME: name, ISSUER: "Clinic"},
            of_study={STUDY_DATE: date, 0x00081032: CODES},
            of_series={MODALITY: modality, 0x00080070: "ACME", 0x00081070: "Roe^R\\Poe^P"},
            sop_class=MR if modality == "MR" else "1.2.840.10008.5.1.4.1.1.2",
        ),
        OnConflict(),
    )


@pytest.fixture
def filled(index: Index) -> Index:
    """Two studies of P1, one of P2; the first with a CT series of two instances and an SR series of one."""
    add(index, "1.2.1.1.1", "P1", "Doe^Jane", "20240101", "CT")
    add(index, "1.2.1.1.2", "P1", "Doe^Jane", "20240101", "CT")
    add(index, "1.2.1.2.1", "P1", "Doe^Jane", "20240101", "SR")
    add(index, "1.2.2.1.1", "P1", "Doe^Jane", "20240202", "MR")
    add(index, "1.2.3.1.1", "P2", "Roe=山田^太郎", "20240303", "MR")
    return index


def uids(index: Index, identifier: Identifier) -> list[str | None]:
    """The unique keys of the matches."""
    keyword = {
        Level.PATIENT: "PatientID",
        Level.STUDY: "StudyInstanceUID",
        Level.SERIES: "SeriesInstanceUID",
        Level.IMAGE: "SOPInstanceUID",
    }[identifier.level]
    return [uid for (uid,) in found(index, identifier, keyword)]


def test_studies_with_patient_and_counts(filled: Index) -> None:
    rows = found(
        filled,
        asked("STUDY", PatientID="P1"),
        "StudyInstanceUID",
        "PatientName",
        "ModalitiesInStudy",
        "SOPClassesInStudy",
        "NumberOfStudyRelatedSeries",
        "NumberOfStudyRelatedInstances",
    )
    assert rows == [
        ("1.2.1", "Doe^Jane", "CT\\SR", "1.2.840.10008.5.1.4.1.1.2", "2", "3"),
        ("1.2.2", "Doe^Jane", "MR", MR, "1", "1"),
    ]


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


def test_series_with_what_is_above_and_kept_as_json(filled: Index) -> None:
    rows = found(
        filled,
        asked("SERIES", StudyInstanceUID="1.2.1"),
        "SeriesInstanceUID",
        "Modality",
        "NumberOfSeriesRelatedInstances",
        "Manufacturer",
        "StudyDate",
        "ProcedureCodeSequence",
        "PatientName",
        "ProtocolName",
    )
    assert rows == [
        ("1.2.1.1", "CT", "2", "ACME", "20240101", CODES, "Doe^Jane", None),
        ("1.2.1.2", "SR", "1", "ACME", "20240101", CODES, "Doe^Jane", None),
    ]


def test_instances_with_transfer_syntax(filled: Index) -> None:
    identifier = asked("IMAGE", StudyInstanceUID="1.2.1", SeriesInstanceUID="1.2.1.1")
    keywords = "SOPInstanceUID", "SOPClassUID", "AvailableTransferSyntaxUID", "InstanceNumber", "ModalitiesInStudy"
    assert found(filled, identifier, *keywords) == [
        (f"1.2.1.1.{number}", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.1.2.1", "1", "CT\\SR") for number in (1, 2)
    ]


def test_all_keys_must_match(filled: Index) -> None:
    assert uids(filled, asked("STUDY", PatientName="roe", StudyDate="20240101")) == []
    assert uids(filled, asked("STUDY", StudyDate="20240101", PatientName="d*")) == ["1.2.1"]


@pytest.mark.parametrize(
    ("keys", "matches"),
    [
        ({"ModalitiesInStudy": "SR"}, ["1.2.1"]),
        ({"ModalitiesInStudy": "S"}, []),
        ({"ModalitiesInStudy": "MR\\SR"}, ["1.2.1", "1.2.2", "1.2.3"]),
        ({"ModalitiesInStudy": "M*"}, ["1.2.2", "1.2.3"]),
        ({"SOPClassesInStudy": MR}, ["1.2.2", "1.2.3"]),
        ({"NumberOfStudyRelatedInstances": "03"}, ["1.2.1"]),
        ({"PatientID": "p1"}, []),
        ({"PatientID": "P1\\P2", "StudyDate": "-20240202"}, ["1.2.1", "1.2.2"]),
        ({"PatientName": "山田*"}, ["1.2.3"]),
        ({"PatientName": "Roe=山田*"}, ["1.2.3"]),
        ({"PatientName": "*"}, ["1.2.1", "1.2.2", "1.2.3"]),
        ({"ProcedureCodeSequence": {"CodeValue": "R2"}, "StudyDate": "20240101"}, ["1.2.1"]),
        ({"ProcedureCodeSequence": {"CodeValue": "R"}}, []),
        ({"ProcedureCodeSequence": {}}, ["1.2.1", "1.2.2", "1.2.3"]),
        ({"AccessionNumber": "*"}, ["1.2.1", "1.2.2", "1.2.3"]),
        ({"AccessionNumber": "?*"}, []),
        ({"Modality": "SR"}, ["1.2.1", "1.2.2", "1.2.3"]),
        ({"PixelSpacing": "1"}, ["1.2.1", "1.2.2", "1.2.3"]),
    ],
    ids=str,
)
def test_study_keys(filled: Index, keys: dict[str, str], matches: list[str]) -> None:
    assert uids(filled, asked("STUDY", **keys)) == matches


@pytest.mark.parametrize(
    ("keys", "matches"),
    [
        ({"OperatorsName": "poe*"}, ["1.2.1.1"]),
        ({"OperatorsName": "poe*\\nobody"}, ["1.2.1.1"]),
        ({"OperatorsName": "Nobody"}, []),
        ({"Manufacturer": "AC?E"}, ["1.2.1.1"]),
        ({"PatientName": "Doe*"}, ["1.2.1.1"]),
    ],
    ids=str,
)
def test_series_keys(filled: Index, keys: dict[str, str], matches: list[str]) -> None:
    assert uids(filled, asked("SERIES", StudyInstanceUID="1.2.1", Modality="CT", **keys)) == matches


def test_all_values_of_a_key_once_negotiated(filled: Index) -> None:
    options = QueryOptions(multiple_value=True)
    assert uids(filled, asked("STUDY", options, ModalitiesInStudy="CT\\SR")) == ["1.2.1"]
    assert uids(filled, asked("STUDY", options, ModalitiesInStudy="CT\\MR")) == []
    assert uids(filled, asked("STUDY", options, StudyInstanceUID="1.2.1\\1.2.2")) == ["1.2.1", "1.2.2"]


def test_empty_value_once_negotiated(filled: Index) -> None:
    add(filled, "1.2.4.1.1", "P4", "", "", "CT")
    assert uids(filled, asked("STUDY", QueryOptions(empty_value=True), PatientName='""')) == ["1.2.4"]
    assert uids(filled, asked("STUDY", QueryOptions(empty_value=True), StudyDate='""')) == ["1.2.4"]
    assert uids(filled, asked("STUDY", PatientName='""')) == []


def test_date_and_time_are_one_period_once_negotiated(index: Index) -> None:
    for number, (date, time) in enumerate(
        [("20240101", "0900"), ("20240101", "1200"), ("20240102", "0800"), ("20240103", "")]
    ):
        one = received(f"1.3.{number}.1.1", study=f"1.3.{number}", series=f"1.3.{number}.1")
        study = {STUDY_DATE: date, 0x00080030: time}
        index.instances.add(
            one._replace(attributes=one.attributes._replace(study=study)), OnConflict(other_patient=None)
        )
    keys = {"StudyDate": "20240101-20240103", "StudyTime": "10-09"}
    assert uids(index, asked("STUDY", QueryOptions(combined_datetime=True), **keys)) == ["1.3.1", "1.3.2"]
    keys = {"StudyDate": "20240101-20240103", "StudyTime": "08-09"}
    assert uids(index, asked("STUDY", **keys)) == ["1.3.0", "1.3.2"]


def test_fuzzy_name_once_negotiated(filled: Index) -> None:
    assert uids(filled, asked("STUDY", QueryOptions(fuzzy=True), PatientName="jane do")) == ["1.2.1", "1.2.2"]
    assert uids(filled, asked("STUDY", PatientName="jane do")) == []


def test_list_of_thousands_of_uids(filled: Index) -> None:
    many = "\\".join(["1.2.3", *(f"1.9.{number}" for number in range(5000)), "1.2.1"])
    assert uids(filled, asked("STUDY", StudyInstanceUID=many)) == ["1.2.1", "1.2.3"]


def test_relational_query_below_what_it_names(filled: Index) -> None:
    assert uids(filled, asked("IMAGE", RELATIONAL, PatientID="P1", Modality="SR")) == ["1.2.1.2.1"]
    assert uids(filled, asked("SERIES", RELATIONAL, StudyDate="20240202-")) == ["1.2.2.1", "1.2.3.1"]


def test_patient_with_two_issuers_is_two_matches(filled: Index) -> None:
    filled.instances.add(received("1.5.1.1", study="1.5", patient={PATIENT_ID: "P1", ISSUER: "Other"}), OnConflict())
    rows = found(filled, asked("PATIENT", PatientID="P1"), "IssuerOfPatientID")
    assert rows == [("Clinic",), ("Other",)]
    assert uids(filled, asked("STUDY", PatientID="P1", IssuerOfPatientID="Other")) == ["1.5"]


def test_quarantined_instances_are_not_found(filled: Index) -> None:
    filled.instances.add(
        received("1.2.1.1.9", study="1.2.1", series="1.2.1.1", judged=verdict("patient.id")), OnConflict()
    )
    assert uids(filled, asked("IMAGE", StudyInstanceUID="1.2.1", SeriesInstanceUID="1.2.1.1")) == [
        "1.2.1.1.1",
        "1.2.1.1.2",
    ]


def test_tags_say_what_can_be_returned(filled: Index) -> None:
    keywords = (
        "PatientName",
        "PixelSpacing",
        "StudyInstanceUID",
        "Modality",
        "NumberOfPatientRelatedStudies",
        "StudyDate",
    )
    tags = [tag for keyword in keywords if (tag := tag_for_keyword(keyword))]
    answer = filled.find(asked("STUDY", StudyInstanceUID="1.2.1"), [*tags, 0x00091001, 0x0020000D])
    assert answer.tags == (0x00080020, 0x00100010, 0x0020000D, 0x00201200)
    assert list(answer.pages) == [[("20240101", "Doe^Jane", "1.2.1", "2")]]


def test_match_without_anything_to_return(filled: Index) -> None:
    answer = filled.find(asked("STUDY", StudyInstanceUID="1.2.1", PixelSpacing=""), [0x00280030])
    assert (answer.tags, list(answer.pages)) == ((), [[()]])


def test_pages_are_small_then_large_and_in_the_order_of_arrival(index: Index) -> None:
    for number in range(600):
        index.instances.add(received(f"1.2.{number}.1.1", study=f"1.2.{number}"), OnConflict())
    pages = list(index.find(asked("STUDY", StudyDate="2024.01.31"), [0x0020000D]).pages)
    assert [*map(len, pages)] == [20, 500, 80]
    assert [row[0] for page in pages for row in page] == [f"1.2.{number}" for number in range(600)]


def test_slow_reader_sees_no_match_twice_while_more_come_and_some_go(index: Index) -> None:
    for number in range(600):
        index.instances.add(received(f"1.2.{number}.1.1", study=f"1.2.{number}"), OnConflict())
    pages = index.find(asked("STUDY", StudyDate="20240131"), [0x0020000D]).pages
    seen = [row[0] for row in next(pages)]
    index.instances.add(received("1.2.9999.1.1", study="1.2.9999"), OnConflict())
    seen += [row[0] for row in next(pages)]
    index.removal.remove(index.removal.holding(Scope("1.2.599")), limit=1, reason="", by="anna")
    seen += [row[0] for page in pages for row in page]
    assert len(seen) == len(set(seen))
    assert (
        {f"1.2.{number}" for number in range(599)} <= set(seen) <= {f"1.2.{number}" for number in [*range(599), 9999]}
    )


@pytest.mark.parametrize(
    ("selection", "instances"),
    [
        (Selection(Level.PATIENT, "P1"), ["1.2.1.1.1", "1.2.1.1.2", "1.2.1.2.1", "1.2.2.1.1"]),
        (Selection(Level.STUDY, "", ("1.2.3", "1.2.2", "1.9")), ["1.2.2.1.1", "1.2.3.1.1"]),
        (Selection(Level.STUDY, "P1", ("1.2.3", "1.2.2")), ["1.2.2.1.1"]),
        (Selection(Level.SERIES, "", ("1.2.1",), ("1.2.1.2", "1.2.1.1")), ["1.2.1.1.1", "1.2.1.1.2", "1.2.1.2.1"]),
        (Selection(Level.SERIES, "", ("1.2.1",), ("1.2.2.1",)), []),
        (Selection(Level.SERIES, "", (), ("1.2.2.1",)), ["1.2.2.1.1"]),
        (Selection(Level.IMAGE, "", ("1.2.1",), ("1.2.1.1",), ("1.2.1.1.2",)), ["1.2.1.1.2"]),
        (Selection(Level.IMAGE, "P2", ("1.2.1",), ("1.2.1.1",), ("1.2.1.1.2",)), []),
        (Selection(Level.IMAGE, "", (), (), ("1.2.3.1.1", "1.2.1.1.1")), ["1.2.1.1.1", "1.2.3.1.1"]),
        (Selection(Level.STUDY), []),
    ],
    ids=str,
)
def test_selection(filled: Index, selection: Selection, instances: list[str]) -> None:
    assert [one.sop_instance_uid for one in filled.select(selection)] == instances


def test_selected_instance_is_an_accepted_one(index: Index) -> None:
    one = received("1.2.1.1.1", study="1.2.1", series="1.2.1.1", location="abc/1.dcm", size_bytes=12)
    index.instances.add(one, OnConflict())
    index.instances.add(
        received("1.2.1.1.2", study="1.2.1", series="1.2.1.1", judged=verdict("patient.id")), OnConflict()
    )
    [selected] = index.select(Selection(Level.STUDY, "", ("1.2.1",)))
    assert (selected.location, selected.dataset_offset, selected.dataset_size_bytes) == ("abc/1.dcm", 300, 12)
    assert (selected.study_instance_uid, selected.series_instance_uid) == ("1.2.1", "1.2.1.1")
    assert (selected.sop_class_uid, selected.transfer_syntax_uid) == (one.sop_class_uid, one.transfer_syntax_uid)


def test_series_come_one_after_the_other(index: Index) -> None:
    for uid, series in (("1.1", "A"), ("1.2", "B"), ("1.3", "A")):
        index.instances.add(received(uid, study="1", series=series), OnConflict())
    assert [one.sop_instance_uid for one in index.select(Selection(Level.STUDY, "", ("1",)))] == ["1.1", "1.3", "1.2"]


@pytest.mark.parametrize(
    "keyword", ["PatientName", "StudyDescription", "ModalitiesInStudy", "AccessionNumber", "PatientAge"]
)
def test_key_of_thousands_of_values(filled: Index, keyword: str) -> None:
    values = "\\".join(f"{'*' * (number % 2)}N{number}" for number in range(4000))
    assert uids(filled, asked("STUDY", **{keyword: values})) == []


def test_fuzzy_key_of_hundreds_of_words(filled: Index) -> None:
    assert uids(filled, asked("STUDY", QueryOptions(fuzzy=True), PatientName=" ".join(["jane"] * 200))) == [
        "1.2.1",
        "1.2.2",
    ]


def test_list_of_patient_ids(filled: Index) -> None:
    assert uids(filled, asked("STUDY", PatientID="\\".join(f"P{number}" for number in range(2, 4000)))) == ["1.2.3"]


def test_dates_as_a_list(filled: Index) -> None:
    assert uids(filled, asked("STUDY", StudyDate="20240101\\20240301-20240331")) == ["1.2.1", "1.2.3"]
