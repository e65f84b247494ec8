"""What responses hold, in which character set, and how many there may be."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.filereader import read_dataset
from unit.index.queries import Value, asked
from unit.index.received import CT, PATIENT_ID, PATIENT_NAME, received

from dicomnode.dicom.character_sets import character_set
from dicomnode.dicom.query.identifier import Identifier, Model
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN
from dicomnode.errors import TooManyMatchesError
from dicomnode.index import Durability, Index, IndexSettings, OnConflict
from dicomnode.services.query import Matches, Query, QuerySettings

NAMES = {"P1": "Doe^Jane", "P2": "Müller^Jörg", "P3": "Yamada^Tarou=山田^太郎"}


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    """A study for each name, and two series for the first."""
    opened = Index(tmp_path, IndexSettings(), durability=Durability.FAST)
    opened.prepare()
    for number, (patient_id, name) in enumerate(NAMES.items(), 1):
        patient = {PATIENT_ID: patient_id, PATIENT_NAME: name}
        uid = f"1.2.{number}"
        opened.instances.add(received(f"{uid}.1.1", study=uid, series=f"{uid}.1", patient=patient), OnConflict())
    opened.instances.add(
        received("1.2.1.2.1", study="1.2.1", series="1.2.1.2", patient={PATIENT_ID: "P1", PATIENT_NAME: "Doe^Jane"}),
        OnConflict(),
    )
    yield opened
    opened.close()


def find(index: Index, identifier: Identifier, *, only_set: str = "", maximum: int = 0) -> Matches:
    query = Query(index, QuerySettings(maximum_matches=maximum), retrieve_ae_title="NODE")
    return query.find(identifier, EXPLICIT_VR_LITTLE_ENDIAN, only_set=only_set)


def responses(matches: Matches) -> list[Dataset]:
    return [read_dataset(BytesIO(data), False, True) for page in matches.pages for data in page]


def in_set(term: str, **values: Value) -> Identifier:
    plain = asked("STUDY", **values)
    return Identifier(plain.model, plain.level, plain.keys, character_set(term), plain.options)


def test_response_has_what_was_asked_for_and_the_unique_keys_above(index: Index) -> None:
    identifier = asked("SERIES", model=Model.PATIENT_ROOT, PatientID="P1", StudyInstanceUID="1.2.1", Modality="")
    matches = find(index, identifier)
    assert matches.status == 0xFF00
    first, second = responses(matches)
    assert first == second
    assert {element.keyword: element.value for element in first} == {
        "QueryRetrieveLevel": "SERIES",
        "RetrieveAETitle": "NODE",
        "PatientID": "P1",
        "StudyInstanceUID": "1.2.1",
        "Modality": "CT",
    }


def test_unique_keys_above_come_also_when_a_relational_query_did_not_name_them(index: Index) -> None:
    [response] = responses(find(index, asked("IMAGE", SOPInstanceUID="1.2.1.2.1", SOPClassUID="")))
    assert (response.StudyInstanceUID, response.SeriesInstanceUID) == ("1.2.1", "1.2.1.2")
    assert (response.SOPClassUID, "PatientID" in response) == (CT, False)


def test_query_without_keys_gets_levels(index: Index) -> None:
    assert [list(response.keys()) for response in responses(find(index, asked("STUDY")))] == [
        [0x00080052, 0x00080054]
    ] * 3


def test_availability_is_told_when_it_is_asked_for(index: Index) -> None:
    matches = find(index, asked("STUDY", InstanceAvailability="", RetrieveAETitle="", TimezoneOffsetFromUTC="+0100"))
    assert matches.status == 0xFF00
    assert {response.InstanceAvailability for response in responses(matches)} == {"ONLINE"}


def test_unsupported_key_shows_in_the_status(index: Index) -> None:
    matches = find(index, asked("STUDY", StudyInstanceUID="", PixelSpacing=""))
    assert matches.status == 0xFF01
    assert all("PixelSpacing" not in response for response in responses(matches))


@pytest.mark.parametrize(
    ("asked_in", "sets"),
    [
        ("", [None, "ISO_IR 192", "ISO_IR 192"]),
        ("ISO_IR 6", [None, "ISO_IR 192", "ISO_IR 192"]),
        ("ISO_IR 100", ["ISO_IR 100", "ISO_IR 100", "ISO_IR 192"]),
        ("ISO_IR 192", ["ISO_IR 192"] * 3),
        ("\\ISO 2022 IR 87", [["", "ISO 2022 IR 87"], "ISO_IR 192", ["", "ISO 2022 IR 87"]]),
    ],
)
def test_each_response_is_in_the_set_of_the_query_if_it_can_be(
    index: Index, asked_in: str, sets: list[str | None]
) -> None:
    got = responses(find(index, in_set(asked_in, PatientName="")))
    assert [response.get("SpecificCharacterSet") for response in got] == sets
    assert [str(response.PatientName) for response in got] == list(NAMES.values())


def test_peer_that_reads_one_set_gets_no_other(index: Index) -> None:
    got = responses(find(index, in_set("ISO_IR 192", PatientName=""), only_set="ISO_IR 100"))
    assert [response.SpecificCharacterSet for response in got] == ["ISO_IR 100"] * 3
    assert [str(response.PatientName) for response in got] == ["Doe^Jane", "Müller^Jörg", "Yamada^Tarou=??^??"]


@pytest.mark.parametrize("maximum", [1, 2])
def test_past_the_limit_it_fails_after_as_many_as_there_may_be(index: Index, maximum: int) -> None:
    pages = find(index, asked("STUDY", PatientID=""), maximum=maximum).pages
    got: list[bytes] = []
    with pytest.raises(TooManyMatchesError, match=f"more than {maximum} matches"):
        got.extend(itertools.chain.from_iterable(pages))
    assert len(got) == maximum


def test_as_many_as_the_limit_are_fine(index: Index) -> None:
    assert len(responses(find(index, asked("STUDY", PatientID=""), maximum=3))) == 3
