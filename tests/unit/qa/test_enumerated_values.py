"""Enumerated values: those of modules, and those that hold in instances of one IOD only."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    EnhancedCTImageStorage,
    EnhancedMRColorImageStorage,
    EnhancedMRImageStorage,
    LegacyConvertedEnhancedMRImageStorage,
    MRImageStorage,
    NuclearMedicineImageStorage,
    PositronEmissionTomographyImageStorage,
    SecondaryCaptureImageStorage,
    UltrasoundMultiFrameImageStorage,
    XRay3DAngiographicImageStorage,
)
from unit.qa.judging import judge

from dicomnode.qa import QaSettings, Validation
from dicomnode.qa.iod import IOD
from dicomnode.qa.standard import Node, by_hand, tables

VALIDATION = Validation(QaSettings(), [rule for rule in IOD if rule.id == "iod.enum"])
SINGLE = (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    MRImageStorage,
    DigitalMammographyXRayImageStorageForPresentation,
    UltrasoundMultiFrameImageStorage,
    PositronEmissionTomographyImageStorage,
    SecondaryCaptureImageStorage,
)


def dataset(**attributes: Any) -> Dataset:
    made = Dataset()
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    return made


def told(sop_class: str, **attributes: Any) -> dict[str, str]:
    """The attributes whose values are none of the enumerated ones, and where they stand."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    write_dataset(buffer, dataset(SOPClassUID=sop_class, SOPInstanceUID="1.2.3", **attributes))
    found = judge(buffer.getvalue(), sop_class=sop_class, validation=VALIDATION).findings
    return {one.comment.split()[0]: one.path for one in found}


@pytest.mark.parametrize("sop_class", SINGLE)
def test_image_is_original_or_derived_and_primary_or_secondary(sop_class: str) -> None:
    for kind in (["ORIGINAL", "PRIMARY"], ["DERIVED", "SECONDARY", "", "ANYTHING"]):
        assert told(sop_class, ImageType=kind) == {}
    for kind in (["MIXED", "PRIMARY"], ["ORIGINAL", "OTHER"], ["AXIAL", "PRIMARY"]):
        assert told(sop_class, ImageType=kind) == {"ImageType": ""}


def test_nuclear_image_type_has_four_values() -> None:
    assert told(NuclearMedicineImageStorage, ImageType=["ORIGINAL", "PRIMARY", "RECON TOMO", "EMISSION"]) == {}
    assert "ImageType" in told(NuclearMedicineImageStorage, ImageType=["ORIGINAL", "PRIMARY", "RECON", "EMISSION"])
    assert "ImageType" in told(NuclearMedicineImageStorage, ImageType=["ORIGINAL", "PRIMARY", "TOMO", "OTHER"])


def test_pet_series_has_two_types() -> None:
    pet = PositronEmissionTomographyImageStorage
    assert told(pet, SeriesType=["WHOLE BODY", "IMAGE"]) == {}
    assert "SeriesType" in told(pet, SeriesType=["WHOLE BODY", "OTHER"])
    assert "SeriesType" in told(pet, SeriesType=["OTHER", "IMAGE"])


@pytest.mark.parametrize(
    ("sop_class", "sequence"),
    [
        (EnhancedCTImageStorage, "CTImageFrameTypeSequence"),
        (EnhancedMRImageStorage, "MRImageFrameTypeSequence"),
        (EnhancedMRColorImageStorage, "MRImageFrameTypeSequence"),
    ],
)
def test_enhanced_image_may_be_mixed_but_a_frame_may_not(sop_class: str, sequence: str) -> None:
    mixed = {"PixelPresentation": "MIXED", "VolumetricProperties": "MIXED"}
    whole = dataset(FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], VolumetricProperties="VOLUME")
    assert told(sop_class, ImageType=["MIXED", "PRIMARY", "VOLUME", "NONE"], **mixed) == {}
    assert told(sop_class, PerFrameFunctionalGroupsSequence=[dataset(**{sequence: [whole]})]) == {}
    part = dataset(FrameType=["MIXED", "PRIMARY", "VOLUME", "NONE"], **mixed)
    path = f"(5200,9230)[0](0018,{'9329' if sequence.startswith('CT') else '9226'})[0]"
    found = told(sop_class, PerFrameFunctionalGroupsSequence=[dataset(**{sequence: [part]})])
    assert found == dict.fromkeys(("FrameType", "PixelPresentation", "VolumetricProperties"), path)


