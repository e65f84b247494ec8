"""What attributes say of one another: each contradiction is told, each thing that may be so is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from factories import ABSENT, ct
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless
from unit.dicom.elements import SEQUENCE_END, UNDEFINED, explicit, item
from unit.qa.judging import ELEMENTS, judge

from dicomnode.dicom.instance import Finding, Severity
from dicomnode.qa import QaSettings, Validation
from dicomnode.qa.consistency import CONSISTENCY

VALIDATION = Validation(QaSettings(), CONSISTENCY)
CT, MR, PET, RTSTRUCT, RTDOSE = (f"1.2.840.10008.5.1.4.1.1.{number}" for number in ("2", "4", "128", "481.3", "481.2"))


def findings(changes: Mapping[str, Any], syntax: str = ExplicitVRLittleEndian) -> tuple[Finding, ...]:
    dataset = ct(**changes)
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, syntax != ExplicitVRBigEndian
    write_dataset(buffer, Dataset(dataset))
    return judge(buffer.getvalue(), transfer_syntax=syntax, sop_class=CT, validation=VALIDATION).findings


def told(syntax: str = ExplicitVRLittleEndian, /, **changes: Any) -> dict[str, str]:
    """The first comment of each rule, by its name."""
    found = findings(changes, syntax)
    return {one.rule.removeprefix("consistency."): one.comment for one in reversed(found)}


def dataset(**attributes: Any) -> Dataset:
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def test_slice_has_no_fault() -> None:
    assert told() == {}


@pytest.mark.parametrize(
    ("cosines", "fault"),
    [
        ("0.7071\\0.7071\\0\\-0.7071\\0.7071\\0", ""),
        ("0.9998\\0\\-0.0174\\0\\1\\0", ""),
        ("1\\0\\0\\0\\1", "is not six numbers"),
        ("1\\0\\0\\0\\1\\x", "is not six numbers"),
        ("1\\0\\0\\0\\nan\\0", "is not six numbers"),
        ("0\\0\\0\\0\\1\\0", "has a vector whose length is not 1"),
        ("1\\0\\0\\0\\1.1\\0", "has a vector whose length is not 1"),
        ("1\\0\\0\\1\\0\\0", "has vectors at no right angle"),
        ("1\\0\\0\\0.1\\0.995\\0", "has vectors at no right angle"),
    ],
)
def test_orientation_is_two_unit_vectors_at_right_angles(cosines: str, fault: str) -> None:
    raw = {0x00200037: explicit(0x00200037, "DS", cosines.encode() + b" " * (len(cosines) % 2))}
    found = judge(raw, validation=VALIDATION).findings
    expected = [("consistency.orientation", f"ImageOrientationPatient {fault}")] if fault else []
    assert [(one.rule, one.comment) for one in found] == expected


def test_position_and_orientation_come_together() -> None:
    assert told(ImagePositionPatient=ABSENT) == {"position": "ImageOrientationPatient alone"}
    assert told(ImageOrientationPatient=ABSENT) == {"position": "ImagePositionPatient alone"}
    assert told(ImageOrientationPatient=ABSENT, ImagePositionPatient=ABSENT) == {}
    assert told(ImagePositionPatient=["1", "2"]) == {"position": "ImagePositionPatient is no point"}


@pytest.mark.parametrize("keyword", ["PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"])
@pytest.mark.parametrize("spacing", [["0", "0.5"], ["-0.5", "0.5"], ["0.5"], ["1", "1", "1"]])
def test_spacing_is_two_distances(keyword: str, spacing: list[str]) -> None:
    assert told(**{keyword: spacing}) == {"spacing": f"{keyword} is not two numbers above 0"}


def test_spacing_of_a_single_row_may_be_0() -> None:
    assert told(PixelSpacing=["0", "0.5"], Rows=1) == {}
    assert set(told(PixelSpacing=["0.5", "0"], Rows=1)) == {"spacing"}
    assert told(PixelSpacing=["0.5", "0"], Columns=1) == {}


def test_thickness_is_not_below_0() -> None:
    assert told(SliceThickness="-1") == {"thickness": "SliceThickness below 0"}
    assert told(SliceThickness="0") == told(SliceThickness="") == {}


@pytest.mark.parametrize(
    ("center", "width", "function", "fault"),
    [
        ("40", "400", None, None),
        ("40", "1", "LINEAR", None),
        ("40", "0.5", None, "WindowWidth below 1"),
        (["40", "50"], ["400", "0"], "LINEAR", "WindowWidth below 1"),
        ("40", "0.5", "LINEAR_EXACT", None),
        ("40", "0", "SIGMOID", "WindowWidth not above 0"),
        (["40", "50"], "400", None, "not one WindowWidth for each WindowCenter"),
        ("40", ABSENT, None, "WindowCenter and WindowWidth come together"),
        (ABSENT, "400", None, "WindowCenter and WindowWidth come together"),
        ("", "", None, None),
    ],
)
def test_window_has_a_center_and_a_width(center: Any, width: Any, function: str | None, fault: str | None) -> None:
    found = told(WindowCenter=center, WindowWidth=width, VOILUTFunction=function or ABSENT)
    assert found == ({} if fault is None else {"window": fault})


def test_rescale_has_intercept_and_slope() -> None:
    assert told(RescaleSlope=ABSENT) == {"rescale": "RescaleIntercept alone"}
    assert told(RescaleIntercept=ABSENT) == {"rescale": "RescaleSlope alone"}
    assert told(RescaleIntercept=ABSENT, RescaleSlope=ABSENT) == {}


def test_intercept_of_a_pet_image_is_0() -> None:
    (finding,) = findings({"SOPClassUID": PET, "Modality": "PT", "RescaleIntercept": "-1024"})
    assert (finding.rule, finding.reference) == ("consistency.rescale", "PS3.3 C.8.9.4")
    assert told(SOPClassUID=PET, Modality="PT", RescaleIntercept="0.0") == {}


def test_frames_are_as_many_as_their_groups() -> None:
    groups = [Dataset(), Dataset()]
    assert told(NumberOfFrames="2", PerFrameFunctionalGroupsSequence=groups) == {}
    assert told(NumberOfFrames="3", PerFrameFunctionalGroupsSequence=groups) == {
        "frames": "2 per-frame items for 3 frames"
    }
    assert told(NumberOfFrames="0") == {"frames": "NumberOfFrames below 1"}
    assert told(NumberOfFrames="-2") == {"frames": "NumberOfFrames below 1"}


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian])
def test_frame_increment_pointer_leads_to_one_value_a_frame(syntax: str) -> None:
    frames = {"NumberOfFrames": "3", "FrameIncrementPointer": 0x00181065}
    assert told(syntax, **frames, FrameTimeVector=["0", "40", "40"]) == {}
    assert told(syntax, **frames, FrameTimeVector=["0", "40"]) == {
        "frame-pointer": "FrameTimeVector has 2 values for 3 frames"
    }
    assert told(syntax, **frames) == {"frame-pointer": "FrameTimeVector missing, frames depend on it"}
    assert told(syntax, NumberOfFrames="3", FrameIncrementPointer=0x00181063, FrameTime="40") == {}


def test_binary_vectors_and_planes_of_a_dose_are_counted_too() -> None:
    vectors = {"NumberOfFrames": "2", "FrameIncrementPointer": [0x00540010, 0x00540020]}
    assert told(**vectors, EnergyWindowVector=[1, 1], DetectorVector=[1, 2]) == {}
    assert told(**vectors, EnergyWindowVector=[1, 1], DetectorVector=[1, 2, 3]) == {
        "frame-pointer": "DetectorVector has 3 values for 2 frames"
    }
    dose = {"SOPClassUID": RTDOSE, "Modality": "RTDOSE", "NumberOfFrames": "2", "FrameIncrementPointer": 0x3004000C}
    assert told(**dose, GridFrameOffsetVector=["0", "2"]) == {}
    assert set(told(**dose, GridFrameOffsetVector=["0"])) == {"frame-pointer"}


def test_pointer_to_a_private_attribute_is_nobodys_business() -> None:
    assert told(NumberOfFrames="2", FrameIncrementPointer=0x00091001) == {}


def compressed(syntax: str, lossy: bytes | None, ratio: bytes = b"", method: bytes = b"") -> dict[str, str]:
    changes = {
        0x00282110: None if lossy is None else explicit(0x00282110, "CS", lossy),
        0x00282112: explicit(0x00282112, "DS", ratio) if ratio else None,
        0x00282114: explicit(0x00282114, "CS", method) if method else None,
        0x7FE00010: explicit(0x7FE00010, "OB", item(b"") + item(b"11") + SEQUENCE_END, length=UNDEFINED),
    }
    found = judge(changes, transfer_syntax=syntax, validation=VALIDATION).findings
    return {one.rule.removeprefix("consistency."): one.comment for one in found}


def test_lossy_compression_is_not_denied() -> None:
    assert compressed(JPEGBaseline8Bit, b"00") == {"lossy": "LossyImageCompression 00, the syntax is lossy"}
    assert compressed(RLELossless, b"00") == {}
    assert compressed(JPEGBaseline8Bit, b"01", b"10", b"ISO_10918_1 ") == {}


def test_lossy_compression_is_described() -> None:
    assert set(compressed(JPEGBaseline8Bit, None)) == {"lossy-ratio"}
    assert compressed(RLELossless, None) == {}
    without = {"lossy-ratio": "LossyImageCompression 01 without ratio or method"}
    assert compressed(RLELossless, b"01") == compressed(RLELossless, b"01", b"10") == without
    assert compressed(RLELossless, b"01", b"10\\4", b"ISO_10918_1 ") == {
        "lossy-ratio": "not one lossy method for each ratio"
    }


@pytest.mark.parametrize(
    ("sop_class", "modality", "is_fault"),
    [
        (CT, "CT", False),
        (CT, "MR", True),
        (MR, "CT", True),
        (RTSTRUCT, "RTSTRUCT", False),
        (RTSTRUCT, "RTPLAN", True),
        ("1.2.840.10008.5.1.4.1.1.7", "CT", False),
        (CT, "", False),
    ],
)
def test_modality_is_that_of_the_sop_class(sop_class: str, modality: str, is_fault: bool) -> None:
    assert ("modality" in told(SOPClassUID=sop_class, Modality=modality)) is is_fault


def test_nothing_is_taken_before_its_study() -> None:
    assert told(AcquisitionDate="20231231") == {"dates": "AcquisitionDate before StudyDate"}
    assert told(ContentDate="20231231") == {"dates": "ContentDate before StudyDate"}
    assert told(AcquisitionDate="20240101", ContentDate="20240301") == {}  # a time zone away; made later


@pytest.mark.parametrize(
    ("birth", "age", "is_fault"),
    [
        ("19700101", "054Y", False),
        ("19700101", "053Y", False),
        ("19700101", "055Y", False),
        ("19700101", "051Y", True),
        ("20231230", "003D", False),
        ("20231230", "003Y", True),
        ("20230102", "012M", False),
        ("20230102", "052W", False),
        ("19700101", "54", False),
        ("", "010Y", False),
        ("20300101", "010Y", False),
    ],
)
def test_age_is_that_of_the_birth_date(birth: str, age: str, is_fault: bool) -> None:
    raw = {0x00101010: explicit(0x00101010, "AS", age.encode()), 0x00100030: explicit(0x00100030, "DA", birth.encode())}
    rules = {one.rule for one in judge(raw, validation=VALIDATION).findings}
    assert rules == ({"consistency.age"} if is_fault else set())


def test_temporal_position_is_one_of_them() -> None:
    assert told(TemporalPositionIdentifier="3", NumberOfTemporalPositions="3") == {}
    assert set(told(TemporalPositionIdentifier="4", NumberOfTemporalPositions="3")) == {"temporal-position"}


def test_radiopharmaceutical_is_given_before_it_is_seen() -> None:
    def pet(start: str) -> dict[str, str]:
        given = dataset(RadiopharmaceuticalStartDateTime=start)
        return told(SOPClassUID=PET, Modality="PT", RadiopharmaceuticalInformationSequence=[given])

    assert pet("20240102080000") == pet("20240103003000.000000+0100") == {}
    assert pet("20240105080000") == {"radiopharmaceutical": "RadiopharmaceuticalStartDateTime after SeriesDate"}


def test_a_uid_names_one_thing() -> None:
    assert told(StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3") == {
        "uids": "StudyInstanceUID is SeriesInstanceUID"
    }
    assert told(SOPInstanceUID="1.2.3", SeriesInstanceUID="1.2.3") == {"uids": "SOPInstanceUID is SeriesInstanceUID"}
    assert told(StudyInstanceUID="", SeriesInstanceUID="") == {}


def test_instance_does_not_refer_to_itself() -> None:
    def references(uid: str) -> list[tuple[str, str]]:
        inner = dataset(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID=uid)
        found = findings({"SOPInstanceUID": "1.2.3", "SourceImageSequence": [inner, inner]})
        return [(one.rule, one.path) for one in found]

    assert references("1.2.4") == []
    assert references("1.2.3") == [("consistency.self-reference", "(0008,2112)[0]")]


@pytest.mark.parametrize(
    ("group", "wrong", "right", "rule"),
    [
        (
            "PlaneOrientationSequence",
            {"ImageOrientationPatient": ["1", "0", "0", "0", "2", "0"]},
            {"ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"]},
            "orientation",
        ),
        ("PixelMeasuresSequence", {"PixelSpacing": ["0", "1"]}, {"PixelSpacing": ["1", "1"]}, "spacing"),
        (
            "FrameVOILUTSequence",
            {"WindowCenter": "40", "WindowWidth": "0"},
            {"WindowCenter": "40", "WindowWidth": "1"},
            "window",
        ),
    ],
)
def test_functional_groups_are_looked_into(group: str, wrong: dict[str, Any], right: dict[str, Any], rule: str) -> None:
    def frame(values: dict[str, Any]) -> Dataset:
        return dataset(**{group: [dataset(**values)]})

    assert told(SharedFunctionalGroupsSequence=[frame(right)]) == {}
    frames = [frame(right), frame(wrong), frame(wrong)]
    found = findings({"NumberOfFrames": "3", "PerFrameFunctionalGroupsSequence": frames})
    assert [one.rule for one in found] == [f"consistency.{rule}"]
    assert found[0].path.startswith("(5200,9230)[1](")
    shared = findings({"SharedFunctionalGroupsSequence": [frame(wrong)]})
    assert [(one.rule, one.path[:14]) for one in shared] == [(f"consistency.{rule}", "(5200,9229)[0]")]


def test_none_rejects_or_holds_back() -> None:
    assert {rule.severity for rule in CONSISTENCY} == {Severity.INFO, Severity.WARN}


LOOKED_AT = sorted(
    {0x00200032, 0x00200037, 0x00280030, 0x00181164, 0x00180050, 0x00281050, 0x00281051, 0x00281056, 0x00281052, 0x00281053,
     0x00280008, 0x00280009, 0x00181065, 0x00282110, 0x00282112, 0x00101010, 0x00100030, 0x00080020, 0x00080022, 0x00200100,
     0x00200105, 0x00080060, 0x0020000D, 0x52009230, 0x52009229, 0x00540016, 0x7FE00010} | ELEMENTS.keys()
)  # fmt: skip


@given(
    st.dictionaries(
        st.sampled_from(LOOKED_AT),
        st.tuples(
            st.sampled_from(["DS", "IS", "DA", "AS", "US", "UN", "AT", "FD", "CS", "SQ"]),
            st.binary(max_size=60)
            | st.sampled_from([b"1\\1", b"0", b"1e999", b"-1", b"nan", b"1_0", b"20240230", b"999Y"]),
        ),
        max_size=6,
    ),
    st.sampled_from([ExplicitVRLittleEndian, ExplicitVRBigEndian, JPEGBaseline8Bit]),
)
@settings(max_examples=300, deadline=None)
def test_any_values_are_judged(changes: dict[int, tuple[str, bytes]], syntax: str) -> None:
    raw = {tag: explicit(tag, vr, value) for tag, (vr, value) in changes.items()}
    found = judge(raw, transfer_syntax=syntax, validation=VALIDATION).findings
    assert {one.rule for one in found} <= {rule.id for rule in CONSISTENCY}  # above all no core.engine
    assert all(len(one.comment) <= 64 for one in found)
