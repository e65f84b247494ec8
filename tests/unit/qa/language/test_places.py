"""Rules that look into sequences, at private attributes, and at the form of a VR."""

from __future__ import annotations

import pytest
from unit.dicom.elements import SEQUENCE_END, explicit, item, open_item
from unit.qa.judging import Changes, judge, text
from unit.qa.site import found, one_rule, rules

from dicomnode.errors import ConfigurationError
from dicomnode.qa.language.places import MAX_ITEMS

REQUEST, STEP, PROTOCOL, CODE = 0x00400275, 0x00400009, 0x00400008, 0x00080100
CREATOR, PRIVATE = 0x00190010, 0x00191002
STUDY_DATE, BODY, STUDY_UID, NUMBER = 0x00080020, 0x00180015, 0x0020000D, 0x00200013

NESTED = "RequestAttributesSequence>ScheduledProcedureStepID"
DEEP = "RequestAttributesSequence>ScheduledProtocolCodeSequence>CodeValue"
ACME = "'(0019,\"ACME 1.1\",02)'"


def request(*items: bytes) -> Changes:
    return {REQUEST: explicit(REQUEST, "SQ", b"".join(items))}


def step(value: str) -> bytes:
    return text(STEP, "SH", value)


def told(rule: str, changes: Changes) -> list[tuple[tuple[int, ...], str, str]]:
    return [(one.tags, one.path, one.comment) for one in found(one_rule(rule), changes)]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({}, None),
        (request(), None),
        (request(item(step("1"))), None),
        (request(item(step("1")), item(step(""))), "(0040,0275)[1]"),
        (request(item(step("  "))), "(0040,0275)[0]"),
        (request(item(), open_item(step("1"))), "(0040,0275)[0]"),
        ({REQUEST: explicit(REQUEST, "SQ", open_item(step("1")) + item() + SEQUENCE_END, length=0xFFFFFFFF)}, "(0040,0275)[1]"),
    ],
)  # fmt: skip
def test_required_is_told_for_the_first_item_that_lacks_it(changes: Changes, path: str | None) -> None:
    expected = [] if path is None else [((STEP,), path, "ScheduledProcedureStepID missing or empty")]
    assert told(f"required: [{NESTED}]", changes) == expected
    assert told("required: ['RequestAttributesSequence[*]>ScheduledProcedureStepID']", changes) == expected


def test_present_is_content_with_what_is_empty() -> None:
    assert told(f"present: [{NESTED}]", request(item(step("")))) == []
    assert told(f"present: [{NESTED}]", request(item())) == [
        ((STEP,), "(0040,0275)[0]", "ScheduledProcedureStepID missing")
    ]


def test_values_are_looked_at_as_deep_as_need_be() -> None:
    def protocol(*codes: str) -> bytes:
        return item(explicit(PROTOCOL, "SQ", b"".join(item(text(CODE, "SH", code)) for code in codes)))

    rule = f"fields: [{DEEP}]\npattern: '[0-9]+'"
    assert told(rule, request(protocol("1", "2"), protocol("3"))) == []
    assert told(rule, request(protocol("1", "2"), protocol("3", "x"))) == [
        ((CODE,), "(0040,0275)[1](0040,0008)[1]", "CodeValue does not match the pattern")
    ]


def test_items_beyond_the_bound_are_not_looked_at() -> None:
    many = [item(step("1"))] * MAX_ITEMS
    assert told(f"required: [{NESTED}]", request(*many, item())) == []
    assert len(told(f"required: [{NESTED}]", request(*many[1:], item()))) == 1


@pytest.mark.parametrize(
    ("changes", "tag"),
    [
        ({}, PRIVATE),
        ({CREATOR: text(CREATOR, "LO", "ACME 1.1"), PRIVATE: text(PRIVATE, "LO", "3")}, None),
        ({CREATOR: text(CREATOR, "LO", "OTHER"), PRIVATE: text(PRIVATE, "LO", "3")}, PRIVATE),
        ({0x00190042: text(0x00190042, "LO", "ACME 1.1"), 0x00194202: text(0x00194202, "LO", "3")}, None),
        ({0x00190042: text(0x00190042, "LO", "ACME 1.1"), PRIVATE: text(PRIVATE, "LO", "3")}, 0x00194202),
    ],
)
def test_private_attribute_is_found_in_its_creator_s_block(changes: Changes, tag: int | None) -> None:
    expected = [] if tag is None else [((tag,), "", "(0019,ACME 1.1,02) missing or empty")]
    assert told(f"required: [{ACME}]", changes) == expected


@pytest.mark.parametrize("vr", ["LO", "UN", "DS", "US"])
def test_private_values_are_numbers_where_a_range_is_asked(vr: str) -> None:
    def with_value(value: int) -> Changes:
        raw = value.to_bytes(2, "little") if vr == "US" else f"{value:<4}".encode()
        return {CREATOR: text(CREATOR, "LO", "ACME 1.1"), PRIVATE: explicit(PRIVATE, vr, raw)}

    rule = f"fields: [{ACME}]\nrange: [1, 5]"
    assert told(rule, with_value(5)) == []
    assert [tags for tags, _, _ in told(rule, with_value(6))] == [(PRIVATE,)]


