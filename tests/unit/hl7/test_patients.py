"""Messages of patient administration, from their bytes to what the index says."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest
from unit.hl7.messages import PID, adt
from unit.index.queries import asked, found
from unit.index.received import ISSUER, PATIENT_ID, PATIENT_NAME, STUDY, received

from dicomnode.hl7.feed import Feed
from dicomnode.hl7.mapping import load_mapping
from dicomnode.hl7.settings import Hl7Settings
from dicomnode.index import Index, OnConflict

MRG = "MRG|P0^^^HOSPITAL"


def feed(index: Index, **settings: Any) -> Feed:
    return Feed(index, load_mapping(None), Hl7Settings(**settings), UTC)


def told(index: Index, data: bytes, **settings: Any) -> str:
    """MSA-1 of the answer."""
    return feed(index, **settings).answer(data, "10.0.0.1").decode().split("\r")[1].split("|")[1]


def add(index: Index, patient_id: str, issuer: str = "", study: str = STUDY) -> None:
    patient = {PATIENT_NAME: "Doe^J", PATIENT_ID: patient_id} | ({ISSUER: issuer} if issuer else {})
    index.instances.add(
        received(study + ".1.1", content=study, study=study, series=study + ".1", patient=patient), OnConflict()
    )


def patients(index: Index) -> list[tuple[str | None, ...]]:
    identifier = asked("STUDY", StudyInstanceUID="", PatientID="", PatientName="", IssuerOfPatientID="")
    return sorted(found(index, identifier, "StudyInstanceUID", "PatientID", "IssuerOfPatientID", "PatientName"))  # type: ignore[type-var]


@pytest.mark.parametrize("event", ["A01", "A04", "A05", "A08", "A28", "A31"])
def test_update_says_who_the_patient_is_now(index: Index, event: str) -> None:
    add(index, "P1", "HOSPITAL")
    assert told(index, adt(event, PID)) == "AA"
    assert patients(index) == [(STUDY, "P1", "HOSPITAL", "DOE^JANE^Q^DR")]


def test_images_that_name_no_issuer_are_of_any(index: Index) -> None:
    add(index, "P1")
    told(index, adt("A08", PID))
    assert patients(index) == [(STUDY, "P1", "", "DOE^JANE^Q^DR")]


def test_images_that_name_no_issuer_are_of_the_local_ones_where_those_are_known(index: Index) -> None:
    add(index, "P1")
    told(index, adt("A08", PID), local_issuers=["ELSEWHERE"])
    assert patients(index) == [(STUDY, "P1", "", "Doe^J")]
    told(index, adt("A08", PID, control_id="2"), local_issuers=["HOSPITAL"])
    assert patients(index) == [(STUDY, "P1", "", "DOE^JANE^Q^DR")]


def test_number_of_a_local_issuer_is_taken_among_several(index: Index) -> None:
    add(index, "P1", "HOSPITAL")
    several = PID.replace("P1^^^HOSPITAL^MR", "77^^^INSURANCE~P1^^^HOSPITAL^MR")
    told(index, adt("A08", several), local_issuers=["HOSPITAL"])
    assert patients(index) == [(STUDY, "P1", "HOSPITAL", "DOE^JANE^Q^DR")]


@pytest.mark.parametrize("event", ["A40", "A47", "A18", "A34", "A39", "A46"])
def test_merge_brings_what_was_under_the_former_number(index: Index, event: str) -> None:
    add(index, "P0")
    add(index, "P0", "HOSPITAL", study="1.2.840.99.5")
    assert told(index, adt(event, PID, MRG)) == "AA"
    assert patients(index) == [
        ("1.2.840.99.1", "P1", "", "DOE^JANE^Q^DR"),
        ("1.2.840.99.5", "P1", "HOSPITAL", "DOE^JANE^Q^DR"),
    ]


def test_one_message_may_merge_several(index: Index) -> None:
    add(index, "P0")
    add(index, "P9", study="1.2.840.99.5")
    other = PID.replace("P1^", "P8^").replace("JANE", "JOHN")
    assert told(index, adt("A40", PID, MRG, other, MRG.replace("P0", "P9"))) == "AA"
    assert [(row[1], row[3]) for row in patients(index)] == [("P1", "DOE^JANE^Q^DR"), ("P8", "DOE^JOHN^Q^DR")]


def test_merge_whose_second_half_is_wrong_is_not_done_at_all(index: Index) -> None:
    add(index, "P0")
    assert told(index, adt("A40", PID, MRG, PID.replace("P1^", "P8^"), "MRG|")) == "AE"
    assert patients(index)[0][1] == "P0"


def test_issuer_of_the_survivor_is_that_of_a_former_number_without_one(index: Index) -> None:
    add(index, "P0", "HOSPITAL")
    told(index, adt("A40", PID, "MRG|P0"))
    assert patients(index)[0][1] == "P1"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (adt("A08"), "AE"),
        (adt("A08", "PID|||"), "AE"),
        (adt("A40", PID), "AE"),
        (adt("A08", PID.replace("19700203", "last year")), "AE"),
        (adt("A24", PID), "AR"),
        (adt("", PID), "AR"),
    ],
)
def test_refuses_what_cannot_be_done(index: Index, data: bytes, code: str) -> None:
    assert told(index, data) == code
