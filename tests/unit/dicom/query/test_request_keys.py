"""Identifiers of our own requests, read back by pydicom."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom import Dataset
from pydicom.filereader import read_dataset

from dicomnode.dicom.query.request_keys import check_keys, encode_keys
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

PATIENT_NAME = 0x00100010
STUDY_DATE = 0x00080020
PROCEDURE_CODES = 0x00081032
STUDY_INSTANCE_UID = 0x0020000D
ROWS = 0x00280010
PIXEL_DATA = 0x7FE00010


def decoded(data: bytes, *, implicit: bool = False) -> Dataset:
    dataset = read_dataset(BytesIO(data), is_implicit_VR=implicit, is_little_endian=True)
    dataset.decode()
    return dataset


@pytest.mark.parametrize("implicit", [False, True])
def test_keys_come_by_rising_tag_and_universal_ones_empty(implicit: bool) -> None:
    syntax = IMPLICIT_VR_LITTLE_ENDIAN if implicit else EXPLICIT_VR_LITTLE_ENDIAN
    keys = {STUDY_INSTANCE_UID: "1.2.3", PATIENT_NAME: "Doe*", STUDY_DATE: "", PROCEDURE_CODES: "", ROWS: "512"}
    dataset = decoded(encode_keys(keys, syntax), implicit=implicit)
    assert [int(element.tag) for element in dataset] == sorted(keys)
    assert (dataset.StudyInstanceUID, dataset.PatientName, dataset.Rows) == ("1.2.3", "Doe*", 512)
    assert not dataset.StudyDate
    assert len(dataset.ProcedureCodeSequence) == 0


@pytest.mark.parametrize(
    ("name", "peers_set", "character_set"),
    [
        ("Doe^Jane", "", None),
        ("Müller*", "", "ISO_IR 100"),
        ("Müller*", "ISO_IR 192", "ISO_IR 192"),
        ("山田*", "", "ISO_IR 192"),
        ("山田*", "ISO_IR 100", "ISO_IR 192"),
        ("Yamada=山田^太郎", "\\ISO 2022 IR 87", ["", "ISO 2022 IR 87"]),
    ],
)
def test_character_set_holds_the_keys_and_is_the_peers_where_it_can_be(
    name: str, peers_set: str, character_set: str | list[str] | None
) -> None:
    dataset = decoded(encode_keys({PATIENT_NAME: name}, EXPLICIT_VR_LITTLE_ENDIAN, peers_set))
    assert dataset.get("SpecificCharacterSet") == character_set
    assert str(dataset.PatientName) == name


@pytest.mark.parametrize(
    ("tag", "value"), [(ROWS, "many"), (0x00080056, "ä"), (PIXEL_DATA, "x"), (STUDY_DATE, "gestern früh")]
)
def test_value_of_another_representation_is_named(tag: int, value: str) -> None:
    with pytest.raises(ValueError, match=f"{tag >> 16:04X},{tag & 0xFFFF:04X}"):
        check_keys({tag: value})
