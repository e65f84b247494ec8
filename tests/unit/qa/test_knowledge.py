"""An instance beside what the node knows of its patient, study and series; what only one of them says contradicts nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.qa.judging import SENDER, TODAY, judge

from dicomnode.dicom.instance import Attributes, Severity, StoreRequest
from dicomnode.dicom.knowledge import Knowledge, Scheduling
from dicomnode.dicom.scan import scan
from dicomnode.dicom.transfer_syntax import EXPLICIT_VR_LITTLE_ENDIAN
from dicomnode.qa import QaSettings, Validation
from dicomnode.qa.knowledge import KNOWN, news
from dicomnode.qa.rule import Subject
from dicomnode.qa.settings import RuleSeverity

NAME, BIRTH_DATE, SEX = 0x00100010, 0x00100030, 0x00100040
STUDY_DATE, ACCESSION_NUMBER, STUDY_ID, PHYSICIAN = 0x00080020, 0x00080050, 0x00200010, 0x00080090
MODALITY, SERIES_NUMBER, LATERALITY, FRAME = 0x00080060, 0x00200011, 0x00200060, 0x00200052
VALIDATION = Validation(QaSettings(), KNOWN)
NOTHING = Knowledge(Attributes({}, {}, {}, {}))


def rules(known: Knowledge) -> list[str]:
    """Which of these rules find something."""
    return [finding.rule for finding in judge({}, validation=VALIDATION, known=known).findings]


def of_patient(said: Mapping[int, str], here: Mapping[int, str]) -> Knowledge:
    return Knowledge(Attributes(said, {}, {}, {}), patient=here)


def of_study(said: Mapping[int, str], here: Mapping[int, str]) -> Knowledge:
    return Knowledge(Attributes({}, said, {}, {}), study=here)


def of_series(said: Mapping[int, str], here: Mapping[int, str]) -> Knowledge:
    return Knowledge(Attributes({}, {}, said, {}), series=here)


def test_nothing_is_found_where_nobody_looked() -> None:
    assert judge({}, validation=VALIDATION).findings == ()


def test_nothing_is_found_of_the_first_instance_of_all() -> None:
    assert rules(NOTHING) == []


@pytest.mark.parametrize(
    ("said", "here"),
    [
        ("Doe^Jane", "DOE^JANE"),
        ("Doe^Jane", "Doe Jane"),
        ("Doe^Jane^^", "Doe ^ Jane"),
        ("DOE, JANE", "Doe^Jane"),
        ("Müller^Jürgen", "MULLER^JURGEN"),
        ("Yamada^Tarou=山田^太郎", "Yamada^Tarou"),
        ("Yamada^Tarou", "=山田^太郎"),
    ],
)
def test_same_name_may_be_written_otherwise(said: str, here: str) -> None:
    assert rules(of_patient({NAME: said}, {NAME: here})) == []


@pytest.mark.parametrize(
    ("said", "here"),
    [("Doe^Jane", "Doe^John"), ("Jane^Doe", "Doe^Jane"), ("Yamada^Tarou=山田^太郎", "Yamada^Tarou=山本^太郎")],
)
def test_other_name_of_the_same_patient_is_found(said: str, here: str) -> None:
    assert rules(of_patient({NAME: said}, {NAME: here})) == ["known.patient-name"]


def test_other_birth_date_and_sex_are_found() -> None:
    known = of_patient({BIRTH_DATE: "19700102", SEX: "F"}, {BIRTH_DATE: "19700101", SEX: "M"})
    assert rules(known) == ["known.birth-date", "known.sex"]


def test_birth_date_with_dots_is_the_same_day() -> None:
    assert rules(of_patient({BIRTH_DATE: "1970.01.02"}, {BIRTH_DATE: "19700102"})) == []


@pytest.mark.parametrize("said", [{}, {NAME: "", BIRTH_DATE: "", SEX: ""}])
def test_what_is_not_said_of_a_patient_contradicts_nothing(said: dict[int, str]) -> None:
    here = {NAME: "Doe^Jane", BIRTH_DATE: "19700101", SEX: "F"}
    assert rules(of_patient(said, here)) == []
    assert rules(of_patient(here, said)) == []


@pytest.mark.parametrize(
    ("tag", "said", "here"),
    [
        (STUDY_DATE, "20240131", "20240201"),
        (ACCESSION_NUMBER, "A1", "A2"),
        (STUDY_ID, "1", "2"),
        (PHYSICIAN, "House^Gregory", "Wilson^James"),
    ],
)
def test_study_is_as_it_began(tag: int, said: str, here: str) -> None:
    [finding] = judge({}, validation=VALIDATION, known=of_study({tag: said}, {tag: here})).findings
    assert (finding.rule, finding.tags) == ("known.study", (tag,))
    assert said not in finding.comment
    assert here not in finding.comment


def test_study_of_another_patient_is_not_compared_further() -> None:
    known = of_study({ACCESSION_NUMBER: "A1"}, {ACCESSION_NUMBER: "A2"})
    assert rules(replace(known, study_has_other_patient=True)) == []  # the index tells that


@pytest.mark.parametrize(
    ("tag", "said", "here"),
    [(MODALITY, "CT", "SR"), (SERIES_NUMBER, "1", "2"), (LATERALITY, "L", "R"), (FRAME, "1.2.1", "1.2.2")],
)
def test_series_is_as_it_began(tag: int, said: str, here: str) -> None:
    [finding] = judge({}, validation=VALIDATION, known=of_series({tag: said}, {tag: here})).findings
    assert (finding.rule, finding.tags) == ("known.series", (tag,))


def test_same_series_number_may_be_written_otherwise() -> None:
    assert rules(of_series({SERIES_NUMBER: "003"}, {SERIES_NUMBER: "+3"})) == []


def test_series_in_two_studies_is_found() -> None:
    assert rules(replace(NOTHING, series_has_other_study=True)) == ["known.series-study"]


def test_frame_of_reference_of_two_patients_is_found() -> None:
    known = Knowledge(Attributes({}, {}, {FRAME: "1.2.3"}, {}), frame_has_other_patient=True)
    assert rules(known) == ["known.frame-of-reference"]


def test_frame_of_reference_of_an_atlas_is_everybodys() -> None:
    talairach = Attributes({}, {}, {FRAME: "1.2.840.10008.1.4.1.1"}, {})
    assert rules(Knowledge(talairach, frame_has_other_patient=True)) == []


def test_instance_number_that_is_taken_is_found() -> None:
    assert rules(replace(NOTHING, number_is_taken=True)) == ["known.instance-number"]


@pytest.mark.parametrize(
    ("scheduling", "tags"),
    [
        (Scheduling.NOT_USED, []),
        (Scheduling.SCHEDULED, []),
        (Scheduling.UNKNOWN, [(ACCESSION_NUMBER,)]),
        (Scheduling.OTHER_PATIENT, [(ACCESSION_NUMBER, 0x00100020)]),
    ],
)
def test_what_is_not_scheduled_is_found_where_devices_work_by_the_worklist(
    scheduling: Scheduling, tags: list[tuple[int, ...]]
) -> None:
    findings = judge({}, validation=VALIDATION, known=replace(NOTHING, scheduling=scheduling)).findings
    assert [finding.tags for finding in findings] == tags


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        (RuleSeverity.OFF, []),
        (RuleSeverity.INFO, [Severity.INFO]),
        (RuleSeverity.WARN, [Severity.WARN]),
        (RuleSeverity.QUARANTINE, []),  # the index tells, when it takes the instance in
    ],
)
def test_study_of_another_patient_is_remarked_upon_where_it_is_let_in(
    setting: RuleSeverity, found: list[Severity]
) -> None:
    validation = Validation(QaSettings(severities={"index.study-patient": setting}), KNOWN)
    verdict = judge({}, validation=validation, known=replace(NOTHING, study_has_other_patient=True))
    assert [finding.severity for finding in verdict.findings] == found


_LEVELS = st.dictionaries(
    st.sampled_from((NAME, BIRTH_DATE, SEX, STUDY_DATE, ACCESSION_NUMBER, MODALITY, FRAME)),
    st.sampled_from(("", "1", "19700101", "Doe^Jane")),
)
_KNOWN = st.builds(
    Knowledge,
    st.builds(Attributes, _LEVELS, _LEVELS, _LEVELS, _LEVELS),
    *(st.none() | _LEVELS for _ in range(3)),
    *(st.booleans() for _ in range(4)),
    st.sampled_from(Scheduling),
)


def _subject(known: Knowledge) -> Subject:
    return Subject(scan(b"", EXPLICIT_VR_LITTLE_ENDIAN), StoreRequest("", "", "", SENDER), TODAY, known)


@given(_KNOWN)
@settings(deadline=None)
def test_where_nothing_is_new_no_rule_finds_anything(known: Knowledge) -> None:
    found = [rule.id for rule in KNOWN if list(rule.check(_subject(known)))]
    assert not found or news(_subject(known))


@given(_LEVELS, _LEVELS)
def test_nothing_is_new_in_what_is_known(said: dict[int, str], more: dict[int, str]) -> None:
    assert not news(_subject(Knowledge(Attributes(said, said, said, said), said, {**more, **said}, said)))
