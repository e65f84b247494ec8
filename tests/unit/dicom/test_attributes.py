from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VR
from unit.dicom.against_pydicom import REAL_FILES, read
from unit.dicom.elements import explicit, implicit, item

from dicomnode.dicom.attributes import INSTANCE, LEVEL_ATTRIBUTES, PATIENT, SERIES, STUDY, describe
from dicomnode.dicom.json_model import sequence_json
from dicomnode.dicom.scan import scan
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_BIG_ENDIAN, EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN

CHARACTER_SET, IMAGE_TYPE, MODALITY, PROCEDURE_CODE = 0x00080005, 0x00080008, 0x00080060, 0x00081032
PATIENT_NAME, PATIENT_ID, COMMENTS, STUDY_UID, ROWS = 0x00100010, 0x00100020, 0x00104000, 0x0020000D, 0x00280010

# PS3.4 Tables C.6-1 to C.6-5
REQUIRED_AND_USUAL_KEYS = {
    "PATIENT": {0x00100010, 0x00100020, 0x00100021, 0x00100030, 0x00100032, 0x00100040, 0x00101002},
    "STUDY": {
        *(0x0020000D, 0x00080020, 0x00080030, 0x00080050, 0x00200010, 0x00080090, 0x00081030, 0x00081032),
        *(0x00101010, 0x00101020, 0x00101030),
    },
    "SERIES": {0x0020000E, 0x00080060, 0x00200011},
    "IMAGE": {0x00080018, 0x00200013, 0x00080016, 0x0040A043},
}


def described(*elements):
    return describe(scan(b"".join(elements), EXPLICIT_VR_LITTLE_ENDIAN))


@pytest.mark.parametrize("level", LEVEL_ATTRIBUTES)
def test_keeps_the_required_and_usual_keys_of_each_level(level):
    assert REQUIRED_AND_USUAL_KEYS[level] <= LEVEL_ATTRIBUTES[level].keys()


@pytest.mark.parametrize("table", LEVEL_ATTRIBUTES.values(), ids=LEVEL_ATTRIBUTES)
def test_names_the_vr_of_the_dictionary(table):
    assert dict(table) == {tag: dictionary_VR(tag) for tag in table}


def test_puts_each_attribute_on_its_level():
    found = described(
        explicit(IMAGE_TYPE, "CS", b"ORIGINAL\\PRIMARY"),
        explicit(MODALITY, "CS", b"CT"),
        explicit(PATIENT_ID, "LO", b"P1"),
        explicit(STUDY_UID, "UI", b"1.2\0"),
    )
    assert found.patient == {PATIENT_ID: "P1"}
    assert found.study == {STUDY_UID: "1.2"}
    assert found.series == {MODALITY: "CT"}
    assert found.instance == {IMAGE_TYPE: "ORIGINAL\\PRIMARY"}


def test_tells_empty_from_absent():
    found = described(explicit(PATIENT_ID, "LO"), explicit(ROWS, "US"))
    assert found.patient == {PATIENT_ID: ""}
    assert found.instance == {ROWS: ""}


def test_strips_the_padding_of_each_value():
    found = described(explicit(IMAGE_TYPE, "CS", b" ORIGINAL \\PRIMARY\0"), explicit(PATIENT_ID, "LO", b"  P1  "))
    assert found.instance[IMAGE_TYPE] == "ORIGINAL\\PRIMARY"
    assert found.patient[PATIENT_ID] == "P1"


def test_keeps_the_leading_spaces_and_backslashes_of_long_text():
    assert described(explicit(COMMENTS, "LT", b"  a \\ b  ")).patient[COMMENTS] == "  a \\ b"


@pytest.mark.parametrize(
    ("syntax", "element"),
    [
        (EXPLICIT_VR_LITTLE_ENDIAN, explicit(ROWS, "US", b"\0\2")),
        (EXPLICIT_VR_BIG_ENDIAN, explicit(ROWS, "US", b"\2\0", order=">")),
        (IMPLICIT_VR_LITTLE_ENDIAN, implicit(ROWS, b"\0\2")),
        (EXPLICIT_VR_LITTLE_ENDIAN, explicit(ROWS, "UN", b"\0\2")),
        (EXPLICIT_VR_LITTLE_ENDIAN, explicit(ROWS, "IS", b"512 ")),
    ],
)
def test_writes_numbers_in_decimal(syntax, element):
    assert describe(scan(element, syntax)).instance == {ROWS: "512"}


