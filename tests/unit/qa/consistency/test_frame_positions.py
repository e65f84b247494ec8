"""Slices that are missing between the frames of an enhanced image; and what only looks like it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    EnhancedCTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    LegacyConvertedEnhancedCTImageStorage,
    SegmentationStorage,
)
from unit.qa.judging import judge

from dicomnode.dicom.instance import Finding, Severity
from dicomnode.qa import QaSettings, Validation
from dicomnode.qa.consistency import CONSISTENCY

VALIDATION = Validation(QaSettings(), [rule for rule in CONSISTENCY if rule.id == "consistency.frame-gaps"])
IN_STACK_POSITION, TEMPORAL_INDEX, STACK, B_VALUE = 0x00209057, 0x00209128, 0x00209056, 0x00189087
AXIAL, SAGITTAL = [1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1]


def dataset(**attributes: Any) -> Dataset:
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def frame(mm: float, *, position: Sequence[float] | None = None, **content: Any) -> Dataset:
    """A frame at this height; ``content`` is what Frame Content says."""
    return dataset(
        PlanePositionSequence=[dataset(ImagePositionPatient=position or [0, 0, mm])],
        FrameContentSequence=[dataset(**content)],
    )


def stack(count: int, spacing: float = 2.5, *, without: tuple[int, ...] = (), **content: Any) -> list[Dataset]:
    return [frame(spacing * n, **content) for n in range(count) if n not in without]


def findings(
    frames: Iterable[Dataset],
    *,
    sop_class: str = EnhancedCTImageStorage,
    orientation: Sequence[float] | None = AXIAL,
    dimensions: Sequence[int] = (),
    syntax: str = ExplicitVRLittleEndian,
    **attributes: Any,
) -> tuple[Finding, ...]:
    made = dataset(SOPClassUID=sop_class, SOPInstanceUID="1.2.3", **attributes)
    made.PerFrameFunctionalGroupsSequence = list(frames)
    shared = dataset()
    if orientation is not None:
        shared.PlaneOrientationSequence = [dataset(ImageOrientationPatient=list(orientation))]
    made.SharedFunctionalGroupsSequence = [shared]
    if dimensions:
        made.DimensionIndexSequence = [dataset(DimensionIndexPointer=pointer) for pointer in dimensions]
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, syntax != ExplicitVRBigEndian
    write_dataset(buffer, made)
    return judge(buffer.getvalue(), sop_class=sop_class, transfer_syntax=syntax, validation=VALIDATION).findings


def told(frames: Iterable[Dataset], **options: Any) -> list[str]:
    return [one.comment for one in findings(frames, **options)]


def test_whole_stack_is_clean() -> None:
    assert told(stack(20)) == []


def test_missing_frame_is_told() -> None:
    (finding,) = findings(stack(20, without=(8,)))
    assert (finding.rule, finding.severity, finding.tags) == ("consistency.frame-gaps", Severity.WARN, (0x00200032,))
    assert (finding.comment, finding.reference) == ("1 frame missing: 5 instead of 2.5 mm", "PS3.3 C.7.6.16.2.3")


def test_all_gaps_are_counted() -> None:
    assert told(stack(40, without=(8, 20, 21))) == ["3 frames missing: 5 instead of 2.5 mm"]


def test_order_of_frames_does_not_matter() -> None:
    assert told(reversed(stack(20, without=(8,)))) == ["1 frame missing: 5 instead of 2.5 mm"]


def test_orientation_may_stand_in_each_frame() -> None:
    frames = stack(20, without=(8,))
    assert told(frames, orientation=None) == []
    for one in frames:
        one.PlaneOrientationSequence = [dataset(ImageOrientationPatient=AXIAL)]
    assert len(told(frames, orientation=None)) == 1


def test_big_endian_is_read() -> None:
    frames = [one for t in (1, 2) for one in stack(20, without=(8,), DimensionIndexValues=[t, 1])]
    options = {"dimensions": (TEMPORAL_INDEX, IN_STACK_POSITION), "syntax": ExplicitVRBigEndian}
    assert told(frames, **options) == ["2 frames missing: 5 instead of 2.5 mm"]


def test_stacks_lie_apart() -> None:
    apart = [frame(mm, StackID=name) for name, start in (("1", 0.0), ("2", 20.0)) for mm in _from(start)]
    assert told(apart) == []
    assert told([frame(mm, StackID="1") for start in (0.0, 20.0) for mm in _from(start)]) == [
        "3 frames missing: 10 instead of 2.5 mm"
    ]


def _from(start: float) -> list[float]:
    return [start + 2.5 * n for n in range(5)]


def test_directions_are_looked_at_one_by_one() -> None:
    sagittal = [frame(0, position=[2.5 * n, 0, 0]) for n in range(10)]
    for one in sagittal:
        one.PlaneOrientationSequence = [dataset(ImageOrientationPatient=SAGITTAL)]
    assert told([*stack(10), *sagittal]) == []


@pytest.mark.parametrize("places", [(), (IN_STACK_POSITION,)])
def test_volumes_are_told_apart_by_their_dimensions(places: tuple[int, ...]) -> None:
    """Of two moments the first has the even slices of the second, so that it alone has all of its gaps alike."""
    first = [frame(5.0 * n, DimensionIndexValues=[1, n + 1][: 1 + len(places)]) for n in range(10)]
    second = [frame(2.5 * n, DimensionIndexValues=[2, n + 1][: 1 + len(places)]) for n in range(20) if n != 9]
    options = {"dimensions": (TEMPORAL_INDEX, *places), "sop_class": EnhancedMRImageStorage}
    assert told([*first, *second], **options) == ["1 frame missing: 5 instead of 2.5 mm"]


def test_moments_are_told_apart_without_dimensions() -> None:
    frames = [one for t in (1, 2, 3) for one in stack(10, TemporalPositionIndex=t)]
    assert told(frames) == []


def test_slices_of_single_acquisitions_are_one_stack() -> None:
    frames = [frame(2.5 * n, FrameAcquisitionNumber=1 + n // 4 % 2) for n in range(20)]
    assert told(frames) == []


@pytest.mark.parametrize(
    "options",
    [
        {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"]},
        {"ConcatenationUID": "1.2.3.4"},
        {"sop_class": SegmentationStorage},
    ],
)
def test_what_may_have_gaps_is_left_alone(options: dict[str, Any]) -> None:
    assert told(stack(20, without=(8,)), **options) == []


def test_frames_that_are_localizers_are_left_alone() -> None:
    frames = stack(20, without=(8,))
    frames[3].CTImageFrameTypeSequence = [dataset(FrameType=["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"])]
    assert told(frames) == []


def test_nothing_is_told_where_a_frame_does_not_say_where_it_lies() -> None:
    frames = stack(20, without=(8,))
    for broken in (["x", 0, 0], [0, 0]):
        other = dataset(PlanePositionSequence=[dataset()])
        other.PlanePositionSequence[0].add_new(0x00200032, "LO", "\\".join(map(str, broken)))
        assert told([*frames, other]) == []
    assert told([*frames, dataset()]) == []


def test_converted_images_are_looked_at() -> None:
    assert len(told(stack(20, without=(8,)), sop_class=LegacyConvertedEnhancedCTImageStorage)) == 1
