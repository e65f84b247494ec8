"""What the standard's tables say of instances: the slice conforms, and each change is told where it is."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    ComprehensiveSRStorage,
    CTImageStorage,
    EnhancedCTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    RTDoseStorage,
    SecondaryCaptureImageStorage,
)
from unit.dicom.against_pydicom import read, real_file
from unit.dicom.elements import explicit
from unit.qa.judging import SENDER, TODAY, Changes, judge, number, sliced, text

from dicomnode.dicom.instance import Finding, Severity, StoreRequest
from dicomnode.dicom.layout import Layouts
from dicomnode.dicom.part10 import read_file_meta
from dicomnode.dicom.scan import scan
from dicomnode.errors import DicomNodeError
from dicomnode.qa import QaSettings, Validation, iod, iod_memory
from dicomnode.qa.iod import IOD
from dicomnode.qa.rule import Subject

VALIDATION = Validation(QaSettings(), IOD)
KVP, IMAGE_TYPE, PHOTOMETRIC, PLANAR, PIXEL_REPRESENTATION = 0x00180060, 0x00080008, 0x00280004, 0x00280006, 0x00280103
CONTRAST_AGENT, CONTRAST_VOLUME, LATERALITY, PATIENT_POSITION = 0x00180010, 0x00181041, 0x00200060, 0x00185100
CONTRAST_ROUTE, PATIENT_ORIENTATION, FRAME_OF_REFERENCE = 0x00181040, 0x00200020, 0x00200052
IMAGE_POSITION, IMAGE_ORIENTATION = 0x00200032, 0x00200037
REFERENCED_IMAGES, REFERENCED_INSTANCE, MULTI_ENERGY = 0x00081140, 0x00081155, 0x00189361

REAL_FILES = Path(pydicom.__file__).parent / "data" / "test_files"

Told = tuple[str, tuple[int, ...], str, str]


def faults(data: bytes | Changes, sop_class: str = CTImageStorage, layouts: Layouts | None = None) -> list[Told]:
    return [(one.rule, one.tags, one.path, one.reference) for one in findings(data, sop_class, layouts)]


def findings(
    data: bytes | Changes, sop_class: str = CTImageStorage, layouts: Layouts | None = None
) -> tuple[Finding, ...]:
    return judge(data, sop_class=sop_class, validation=VALIDATION, layouts=layouts).findings


def encoded(dataset: Dataset) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    write_dataset(buffer, dataset)
    return buffer.getvalue()


def sequence(tag: int, *items: bytes) -> bytes:
    return explicit(tag, "SQ", b"".join(b"\xfe\xff\x00\xe0" + len(item).to_bytes(4, "little") + item for item in items))


def test_slice_conforms() -> None:
    assert faults({}) == []


def test_missing_attribute_is_told_with_its_section() -> None:
    (finding,) = findings({IMAGE_TYPE: None})
    assert (finding.rule, finding.severity, finding.tags) == ("iod.type1", Severity.WARN, (IMAGE_TYPE,))
    assert finding.comment == "ImageType missing (type 1)"
    assert finding.reference.startswith("PS3.3 C.")


def test_empty_attribute_of_type_1_is_told() -> None:
    assert faults({IMAGE_TYPE: text(IMAGE_TYPE, "CS", "")})[0][:2] == ("iod.type1-empty", (IMAGE_TYPE,))


def test_attribute_of_type_2_may_be_empty_but_has_to_be_there() -> None:
    assert faults({KVP: text(KVP, "DS", "")}) == []
    (finding,) = findings({KVP: None})
    assert (finding.rule, finding.severity) == ("iod.type2", Severity.INFO)


def test_attribute_of_type_1c_is_told_where_another_value_requires_it() -> None:
    color = {0x00280002: number(0x00280002, 3), PHOTOMETRIC: text(PHOTOMETRIC, "CS", "RGB")}
    assert ("iod.type1c", (PLANAR,), "", "PS3.3 C.7.6.3") in faults(color)
    assert not any(fault[1] == (PLANAR,) for fault in faults({}))


def test_attribute_of_type_2c_is_told_but_laterality_is_not() -> None:
    assert [fault[:2] for fault in faults({PATIENT_POSITION: None, LATERALITY: None})] == [
        ("iod.type2c", (PATIENT_POSITION,))
    ]


def test_value_that_is_not_enumerated_is_told() -> None:
    (fault,) = faults({PIXEL_REPRESENTATION: number(PIXEL_REPRESENTATION, 2)})
    assert fault == ("iod.enum", (PIXEL_REPRESENTATION,), "", "PS3.3 C.7.6.3")


def test_optional_module_is_checked_only_when_one_of_its_attributes_is_there() -> None:
    assert faults({CONTRAST_AGENT: None}) == []
    route = text(CONTRAST_ROUTE, "LO", "IV")
    assert faults({CONTRAST_ROUTE: route}) == [("iod.type2", (CONTRAST_AGENT,), "", "PS3.3 C.7.6.4")]


def test_volume_of_contrast_alone_is_no_contrast_module() -> None:
    assert faults({CONTRAST_VOLUME: text(CONTRAST_VOLUME, "DS", "0")}) == []


def without(changes: Changes, sop_class: str) -> set[tuple[str, int]]:
    return {(rule, tags[0]) for rule, tags, _, _ in faults(changes, sop_class)}


def named(sop_class: str) -> Changes:
    return {0x00080016: text(0x00080016, "UI", sop_class)}


def test_patient_orientation_is_required_where_nothing_else_says_where_the_image_lies() -> None:
    missing = ("iod.type2c", PATIENT_ORIENTATION)
    nowhere: Changes = {IMAGE_POSITION: None, IMAGE_ORIENTATION: None}
    capture = named(SecondaryCaptureImageStorage)
    assert missing in without({**capture, **nowhere}, SecondaryCaptureImageStorage)
    assert missing not in without(capture, SecondaryCaptureImageStorage)
    assert missing not in without({**named(CTImageStorage), **nowhere}, CTImageStorage)


def test_frame_of_reference_is_required_of_a_secondary_capture_that_has_a_plane() -> None:
    missing = ("iod.type1", FRAME_OF_REFERENCE)
    capture: Changes = {**named(SecondaryCaptureImageStorage), FRAME_OF_REFERENCE: None, 0x00201040: None}
    assert missing in without(capture, SecondaryCaptureImageStorage)
    nowhere: Changes = {**capture, IMAGE_POSITION: None, IMAGE_ORIENTATION: None}
    assert missing not in without(nowhere, SecondaryCaptureImageStorage)


def test_groups_of_each_frame_are_required_where_one_may_not_be_shared() -> None:
    assert ("iod.type1c", 0x52009230) in without(named(EnhancedCTImageStorage), EnhancedCTImageStorage)


def test_grid_of_a_dose_needs_an_image_plane() -> None:
    missing = ("iod.type1", IMAGE_ORIENTATION)
    dose: Changes = {
        **named(RTDoseStorage),
        IMAGE_ORIENTATION: None,
        IMAGE_POSITION: None,
        0x00280030: None,
        0x00180050: None,
    }
    assert missing in without(dose, RTDoseStorage)
    assert missing not in without({**dose, 0x7FE00010: None}, RTDoseStorage)


def test_fault_within_items_is_told_once_with_its_path() -> None:
    whole = text(0x00081150, "UI", "1.2.840.10008.5.1.4.1.1.2") + text(REFERENCED_INSTANCE, "UI", "1.2.3")
    cut = text(0x00081150, "UI", "1.2.840.10008.5.1.4.1.1.2")
    changes = {REFERENCED_IMAGES: sequence(REFERENCED_IMAGES, whole, cut, cut)}
    (fault,) = faults(changes)
    assert fault[:3] == ("iod.type1", (REFERENCED_INSTANCE,), "(0008,1140)[1]")


def test_content_item_is_held_to_its_value_type_at_any_depth() -> None:
    leaf = Dataset()
    leaf.RelationshipType, leaf.ValueType = "CONTAINS", "NUM"
    middle = Dataset()
    middle.RelationshipType, middle.ValueType, middle.ContinuityOfContent = "CONTAINS", "CONTAINER", "SEPARATE"
    middle.ContentSequence = [leaf]
    top = Dataset()
    top.ContentSequence = [middle]
    within = [
        fault for fault in faults(encoded(top), ComprehensiveSRStorage) if fault[2] == "(0040,A730)[0](0040,A730)[0]"
    ]
    assert [(rule, tags) for rule, tags, _, _ in within] == [
        ("iod.type1c", (0x0040A043,)),  # Concept Name Code Sequence
        ("iod.type2", (0x0040A300,)),  # Measured Value Sequence
    ]


def test_content_item_that_refers_to_another_needs_no_value_type() -> None:
    reference = Dataset()
    reference.RelationshipType, reference.ReferencedContentItemIdentifier = "CONTAINS", [1, 1]
    top = Dataset()
    top.ContentSequence = [reference]
    assert not any(fault[2] for fault in faults(encoded(top), ComprehensiveSRStorage))


def test_functional_group_may_be_shared_or_in_every_frame() -> None:
    measures, frame = Dataset(), Dataset()
    measures.PixelMeasuresSequence = [Dataset()]
    frame.FrameContentSequence = [Dataset()]
    enhanced = Dataset()
    enhanced.SharedFunctionalGroupsSequence = [measures]
    enhanced.PerFrameFunctionalGroupsSequence = [frame, Dataset()]
    told = {
        (fault[1], fault[2]) for fault in faults(encoded(enhanced), EnhancedCTImageStorage) if fault[0] == "iod.type1"
    }
    assert ((0x00209111,), "(5200,9230)[1]") in told  # Frame Content Sequence, in the first frame only
    assert not any(tags == (0x00289110,) for tags, _ in told)  # Pixel Measures Sequence


@pytest.mark.parametrize("sop_class", ["1.2.3", "1.2.840.10008.5.1.4.1.1.999"])
def test_sop_class_that_the_tables_do_not_have_passes(sop_class: str) -> None:
    assert faults({IMAGE_TYPE: None}, sop_class) == []


def test_findings_are_bounded() -> None:
    assert 0 < len(findings(b"", EnhancedCTImageStorage)) <= iod.MAX_HITS


def test_check_that_takes_too_long_stops_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iod, "MAX_SECONDS", -1.0)
    item = text(0x00081150, "UI", "1.2")
    told = faults({REFERENCED_IMAGES: sequence(REFERENCED_IMAGES, *[item] * 1000)})
    assert ("iod.partial", (), "", "PS3.3") in told


def test_no_rule_rejects_or_quarantines() -> None:
    assert all(rule.severity <= Severity.WARN for rule in IOD)


@pytest.mark.parametrize("path", sorted(REAL_FILES.rglob("*.dcm")), ids=lambda path: path.name)
def test_real_files_are_kept_whatever_they_lack(path: Path) -> None:
    data = path.read_bytes()
    try:
        meta = read_file_meta(data)
    except DicomNodeError:
        pytest.skip("no DICOM file")
    dataset = scan(data[meta.dataset_offset :], meta.transfer_syntax_uid)
    request = StoreRequest(dataset.uid(0x00080016) or "", "", meta.transfer_syntax_uid, SENDER)
    verdict = VALIDATION.judge(dataset, request, date(2024, 6, 1))
    assert verdict.severity <= Severity.WARN
    assert not any(finding.rule == "core.engine" for finding in verdict.findings)


VALUES = st.sampled_from(
    [
        {PHOTOMETRIC: text(PHOTOMETRIC, "CS", "RGB"), 0x00280002: number(0x00280002, 3)},
        {PHOTOMETRIC: text(PHOTOMETRIC, "CS", "PALETTE COLOR")},
        {PHOTOMETRIC: text(PHOTOMETRIC, "CS", "")},
        {0x00280002: number(0x00280002, 3)},
        {0x00280002: text(0x00280002, "US", "")},
        {IMAGE_TYPE: text(IMAGE_TYPE, "CS", "ORIGINAL\\PRIMARY\\LOCALIZER")},
        {IMAGE_TYPE: text(IMAGE_TYPE, "CS", "NONE")},
        {IMAGE_TYPE: text(IMAGE_TYPE, "CS", "")},
        {IMAGE_TYPE: text(IMAGE_TYPE, "CS", "DERIVED\\" + "PRIMARY" * 20)},
        {IMAGE_TYPE: None},
        {PIXEL_REPRESENTATION: number(PIXEL_REPRESENTATION, 2)},
        {PIXEL_REPRESENTATION: text(PIXEL_REPRESENTATION, "CS", "\1\0")},
        {IMAGE_POSITION: None, IMAGE_ORIENTATION: None},
        {CONTRAST_ROUTE: text(CONTRAST_ROUTE, "LO", "IV")},
        {REFERENCED_IMAGES: sequence(REFERENCED_IMAGES, b"", text(REFERENCED_INSTANCE, "UI", ""))},
        {REFERENCED_IMAGES: sequence(REFERENCED_IMAGES, text(REFERENCED_INSTANCE, "UI", "1.2"))},
    ]
)


@given(st.lists(st.lists(VALUES, max_size=4), min_size=2, max_size=6))
@settings(max_examples=150, deadline=None)
def test_what_is_remembered_of_slices_changes_nothing_of_what_is_told(slices: list[list[Changes]]) -> None:
    changes = [dict(change for one in changed for change in one.items()) for changed in slices]
    alone = []
    for changed in changes:
        iod.forget()
        alone.append(faults(changed))
    iod.forget()
    layouts = Layouts()
    for _ in range(3):
        assert [faults(changed, layouts=layouts) for changed in changes] == alone


def multi_energy(value: str) -> Changes:
    return {MULTI_ENERGY: text(MULTI_ENERGY, "CS", value)}


def test_of_a_known_layout_a_module_is_required_where_a_value_says_so() -> None:
    layouts = Layouts()
    told = [faults(multi_energy(value), layouts=layouts) for value in ("NO  ", "NO  ", "YES ", "NO  ", "YES ")]
    assert told == [[], [], faults(multi_energy("YES ")), [], faults(multi_energy("YES "))]
    assert told[2]


def test_of_a_known_layout_no_more_is_remembered_than_fits() -> None:
    layouts = Layouts()
    for value in range(100):
        changes = {PIXEL_REPRESENTATION: number(PIXEL_REPRESENTATION, value)}
        dataset = scan(sliced(changes), ExplicitVRLittleEndian, layouts=layouts)
        for sop_class in (
            CTImageStorage,
            MRImageStorage,
            SecondaryCaptureImageStorage,
            RTDoseStorage,
            ComprehensiveSRStorage,
        ):
            iod.check_iod(Subject(dataset, StoreRequest(sop_class, "1.2", ExplicitVRLittleEndian, SENDER), TODAY))
    assert dataset.layout is not None
    memory = dataset.layout.derived(iod_memory.IodMemory, iod_memory.IodMemory)
    assert 0 < len(memory._decided) <= 4
    assert all(0 < len(decided.found) <= 16 for decided in memory._decided.values())


@given(st.sampled_from(["liver_1frame.dcm", "rtplan.dcm", "test-SR.dcm", "MR_small_bigendian.dcm"]), st.data())
@settings(max_examples=100, deadline=None)
def test_what_is_remembered_of_real_files_changes_nothing_of_what_is_told(name: str, data: st.DataObject) -> None:
    original, syntax = read(real_file(name))[:2]
    spoilt = bytearray(original)
    for _ in range(data.draw(st.integers(1, 4))):
        spoilt[data.draw(st.integers(0, min(len(spoilt), 6000) - 1))] = data.draw(st.sampled_from(b"A0 \\\0\xff9"))
    sop_class = scan(original, syntax).uid(0x00080016) or ""

    def told(content: bytes) -> tuple[Finding, ...]:
        return judge(content, sop_class=sop_class, transfer_syntax=syntax, validation=VALIDATION).findings

    iod.forget()
    alone = told(bytes(spoilt))
    iod.forget()
    told(original)
    assert iod._remembered
    assert told(bytes(spoilt)) == alone
    assert told(bytes(spoilt)) == alone


def test_no_more_is_remembered_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    iod.forget()
    monkeypatch.setattr(iod, "_MAX_REMEMBERED", 10)
    for rows in range(100):
        faults({PIXEL_REPRESENTATION: number(PIXEL_REPRESENTATION, rows)})
    assert len(iod._remembered) <= 10
