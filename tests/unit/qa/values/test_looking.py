"""The look at all values: where faults are told, what is remembered, where it ends."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from unit.dicom.against_pydicom import read, real_file
from unit.dicom.elements import explicit, item
from unit.qa.judging import SENDER, TODAY, Changes, judge, sliced, text

from dicomnode.dicom.instance import Finding, Severity, StoreRequest
from dicomnode.dicom.scan import scan
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN
from dicomnode.qa import QaSettings, Validation, walk
from dicomnode.qa.core import CORE
from dicomnode.qa.rule import Subject
from dicomnode.qa.value_rules import VALUES
from dicomnode.qa.values import looking
from dicomnode.qa.values.looking import MAX_HITS, flawed_values

VALIDATION = Validation(QaSettings(), (*CORE, *VALUES))
AGE, CODES, CODE, MEANING, TIME, STUDY, SOP_INSTANCE = (
    0x00101010, 0x00081032, 0x00080100, 0x00080104, 0x00080031, 0x00080020, 0x00080018
)  # fmt: skip
SHARED, CHARSET, NAME = 0x52009229, 0x00080005, 0x00100010


@pytest.fixture(autouse=True)
def _time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A garbage collection among all that the tests keep may take longer than an instance may."""
    monkeypatch.setattr(walk, "MAX_SECONDS", 60.0)


def findings(changes: Changes | bytes) -> list[Finding]:
    """Those of warn and above on the slice with changes."""
    return [one for one in judge(changes, validation=VALIDATION).findings if one.severity >= Severity.WARN]


def told(changes: Changes | bytes) -> set[tuple[str, str, str]]:
    """Rule, path and comment of each."""
    return {(one.rule, one.path, one.comment) for one in findings(changes)}


def test_the_slice_as_it_is_has_no_fault() -> None:
    assert findings({}) == []


def test_tells_the_tag_and_what_is_wrong_once_and_again_for_the_next_instance() -> None:
    expected = {("value.form", "", "PatientAge is no age: nnnD, nnnW, nnnM or nnnY")}
    for _ in range(3):  # the first one is judged, the others are remembered
        assert told({AGE: text(AGE, "AS", "45")}) == expected
    assert findings({AGE: text(AGE, "AS", "45")})[0].tags == (AGE,)
    assert told({AGE: text(AGE, "AS", "045Y")}) == set()


def test_tells_the_way_to_a_fault_within_items() -> None:
    codes = explicit(CODES, "SQ", item() + item(text(CODE, "SH", "A" * 17) + text(MEANING, "LO", "b" * 66)))
    expected = {
        ("value.length", "(0008,1032)[1]", "CodeValue exceeds 16 characters"),
        ("value.length", "(0008,1032)[1]", "CodeMeaning exceeds 64 characters"),
    }
    for _ in range(2):
        assert told({CODES: codes}) == expected


def test_an_item_that_was_seen_elsewhere_is_told_of_where_it_stands() -> None:
    wrong = item(text(CODE, "SH", "Z" * 18))
    first = told({CODES: explicit(CODES, "SQ", item() * 3 + wrong)})
    second = told({0x00081084: explicit(0x00081084, "SQ", wrong)})
    assert {path for _, path, _ in first} == {"(0008,1032)[3]"}
    assert {path for _, path, _ in second} == {"(0008,1084)[0]"}


def test_a_character_set_changes_what_was_remembered() -> None:
    name = {NAME: explicit(NAME, "PN", b"M\xc3\xbcller^")}
    assert told(name | {CHARSET: text(CHARSET, "CS", "ISO_IR 192")}) == set()
    assert told(name | {CHARSET: text(CHARSET, "CS", "ISO_IR 6")}) == {
        ("value.repertoire", "", "PatientName has bytes that its character set does not have")
    }
    assert told(name | {CHARSET: text(CHARSET, "CS", "GB18030")}) == set()


def test_an_item_follows_its_own_character_set() -> None:
    inner = text(CHARSET, "CS", "ISO_IR 192") + explicit(MEANING, "LO", b"Sch\xe4del ")
    assert told({CODES: explicit(CODES, "SQ", item(inner))}) == {
        ("value.repertoire", "(0008,1032)[0]", "CodeMeaning has bytes that its character set does not have")
    }


