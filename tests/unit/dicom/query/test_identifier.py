"""Identifiers of query and retrieve requests, understood or refused."""

from __future__ import annotations

import zlib

import pytest
from pydicom import Dataset
from unit.dicom.elements import explicit
from unit.dicom.query.identifiers import PATIENT_ROOT, STUDY_ROOT, encoded, identifier, query, retrieve

from dicomnode.dicom.query.identifier import Level, Model, Operation, QueryOptions, Selection, model_of, parse_query
from dicomnode.dicom.transfer_syntax import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from dicomnode.errors import IdentifierError

LEVEL, CHARACTER_SET = 0x00080052, 0x00080005
PATIENT_ID, PATIENT_NAME = 0x00100020, 0x00100010
STUDY_UID, SERIES_UID, INSTANCE_UID = 0x0020000D, 0x0020000E, 0x00080018
STUDY_DATE, STUDY_TIME, PROCEDURE_CODE = 0x00080020, 0x00080030, 0x00081032

pytestmark = pytest.mark.filterwarnings("ignore:Invalid value for VR")  # of pydicom, which encodes what we refuse
RELATIONAL, STRICT = QueryOptions(relational=True), QueryOptions(strict=True)


def refused(*arguments: object, **keys: object) -> tuple[int, ...]:
    """The offending elements of a query that is refused."""
    with pytest.raises(IdentifierError) as caught:
        query(*arguments, **keys)  # type: ignore[arg-type]
    return caught.value.offending_elements


def refused_retrieve(*arguments: object, **keys: object) -> tuple[int, ...]:
    """The offending elements of a retrieve request that is refused."""
    with pytest.raises(IdentifierError) as caught:
        retrieve(*arguments, **keys)  # type: ignore[arg-type]
    return caught.value.offending_elements


def test_sop_classes() -> None:
    assert model_of("1.2.840.10008.5.1.4.1.2.2.1") == (Model.STUDY_ROOT, Operation.FIND)
    assert model_of("1.2.840.10008.5.1.4.1.2.1.2") == (Model.PATIENT_ROOT, Operation.MOVE)
    assert model_of("1.2.840.10008.5.1.4.1.2.3.3") == (Model.PATIENT_STUDY_ONLY, Operation.GET)
    assert model_of("1.2.840.10008.1.1") is None


def with_everything() -> Dataset:
    code = Dataset()
    code.CodeValue = "R1"
    code.CodeMeaning = ""
    return identifier(
        "STUDY",
        character_set="ISO_IR 192",
        PatientName="Müller^J*",
        StudyInstanceUID=["1.2.3", "1.2.4"],
        StudyDate="20240101-",
        PatientComments="a\\b ",
        ProcedureCodeSequence=[code],
        Rows=512,
    )


@pytest.mark.parametrize(
    ("transfer_syntax", "content"),
    [
        (IMPLICIT_VR_LITTLE_ENDIAN, encoded(with_everything(), implicit_vr=True)),
        (EXPLICIT_VR_LITTLE_ENDIAN, encoded(with_everything())),
        (EXPLICIT_VR_BIG_ENDIAN, encoded(with_everything(), little_endian=False)),
    ],
)
def test_same_keys_in_every_transfer_syntax(transfer_syntax: str, content: bytes) -> None:
    found = parse_query(content, transfer_syntax, STUDY_ROOT, QueryOptions())
    assert (found.level, found.model, found.character_set.terms) == (Level.STUDY, STUDY_ROOT, ("ISO_IR 192",))
    assert {tag: key.values for tag, key in found.keys.items()} == {
        PATIENT_NAME: ("Müller^J*",),
        STUDY_UID: ("1.2.3", "1.2.4"),
        STUDY_DATE: ("20240101-",),
        0x00104000: ("a\\b",),
        PROCEDURE_CODE: (),
        0x00280010: ("512",),
    }
    items = found.keys[PROCEDURE_CODE].items
    assert items is not None
    assert [{tag: key.values for tag, key in item.items()} for item in items] == [{0x00080100: ("R1",), 0x00080104: ()}]
    assert not found.keys[PROCEDURE_CODE].is_universal


def test_deflated() -> None:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    content = deflater.compress(encoded(with_everything())) + deflater.flush()
    found = parse_query(content, DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN, STUDY_ROOT, QueryOptions())
    assert found.keys[PATIENT_NAME].values == ("Müller^J*",)


def test_text_is_decoded_by_the_request_character_set() -> None:
    assert query("STUDY", character_set="ISO_IR 100", PatientName="Müller").keys[PATIENT_NAME].values == ("Müller",)


@pytest.mark.parametrize(
    "content",
    [
        explicit(CHARACTER_SET, "CS", b"ISO_IR 999"),
        explicit(CHARACTER_SET, "CS", b"ISO_IR 192")
        + explicit(LEVEL, "CS", b"STUDY ")
        + explicit(PATIENT_NAME, "PN", b"M\xfcl "),
    ],
)
def test_refuses_text_that_cannot_be_understood(content: bytes) -> None:
    with pytest.raises(IdentifierError) as caught:
        parse_query(content, EXPLICIT_VR_LITTLE_ENDIAN, STUDY_ROOT, QueryOptions())
    assert caught.value.offending_elements[0] == CHARACTER_SET