def test_decodes_text_by_specific_character_set():
    found = described(
        explicit(CHARACTER_SET, "CS", b"\\ISO 2022 IR 87"),
        explicit(PATIENT_NAME, "PN", b"Yamada=\x1b$B;3ED\x1b(B "),
        explicit(PATIENT_ID, "LO", b"\xe9 "),
    )
    assert found.patient == {PATIENT_NAME: "Yamada=山田", PATIENT_ID: "é"}


def test_keeps_sequences_as_dicom_json():
    code = explicit(0x00080100, "SH", b"T-1 ") + explicit(0x00080104, "LO", b"Head")
    found = described(explicit(PROCEDURE_CODE, "SQ", item(code) + item()), explicit(0x00101002, "SQ"))
    assert json.loads(found.study[PROCEDURE_CODE]) == [
        {"00080100": {"vr": "SH", "Value": ["T-1"]}, "00080104": {"vr": "LO", "Value": ["Head"]}},
        {},
    ]
    assert found.patient[0x00101002] == "[]"


@pytest.mark.parametrize(("character_set", "text"), [(b"ISO_IR 100", "Sch\xe4del"), (b"ISO_IR 144", "Sch\u0444del")])
def test_sequence_of_the_same_bytes_is_read_in_each_data_sets_character_set(character_set, text):
    meaning = explicit(0x00080104, "LO", b"Sch\xe4del ")
    found = described(
        explicit(CHARACTER_SET, "CS", character_set), explicit(PROCEDURE_CODE, "SQ", item(meaning))
    ).study[PROCEDURE_CODE]
    assert json.loads(found) == [{"00080104": {"vr": "LO", "Value": [text]}}]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", REAL_FILES, ids=lambda path: path.name)
def test_sequences_of_real_files_are_their_own_json(path):
    content, syntax, _ = read(path)
    scanned = scan(content, syntax)
    found = describe(scanned)
    for values in (found.patient, found.study, found.series, found.instance):
        for tag in values.keys() & scanned.items.keys():
            assert values[tag] == sequence_json(scanned, tag)


@pytest.mark.parametrize(
    "element",
    [
        explicit(PATIENT_ID, "SQ", item()),
        explicit(PROCEDURE_CODE, "SQ", item(explicit(0x00080104, "UT", bytes(100_000)))),
        explicit(PROCEDURE_CODE, "LO", b"Head"),
        explicit(ROWS, "US", b"\1", length=1),
        explicit(PATIENT_ID, "OB", item() + b"\xfe\xff\xdd\xe0\0\0\0\0", length=0xFFFFFFFF),
    ],
    ids=["text that is a sequence", "large sequence", "sequence that is text", "half a number", "fragments"],
)
def test_leaves_out_what_cannot_be_told(element):
    found = described(element)
    assert found.patient == found.study == found.instance == {}


def test_cuts_text_that_no_vr_allows():
    assert len(described(explicit(PATIENT_NAME, "UT", b"x" * 1_000_000)).patient[PATIENT_NAME]) == 40_960


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", REAL_FILES, ids=lambda path: path.name)
def test_says_of_real_files_what_pydicom_says(path):
    content, syntax, dataset = read(path)
    found = describe(scan(content, syntax))
    for table, values in zip(
        (PATIENT, STUDY, SERIES, INSTANCE), (found.patient, found.study, found.series, found.instance), strict=True
    ):
        assert values.keys() == {tag for tag in table if tag in dataset}
        for tag, text in values.items():
            if dictionary_VR(tag) in ("UI", "CS", "SH", "LO", "US", "AS"):
                assert text == _as_text(dataset[tag].value)


def _as_text(value):
    if value is None:
        return ""
    values = value if isinstance(value, list) or hasattr(value, "sort") else [value]
    return "\\".join(str(each).strip() for each in values)


@given(st.binary(max_size=100), st.sampled_from(["PN", "LO", "US", "SQ", "OB", "UN", "IS"]))
def test_describes_any_bytes(value, vr):
    tags = [CHARACTER_SET, IMAGE_TYPE, PROCEDURE_CODE, PATIENT_NAME, COMMENTS, ROWS, 0x0040A043]
    found = described(*(explicit(tag, vr, value) for tag in tags))
    for values in (found.patient, found.study, found.series, found.instance):
        assert all(isinstance(text, str) for text in values.values())