def test_converted_image_may_have_mixed_frames() -> None:
    part = dataset(FrameType=["MIXED", "PRIMARY", "VOLUME", "NONE"], VolumetricProperties="MIXED")
    groups = [dataset(MRImageFrameTypeSequence=[part])]
    assert told(LegacyConvertedEnhancedMRImageStorage, SharedFunctionalGroupsSequence=groups) == {}


def test_pixels_of_enhanced_mr_are_gray_or_colored() -> None:
    gray = {"SamplesPerPixel": 1, "PhotometricInterpretation": "MONOCHROME2", "BitsAllocated": 16, "BitsStored": 12}
    color = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "BitsAllocated": 8, "BitsStored": 8}
    assert told(EnhancedMRImageStorage, **gray) == told(EnhancedMRColorImageStorage, **color) == {}
    assert set(told(EnhancedMRImageStorage, **color)) == {"SamplesPerPixel", "PhotometricInterpretation"}
    assert set(told(EnhancedMRColorImageStorage, **gray)) == {"SamplesPerPixel", "BitsAllocated", "BitsStored"}


def test_unspecified_units_are_those_of_mr_and_pet_alone() -> None:
    def rescaled(sop_class: str) -> dict[str, str]:
        groups = [dataset(PixelValueTransformationSequence=[dataset(RescaleType="HU")])]
        return told(sop_class, SharedFunctionalGroupsSequence=groups)

    assert "RescaleType" in rescaled(EnhancedMRImageStorage)
    assert rescaled(XRay3DAngiographicImageStorage) == rescaled(EnhancedCTImageStorage) == {}


def test_values_by_hand_are_in_the_tables() -> None:
    uids = {iod: uid for uid, iod in tables()._document["sop_classes"].items()}
    for (name, path), values in by_hand.VALUES.items():
        iod = tables().iod(uids[name])
        assert iod is not None
        wanted = {(position, frozenset(map(str.encode, allowed))) for position, allowed in values or ()}
        found = [
            {(one.position, one.allowed) for one in attribute.values}
            for module in iod.modules
            for attribute in _at(module.node, path)
        ]
        assert found
        assert all(wanted <= one for one in found)


def test_conditions_within_functional_groups_are_in_the_tables() -> None:
    found: dict[tuple[int, ...], list[Any]] = {path: [] for path in by_hand.FRAME_CONDITIONS}
    for uid in tables()._document["sop_classes"]:
        iod = tables().iod(uid)
        assert iod is not None
        for module in iod.modules:
            if module.name.endswith("functional-groups"):
                for path in found:
                    found[path] += _at(module.node, path)
    for path, condition in by_hand.FRAME_CONDITIONS.items():
        assert found[path]
        assert all(_plain(attribute.condition) == _plain(condition) for attribute in found[path])


def _plain(condition: Any) -> Any:
    return [_plain(part) for part in condition] if isinstance(condition, list | tuple) else condition


def _at(node: Node, path: tuple[int, ...]) -> list[Any]:
    """The attributes that this way leads to; ways into functional groups begin within them."""
    found = []
    for attribute in node.attributes:
        if attribute.tag in (0x52009229, 0x52009230) and attribute.items is not None:
            found += _at(attribute.items, path)
        elif attribute.tag == path[0]:
            found += [attribute] if len(path) == 1 else _at(attribute.items, path[1:]) if attribute.items else []
    return found
