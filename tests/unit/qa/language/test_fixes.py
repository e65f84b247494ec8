"""Fixes: which values they make, when they give up, and what no rule may change."""

from __future__ import annotations

from textwrap import indent

import pytest
from unit.dicom.elements import explicit
from unit.qa.judging import TODAY, Changes, answer, judge, text
from unit.qa.site import judged, one_rule, rules, severity_of, subject

from dicomnode.dicom.instance import Severity
from dicomnode.errors import ConfigurationError
from dicomnode.qa import QaSettings, Validation

SEX, PATIENT_ID, ACCESSION, STUDY_ID, SERIES, STUDY, LATERALITY, TYPE, DESCRIPTION, WEIGHT = (
    0x00100040, 0x00100020, 0x00080050, 0x00200010, 0x00080021, 0x00080020, 0x00200060, 0x00080008, 0x00081030, 0x00101030,
)  # fmt: skip

SEX_RULE = """fields: [PatientSex]
enum: [M, F, O]
severity: fix
fix: {trim: true, upper: true, map: {MALE: M, W: F}, else: quarantine}"""
FILL = "required: [AccessionNumber]\nseverity: fix\nfix: {copy: StudyID, default: NONE}"


def new_value(rule: str, changes: Changes) -> str | None:
    """What a rule makes of an attribute; None when it changes nothing."""
    [*changed] = judge(changes, validation=one_rule(rule)).changes
    return changed[0].value if changed else None


@pytest.mark.parametrize(
    ("rule", "was", "becomes"),
    [
        (SEX_RULE, {SEX: text(SEX, "CS", "male")}, "M"),
        (SEX_RULE, {SEX: text(SEX, "CS", " w")}, "F"),
        (SEX_RULE, {SEX: text(SEX, "CS", "F")}, None),
        (SEX_RULE, {SEX: text(SEX, "CS", "")}, None),
        (SEX_RULE, {SEX: None}, None),
        ("fields: [PatientID]\nseverity: fix\nfix: {trim: true}", {PATIENT_ID: text(PATIENT_ID, "LO", "  P1 ")}, "P1"),
        ("fields: [PatientID]\nseverity: fix\nfix: {trim: true}", {PATIENT_ID: text(PATIENT_ID, "LO", "P1  ")}, None),
        ("fields: [PatientID]\nseverity: fix\nfix: {upper: true}", {PATIENT_ID: text(PATIENT_ID, "LO", "p1")}, "P1"),
        ("fields: [PatientID]\nseverity: fix\nfix: {lower: true}", {PATIENT_ID: text(PATIENT_ID, "LO", "p1")}, None),
        ("fields: [ImageType]\nseverity: fix\nfix: {map: {PRIM: PRIMARY}}", {TYPE: text(TYPE, "CS", "ORIGINAL\\PRIM\\\\X")},
         "ORIGINAL\\PRIMARY\\\\X"),
        (FILL, {ACCESSION: text(ACCESSION, "SH", "")}, "1"),
        (FILL, {ACCESSION: None, STUDY_ID: None}, "NONE"),
        ("required: [AccessionNumber]\nseverity: fix\nfix: {copy: StudyID}", {ACCESSION: None, STUDY_ID: None}, None),
        ("present: [Laterality]\nseverity: fix\nfix: {default: ''}", {LATERALITY: None}, ""),
        ("fields: [SeriesDate]\ndate: {min: 1980-01-01}\nseverity: fix\nfix: {copy: StudyDate}",
         {SERIES: text(SERIES, "DA", "19000101")}, "20240102"),
        ("fields: [SeriesDate]\ndate: {min: 1980-01-01}\nseverity: fix\nfix: {copy: StudyDate}",
         {SERIES: text(SERIES, "DA", "19000101"), STUDY: text(STUDY, "DA", "19000101")}, None),
        ("fields: [PatientWeight]\nrange: [1, 300]\nseverity: fix\nfix: {map: {'0': ''}, default: '75'}",
         {WEIGHT: text(WEIGHT, "DS", "7500")}, "75"),
    ],
)  # fmt: skip
def test_makes_another_value(rule: str, was: Changes, becomes: str | None) -> None:
    assert new_value(rule, was) == becomes


