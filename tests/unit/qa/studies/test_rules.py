"""What is found of a whole study, and what is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from factories import ct
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRLittleEndian
from unit.qa.studies.headers import SERIES, slice_at, stack

from dicomnode.dicom.instance import Finding, Severity
from dicomnode.dicom.scan import scan
from dicomnode.qa.settings import RuleSeverity
from dicomnode.qa.studies import STUDY_RULES, Header, header_of, judge_study, study_rule_set

OTHER_SERIES = "1.2.840.99.1.2"


def rules(headers: list[Header]) -> list[str]:
    """Which rules find something."""
    return [finding.rule for finding in judge_study(headers, {})]


def one(headers: list[Header]) -> Finding:
    """The only finding."""
    [finding] = judge_study(headers, {})
    return finding


def test_whole_study_is_clean() -> None:
    assert rules(stack(20) + stack(10, series_instance_uid=OTHER_SERIES)) == []


def test_nothing_is_found_of_nothing() -> None:
    assert rules([]) == []


def test_missing_slices_are_told_with_their_series() -> None:
    headers = stack(20) + [slice_at(5 * n, series_instance_uid=OTHER_SERIES) for n in range(20) if n != 4]
    finding = one(headers)
    assert (finding.rule, finding.path) == ("study.slices-missing", OTHER_SERIES)


def test_gap_is_told_as_people_read_it() -> None:
    findings = {found.rule: found for found in judge_study(stack(20, without=(8, 9)), {})}
    missing = findings["study.slices-missing"]
    assert (missing.severity, missing.path) == (Severity.WARN, SERIES)
    assert missing.comment == "2 slices missing: 15 instead of 5 mm after instance 7"
    assert findings["study.numbers-missing"].comment == "2 InstanceNumbers left out"


def test_instance_number_that_comes_twice_is_found() -> None:
    headers = stack(20)
    assert one([*headers[:-1], replace(headers[-1], number=3)]).rule == "study.numbers-doubled"


def test_numbers_that_do_not_count_up_leave_nothing_out() -> None:
    assert rules([slice_at(5 * n, 10 * n) for n in range(20)]) == []


def test_same_numbers_in_two_series_are_no_fault() -> None:
    assert rules(stack(5) + stack(5, series_instance_uid=OTHER_SERIES)) == []


@pytest.mark.parametrize(
    ("index", "value", "keyword"),
    [
        (0, "Roe^Ann", "PatientName"),
        (1, "P2", "PatientID"),
        (3, "19700102", "PatientBirthDate"),
        (4, "M", "PatientSex"),
    ],
)
def test_patient_who_changes_in_between_is_found(index: int, value: str, keyword: str) -> None:
    headers = stack(20)
    patient = tuple(value if at == index else was for at, was in enumerate(headers[3].patient))
    finding = one([*headers[:3], replace(headers[3], patient=patient), *headers[4:]])
    assert (finding.rule, finding.comment) == ("study.patient", f"{keyword} is another one in 1 instance")
    assert finding.path == ""


def test_same_patient_may_be_written_otherwise() -> None:
    headers = stack(20)
    patient = ("DOE JANE", "P1", "", "1970.01.01", "")
    assert rules([replace(headers[0], patient=patient), *headers[1:]]) == []


def test_study_that_varies_is_found() -> None:
    headers = stack(20)
    other = replace(headers[0], study=("20240131", "A2", "1", "House^Gregory"))
    assert one([other, *headers[1:]]).rule == "study.attributes"


def test_series_that_varies_is_found() -> None:
    headers = stack(20)
    finding = one([replace(headers[0], series=("MR", "1", "")), *headers[1:]])
    assert (finding.rule, finding.path) == ("study.series", SERIES)


def test_two_frames_of_reference_in_a_series_are_found() -> None:
    headers = stack(20)
    found = rules([replace(headers[0], frame_of_reference_uid="1.2.3"), *headers[1:]])
    assert found == ["study.series-frames", "study.frames"]


def test_two_frames_of_reference_in_a_study_are_told_as_information() -> None:
    finding = one(stack(20) + stack(20, series_instance_uid=OTHER_SERIES, frame_of_reference_uid="1.2.3"))
    assert (finding.rule, finding.severity) == ("study.frames", Severity.INFO)


def test_unreadable_instances_are_told() -> None:
    [finding] = judge_study(stack(20), {}, unreadable=2)
    assert (finding.rule, finding.comment) == ("study.file", "2 instances could not be read")


@pytest.mark.parametrize(
    ("setting", "found"),
    [
        (RuleSeverity.OFF, []),
        (RuleSeverity.INFO, [Severity.INFO]),
        (RuleSeverity.REJECT, [Severity.WARN]),  # it has been accepted
    ],
)
def test_site_says_how_much_a_finding_matters(setting: RuleSeverity, found: list[Severity]) -> None:
    severities = {"study.slices-missing": setting, "study.numbers-missing": RuleSeverity.OFF}
    assert [finding.severity for finding in judge_study(stack(20, without=(8,)), severities)] == found
    assert study_rule_set(severities) != study_rule_set({})


def test_ids_are_unique() -> None:
    assert len({rule.id for rule in STUDY_RULES}) == len(STUDY_RULES)


def read(**changes: object) -> Header:
    """A slice as it is read from its data set."""
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, ct(**changes))
    return header_of(scan(buffer.getvalue(), ExplicitVRLittleEndian))


def test_slice_is_read() -> None:
    header = read(ImagePositionPatient=["1", "2", "-3.5"], InstanceNumber="7")
    assert header.plane is not None
    assert (header.plane.position, header.plane.size, header.number) == ((1, 2, -3.5), (16, 16), 7)
    assert header.patient == ("Doe^Jane", "P1", "", "19700101", "F")


@pytest.mark.parametrize(
    "changes",
    [
        {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        {"NumberOfFrames": "2"},
        {"ImagePositionPatient": ["1", "2"]},
        {"ImagePositionPatient": ["1", "2", "1E300"]},
        {"ImageOrientationPatient": ""},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11"},
    ],
)
def test_what_is_no_slice_has_no_plane(changes: dict[str, object]) -> None:
    assert read(**changes).plane is None
