"""Rules of a site's file: what each kind finds, and what it says of it."""

from __future__ import annotations

from datetime import date

import pytest
from unit.dicom.elements import explicit
from unit.qa.judging import Changes, answer, judge, number, text
from unit.qa.site import found, judged, one_rule, rules, severity_of

from dicomnode.dicom.instance import Severity
from dicomnode.qa import QaSettings, Validation

KVP, SLICE, SEX, BODY, STUDY, SERIES, ROWS = (
    0x00180060,
    0x00180050,
    0x00100040,
    0x00180015,
    0x00080020,
    0x00080021,
    0x00280010,
)
DESCRIPTION, IMAGE_TYPE, PATIENT_ID, SPACING = 0x00081030, 0x00080008, 0x00100020, 0x00280030


def ds(tag: int, value: str) -> Changes:
    return {tag: text(tag, "DS", value)}


@pytest.mark.parametrize(
    ("rule", "good", "bad", "tag", "comment"),
    [
        ("required: [BodyPartExamined]", {BODY: text(BODY, "CS", "HEAD")}, {BODY: text(BODY, "CS", "")}, BODY,
         "BodyPartExamined missing or empty"),
        ("required: [BodyPartExamined]", {BODY: text(BODY, "CS", "HEAD")}, {BODY: None}, BODY, "BodyPartExamined missing or empty"),
        ("present: [BodyPartExamined]", {BODY: text(BODY, "CS", "")}, {BODY: None}, BODY, "BodyPartExamined missing"),
        ("fields: [KVP]\nrange: [40, 160]", ds(KVP, "160"), ds(KVP, "160.5"), KVP, "KVP not between 40 and 160"),
        ("fields: [KVP]\nrange: [40, 160]", ds(KVP, ""), ds(KVP, "high"), KVP, "KVP not between 40 and 160"),
        ("fields: [KVP]\nrange: [40, 160]", {KVP: None}, ds(KVP, "nan"), KVP, "KVP not between 40 and 160"),
        ("fields: [Rows]\nrange: [1, 16]", {}, {ROWS: number(ROWS, 17)}, ROWS, "Rows not between 1 and 16"),
        ("fields: [Rows]\nenum: [16, 512]", {}, {ROWS: number(ROWS, 17)}, ROWS, "Rows is none of 16, 512"),
        ("fields: [PixelSpacing]\nrange: [0.1, 1]", {}, ds(SPACING, "0.5\\2"), SPACING, "PixelSpacing not between 0.1 and 1"),
        ("fields: [PatientSex]\nenum: [M, F]", {}, {SEX: text(SEX, "CS", "O")}, SEX, "PatientSex is none of M, F"),
        ("fields: [PatientID]\npattern: 'P[0-9]'", {}, {PATIENT_ID: text(PATIENT_ID, "LO", "P12")}, PATIENT_ID,
         "PatientID does not match the pattern"),
        ("fields: [StudyDescription]\npattern: 'Größe'", {DESCRIPTION: text(DESCRIPTION, "LO", "Größe ")},
         {DESCRIPTION: text(DESCRIPTION, "LO", "Grösse")}, DESCRIPTION, "StudyDescription does not match the pattern"),
        ("fields: [StudyDescription]\nlength: {max: 4}", {}, {DESCRIPTION: text(DESCRIPTION, "LO", "Heads")}, DESCRIPTION,
         "StudyDescription has not 0 to 4 characters"),
        ("fields: [StudyDate]\ndate: {max: today}", {STUDY: text(STUDY, "DA", "20240601"), SERIES: None},
         {STUDY: text(STUDY, "DA", "20240602"), SERIES: None}, STUDY, "StudyDate is later than today"),
        ("fields: [StudyDate]\ndate: {min: 1980-01-01}", {}, {STUDY: text(STUDY, "DA", "19791231")}, STUDY,
         "StudyDate is not from 1980-01-01 to ever"),
        ("assert: \"Rows == 16\"", {}, {ROWS: number(ROWS, 17)}, ROWS, "Rows: not so that Rows == 16"),
        ("fields: [KVP]\nrange: [40, 160]\ncomment: '{keyword} odd'", ds(KVP, "40"), ds(KVP, "39"), KVP, "KVP odd"),
        ("check: patient.sex\ncomment: '{keyword}?'", {}, {SEX: text(SEX, "CS", "W")}, SEX, "PatientSex?"),
        ("check: patient.sex", {}, {SEX: text(SEX, "CS", "W")}, SEX, "PatientSex is none of M, F, O"),
        ("fields: [KVP]\nrange: [40, 160]\nwhen: \"'ORIGINAL' in ImageType\"",
         ds(KVP, "1") | {IMAGE_TYPE: text(IMAGE_TYPE, "CS", "DERIVED")}, ds(KVP, "1"), KVP, "KVP not between 40 and 160"),
        ("fields: [KVP]\nrange: [40, 160]\nwhen: \"'ORIGINAL' in ImageType\"", ds(KVP, "1") | {IMAGE_TYPE: None},
         ds(KVP, "1"), KVP, "KVP not between 40 and 160"),
    ],
)  # fmt: skip
def test_finds_what_the_rule_says(rule: str, good: Changes, bad: Changes, tag: int, comment: str) -> None:
    validation = one_rule(rule)
    assert found(validation, good) == []
    assert [(one.rule, one.severity, one.tags, one.comment) for one in found(validation, bad)] == [
        ("site.rule", Severity.WARN, (tag,), comment)
    ]


