"""What is encoded is what pydicom reads, in every uncompressed transfer syntax."""

from __future__ import annotations

import json
from io import BytesIO

import pytest
from pydicom import Dataset
from pydicom.filereader import read_dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from dicomnode.dicom.character_sets import character_set
from dicomnode.dicom.encode import Encoding, InexpressibleError

SYNTAXES = [ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian]
LATIN1 = "ISO_IR 100"
UTF8 = "ISO_IR 192"
UID, NAME, ROWS = 0x0020000D, 0x00100010, 0x00280010
CODES = 0x00081032
"""Procedure Code Sequence."""


def encoding(syntax: str = ExplicitVRLittleEndian, term: str = UTF8) -> Encoding:
    return Encoding.of(syntax, character_set(term))


def decoded(data: bytes, syntax: str) -> Dataset:
    return read_dataset(BytesIO(data), syntax == ImplicitVRLittleEndian, syntax != ExplicitVRBigEndian)


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_kind_of_value_is_read_by_pydicom(syntax: str) -> None:
    elements = {
        0x00080005: UTF8,
        0x00080018: "1.2.3",
        0x00080020: "20260101",
        0x00080061: "CT\\MR",
        0x00081030: "Größe",
        NAME: "Yamada^Tarou=山田^太郎",
        0x00101030: "72.5",
        0x00189345: "1.25",
        0x00200013: "7",
        0x00209165: "00200013",
        ROWS: "512",
        0x00280106: "",
        0x0040A160: "x" * 70_000,
    }
    read = decoded(encoding(syntax).dataset(elements), syntax)
    assert list(read.keys()) == sorted(elements)
    assert (read.SOPInstanceUID, read.ModalitiesInStudy) == ("1.2.3", ["CT", "MR"])
    assert (read.StudyDescription, read.PatientName.ideographic) == ("Größe", "山田^太郎")
    assert (read.PatientWeight, read.InstanceNumber, read.Rows, read.CTDIvol) == (72.5, 7, 512, 1.25)
    assert read.DimensionIndexPointer == 0x00200013
    assert read[0x00280106].is_empty
    assert read.TextValue == "x" * 70_000


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_sequence_comes_as_it_was_kept(syntax: str) -> None:
    inner, code = Dataset(), Dataset()
    inner.RequestedProcedureID, inner.ReferencedSOPInstanceUID = "7", "1.2.3"
    code.CodeValue, code.CodeMeaning, code.NumberOfFrames, code.Rows = "121", "Größe", "3", 5
    code.PatientName, code.PixelAspectRatio = "Müller^Jörg=山田", [1, 2]
    code.RequestAttributesSequence = Sequence([inner, Dataset()])
    text = json.dumps([code.to_json_dict(), {}])
    read = decoded(encoding(syntax).dataset({0x00080005: UTF8, CODES: text}), syntax)
    first, second = read.ProcedureCodeSequence
    assert (first, len(second)) == (code, 0)


def test_even_length_is_padded_as_the_vr_asks() -> None:
    assert encoding().text(UID, b"UI", "1.2") == b"\x20\x00\x0d\x00UI\x04\x001.2\0"
    assert encoding().text(NAME, b"PN", "A^B") == b"\x10\x00\x10\x00PN\x04\x00A^B "


def test_character_that_the_set_lacks_is_no_question_mark() -> None:
    with pytest.raises(InexpressibleError):
        encoding(term=LATIN1).text(NAME, b"PN", "Żółć")
    with pytest.raises(InexpressibleError):
        encoding(term=LATIN1).text(CODES, b"SQ", json.dumps([{"00080104": {"vr": "LO", "Value": ["Żółć"]}}]))
    lenient = Encoding.of(ExplicitVRLittleEndian, character_set(LATIN1), transliterates=True)
    assert lenient.text(NAME, b"PN", "Żak^Zoë").endswith("Zak^Zoë ".encode("latin_1"))


@pytest.mark.parametrize("text", ["x", "1\\x\\2", "70000", "-1"])
def test_number_that_is_none_is_left_out(text: str) -> None:
    read = decoded(encoding().dataset({ROWS: text}), ExplicitVRLittleEndian)
    assert read.Rows == ([1, 2] if "1\\x" in text else None)