def test_fix_is_told_as_coercion_with_the_tag_and_the_rule() -> None:
    validation = one_rule(SEX_RULE)
    verdict = judge({SEX: text(SEX, "CS", "W")}, validation=validation)
    assert severity_of(verdict, "site.rule") is Severity.FIX
    told = answer(verdict, validation)
    assert (told.status, told.offending_elements) == (0xB000, (SEX,))
    assert told.comment == "PatientSex is none of M, F, O [site.rule]"


def test_what_cannot_be_fixed_counts_as_the_rule_says() -> None:
    validation = one_rule(SEX_RULE)
    verdict = judge({SEX: text(SEX, "CS", "X")}, validation=validation)
    assert (severity_of(verdict, "site.rule"), verdict.changes) == (Severity.QUARANTINE, ())
    assert answer(verdict, validation).status == 0xB007


def test_what_cannot_be_fixed_may_be_refused_with_a_status() -> None:
    refusing = one_rule(SEX_RULE.replace("quarantine", "reject") + "\nstatus: 0xC123")
    assert answer(judge({SEX: text(SEX, "CS", "X")}, validation=refusing), refusing).status == 0xC123


def test_longer_values_than_rules_see_are_not_changed() -> None:
    rule = one_rule("fields: [StudyDescription]\nseverity: fix\nfix: {upper: true}")
    assert judge({DESCRIPTION: explicit(DESCRIPTION, "LO", b"a" * 1026)}, validation=rule).changes == ()


def test_text_that_cannot_be_read_is_not_written_anew() -> None:
    rule = one_rule("fields: [StudyDescription]\nseverity: fix\nfix: {upper: true}")
    utf8 = {0x00080005: text(0x00080005, "CS", "ISO_IR 192")}
    assert judge(utf8 | {DESCRIPTION: explicit(DESCRIPTION, "LO", "größe".encode() + b" ")}, validation=rule).changes
    assert not judge(utf8 | {DESCRIPTION: explicit(DESCRIPTION, "LO", b"gr\xf6\xdfe ")}, validation=rule).changes


TWO = """
    version: 1
    profiles:
      all:
        rules:
          - {id: site.one, fields: [PatientID], severity: fix, fix: {upper: true}}
          - {id: site.two, fields: [PatientID], severity: fix, fix: {map: {p1: P2}}}
      er:
        match: {calling_ae: ER}
        override: {site.one: {severity: warn}, site.two: {mode: observe}}
"""


def test_of_two_fixes_of_an_attribute_the_first_is_made() -> None:
    validation = Validation(QaSettings(), site=rules(TWO))
    verdict = judged(validation, {PATIENT_ID: text(PATIENT_ID, "LO", "p1")})
    assert [change.value for change in verdict.changes] == ["P1"]
    assert severity_of(verdict, "site.one") is Severity.FIX
    assert severity_of(verdict, "site.two") is Severity.WARN


def test_override_and_mode_keep_a_fix_from_being_made() -> None:
    validation = Validation(QaSettings(), site=rules(TWO))
    verdict = judged(validation, {PATIENT_ID: text(PATIENT_ID, "LO", "p1")}, calling_ae="ER")
    assert verdict.changes == ()
    assert {one.rule: (one.severity, one.would) for one in verdict.findings} == {
        "site.one": (Severity.WARN, None),
        "site.two": (Severity.INFO, Severity.FIX),
    }