@pytest.mark.parametrize(
    "content", [b"abc", encoded(with_everything())[:-3], explicit(PATIENT_NAME, "PN", b"D", length=90)]
)
def test_refuses_what_cannot_be_read(content: bytes) -> None:
    with pytest.raises(IdentifierError):
        parse_query(content, EXPLICIT_VR_LITTLE_ENDIAN, STUDY_ROOT, QueryOptions())


def test_group_lengths_and_low_groups_are_no_keys() -> None:
    content = b"".join(
        (
            explicit(0x00020010, "UI", b"1.2.840.10008.1.2\0"),
            explicit(0x00080000, "UL", b"\0\0\0\0"),
            explicit(LEVEL, "CS", b"STUDY "),
            explicit(0x00200000, "UL", b"\0\0\0\0"),
            explicit(STUDY_UID, "UI"),
        )
    )
    assert list(parse_query(content, EXPLICIT_VR_LITTLE_ENDIAN, STUDY_ROOT, QueryOptions()).keys) == [STUDY_UID]


@pytest.mark.parametrize(
    ("level", "model"),
    [
        (None, STUDY_ROOT),
        ("", STUDY_ROOT),
        ("PATIENT", STUDY_ROOT),
        ("study", STUDY_ROOT),
        ("FRAME", PATIENT_ROOT),
        ("SERIES", Model.PATIENT_STUDY_ONLY),
    ],
)
def test_refuses_a_level_that_the_model_has_not(level: str | None, model: Model) -> None:
    assert refused(level, model) == (LEVEL,)
    assert refused_retrieve(level, model) == (LEVEL,)