def test_leaves_to_the_core_rules_what_they_tell() -> None:
    assert {rule for rule, _, _ in told({STUDY: text(STUDY, "DA", "20240230")})} == {"dates.real"}
    assert {rule for rule, _, _ in told({SOP_INSTANCE: text(SOP_INSTANCE, "UI", "1.2.x")})} == {"core.uid-syntax"}
    within = explicit(CODES, "SQ", item(text(STUDY, "DA", "20240230")))
    assert {rule for rule, _, _ in told({CODES: within})} == {"value.form"}


def test_the_same_fault_of_many_items_is_told_once() -> None:
    many = explicit(CODES, "SQ", item(text(CODE, "SH", "Z" * 18)) * 500)
    assert [one.path for one in findings({CODES: many})] == ["(0008,1032)[0]"]


def test_faults_of_one_instance_are_bounded() -> None:
    private = {0x00090010: text(0x00090010, "LO", "X")} | {
        tag: text(tag, "AS", "1") for tag in range(0x00091000, 0x000910FF)
    }
    assert len(findings(private)) == MAX_HITS


def test_a_sequence_for_one_item_has_one() -> None:
    shared = explicit(SHARED, "SQ", item() * 2)
    (finding,) = findings({SHARED: shared})
    assert (finding.rule, finding.tags, finding.reference[:7]) == ("iod.items", (SHARED,), "PS3.3 C")
    assert findings({SHARED: explicit(SHARED, "SQ", item())}) == []


def test_private_elements_are_judged_by_the_vr_that_they_have() -> None:
    creator = {0x00090010: text(0x00090010, "LO", "X")}
    assert told(creator | {0x00091001: text(0x00091001, "DA", "20240230")}) == {
        ("value.form", "", "(0009,1001) is not a date")
    }
    assert told(creator | {0x00091001: explicit(0x00091001, "UN", b"20240230")}) == set()


def test_a_look_that_takes_too_long_stops_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    items = b"".join(item(text(CODE, "SH", f"N{number:015}")) for number in range(300))
    data = sliced({CODES: explicit(CODES, "SQ", items)})
    monkeypatch.setattr(walk, "MAX_SECONDS", 0.0)
    subject = Subject(scan(data, EXPLICIT_VR_LITTLE_ENDIAN), StoreRequest("1.2", "1.3", "1.2", SENDER), TODAY)
    assert "value.partial" in flawed_values(subject)
    monkeypatch.setattr(walk, "MAX_SECONDS", 60.0)
    subject = Subject(scan(data, EXPLICIT_VR_LITTLE_ENDIAN), StoreRequest("1.2", "1.3", "1.2", SENDER), TODAY)
    assert flawed_values(subject) == {}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CT_small.dcm", set()),
        ("MR_small.dcm", set()),
        ("liver_1frame.dcm", set()),
        ("rtplan.dcm", set()),
        ("test-SR.dcm", set()),
        ("chrH31.dcm", set()),
        ("chrKoreanMulti.dcm", set()),
        ("chrX1.dcm", set()),
        ("waveform_ecg.dcm", set()),
    ],
)
def test_real_files_give_no_surprise(name: str, expected: set[str]) -> None:
    data, syntax = read(real_file(name))[:2]
    subject = Subject(scan(data, syntax), StoreRequest("1.2", "1.3", syntax, SENDER), TODAY)
    for _ in range(2):
        assert set(flawed_values(subject)) - {"value.untidy", "value.padding"} == expected


@given(st.sampled_from(["CT_small.dcm", "liver_1frame.dcm", "rtplan.dcm", "test-SR.dcm", "chrH31.dcm"]), st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_remembered_changes_nothing_of_what_is_told(name: str, data: st.DataObject) -> None:
    original, syntax = read(real_file(name))[:2]
    spoilt = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(len(spoilt), 6000) - 1))
        spoilt[at] = data.draw(st.sampled_from(b"A0 \\\0\xff.^=9"))

    def flaws(content: bytes) -> object:
        return flawed_values(Subject(scan(content, syntax), StoreRequest("1.2", "1.3", syntax, SENDER), TODAY))

    looking.forget()
    alone = flaws(bytes(spoilt))
    looking.forget()
    flaws(original)
    assert flaws(bytes(spoilt)) == alone
    assert flaws(bytes(spoilt)) == alone
