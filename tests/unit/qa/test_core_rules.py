"""Each core rule: what it lets pass, and what it finds, with tags and severity."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from factories import ABSENT, ct
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEGBaseline8Bit, MRImageStorage

from dicomnode.dicom import status
from dicomnode.dicom.instance import Severity, StoreRequest, Verdict
from dicomnode.dicom.peer import Sender
from dicomnode.dicom.scan import scan
from dicomnode.qa import QaSettings, Validation

TODAY = date(2024, 6, 1)
SENDER = Sender("CT1", "DICOMNODE", "192.0.2.1", "ct1")
VALIDATION = Validation(QaSettings())
REJECTED_WITH = {"core.uids": status.MISSING_UID, "core.affected-class": status.DATASET_DOES_NOT_MATCH_SOP_CLASS}


def encode(dataset: Dataset) -> bytes:
    """The data set in Explicit VR Little Endian."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    write_dataset(buffer, Dataset({tag: element for tag, element in dataset.items() if tag.group > 2}))
    return buffer.getvalue()


def judge(
    data: bytes,
    *,
    sop_class: str = CTImageStorage,
    sop_instance: str = "",
    transfer_syntax: str = ExplicitVRLittleEndian,
    validation: Validation = VALIDATION,
) -> Verdict:
    scanned = scan(data, transfer_syntax)
    request = StoreRequest(sop_class, sop_instance or scanned.uid(0x00080018) or "", transfer_syntax, SENDER)
    return validation.judge(scanned, request, TODAY)


def found(verdict: Verdict, rule: str) -> list[tuple[int, ...]]:
    return [finding.tags for finding in verdict.findings if finding.rule == rule]


def test_valid_instance_has_no_findings() -> None:
    verdict = judge(encode(ct()))
    assert verdict.findings == ()
    assert VALIDATION.answer(verdict.findings, SENDER).status == status.SUCCESS


@pytest.mark.parametrize(
    ("changes", "rule", "severity", "tags"),
    [
        ({"SOPClassUID": ABSENT}, "core.uids", Severity.REJECT, (0x00080016,)),
        ({"SOPInstanceUID": ABSENT}, "core.uids", Severity.REJECT, (0x00080018,)),
        ({"StudyInstanceUID": ABSENT}, "core.uids", Severity.REJECT, (0x0020000D,)),
        ({"StudyInstanceUID": ""}, "core.uids", Severity.REJECT, (0x0020000D,)),
        ({"SeriesInstanceUID": ""}, "core.uids", Severity.REJECT, (0x0020000E,)),
        ({"SOPClassUID": MRImageStorage}, "core.affected-class", Severity.REJECT, (0x00080016,)),
        ({"StudyInstanceUID": "1.2.3a"}, "core.uid-syntax", Severity.QUARANTINE, (0x0020000D,)),
        ({"StudyInstanceUID": "1." + "2" * 63}, "core.uid-syntax", Severity.QUARANTINE, (0x0020000D,)),
        ({"StudyInstanceUID": "1.02.3"}, "core.uid-strict", Severity.WARN, (0x0020000D,)),
        ({"PatientID": ABSENT}, "patient.id", Severity.QUARANTINE, (0x00100020,)),
        ({"PatientID": "  "}, "patient.id", Severity.QUARANTINE, (0x00100020,)),
        ({"PatientName": ABSENT}, "patient.name", Severity.WARN, (0x00100010,)),
        ({"PatientSex": "W"}, "patient.sex", Severity.WARN, (0x00100040,)),
        ({"Modality": ""}, "series.modality", Severity.WARN, (0x00080060,)),
        ({"StudyDate": "20240230"}, "dates.real", Severity.WARN, (0x00080020,)),
        ({"SeriesDate": "20240603"}, "dates.future", Severity.WARN, (0x00080021,)),
        ({"PatientBirthDate": "20240103"}, "dates.birth", Severity.WARN, (0x00100030, 0x00080020)),
        ({"SeriesDate": "20240101"}, "dates.order", Severity.WARN, (0x00080021, 0x00080020)),
        ({"PixelData": b"\0" * 510}, "pixel.size", Severity.QUARANTINE, (0x7FE00010,)),
        ({"Rows": ABSENT, "Columns": ABSENT}, "pixel.attributes", Severity.QUARANTINE, (0x00280010, 0x00280011)),
        ({"BitsStored": 17}, "pixel.bits", Severity.QUARANTINE, (0x00280101, 0x00280100)),
        ({"HighBit": 16}, "pixel.bits", Severity.QUARANTINE, (0x00280102, 0x00280100)),
    ],
)
def test_finds_the_fault_and_names_its_tags(
    changes: dict[str, Any], rule: str, severity: Severity, tags: tuple[int, ...]
) -> None:
    if "StudyInstanceUID" in changes and changes["StudyInstanceUID"] not in (ABSENT, ""):
        dataset = ct(StudyInstanceUID="1.2.3")
        data = encode(dataset).replace(_element(0x0020000D, "1.2.3"), _element(0x0020000D, changes["StudyInstanceUID"]))
    else:
        data = encode(ct(**changes))
    verdict = judge(data)
    assert tags in found(verdict, rule)
    assert verdict.severity is severity
    answer = VALIDATION.answer(verdict.findings, SENDER)
    if severity >= Severity.QUARANTINE:
        assert set(tags) <= set(answer.offending_elements)
        assert answer.status == (status.STORED_WITH_FAULTS if severity is Severity.QUARANTINE else REJECTED_WITH[rule])
    else:
        assert answer.status == status.SUCCESS