def test_private_attribute_within_an_item() -> None:
    rule = "required: ['RequestAttributesSequence>(0019,\"ACME 1.1\",02)']"
    here = text(CREATOR, "LO", "ACME 1.1") + text(PRIVATE, "LO", "3")
    assert told(rule, request(item(here))) == []
    assert [path for _, path, _ in told(rule, request(item(here), item(text(PRIVATE, "LO", "3"))))] == [
        "(0040,0275)[1]"
    ]


@pytest.mark.parametrize(
    ("rule", "changes", "is_wrong"),
    [
        ("fields: [StudyInstanceUID]\nvr: UI", {STUDY_UID: text(STUDY_UID, "UI", "1.2.3")}, False),
        ("fields: [StudyInstanceUID]\nvr: UI", {STUDY_UID: text(STUDY_UID, "UI", "1.02.3")}, True),
        ("fields: [StudyDate]\nvr: DA", {STUDY_DATE: text(STUDY_DATE, "DA", "20240230")}, True),
        ("fields: [InstanceNumber]\nvr: IS", {NUMBER: text(NUMBER, "IS", "1.5")}, True),
        ("fields: [InstanceNumber]\nvr: IS\nrange: [1, 9]", {NUMBER: text(NUMBER, "IS", "10")}, True),
        ("fields: [InstanceNumber]\nvr: IS\nrange: [1, 9]", {NUMBER: text(NUMBER, "IS", "9")}, False),
        ("fields: [BodyPartExamined]\nvr: CS", {BODY: text(BODY, "CS", "Head")}, True),
        ("fields: [BodyPartExamined]\nvr: CS", {BODY: None}, False),
    ],
)
def test_value_has_the_form_of_a_vr(rule: str, changes: Changes, is_wrong: bool) -> None:
    assert bool(told(rule, changes)) is is_wrong


def test_vr_can_be_mended() -> None:
    rule = one_rule("fields: [BodyPartExamined]\nvr: CS\nseverity: fix\nfix: {upper: true}")
    assert [one.value for one in judge({BODY: text(BODY, "CS", "Head")}, validation=rule).changes] == ["HEAD"]
    assert judge({BODY: text(BODY, "CS", "Head-1")}, validation=rule).changes == ()


def test_group_of_checks_reports_what_is_chosen() -> None:
    changes = {0x00200032: None, 0x00080050: None, BODY: text(BODY, "CS", ""), 0x00080060: text(0x00080060, "CS", "")}

    def reported(report: str) -> set[str]:
        return {one.comment for one in found(one_rule(f"check: iod{report}"), changes)}

    missing, empty = reported("\nreport: [type1]"), reported("\nreport: [type1-empty]")
    assert missing
    assert empty
    assert not missing & empty
    assert missing | empty == reported("\nreport: [type1, type1-empty]")
    assert missing | empty < reported("")


@pytest.mark.parametrize(
    ("rule", "key", "said"),
    [
        ("required: [PatientID>PatientName]", "required.0", "PatientID is no sequence"),
        ("required: [RequestAttributesSequence>ScheduledStepID]", "required.0", "no attribute has the keyword"),
        ("required: ['RequestAttributesSequence.CodeValue']", "required.0", "is no attribute"),
        ("required: ['RequestAttributesSequence>']", "required.0", "is no attribute"),
        ("required: ['(0018,\"ACME\",02)']", "required.0", "is not private"),
        ("required: ['(0019,ACME,02)']", "required.0", "is no attribute"),
        ("fields: [RequestAttributesSequence]\nvr: CS", "fields.0", "has the VR SQ"),
        ("fields: [PatientID]\nvr: OB", "vr", "expected AE"),
        (f"required: [{NESTED}]\nfix: {{default: x}}", "required.0", "neither private ones nor those in sequences"),
        (f"fields: [{ACME}]\nfix: {{trim: true}}", "fields.0", "neither private ones nor those in sequences"),
        ("check: pixel.size\nreport: [size]", "", "report chooses from a group"),
        ("check: iod\nreport: [type9]", "", "iod has no check type9"),
    ],
)
def test_what_names_no_attribute_is_refused(rule: str, key: str, said: str) -> None:
    severity = "fix" if "fix:" in rule else "warn"
    body = "".join(f"        {line}\n" for line in [f"severity: {severity}", *rule.splitlines()])
    with pytest.raises(ConfigurationError) as caught:
        rules(f"version: 1\nprofiles:\n  all:\n    rules:\n      - id: site.one\n{body}")
    [problem] = caught.value.problems
    assert problem.key == ".".join(filter(None, ["profiles.all.rules.0", key]))
    assert said in problem.text