@pytest.mark.parametrize(
    ("level", "model", "keys", "offending"),
    [
        ("STUDY", PATIENT_ROOT, {}, PATIENT_ID),
        ("STUDY", PATIENT_ROOT, {"PatientID": ""}, PATIENT_ID),
        ("STUDY", PATIENT_ROOT, {"PatientID": "P*"}, PATIENT_ID),
        ("STUDY", PATIENT_ROOT, {"PatientID": "P?"}, PATIENT_ID),
        ("STUDY", PATIENT_ROOT, {"PatientID": ["P1", "P2"]}, PATIENT_ID),
        ("SERIES", STUDY_ROOT, {}, STUDY_UID),
        ("SERIES", STUDY_ROOT, {"StudyInstanceUID": ""}, STUDY_UID),
        ("SERIES", STUDY_ROOT, {"StudyInstanceUID": ["1.2", "1.3"]}, STUDY_UID),
        ("SERIES", STUDY_ROOT, {"StudyInstanceUID": "*"}, STUDY_UID),
        ("IMAGE", STUDY_ROOT, {"StudyInstanceUID": "1.2"}, SERIES_UID),
        ("IMAGE", PATIENT_ROOT, {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.1"}, PATIENT_ID),
    ],
)
def test_needs_one_value_of_each_unique_key_above(
    level: str, model: Model, keys: dict[str, object], offending: int
) -> None:
    assert refused(level, model, **keys) == (offending,)
    own = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}[level]
    assert refused_retrieve(level, model, **({own: "1.9"} | keys)) == (offending,)


def test_relational_query_needs_no_unique_key_above() -> None:
    assert query("IMAGE", PATIENT_ROOT, RELATIONAL, StudyDate="20240101").level is Level.IMAGE


def test_patient_keys_are_study_keys_in_the_study_root() -> None:
    assert PATIENT_NAME in query("STUDY", STUDY_ROOT, STRICT, PatientName="Doe*", StudyInstanceUID="").keys
    assert refused("SERIES", STUDY_ROOT, STRICT, PatientName="", StudyInstanceUID="1.2", SeriesInstanceUID="") == (
        PATIENT_NAME,
    )


def test_other_keys_of_levels_above_are_kept_unless_strict() -> None:
    keys = {"PatientID": "P1", "PatientName": "", "StudyInstanceUID": ""}
    assert PATIENT_NAME in query("STUDY", PATIENT_ROOT, **keys).keys
    assert refused("STUDY", PATIENT_ROOT, STRICT, **keys) == (PATIENT_NAME,)


def test_own_unique_key_may_be_absent_unless_strict() -> None:
    assert query("STUDY", PatientName="Doe").level is Level.STUDY
    assert refused("STUDY", STUDY_ROOT, STRICT, PatientName="Doe") == (STUDY_UID,)


@pytest.mark.parametrize(
    ("keys", "offending"),
    [
        ({"StudyInstanceUID": "1.2.*"}, STUDY_UID),
        ({"StudyInstanceUID": ["1.2", "1.?"]}, STUDY_UID),
        ({"StudyDate": "2024*"}, STUDY_DATE),
        ({"StudyDate": "20240199"}, STUDY_DATE),
        ({"StudyDate": "-"}, STUDY_DATE),
        ({"StudyDate": "20240105-20240101"}, STUDY_DATE),
        ({"StudyDate": "20240101-20240102-20240103"}, STUDY_DATE),
        ({"StudyDate": '""'}, STUDY_DATE),
        ({"StudyTime": "25"}, STUDY_TIME),
        ({"StudyTime": "1060"}, STUDY_TIME),
        ({"StudyTime": "2200-0200"}, STUDY_TIME),
    ],
)
def test_refuses_values_that_no_kind_of_matching_has(keys: dict[str, object], offending: int) -> None:
    assert refused("STUDY", **keys) == (offending,)


def test_times_may_pass_midnight_when_date_and_time_are_one_period() -> None:
    found = query(
        "STUDY", STUDY_ROOT, QueryOptions(combined_datetime=True), StudyDate="20240101-20240102", StudyTime="2200-0200"
    )
    assert found.keys[STUDY_TIME].values == ("2200-0200",)


@pytest.mark.parametrize("value", ["20240101", "2024.01.01", "-20240101", "20240101-", "20240201-20240231"])
def test_dates_and_ranges(value: str) -> None:
    assert query("STUDY", StudyDate=value).keys[STUDY_DATE].values == (value,)


def test_sequence_key_has_one_item() -> None:
    assert refused("STUDY", ProcedureCodeSequence=[Dataset(), Dataset()]) == (PROCEDURE_CODE,)
    assert query("STUDY", ProcedureCodeSequence=[Dataset()]).keys[PROCEDURE_CODE].is_universal
    assert query("STUDY", ProcedureCodeSequence=[]).keys[PROCEDURE_CODE].is_universal


def test_list_of_thousands_of_uids_is_kept_whole() -> None:
    uids = tuple(f"1.2.840.113619.2.{number}" for number in range(3000))
    dataset = encoded(identifier("STUDY", StudyInstanceUID=list(uids)), implicit_vr=True)
    found = parse_query(dataset, IMPLICIT_VR_LITTLE_ENDIAN, STUDY_ROOT, QueryOptions())
    assert found.keys[STUDY_UID].values == uids


@pytest.mark.parametrize(
    ("level", "model", "keys", "expected"),
    [
        ("PATIENT", PATIENT_ROOT, {"PatientID": "P1"}, Selection(Level.PATIENT, "P1")),
        (
            "STUDY",
            PATIENT_ROOT,
            {"PatientID": "P1", "StudyInstanceUID": ["1.2", "1.3"]},
            Selection(Level.STUDY, "P1", ("1.2", "1.3")),
        ),
        ("STUDY", STUDY_ROOT, {"PatientID": "P1", "StudyInstanceUID": "1.2"}, Selection(Level.STUDY, "", ("1.2",))),
        (
            "SERIES",
            STUDY_ROOT,
            {"StudyInstanceUID": "1.2", "SeriesInstanceUID": ["1.2.1", "1.2.2"], "PatientName": ""},
            Selection(Level.SERIES, "", ("1.2",), ("1.2.1", "1.2.2")),
        ),
        (
            "IMAGE",
            STUDY_ROOT,
            {"StudyInstanceUID": "1.2", "SeriesInstanceUID": "1.2.1", "SOPInstanceUID": ["1.2.1.1", "1.2.1.2"]},
            Selection(Level.IMAGE, "", ("1.2",), ("1.2.1",), ("1.2.1.1", "1.2.1.2")),
        ),
    ],
)
def test_retrieve(level: str, model: Model, keys: dict[str, object], expected: Selection) -> None:
    assert retrieve(level, model, **keys) == expected


@pytest.mark.parametrize("value", [None, "", "*", "1.2.*"])
def test_retrieve_needs_the_unique_key_of_its_level(value: str | None) -> None:
    keys = {} if value is None else {"StudyInstanceUID": value}
    assert refused_retrieve("STUDY", STUDY_ROOT, **keys) == (STUDY_UID,)


@pytest.mark.parametrize("value", [None, "", "*", "P?", ["P1", "P2"]])
def test_retrieve_takes_one_patient(value: object) -> None:
    keys = {} if value is None else {"PatientID": value}
    assert refused_retrieve("PATIENT", PATIENT_ROOT, **keys) == (PATIENT_ID,)


def test_relational_retrieve_needs_only_its_own_unique_key() -> None:
    assert retrieve("IMAGE", PATIENT_ROOT, RELATIONAL, SOPInstanceUID="1.2", PatientID="") == Selection(
        Level.IMAGE, sop_instance_uids=("1.2",)
    )


def test_strict_retrieve_refuses_other_keys() -> None:
    keys = {"StudyInstanceUID": "1.2", "PatientName": "Doe"}
    assert refused_retrieve("STUDY", STUDY_ROOT, STRICT, **keys) == (PATIENT_NAME,)


def test_message_tells_no_value() -> None:
    with pytest.raises(IdentifierError) as caught:
        query("STUDY", PATIENT_ROOT, PatientID=["Secret1", "Secret2"])
    assert "Secret" not in str(caught.value)


def test_refuses_a_value_that_no_attribute_can_have() -> None:
    with pytest.raises(IdentifierError) as caught:
        query("STUDY", PatientName="x" * 5000)
    assert caught.value.offending_elements == (PATIENT_NAME,)