def _element(tag: int, value: str) -> bytes:
    """A UI element in Explicit VR Little Endian, whatever the value is."""
    raw = value.encode() + b"\0" * (len(value) % 2)
    return (
        (tag >> 16).to_bytes(2, "little")
        + (tag & 0xFFFF).to_bytes(2, "little")
        + b"UI"
        + len(raw).to_bytes(2, "little")
        + raw
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"PatientName": ""},
        {"PatientSex": ""},
        {"SeriesDate": "20240602"},
        {"PatientBirthDate": "20240102"},
        {"StudyDate": "2023.12.31", "SeriesDate": "20240102"},
        {"PixelData": b"\0" * 512, "BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "NumberOfFrames": "16"},
        {
            "PixelData": b"\0" * 512,
            "SamplesPerPixel": 3,
            "PhotometricInterpretation": "YBR_FULL_422",
            "BitsAllocated": 8,
            "BitsStored": 8,
            "HighBit": 7,
            "PlanarConfiguration": 0,
        },
    ],
)
def test_lets_pass_what_is_right(changes: dict[str, Any]) -> None:
    assert judge(encode(ct(**changes))).severity <= Severity.INFO


def test_bits_of_one_bit_images_run_on_from_frame_to_frame() -> None:
    odd = {"Rows": 3, "Columns": 3, "BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "NumberOfFrames": "3"}
    assert not found(judge(encode(ct(PixelData=b"\0" * 4, **odd))), "pixel.size")  # 27 bits
    assert found(judge(encode(ct(PixelData=b"\0" * 2, **odd))), "pixel.size")


def test_float_pixel_data_has_its_own_size() -> None:
    image = ct(PixelData=b"\0\0")
    del image.PixelData
    image.add_new(0x7FE00008, "OF", b"\0" * (16 * 16 * 4))
    assert not found(judge(encode(image)), "pixel.size")
    image[0x7FE00008].value = b"\0" * 4
    assert found(judge(encode(image)), "pixel.size")


def test_truncated_pixel_data_is_quarantined() -> None:
    verdict = judge(encode(ct())[:-10])
    assert verdict.severity is Severity.QUARANTINE
    assert found(verdict, "pixel.present") == [(0x7FE00010,)]


def test_native_pixels_in_a_compressed_transfer_syntax_are_quarantined() -> None:
    assert found(judge(encode(ct()), transfer_syntax=JPEGBaseline8Bit), "pixel.form") == [(0x7FE00010,)]


def test_image_without_pixel_data_is_remarked_upon() -> None:
    image = ct()
    del image.PixelData
    assert found(judge(encode(image)), "pixel.absent") == [(0x7FE00010,)]


def test_affected_instance_that_differs_is_quarantined() -> None:
    verdict = judge(encode(ct()), sop_instance="1.2.3")
    assert found(verdict, "core.affected-instance") == [(0x00080018,)]
    assert verdict.severity is Severity.QUARANTINE


def test_text_beyond_ascii_needs_a_character_set() -> None:
    data = encode(ct(PatientName="Müller^Jane"))
    assert not found(judge(data), "core.charset")
    bare = data.replace(b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100", b"")
    assert found(judge(bare), "core.charset") == [(0x00080005, 0x00100010)]


@pytest.mark.parametrize("data", [b"", b"\0", b"noise" * 20])
def test_what_is_no_data_set_is_rejected_as_unreadable(data: bytes) -> None:
    verdict = judge(data, sop_instance="1.2.3")
    assert verdict.severity is Severity.REJECT
    answer = VALIDATION.answer(verdict.findings, SENDER)
    assert answer.status == status.CANNOT_PARSE


SECRETS = {"PatientName": "Secret^Name", "PatientID": "SECRET1", "PatientBirthDate": "19511112"}


@given(st.binary(max_size=200), st.integers(0, 2000))
@settings(max_examples=200, deadline=None)
def test_never_raises_and_never_tells_of_the_patient(noise: bytes, at: int) -> None:
    data = bytearray(encode(ct(**SECRETS)))
    at %= len(data)
    data[at : at + len(noise)] = noise
    verdict = judge(bytes(data))
    answer = VALIDATION.answer(verdict.findings, SENDER)
    told = answer.comment + "".join(finding.comment for finding in verdict.findings)
    assert len(answer.comment) <= 64
    assert answer.comment.isascii()
    assert not any(secret in told for secret in ("Secret", "SECRET", "19511112"))