def test_looks_at_the_first_kilobyte_of_a_value_only() -> None:
    long = explicit(DESCRIPTION, "LO", b"a" * 60_000)
    assert found(one_rule("fields: [StudyDescription]\npattern: 'a{512}a{512}'"), {DESCRIPTION: long}) == []
    assert found(one_rule("fields: [StudyDescription]\nlength: {max: 256}"), {DESCRIPTION: long})


@pytest.mark.parametrize(
    ("severity", "status", "told"),
    [
        ("info", "", 0x0000),
        ("warn", "", 0x0000),
        ("quarantine", "", 0xB007),
        ("reject", "", 0xA900),
        ("reject", "status: 0xC123\n", 0xC123),
    ],
)
def test_sender_is_told_by_severity(severity: str, status: str, told: int) -> None:
    validation = one_rule(f"required: [BodyPartExamined]\nseverity: {severity}\n{status}")
    said = answer(judge({BODY: None}, validation=validation), validation)
    assert said.status == told
    if told:
        assert said.offending_elements == (BODY,)
        assert said.comment == "BodyPartExamined missing or empty [site.rule]"


PROFILES = """
    version: 1
    profiles:
      er:
        match: {calling_ae: ["ER_CT*", TRAUMA], modality: CT}
        rules:
          - {id: site.er, required: [BodyPartExamined], severity: warn}
        override:
          patient.id: {severity: warn, reason: trauma, until: 2024-06-01}
          site.all: {severity: "off"}
      all:
        rules:
          - {id: site.all, required: [BodyPartExamined], severity: warn}
      mr:
        match: {sop_class: MRImageStorage}
        rules:
          - {id: site.mr, required: [BodyPartExamined], severity: warn}
"""


def test_profiles_choose_the_rules() -> None:
    validation = Validation(QaSettings(), site=rules(PROFILES))
    of_er, of_others = judged(validation, calling_ae="ER_CT7"), judged(validation, calling_ae="CT1")
    assert {one.rule for one in of_er.findings} == {"site.er"}
    assert {one.rule for one in of_others.findings} == {"site.all"}
    assert {one.rule for one in judged(validation, calling_ae="TRAUMA").findings} == {"site.er"}
    not_ct = {0x00080060: text(0x00080060, "CS", "PT")}
    of_pet = judged(validation, not_ct, calling_ae="TRAUMA")
    assert {one.rule for one in of_pet.findings if one.rule.startswith("site.")} == {"site.all"}


def test_override_ends_after_its_last_day() -> None:
    validation = Validation(QaSettings(), site=rules(PROFILES))
    nobody = {PATIENT_ID: text(PATIENT_ID, "LO", "")}
    last = judged(validation, nobody, calling_ae="ER_CT7", today=date(2024, 6, 1))
    assert severity_of(last, "patient.id") is Severity.WARN
    after = judged(validation, nobody, calling_ae="ER_CT7", today=date(2024, 6, 2))
    assert severity_of(after, "patient.id") is Severity.QUARANTINE
    others = judged(validation, nobody, today=date(2024, 6, 1))
    assert severity_of(others, "patient.id") is Severity.QUARANTINE


def test_observed_rules_change_no_answer_and_tell_what_would_have_been() -> None:
    observing = """
        version: 1
        mode: observe
        profiles:
          all:
            rules:
              - {id: site.rule, required: [BodyPartExamined], severity: reject}
            override: {patient.id: {severity: reject}}
    """
    validation = Validation(QaSettings(), site=rules(observing))
    nobody = {PATIENT_ID: text(PATIENT_ID, "LO", "")}
    verdict = judged(validation, nobody)
    assert severity_of(verdict, "patient.id") is Severity.QUARANTINE
    assert [(one.severity, one.comment) for one in verdict.findings if one.rule == "site.rule"] == [
        (Severity.INFO, "would reject: BodyPartExamined missing or empty")
    ]
    assert answer(verdict, validation).status == 0xB007
    receiving = Validation(QaSettings(), site=rules(observing), from_severity=Severity.WARN)
    assert severity_of(judged(receiving, nobody), "site.rule") is Severity.INFO


def test_verdicts_name_the_file_that_they_rest_on() -> None:
    other = PROFILES.replace("TRAUMA", "TRAUMA2")
    names = {Validation(QaSettings(), site=rules(one)).rule_set for one in (PROFILES, other, PROFILES)}
    assert len(names | {Validation(QaSettings()).rule_set}) == 3
