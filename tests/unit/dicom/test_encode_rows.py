"""Rows become what single elements would."""

from __future__ import annotations

import json
import random
from io import BytesIO

import pytest
from pydicom import Dataset
from pydicom.filereader import read_dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicomnode.dicom.character_sets import character_set
from dicomnode.dicom.encode import Encoding, InexpressibleError
from dicomnode.dicom.encode_rows import RowEncoder

SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
LATIN1 = "ISO_IR 100"
UTF8 = "ISO_IR 192"
UID, NAME, ROWS = 0x0020000D, 0x00100010, 0x00280010
CODES = 0x00081032
"""Procedure Code Sequence."""


def encoding(syntax: str = ExplicitVRLittleEndian, term: str = UTF8) -> Encoding:
    return Encoding.of(syntax, character_set(term))


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("term", [UTF8, LATIN1, "\\ISO 2022 IR 87"])
def test_rows_are_encoded_as_single_data_sets(syntax: str, term: str) -> None:
    dice = random.Random(7)
    tags = [UID, NAME, 0x00080061, ROWS, CODES, 0x00081030]
    constants = {0x00080005: term, 0x00080052: "STUDY", 0x00080054: "NODE", 0x7FE00001: ""}
    choices: list[list[str | None]] = [
        ["1.2", "1.23", "", "1." + "2" * 100],
        ["DOE^JOHN", "Müller", "Yamada=山田", None, ""],
        ["CT", "CT\\MR", None],
        ["1", "65535", "", None],
        ["", "[]", json.dumps([{"00080100": {"vr": "SH", "Value": ["A"]}}])],
        ["x" * length for length in range(60, 70)] + ["y" * 70_000],
    ]
    rows = [tuple(dice.choice(values) for values in choices) for _ in range(300)]
    encoder, one = RowEncoder(tags, constants, encoding(syntax, term)), encoding(syntax, term)
    for page in (rows[:7], rows[7:]):
        for row, data in zip(page, encoder(page), strict=True):
            try:
                expected = one.dataset(dict(zip(tags, row, strict=True)) | constants)
            except InexpressibleError:
                assert data is None
            else:
                assert data == expected


def test_rows_without_columns_have_the_constants() -> None:
    encoder = RowEncoder((), {0x00080052: "STUDY"}, encoding())
    assert encoder([(None,), (None,)]) == [encoding().dataset({0x00080052: "STUDY"})] * 2
    assert encoder([]) == []


def test_more_values_than_are_remembered_stay_right() -> None:
    encoder = RowEncoder((UID,), {}, encoding())
    rows = [(f"1.2.{number}",) for number in range(10_000)]
    assert encoder(rows) == [encoding().dataset({UID: uid}) for (uid,) in rows]


def test_of_an_item_comes_what_is_wanted() -> None:
    code = Dataset()
    code.CodeValue, code.CodeMeaning = "121", "Head"
    code.RequestAttributesSequence = Sequence([Dataset()])
    code.RequestAttributesSequence[0].RequestedProcedureID = "7"
    code.RequestAttributesSequence[0].ScheduledProcedureStepID = "8"
    shape = ((CODES, ((0x00080100, ()), (0x00080102, ()), (0x00400275, ((0x00401001, ()),)))),)
    encoder = RowEncoder((CODES,), {}, encoding(), shape)
    [data] = encoder([(json.dumps([code.to_json_dict()]),)])
    assert data is not None
    [item] = read_dataset(BytesIO(data), is_implicit_VR=False, is_little_endian=True).ProcedureCodeSequence
    assert (item.CodeValue, item.CodingSchemeDesignator, "CodeMeaning" in item) == ("121", "", False)
    [inner] = item.RequestAttributesSequence
    assert (inner.RequestedProcedureID, "ScheduledProcedureStepID" in inner) == ("7", False)
