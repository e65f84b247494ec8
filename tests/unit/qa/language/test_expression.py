"""Conditions: what Python itself would say of them, and nothing that is not let through."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.qa.judging import number, text
from unit.qa.site import subject

from dicomnode.qa.language.expression import compile_expression

ROWS, COLUMNS, KVP, MODALITY, STATION, BIRTH = 0x00280010, 0x00280011, 0x00180060, 0x00080060, 0x00081010, 0x00100030

NUMBERS = st.sampled_from(["Rows", "Columns", "KVP", "0", "16", "-3", "99.5"])
TEXTS = st.sampled_from(["Modality", "StationName", "'CT'", "'MR'", "'B'"])
SIGNS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


def comparisons(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{} {} {}".format, values, SIGNS, values),
        st.builds("{} {} {} {} {}".format, values, SIGNS, values, SIGNS, values),
    )


def memberships() -> st.SearchStrategy[str]:
    return st.builds("{} {} ('CT', 'B')".format, TEXTS, st.sampled_from(["in", "not in"]))


def combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {})".format, inner, inner),
        st.builds("not {}".format, inner.map("({})".format)),
    )


CONDITIONS = st.recursive(st.one_of(comparisons(NUMBERS), comparisons(TEXTS), memberships()), combined, max_leaves=8)


@given(CONDITIONS, st.integers(0, 99), st.integers(0, 99), st.integers(-5, 150), st.sampled_from(["CT", "MR", "A"]))
def test_says_what_python_says(condition: str, rows: int, columns: int, kvp: int, modality: str) -> None:
    values = {"Rows": rows, "Columns": columns, "KVP": kvp, "Modality": modality, "StationName": "B"}
    changes = {
        ROWS: number(ROWS, rows),
        COLUMNS: number(COLUMNS, columns),
        KVP: text(KVP, "DS", str(kvp)),
        MODALITY: text(MODALITY, "CS", modality),
        STATION: text(STATION, "SH", "B"),
    }
    if not any(keyword in condition for keyword in values):
        return
    assert compile_expression(condition).holds(subject(changes)) is eval(condition, {"__builtins__": {}}, values)


@pytest.mark.parametrize(
    "condition",
    [
        "__import__('os').system('true')",
        "Rows.__class__ == 1",
        "Rows[0] == 1",
        "Rows + 1 == 2",
        "Rows == 1 if Columns == 2 else Rows == 3",
        "[x for x in Rows] == 1",
        "(lambda: 1) == Rows",
        "(x := Rows) == 1",
        "f'{Rows}' == Modality",
        "Rows == True",
        "Rows == -True",
        "Rows == None",
        "Rows is 1",
        "Rows == +1",
        "~Rows == 1",
        "Modality == b'CT'",
        "Rows == 1j",
        "Rows in {1, 2}",
        "Rows in ()",
        "Modality in 'CT'",
        "Modality in (StationName, 'CT')",
        "Rows",
        "1 == 1",
        "Rows == 1; Rows == 2",
        "Rows =",
        "",
        "Rows == 1\0",
        "not " * 200 + "Rows == 1" * 30,
        "(" * 400 + "Rows == 1" + ")" * 400,
        "Rows == " + "-" * 900 + "1",
    ],
)
def test_refuses_everything_else(condition: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each says it in its own words
        compile_expression(condition)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("Rowz == 1", "no attribute has the keyword Rowz; did you mean Rows?"),
        ("Rows == 'CT'", "'CT' is compared with a number"),
        ("Modality == 7", "7 is compared with text"),
        ("StudyDate == 7", "7 is compared with a date"),
        ("StudyDate == 'soon'", "'soon' is no day"),
        ("Rows == Modality", "a number and text cannot be compared"),
        ("PixelData == 'x'", "PixelData has the VR OW"),
    ],
)
def test_says_what_is_wrong(condition: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        compile_expression(condition)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("StudyDate == '2024-01-02'", True),
        ("StudyDate < 'today'", True),
        ("StudyDate < 'today-151d'", False),  # 2024-01-02 is 151 days before 2024-06-01
        ("StudyDate >= PatientBirthDate", True),
        ("'AXIAL' in ImageType", True),
        ("'MPR' not in ImageType", True),
        ("ImageType == 'ORIGINAL'", True),
        ("0.5 in PixelSpacing", True),
    ],
)
def test_compares_dates_and_values(condition: str, expected: bool) -> None:
    assert compile_expression(condition).holds(subject()) is expected


ABSENT: dict[int, Any] = {STATION: None, BIRTH: text(BIRTH, "DA", ""), KVP: text(KVP, "DS", "high")}


@pytest.mark.parametrize(
    "absent", ["StationName == 'X'", "PatientBirthDate > '1900-01-01'", "KVP > 0", "'X' in StationName"]
)
@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("{}", None),
        ("not {}", None),
        ("{} and Rows == 16", None),
        ("{} and Rows == 17", False),
        ("Rows == 16 or {}", True),
        ("Rows == 17 or {}", None),
    ],
)
def test_what_is_absent_empty_or_no_value_says_nothing(absent: str, form: str, expected: bool | None) -> None:
    assert compile_expression(form.format(absent)).holds(subject(ABSENT)) is expected
