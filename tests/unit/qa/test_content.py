"""What an instance says: dates, sex, character sets, SOP Classes."""

from __future__ import annotations

import pytest
from unit.dicom.elements import explicit, item
from unit.qa.judging import judge, number, text, told

from dicomnode.dicom.instance import Severity

CREATED, STUDY, SERIES, ACQUIRED, CONTENT = 0x00080012, 0x00080020, 0x00080021, 0x00080022, 0x00080023
BORN, SEX, NAME, CHARSET, CODES, MEANING = 0x00100030, 0x00100040, 0x00100010, 0x00080005, 0x00081032, 0x00080104
SOP_CLASS = 0x00080016
KEYWORDS = {
    CREATED: "InstanceCreationDate",
    STUDY: "StudyDate",
    SERIES: "SeriesDate",
    ACQUIRED: "AcquisitionDate",
    CONTENT: "ContentDate",
    BORN: "PatientBirthDate",
}


@pytest.mark.parametrize(
    "value", ["20240230", "20241301", "2024", "240102", "2024-01-02", "unknown", "00000000", "20240102\\x"]
)
@pytest.mark.parametrize("tag", KEYWORDS)
def test_remarks_on_what_is_no_day_of_the_calendar(tag: int, value: str) -> None:
    assert told(judge({tag: text(tag, "DA", value)})) == {
        "dates.real": (Severity.WARN, (tag,), f"{KEYWORDS[tag]} is not a date")
    }


@pytest.mark.parametrize("value", ["20240102", "2024.01.02", "20240229", "", "20240102 ", "20240102\\20240103"])
def test_lets_pass_dates_empty_ones_and_acr_nemas(value: str) -> None:
    assert judge({ACQUIRED: text(ACQUIRED, "DA", value)}).findings == ()


@pytest.mark.parametrize("tag", [STUDY, SERIES, ACQUIRED, CONTENT])
def test_remarks_on_images_of_the_day_after_tomorrow(tag: int) -> None:
    today_is_the_first = {STUDY: text(STUDY, "DA", "20240531"), SERIES: text(SERIES, "DA", "20240601")}
    assert judge(today_is_the_first | {tag: text(tag, "DA", "20240602" if tag != STUDY else "20240601")}).findings == ()
    later = told(judge(today_is_the_first | {tag: text(tag, "DA", "20240603")}))
    assert later["dates.future"] == (Severity.WARN, (tag,), f"{KEYWORDS[tag]} is in the future")


def test_remarks_on_images_older_than_x_rays() -> None:
    assert judge({ACQUIRED: text(ACQUIRED, "DA", "18960101")}).findings == ()
    assert told(judge({ACQUIRED: text(ACQUIRED, "DA", "18941231")})) == {
        "dates.future": (Severity.WARN, (ACQUIRED,), "AcquisitionDate is before 1895")
    }


def test_remarks_on_a_birth_after_the_study() -> None:
    assert judge({BORN: text(BORN, "DA", "20240102")}).findings == ()
    assert told(judge({BORN: text(BORN, "DA", "20240103")})) == {
        "dates.birth": (Severity.WARN, (BORN, STUDY), "PatientBirthDate after StudyDate")
    }


def test_remarks_on_a_series_before_its_study() -> None:
    assert told(judge({SERIES: text(SERIES, "DA", "20240101")})) == {
        "dates.order": (Severity.WARN, (SERIES, STUDY), "SeriesDate before StudyDate")
    }


@pytest.mark.parametrize("absent", [STUDY, SERIES, BORN])
def test_dates_that_are_not_there_contradict_nothing(absent: int) -> None:
    assert judge({absent: None}).findings == ()


@pytest.mark.parametrize("value", ["W", "m", "MALE", "M\\F", "U"])
def test_remarks_on_a_sex_that_is_not_enumerated(value: str) -> None:
    assert told(judge({SEX: text(SEX, "CS", value)})) == {
        "patient.sex": (Severity.WARN, (SEX,), "PatientSex is none of M, F, O")
    }


@pytest.mark.parametrize("value", ["M", "F", "O", "", " M"])
def test_lets_pass_the_enumerated_sexes_and_none(value: str) -> None:
    assert judge({SEX: text(SEX, "CS", value)}).findings == ()


NO_CHARSET = "non-ASCII text without SpecificCharacterSet"


@pytest.mark.parametrize("charset", [None, explicit(CHARSET, "CS", b"")])
@pytest.mark.parametrize("vr", ["PN", "UN"])
def test_text_beyond_ascii_needs_a_character_set(vr: str, charset: bytes | None) -> None:
    umlaut = {NAME: explicit(NAME, vr, b"M\xfcller")}
    assert judge(umlaut).findings == ()
    assert told(judge(umlaut | {CHARSET: charset})) == {"core.charset": (Severity.WARN, (CHARSET, NAME), NO_CHARSET)}


def test_text_within_sequences_needs_one_too_unless_the_item_names_it() -> None:
    meaning = explicit(MEANING, "LO", b"Sch\xe4del ")
    verdict = judge({CHARSET: None, CODES: explicit(CODES, "SQ", item() + item(meaning))})
    assert told(verdict) == {"core.charset": (Severity.WARN, (CHARSET, MEANING), NO_CHARSET)}
    assert verdict.findings[0].path == "(0008,1032)[1]"
    named = text(CHARSET, "CS", "ISO_IR 100") + meaning
    assert judge({CHARSET: None, CODES: explicit(CODES, "SQ", item(named))}).findings == ()


def test_bytes_of_numbers_are_no_text() -> None:
    assert judge({CHARSET: None, 0x00280106: number(0x00280106, 0xFFFF)}).findings == ()


@pytest.mark.parametrize(
    ("sop_class", "rule", "severity", "kind"),
    [
        ("1.2.840.10008.5.1.4.1.1.999", "core.sop-class", Severity.WARN, "unknown"),
        ("1.2.840.113619.4.26", "core.private-class", Severity.INFO, "private"),
    ],
)
def test_tells_that_nothing_is_known_of_a_sop_class(sop_class: str, rule: str, severity: Severity, kind: str) -> None:
    verdict = judge({SOP_CLASS: text(SOP_CLASS, "UI", sop_class)}, sop_class=sop_class)
    assert told(verdict) == {rule: (severity, (SOP_CLASS,), f"SOP Class {kind}: its IOD is not checked")}