def test_what_only_observes_tells_its_fix_also_when_nothing_is_changed_any_more() -> None:
    validation = Validation(QaSettings(), site=rules(TWO))
    seen = subject({PATIENT_ID: text(PATIENT_ID, "LO", "p1")}, "ER")
    verdict = validation.judge(seen.dataset, seen.request, TODAY, can_be_fixed=False)
    assert [one.would for one in verdict.findings if one.rule == "site.two"] == [Severity.FIX]


HEAD = """version: 1
profiles:
  all:
    rules:
      - id: site.one
        severity: fix
"""


@pytest.mark.parametrize(
    ("rule", "key", "said"),
    [
        ("fields: [PatientSex, StudyInstanceUID]\nfix: {trim: true}", "fields.1", "is a UID"),
        ("required: [SOPClassUID]\nfix: {default: 1.2}", "fix.default", "put it in quotes"),
        ("required: [SOPClassUID]\nfix: {default: '1.2'}", "required.0", "is a UID"),
        ("fields: [SpecificCharacterSet]\nfix: {upper: true}", "fields.0", "tells of the data set itself"),
        ("fields: [PhotometricInterpretation]\nfix: {upper: true}", "fields.0", "or says how they are read"),
        ("required: [PixelData]\nfix: {default: x}", "required.0", "is pixel data"),
        ("present: [NumberOfFrames]\nfix: {default: '1'}", "present.0", "is pixel data"),
        ("required: [Rows]\nfix: {default: '1'}", "required.0", "says how they are read"),
        ("required: [AcquisitionMatrix]\nfix: {default: '1'}", "required.0", "only text can be fixed"),
        ("required: [SeriesNumber]\nfix: {trim: true}", "", "its fix has copy or default"),
        ("fields: [SeriesNumber]\nfix: {default: '1'}", "", "belong together"),
        ("fields: [PatientSex]\nfix: {}", "fix", "one or more of trim"),
        ("fields: [PatientSex]\nfix: {upper: true, lower: true}", "fix", "capitals or in small letters"),
        ("fields: [PatientSex]\nfix: {upper: true, else: fix}", "fix.else", "info, warn, quarantine or reject"),
        ("fields: [PatientSex]\nenum: [M]\nfix: {map: {W: F}}", "fix", "wrong with the fix's own value 'F'"),
        ('fields: [PatientSex]\nfix: {map: {W: "\\x01"}}', "fix.map.W", "has control characters"),
        ("fields: [PatientSex]\nenum: [Ä]\nfix: {default: Ä}", "fix.default", "characters that its VR does not allow"),
        ("assert: 'Rows > 1'\nfix: {default: x}", "", "names no attribute to change"),
        ("required: [PatientSex]", "", "fix and severity fix belong together"),
        ("required: [SeriesDate]\nfix: {copy: PatientID}", "fix.copy", "PatientID is text: it cannot be copied"),
        ("required: [PatientID]\nfix: {copy: PixelData}", "fix.copy", "PixelData is no text"),
        ("required: [SeriesDate]\nfix: {copy: SeriesDate}", "fix.copy", "cannot be copied from itself"),
        ("required: [PatientSex]\nfix: {default: ''}", "fix.default", "cannot be given nothing"),
    ],
)
def test_what_no_rule_may_do_is_refused(rule: str, key: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        rules(HEAD + indent(rule, " " * 8) + "\n")
    [problem] = caught.value.problems
    assert problem.key == ".".join(filter(None, ["profiles.all.rules.0", key]))
    assert problem.line is not None
    assert said in problem.text


def test_override_cannot_make_a_rule_fix() -> None:
    with pytest.raises(ConfigurationError, match=r"patient\.id: patient\.id knows no fix"):
        rules("version: 1\nprofiles: {all: {override: {patient.id: {severity: fix}}}}\n")


def test_core_rule_knows_no_fix() -> None:
    with pytest.raises(ValueError, match=r"patient\.sex knows no fix"):
        QaSettings(severities={"patient.sex": "fix"})  # type: ignore[dict-item]  # as the file has it
