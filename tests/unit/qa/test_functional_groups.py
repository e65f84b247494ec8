"""Functional groups of enhanced multi-frame images: each that is required is there, and none in the wrong place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    EnhancedCTImageStorage,
    EnhancedMRColorImageStorage,
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    OphthalmicTomographyImageStorage,
    ParametricMapStorage,
    SegmentationStorage,
)
from unit.qa.judging import judge

from dicomnode.dicom.instance import Finding, Severity
from dicomnode.qa import QaSettings, Validation
from dicomnode.qa.iod import GROUPS, IOD

VALIDATION = Validation(QaSettings(), IOD)
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"

MEASURES, CONTENT, POSITION = "PixelMeasuresSequence", "FrameContentSequence", "PlanePositionSequence"
ORIENTATION, DERIVATION, SEGMENT = (
    "PlaneOrientationSequence",
    "DerivationImageSequence",
    "SegmentIdentificationSequence",
)
GEOMETRY = {MEASURES, POSITION, ORIENTATION}


def dataset(**attributes: Any) -> Dataset:
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def groups(*names: str) -> Dataset:
    return dataset(**{name: [dataset(FrameComments="")] for name in names})


def findings(sop_class: str, shared: Dataset, *frames: Dataset, **attributes: Any) -> tuple[Finding, ...]:
    made = dataset(SOPClassUID=sop_class, SOPInstanceUID="1.2.3", NumberOfFrames=len(frames), **attributes)
    made.SharedFunctionalGroupsSequence = [shared]
    made.PerFrameFunctionalGroupsSequence = list(frames)
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    write_dataset(buffer, made)
    return judge(buffer.getvalue(), sop_class=sop_class, validation=VALIDATION).findings


def missing(sop_class: str, shared: Dataset, *frames: Dataset, **attributes: Any) -> set[str]:
    """The functional groups that are told as missing."""
    found = findings(sop_class, shared, *frames, **attributes)
    told = {one.comment.split()[0]: one.path for one in found if one.rule in ("iod.type1", "iod.type2")}
    return {name for name, path in told.items() if path.count("(") == 1 and path.startswith("(5200,")}


def misplaced(sop_class: str, shared: Dataset, *frames: Dataset) -> Mapping[str, tuple[str, str]]:
    """What is told of groups in the wrong place: the words and the section."""
    found = [one for one in findings(sop_class, shared, *frames) if one.rule == GROUPS]
    return {one.path: (one.comment, one.reference) for one in found}


def test_group_is_shared_or_in_every_frame() -> None:
    frame = groups(CONTENT, POSITION)
    lacking = missing(EnhancedCTImageStorage, groups(MEASURES, ORIENTATION), frame, frame)
    assert not lacking & {*GEOMETRY, CONTENT}
    assert "FrameAnatomySequence" in lacking
    assert POSITION in missing(EnhancedCTImageStorage, groups(MEASURES), frame, groups(CONTENT))


def test_missing_group_is_told_of_the_first_frame_that_lacks_it() -> None:
    found = findings(EnhancedCTImageStorage, groups(), groups(POSITION), groups(POSITION), groups())
    (told,) = [one for one in found if one.tags == (0x00209113,)]
    assert (told.rule, told.severity, told.path) == ("iod.type1", Severity.WARN, "(5200,9230)[2]")
    assert told.reference == "PS3.3 C.7.6.16.2.3"


@pytest.mark.parametrize("frames", [(groups(MEASURES, CONTENT), groups(CONTENT)), (groups(CONTENT), groups(MEASURES))])
def test_group_may_not_be_shared_and_of_frames(frames: tuple[Dataset, ...]) -> None:
    number = next(number for number, frame in enumerate(frames) if MEASURES in frame)
    told = misplaced(EnhancedCTImageStorage, groups(MEASURES), *frames)
    assert told == {f"(5200,9230)[{number}]": ("PixelMeasuresSequence both shared and of frames", "PS3.3 C.7.6.16")}


def test_frame_content_may_not_be_shared() -> None:
    told = misplaced(SegmentationStorage, groups(CONTENT), groups(SEGMENT))
    assert told == {"(5200,9229)[0]": ("FrameContentSequence may not be shared by frames", "PS3.3 C.7.6.16.2.2")}


def test_converted_attributes_have_the_place_that_their_name_says() -> None:
    shared, own = "UnassignedSharedConvertedAttributesSequence", "UnassignedPerFrameConvertedAttributesSequence"
    assert misplaced(LegacyConvertedEnhancedCTImageStorage, groups(shared), groups(own)) == {}
    told = misplaced(LegacyConvertedEnhancedCTImageStorage, groups(own), groups(shared))
    assert {words.split(maxsplit=1)[1] for words, _ in told.values()} == {
        "may not be shared by frames",
        "has to be shared by all frames",
    }


def test_private_groups_are_left_alone() -> None:
    shared, frame = groups(MEASURES), groups(CONTENT)
    for item in (shared, frame):
        item.add_new(0x00291001, "SQ", [Dataset()])
    assert misplaced(EnhancedCTImageStorage, shared, frame) == {}


def test_segmentation_lies_where_it_says_or_where_its_source_does() -> None:
    frame = groups(CONTENT, SEGMENT)
    alone = missing(SegmentationStorage, groups(), frame, SegmentationType="BINARY")
    assert alone == GEOMETRY
    assert missing(SegmentationStorage, groups(DERIVATION), frame, SegmentationType="BINARY") == set()


def test_segments_are_named_frame_by_frame_but_not_in_a_label_map() -> None:
    shared, frame = groups(*GEOMETRY), groups(CONTENT)
    assert missing(SegmentationStorage, shared, frame, SegmentationType="BINARY") == {SEGMENT}
    assert missing(LABEL_MAP, shared, frame, SegmentationType="LABELMAP") == set()


def test_tiles_of_a_full_matrix_need_not_say_where_they_lie() -> None:
    slide = {"SegmentationType": "BINARY", "TotalPixelMatrixColumns": 512}
    shared = groups(MEASURES, ORIENTATION)
    assert missing(SegmentationStorage, shared, groups(), DimensionOrganizationType="TILED_FULL", **slide) == set()
    sparse = missing(SegmentationStorage, shared, groups(), DimensionOrganizationType="TILED_SPARSE", **slide)
    assert sparse == {CONTENT, SEGMENT}


def test_parametric_map_has_its_groups() -> None:
    told = missing(ParametricMapStorage, groups(), groups())
    always = {"ParametricMapFrameTypeSequence", "RealWorldValueMappingSequence", "PixelValueTransformationSequence"}
    assert told == {*GEOMETRY, CONTENT, *always}
    ranged = missing(ParametricMapStorage, groups(), groups(), PixelPresentation="COLOR_RANGE")
    assert ranged - told == {"StoredValueColorRangeSequence"}
    assert not missing(ParametricMapStorage, groups("PlanePositionSlideSequence"), groups()) & {POSITION, ORIENTATION}


def test_volumes_of_the_eye_lie_somewhere() -> None:
    flat = missing(OphthalmicTomographyImageStorage, groups(), groups())
    volume = missing(OphthalmicTomographyImageStorage, groups(), groups(), OphthalmicVolumetricPropertiesFlag="YES")
    assert volume - flat == {POSITION, ORIENTATION}


@pytest.mark.parametrize("there", sorted(GEOMETRY))
def test_capture_has_all_of_its_geometry_or_nothing(there: str) -> None:
    capture = MultiFrameTrueColorSecondaryCaptureImageStorage
    assert missing(capture, groups(there), groups()) == GEOMETRY - {there}
    assert missing(capture, groups(), groups(there), groups(there)) == GEOMETRY - {there}
    assert missing(capture, groups(), groups()) == set()


def test_color_mr_has_the_groups_of_mr() -> None:
    original = {"ImageType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]}
    told = missing(EnhancedMRColorImageStorage, groups(), groups(), **original)
    assert {"MREchoSequence", "MRImageFrameTypeSequence", *GEOMETRY} <= told
    assert told == missing(EnhancedMRImageStorage, groups(), groups(), **original)


def test_diffusion_is_described_where_one_frame_says_so() -> None:
    frame = groups(CONTENT)
    weighted = dataset(MRImageFrameTypeSequence=[dataset(AcquisitionContrast="DIFFUSION")])
    original = {"ImageType": ["ORIGINAL", "PRIMARY", "DIFFUSION", "NONE"]}
    assert "MRDiffusionSequence" in missing(EnhancedMRImageStorage, groups(), frame, weighted, **original)
    assert "MRDiffusionSequence" not in missing(EnhancedMRImageStorage, groups(), frame, **original)
    derived = {"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC"]}
    assert "MRDiffusionSequence" not in missing(EnhancedMRImageStorage, groups(), weighted, **derived)


def test_saturation_is_described_even_if_by_nothing() -> None:
    saturated = dataset(MRModifierSequence=[dataset(SpatialPresaturation="SLAB")])
    original = {"ImageType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]}
    found = findings(EnhancedMRImageStorage, saturated, groups(CONTENT), **original)
    assert {one.rule for one in found if one.tags == (0x00189107,)} == {"iod.type2"}


def test_contrast_is_told_of_each_frame_where_there_is_some() -> None:
    name = "ContrastBolusUsageSequence"
    agents = {"ContrastBolusAgentSequence": [dataset(ContrastBolusAgentNumber=1)]}
    assert name in missing(EnhancedCTImageStorage, groups(), groups(), **agents)
    assert name not in missing(EnhancedCTImageStorage, groups(), groups())


def test_identity_is_the_same_number_however_it_is_written() -> None:
    def told(slope: str) -> set[str]:
        transformed = dataset(PixelValueTransformationSequence=[dataset(RescaleIntercept="0.0", RescaleSlope=slope)])
        return {
            one.comment
            for one in findings(ParametricMapStorage, transformed, groups(CONTENT))
            if one.rule == "iod.enum"
        }

    assert told("1.0") == set()
    assert told("2.0") == {"RescaleSlope has a value that is not allowed"}


def lacking(sop_class: str, shared: Dataset, *frames: Dataset, **attributes: Any) -> set[str]:
    """The attributes within functional groups that are told as missing because of a condition."""
    found = findings(sop_class, shared, *frames, **attributes)
    return {one.comment.split()[0] for one in found if one.rule in ("iod.type1c", "iod.type2c") and one.path}


def test_original_frames_say_how_they_were_acquired() -> None:
    shared = dataset(CTAcquisitionTypeSequence=[dataset(AcquisitionType="CONSTANT_ANGLE")])
    original = lacking(EnhancedCTImageStorage, shared, groups(), ImageType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])
    assert {"TubeAngle", "ConstantVolumeFlag", "FluoroscopyFlag"} <= original
    for value in ("DERIVED", "MIXED"):
        other = lacking(EnhancedCTImageStorage, shared, groups(), ImageType=[value, "PRIMARY", "VOLUME", "NONE"])
        assert not other & original


def test_frames_of_a_volume_say_how_large_their_pixels_are() -> None:
    shared = dataset(PixelMeasuresSequence=[dataset(FrameComments="")])
    assert lacking(EnhancedCTImageStorage, shared, groups(), VolumetricProperties="VOLUME") == {
        "PixelSpacing",
        "SliceThickness",
    }
    assert lacking(EnhancedCTImageStorage, shared, groups(), VolumetricProperties="SAMPLED") == {"SliceThickness"}
    assert lacking(EnhancedCTImageStorage, shared, groups(), VolumetricProperties="DISTORTED") == set()


def test_index_values_are_asked_for_where_the_image_has_dimensions() -> None:
    """The same frame again, once with dimensions and once without: what is remembered of the first does not hold."""
    frame, dimensions = groups(CONTENT), [dataset(DimensionIndexPointer=0x00209057)]
    for _ in range(2):
        told = lacking(EnhancedCTImageStorage, groups(), frame, DimensionIndexSequence=dimensions)
        assert told == {"DimensionIndexValues"}
        assert lacking(EnhancedCTImageStorage, groups(), frame) == set()


def test_segments_with_a_frame_of_reference_lie_somewhere() -> None:
    shared = groups(MEASURES, ORIENTATION, POSITION)
    placed = lacking(SegmentationStorage, shared, groups(CONTENT, SEGMENT), FrameOfReferenceUID="1.2.3.4")
    assert placed == {"PixelSpacing", "SliceThickness", "ImagePositionPatient", "ImageOrientationPatient"}
    assert lacking(SegmentationStorage, shared, groups(CONTENT, SEGMENT)) == set()


def test_derivation_is_described_but_for_converted_images() -> None:
    shared = dataset(DerivationImageSequence=[dataset(SourceImageSequence=[dataset(ReferencedSOPInstanceUID="1.2")])])
    wanted = {"DerivationCodeSequence", "PurposeOfReferenceCodeSequence"}
    assert lacking(EnhancedCTImageStorage, shared, groups()) >= wanted
    assert not lacking(LegacyConvertedEnhancedCTImageStorage, shared, groups()) & wanted
